//! Following a run to its end, from any replica: from memory where it is driven here, from the peer that drives it
//! otherwise, from the store once it has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_agent::{Ending, Entry, Reply};
use regrow_protocol::{RunId, SessionId};
use regrow_store::{Error, RunEnd, RunState};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::live::{End, LiveRun};
use crate::worker::Inner;
use crate::{Cursor, Ticket, journal, peer};

/// The shortest and the longest pause between two looks at the store, without a hint.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// The longest pause while the run waits behind others: hints tell when that changes, and thousands may wait.
const POLL_QUEUED: Duration = Duration::from_secs(2);

/// How long a peer may show nothing new before it is looked up whether it still drives the run: one that is cut off from
/// the store does not learn that it no longer does.
const UNCHANGED: Duration = Duration::from_secs(2);

/// How long a store may be away before a follower gives up.
const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// What a follower is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// More text, to be appended.
    Text(String),
    /// The run has ended; all of its text was given before. Text of an answer that failed is in no reply.
    Ended(Arc<Reply>),
    /// After a takeover the run's text is no longer an extension of what this follower has. Following again from the
    /// start gives the whole reply.
    Diverged,
}

/// A follower of one run. Dropping it does not touch the run.
pub struct Follow {
    worker: Arc<Inner>,
    run: RunId,
    session: SessionId,
    cursor: Cursor,
    source: Source,
    /// The message had been accepted before. Its run may have ended elsewhere, and its sender know the reply, while this
    /// replica does not know yet that it no longer drives it: only the store says whose text counts.
    was_known: bool,
    pause: Duration,
    store_away_since: Option<Instant>,
}

/// Where the text comes from at present.
enum Source {
    /// Not found yet.
    Unknown,
    /// A live run, driven here or mirrored from a peer.
    Live(Live),
    /// The committed reply.
    Ended(Arc<Reply>),
    /// There is nothing more to tell.
    Exhausted,
}

/// What the store says of a run.
enum Located {
    /// Here is its text.
    At(Source),
    /// It waits.
    Queued,
    /// It is between two replicas, or about to begin on this one.
    Moving,
}

struct Live {
    run: Arc<LiveRun>,
    changed: watch::Receiver<u64>,
    /// The generation of the text that the cursor was checked against.
    checked: Option<u64>,
    /// Keeps the mirror of a peer's run going.
    mirror: Option<Mirror>,
}

/// The mirror of a peer's run. It stops when the follower goes.
struct Mirror {
    /// Where the peer is.
    address: String,
    task: AbortHandle,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("run", &self.run).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Follow {
    pub(crate) fn new(worker: Arc<Inner>, ticket: &Ticket, from: Cursor) -> Self {
        let was_known = ticket.duplicate;
        let shown = worker.board.find(ticket.run).filter(|_| !was_known);
        let source = shown.map_or(Source::Unknown, |run| Source::live(run, None));
        Self {
            worker,
            run: ticket.run,
            session: ticket.session,
            cursor: from,
            source,
            was_known,
            pause: POLL.0,
            store_away_since: None,
        }
    }

    /// What the follower has.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The next piece; after `Ended` or `Diverged` there is nothing more, and none at all of a run that is not kept any
    /// longer. A store that is away is waited for; the error
    /// comes only if it stays away for a minute. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Update>, Error> {
        loop {
            match &mut self.source {
                Source::Exhausted => return Ok(None),
                Source::Unknown => self.locate().await?,
                Source::Ended(reply) => {
                    let reply = Arc::clone(reply);
                    return Ok(Some(self.tell_end(reply)));
                }
                Source::Live(live) => match live.look(&self.cursor) {
                    Look::Text(text) => return Ok(Some(self.tell(text))),
                    Look::Diverged => return Ok(Some(self.diverged())),
                    Look::End(End::Ended(reply)) => self.source = Source::Ended(reply),
                    Look::End(End::Lost) => self.source = Source::Unknown,
                    Look::Nothing if live.mirror.is_none() => {
                        // The sender lives as long as `live.run` does.
                        let _ = live.changed.changed().await;
                    }
                    Look::Nothing => {
                        let moved = self.worker.board.waiter(self.session);
                        let changed = tokio::select! {
                            _ = live.changed.changed() => true,
                            () = moved.notified() => false,
                            () = tokio::time::sleep(UNCHANGED) => false,
                        };
                        if !changed && self.has_moved().await {
                            self.source = Source::Unknown;
                        }
                    }
                },
            }
        }
    }

    fn tell(&mut self, text: String) -> Update {
        self.cursor.advance(&text);
        self.pause = POLL.0;
        Update::Text(text)
    }

    fn tell_end(&mut self, reply: Arc<Reply>) -> Update {
        let rest = self.cursor.rest(&reply.text).filter(|_| reply.text.len() >= self.cursor.len());
        match rest {
            // Of an answer that failed in the middle nothing is recorded; that it failed is what there is to tell.
            None if reply.ending == Ending::Done => self.diverged(),
            None | Some("") => {
                self.source = Source::Exhausted;
                Update::Ended(reply)
            }
            Some(rest) => self.tell(rest.to_owned()),
        }
    }

