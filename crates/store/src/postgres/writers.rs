//! Intents of one kind that came while a commit was in flight go into one statement, and so into one commit.
//!
//! An intent that finds nothing in flight goes at once. Otherwise it waits for the commit before, unless so many wait that
//! another group is worth it, or that commit is slow. Intents of one session keep their order: they never meet in one
//! statement, and none goes while one before it is in flight. If a group fails because of what one of its intents asked,
//! each runs alone, so that none suffers for another.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use regrow_protocol::SessionId;
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;
use super::links::Links;
use crate::Error;

/// Intents that may wait for their writer; more make their callers wait.
const QUEUE: usize = 1_024;

/// The most intents of one statement.
const GROUP: usize = 64;

/// The most bytes of one statement, unless a single intent is larger.
const BYTES: usize = 1 << 20;

/// For each group in flight so many intents must wait, or the next one stays. A statement and its commit cost the server as
/// much as some five intents do, so that many small groups cost it twice as much as a few large ones.
const WORTH: usize = 32;

/// How long intents wait for a commit before the next group goes without it.
const SLOW: Duration = Duration::from_millis(10);

/// The most groups in flight.
const FLIGHTS: usize = 4;

/// How often a group is tried whose statement got in the way of another one.
const TRIES: usize = 4;

/// An intent that can share a statement with others of its kind.
pub(super) trait Intent: Send + Sync + Sized + 'static {
    /// What its caller gets.
    type Answer: Send + 'static;

    /// The session that it writes to.
    fn session(&self) -> SessionId;

    /// About how large it is.
    fn bytes(&self) -> usize;

    /// It can share a statement with this other one.
    fn goes_with(&self, other: &Self) -> bool;

    /// Carries a group out, all or nothing. The answers are in the order of the group.
    fn carry_out(
        links: &Links,
        group: &[&Self],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Failure>> + Send;
}

struct Call<I: Intent> {
    intent: I,
    reply: oneshot::Sender<Result<I::Answer, Error>>,
    deadline: Instant,
}

/// The writer of one kind of intent. It ends when this is dropped and what was asked is done.
pub(super) struct Writer<I: Intent> {
    calls: mpsc::Sender<Call<I>>,
    patience: Duration,
}

impl<I: Intent> Writer<I> {
    /// Starts the writer on the current runtime.
    pub(super) fn start(links: &Links, patience: Duration) -> Self {
        let (calls, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(links.clone(), waiting));
        Self { calls, patience }
    }

    /// Carries an intent out. It goes on even if the caller does not wait for it: what has not been answered in time may
    /// still happen.
    pub(super) async fn write(&self, intent: I) -> Result<I::Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let call = Call { intent, reply, deadline: Instant::now() + self.patience };
        let stopped = || Error::Unavailable("the store is closed".to_owned());
        let answered = async {
            self.calls.send(call).await.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        };
        // Those before it may each take as long as they may.
        match tokio::time::timeout(self.patience, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut(self.patience).into()),
        }
    }
}

async fn write<I: Intent>(links: Links, mut calls: mpsc::Receiver<Call<I>>) {
    let (mut waiting, mut flights) = (Waiting::default(), FuturesUnordered::new());
    let (mut last, mut is_open) = (Instant::now(), true);
    while is_open || !waiting.calls.is_empty() || !flights.is_empty() {
        let is_slow = last.elapsed() >= SLOW;
        let is_worth_it = waiting.calls.len() >= WORTH * flights.len();
        if flights.len() < FLIGHTS && (is_worth_it || is_slow) {
            let group = waiting.gather(Instant::now());
            if !group.is_empty() {
                last = Instant::now();
                flights.push(fly(&links, group));
                continue;
            }
        }
        let may_go = !waiting.calls.is_empty() && flights.len() < FLIGHTS && !is_slow;
        tokio::select! {
            Some(sessions) = flights.next() => waiting.land(&sessions),
            call = calls.recv(), if is_open && waiting.calls.len() < QUEUE => match call {
                Some(call) => waiting.calls.push_back(call),
                None => is_open = false,
            },
            () = tokio::time::sleep_until((last + SLOW).into()), if may_go => {}
        }
        while waiting.calls.len() < QUEUE
            && let Ok(call) = calls.try_recv()
        {
            waiting.calls.push_back(call);
        }
    }
}

/// Carries a group out and returns whose intents they were.
async fn fly<I: Intent>(links: &Links, group: Vec<Call<I>>) -> Vec<SessionId> {
    let sessions = group.iter().map(|call| call.intent.session()).collect();
    carry_out(links, group).await;
    sessions
}

/// Intents that are not in flight, in the order in which they came.
struct Waiting<I: Intent> {
    calls: VecDeque<Call<I>>,
    /// Sessions with an intent in flight.
    busy: HashSet<SessionId>,
}

impl<I: Intent> Default for Waiting<I> {
    fn default() -> Self {
        Self { calls: VecDeque::new(), busy: HashSet::new() }
    }
}

