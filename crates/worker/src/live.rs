//! The live text of runs: what followers see before it is journaled. All of it can be lost at any time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regrow_agent::{Reply, extend_visible};
use regrow_protocol::{RunId, SessionId};
use tokio::sync::{Notify, watch};

/// A run that is driven now, here or (mirrored) on a peer.
#[derive(Debug)]
pub(crate) struct LiveRun {
    draft: Mutex<Draft>,
    version: watch::Sender<u64>,
}

/// What a live run has said.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// All visible text, the unfinished answer included.
    pub(crate) text: String,
    /// Grows whenever text that was there is no longer there.
    pub(crate) generation: u64,
    /// How much of the text is journaled.
    journaled: usize,
    /// The end.
    pub(crate) end: Option<End>,
}

/// How a live run went away.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// It has ended, and its end is committed.
    Ended(Arc<Reply>),
    /// It goes on elsewhere, or this replica cannot tell.
    Lost,
}

impl LiveRun {
    /// A live run that has journaled `text` so far.
    pub(crate) fn new(text: String) -> Arc<Self> {
        let draft = Draft { journaled: text.len(), text, ..Draft::default() };
        Arc::new(Self { draft: Mutex::new(draft), version: watch::Sender::new(0) })
    }

    /// Looks at the draft. Held for a moment only.
    pub(crate) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Becomes ready whenever the draft has changed.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The unfinished answer grows.
    pub(crate) fn push(&self, piece: &str) {
        let mut draft = self.draft();
        if draft.text.len() == draft.journaled {
            extend_visible(&mut draft.text, piece);
        } else {
            draft.text.push_str(piece);
        }
        drop(draft);
        self.changed();
    }

    /// The unfinished answer is void.
    pub(crate) fn restart(&self) {
        let mut draft = self.draft();
        let journaled = draft.journaled;
        if draft.text.len() > journaled {
            draft.text.truncate(journaled);
            draft.generation += 1;
            drop(draft);
            self.changed();
        }
    }

    /// The text is now exactly this, and journaled.
    pub(crate) fn journaled(&self, text: String) {
        let mut draft = self.draft();
        draft.journaled = text.len();
        if draft.text != text {
            if !text.starts_with(draft.text.as_str()) {
                draft.generation += 1;
            }
            draft.text = text;
            drop(draft);
            self.changed();
        }
    }

    /// A mirrored text grows by exactly this.
    pub(crate) fn grow(&self, piece: &str) {
        let mut draft = self.draft();
        draft.text.push_str(piece);
        draft.journaled = draft.text.len();
        drop(draft);
        self.changed();
    }

    /// What was said of the unfinished answer.
    pub(crate) fn unfinished(&self) -> String {
        let draft = self.draft();
        let unfinished = &draft.text[draft.journaled..];
        // Only what separates answers goes: an answer may itself begin with a blank line.
        let separated = if draft.journaled > 0 { unfinished.strip_prefix("\n\n") } else { None };
        separated.unwrap_or(unfinished).to_owned()
    }