    fn diverged(&mut self) -> Update {
        self.source = Source::Exhausted;
        Update::Diverged
    }

    /// Finds out where the run is, or waits until something may have changed.
    async fn locate(&mut self) -> Result<(), Error> {
        let moved = self.worker.board.waiter(self.session);
        let moved = moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        if !self.was_known
            && let Some(run) = self.shown()
        {
            self.source = run;
            return Ok(());
        }
        let mut longest = POLL.1;
        // A peer that hangs is not waited for once another one drives the run.
        let located = tokio::select! {
            located = self.look_up() => located,
            () = moved.as_mut() => return Ok(()),
        };
        match located {
            Ok(Located::At(source)) => {
                self.store_away_since = None;
                self.source = source;
                return Ok(());
            }
            Ok(located) => {
                self.store_away_since = None;
                longest = if matches!(located, Located::Queued) { POLL_QUEUED } else { POLL.1 };
            }
            Err(error) => {
                let since = *self.store_away_since.get_or_insert_with(Instant::now);
                if !error.is_retryable() || since.elapsed() > STORE_PATIENCE {
                    return Err(error);
                }
            }
        }
        let pause = self.pause.mul_f64(0.5 + fastrand::f64());
        self.pause = (self.pause * 2).min(longest);
        let _ = tokio::time::timeout(pause, moved).await;
        Ok(())
    }

    /// The run, if it is driven here.
    fn shown(&self) -> Option<Source> {
        self.worker.board.find(self.run).map(|run| Source::live(run, None))
    }

    /// Where the run is, by the store.
    async fn look_up(&self) -> Result<Located, Error> {
        let Some(view) = self.worker.store.find_run(self.run).await? else {
            return Ok(Located::At(Source::Exhausted));
        };
        let source = match view.state {
            RunState::Ended(end) => {
                let reply = read_reply(&self.worker, self.session, self.run, &end).await?;
                reply.map(|reply| Source::Ended(Arc::new(reply)))
            }
            RunState::Queued { .. } => return Ok(Located::Queued),
            RunState::Running { replica, .. } if replica == self.worker.life().replica => self.shown(),
            RunState::Running { address, .. } => self.mirror(&address).await,
        };
        Ok(source.map_or(Located::Moving, Located::At))
    }

    /// Whether the run that is mirrored is no longer driven by that peer, by the store.
    async fn has_moved(&self) -> bool {
        let Source::Live(Live { mirror: Some(mirror), .. }) = &self.source else { return false };
        match self.worker.store.find_run(self.run).await {
            Ok(Some(view)) => {
                !matches!(view.state, RunState::Running { address, .. } if address == mirror.address)
            }
            Ok(None) => true,
            // Nobody knows better than the peer.
            Err(_) => false,
        }
    }

    /// Mirrors the run from the peer that drives it.
    async fn mirror(&self, address: &str) -> Option<Source> {
        let lines = peer::follow(&self.worker, address, self.run).await?;
        let mirror = LiveRun::new(String::new());
        let task = tokio::spawn(peer::copy(lines, Arc::clone(&mirror)));
        let task = task.abort_handle();
        Some(Source::live(mirror, Some(Mirror { address: address.to_owned(), task })))
    }
}

/// The reply of an ended run, from its log; nothing if it was deleted just now.
pub(crate) async fn read_reply(
    worker: &Inner,
    session: SessionId,
    run: RunId,
    end: &RunEnd,
) -> Result<Option<Reply>, Error> {
    let recorded = journal::read(&*worker.store, session, end.log_base, end.log_head).await?;
    let is_whole = recorded.first().is_some_and(|first| first.seq == end.log_base + 1);
    // As long as a run has a record, its entries are kept.
    if !is_whole && worker.store.find_run(run).await?.is_none() {
        return Ok(None);
    }
    let entries: Vec<Arc<Entry>> = recorded.into_iter().map(|recorded| recorded.entry).collect();
    Ok(Reply::of(entries.iter().map(AsRef::as_ref)))
}

impl Source {
    fn live(run: Arc<LiveRun>, mirror: Option<Mirror>) -> Self {
        let changed = run.watch();
        Self::Live(Live { run, changed, checked: None, mirror })
    }
}

/// What a live run has for a follower.
enum Look {
    Text(String),
    Diverged,
    End(End),
    Nothing,
}

impl Live {
    fn look(&mut self, cursor: &Cursor) -> Look {
        self.changed.mark_unchanged();
        let draft = self.run.draft();
        // The digest is compared once per generation, not once per piece.
        let rest = if self.checked == Some(draft.generation) {
            draft.text.get(cursor.len()..)
        } else {
            cursor.rest(&draft.text)
        };
        let long_enough = draft.text.len() >= cursor.len();
        match (rest, &draft.end) {
            (None | Some(""), Some(end)) => Look::End(end.clone()),
            (None, None) => Look::Diverged,
            (Some(rest), _) => {
                if long_enough {
                    self.checked = Some(draft.generation);
                }
                if rest.is_empty() { Look::Nothing } else { Look::Text(rest.to_owned()) }
            }
        }
    }
}