impl<I: Intent> Waiting<I> {
    /// Takes what can go into one statement now. Who has waited too long is told so.
    fn gather(&mut self, now: Instant) -> Vec<Call<I>> {
        let (mut group, mut bytes) = (Vec::<Call<I>>::new(), 0);
        let (mut kept, mut passed) = (VecDeque::new(), HashSet::new());
        while group.len() < GROUP && bytes < BYTES && kept.len() < GROUP {
            let Some(call) = self.calls.pop_front() else { break };
            let session = call.intent.session();
            if now > call.deadline {
                let _ = call.reply.send(Err(Error::Unavailable("the store is too busy".to_owned())));
            } else if passed.contains(&session)
                || self.busy.contains(&session)
                || group.first().is_some_and(|first| !first.intent.goes_with(&call.intent))
            {
                passed.insert(session);
                kept.push_back(call);
            } else {
                self.busy.insert(session);
                bytes += call.intent.bytes();
                group.push(call);
            }
        }
        kept.append(&mut self.calls);
        self.calls = kept;
        group
    }

    /// The intents of these sessions are done.
    fn land(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            self.busy.remove(session);
        }
    }
}

async fn carry_out<I: Intent>(links: &Links, group: Vec<Call<I>>) {
    if group.is_empty() {
        return;
    }
    let intents: Vec<&I> = group.iter().map(|call| &call.intent).collect();
    match attempt(links, &intents).await {
        Ok(answers) => {
            for (call, answer) in group.into_iter().zip(answers) {
                // The caller may have gone; what was committed stays committed.
                let _ = call.reply.send(Ok(answer));
            }
        }
        Err(failure) if group.len() > 1 && failure.is_about_the_statement() => {
            for call in group {
                let answer = attempt(links, &[&call.intent]).await.map(|mut answers| answers.pop());
                let answer = answer.map_err(Error::from).and_then(|answer| {
                    answer.ok_or_else(|| Error::Unavailable("the intent did not run".to_owned()))
                });
                let _ = call.reply.send(answer);
            }
        }
        Err(failure) => {
            let error = Error::from(failure);
            tracing::debug!(%error, "the store cannot commit");
            for call in group {
                let _ = call.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Carries a group out, again if it met another one.
async fn attempt<I: Intent>(links: &Links, group: &[&I]) -> Result<Vec<I::Answer>, Failure> {
    let mut tries = 1;
    loop {
        match I::carry_out(links, group).await {
            Err(failure) if failure.is_collision() && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Note {
        session: SessionId,
        kind: u8,
        bytes: usize,
    }

    impl Intent for Note {
        type Answer = ();

        fn session(&self) -> SessionId {
            self.session
        }

        fn bytes(&self) -> usize {
            self.bytes
        }

        fn goes_with(&self, other: &Self) -> bool {
            self.kind == other.kind
        }

        async fn carry_out(_links: &Links, group: &[&Self]) -> Result<Vec<()>, Failure> {
            Ok(group.iter().map(|_| ()).collect())
        }
    }

    fn session(name: &str) -> SessionId {
        SessionId::of(&format!("agent:main:{name}").parse().unwrap())
    }

    fn waiting(notes: &[(&str, u8)], now: Instant) -> Waiting<Note> {
        let mut waiting = Waiting::default();
        for (name, kind) in notes {
            let intent = Note { session: session(name), kind: *kind, bytes: 100 };
            waiting.calls.push_back(Call { intent, reply: oneshot::channel().0, deadline: now });
        }
        waiting
    }

    fn kinds(group: &[Call<Note>]) -> Vec<u8> {
        group.iter().map(|call| call.intent.kind).collect()
    }

    #[test]
    fn intents_of_one_session_go_one_after_the_other() {
        let now = Instant::now();
        let mut waiting = waiting(&[("a", 0), ("b", 0), ("a", 0), ("c", 0)], now);
        let first = waiting.gather(now);
        assert_eq!((first.len(), waiting.calls.len()), (3, 1));
        assert!(waiting.gather(now).is_empty(), "the one before is in flight");
        waiting.land(&[session("a")]);
        assert_eq!(waiting.gather(now).len(), 1);
    }

    #[test]
    fn none_overtakes_one_of_its_own_session() {
        let now = Instant::now();
        let mut waiting = waiting(&[("a", 1), ("b", 2), ("b", 1), ("c", 1)], now);
        assert_eq!(kinds(&waiting.gather(now)), [1, 1], "of a and c");
        assert_eq!(kinds(&waiting.gather(now)), [2], "of b, which came first");
        waiting.land(&[session("b")]);
        assert_eq!(kinds(&waiting.gather(now)), [1]);
    }

    #[test]
    fn a_statement_has_an_end() {
        let now = Instant::now();
        let names: Vec<String> = (0..GROUP + 5).map(|i| format!("s{i}")).collect();
        let notes: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let mut many = waiting(&notes, now);
        assert_eq!((many.gather(now).len(), many.gather(now).len()), (GROUP, 5));
        let mut large = waiting(&notes[..3], now);
        large.calls.iter_mut().for_each(|call| call.intent.bytes = BYTES);
        assert_eq!(large.gather(now).len(), 1);
    }

    #[test]
    fn who_has_waited_too_long_is_told_so() {
        let now = Instant::now();
        let (reply, mut answer) = oneshot::channel();
        let mut waiting = waiting(&[("b", 0)], now + Duration::from_secs(1));
        let intent = Note { session: session("a"), kind: 0, bytes: 1 };
        waiting.calls.push_front(Call { intent, reply, deadline: now });
        assert_eq!(waiting.gather(now + Duration::from_millis(1)).len(), 1);
        assert!(matches!(answer.try_recv(), Ok(Err(Error::Unavailable(_)))));
        assert_eq!(waiting.busy.len(), 1, "only of what is in flight");
    }
}