    /// The run goes away; the first word counts.
    pub(crate) fn end(&self, end: End) {
        let mut draft = self.draft();
        if draft.end.is_none() {
            if let End::Ended(reply) = &end {
                if !reply.text.starts_with(draft.text.as_str()) {
                    draft.generation += 1;
                }
                draft.text.clone_from(&reply.text);
            }
            draft.end = Some(end);
        }
        drop(draft);
        self.changed();
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// The live runs of this replica, and who waits for a session to move.
#[derive(Debug, Default)]
pub(crate) struct Board {
    runs: Mutex<HashMap<RunId, Arc<LiveRun>>>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    sessions: HashMap<SessionId, Arc<Notify>>,
    /// Entries that were left by the last look for those that nobody waits on any more.
    left: usize,
}

impl Board {
    /// Shows a run until the guard is dropped.
    pub(crate) fn show(self: &Arc<Self>, session: SessionId, run: RunId, live: Arc<LiveRun>) -> Shown {
        lock(&self.runs).insert(run, Arc::clone(&live));
        self.moved(session);
        Shown { board: Arc::clone(self), session, run, live }
    }

    /// A run that is driven here.
    pub(crate) fn find(&self, run: RunId) -> Option<Arc<LiveRun>> {
        lock(&self.runs).get(&run).cloned()
    }

    /// Wakes those who wait for this session.
    pub(crate) fn moved(&self, session: SessionId) {
        if let Some(notify) = lock(&self.waiting).sessions.remove(&session) {
            notify.notify_waiters();
        }
    }

    /// Something to wait on until the session moves. Take it before looking at the state, so that nothing is missed.
    pub(crate) fn waiter(&self, session: SessionId) -> Arc<Notify> {
        let mut waiting = lock(&self.waiting);
        // Whoever waited and gave up leaves an entry behind; an entry that nobody else holds is one of those. They are
        // looked for whenever the number has doubled.
        if waiting.sessions.len() > 2 * waiting.left + 1_024 {
            waiting.sessions.retain(|_, notify| Arc::strong_count(notify) > 1);
            waiting.left = waiting.sessions.len();
        }
        Arc::clone(waiting.sessions.entry(session).or_default())
    }
}

/// A run on the board. Dropping it without an end means that the run is lost here.
#[derive(Debug)]
pub(crate) struct Shown {
    board: Arc<Board>,
    session: SessionId,
    run: RunId,
    live: Arc<LiveRun>,
}

impl Shown {
    /// The live run.
    pub(crate) fn live(&self) -> &Arc<LiveRun> {
        &self.live
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.live.end(End::Lost);
        let mut runs = lock(&self.board.runs);
        if runs.get(&self.run).is_some_and(|live| Arc::ptr_eq(live, &self.live)) {
            runs.remove(&self.run);
        }
        drop(runs);
        self.board.moved(self.session);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(live: &LiveRun) -> (u64, String) {
        let draft = live.draft();
        (draft.generation, draft.text.clone())
    }

    #[test]
    fn what_is_unfinished_continues_what_is_journaled_as_followers_saw_it() {
        for (journaled, pieces) in [
            ("", &["Hello", " there"][..]),
            ("", &["\n\nHello"]),
            ("Before.", &["Hello"]),
            ("Before.", &["\n\nHello"]),
            ("Before.", &["\n", "\nHello"]),
            ("Before.", &[]),
        ] {
            let live = LiveRun::new(journaled.to_owned());
            pieces.iter().for_each(|piece| live.push(piece));
            let mut text = journaled.to_owned();
            extend_visible(&mut text, &live.unfinished());
            assert_eq!(text, live.draft().text, "{journaled:?} {pieces:?}");
        }
    }

    #[test]
    fn text_that_is_taken_back_begins_a_generation_and_text_that_grows_does_not() {
        let live = LiveRun::new("Before.".to_owned());
        live.restart();
        live.push("one");
        live.push(" two");
        live.journaled("Before.\n\none two".to_owned());
        assert_eq!(state(&live).0, 0);
        live.push("three");
        live.restart();
        assert_eq!(state(&live), (1, "Before.\n\none two".to_owned()));
        live.journaled("Other.".to_owned());
        assert_eq!(state(&live), (2, "Other.".to_owned()));
    }

    #[test]
    fn a_run_that_leaves_the_board_is_lost_there_and_does_not_take_its_successor_along() {
        let board = Arc::new(Board::default());
        let (session, run) = (SessionId::from_bytes([1; 16]), RunId::new());
        let [old, new] = [LiveRun::new(String::new()), LiveRun::new(String::new())];
        let first = board.show(session, run, Arc::clone(&old));
        let second = board.show(session, run, Arc::clone(&new));
        drop(first);
        assert!(matches!(old.draft().end, Some(End::Lost)));
        assert!(board.find(run).is_some_and(|found| Arc::ptr_eq(&found, &new)));
        drop(second);
        assert!(board.find(run).is_none());
    }
}
