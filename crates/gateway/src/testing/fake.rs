//! An engine whose runs say what a test tells them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use regrow_agent::{Ending, Reply};
use regrow_protocol::{RunId, SessionId, SessionKey, StopReason, Usage};
use regrow_worker::{Cursor, Readiness, StoreError, Submission, SubmitError, Ticket, Update};
use tokio::sync::{mpsc, watch};

use crate::engine::{Engine, Updates};

/// What a door asked of its engine.
#[derive(Debug)]
pub(crate) enum Event {
    Submitted(RunId, Box<Submission>),
    Aborted(RunId),
}

/// The engine; clones share it.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<State>,
}

struct State {
    runs: Mutex<HashMap<RunId, Run>>,
    keys: Mutex<HashMap<(SessionKey, String), (RunId, u64)>>,
    refusal: Mutex<Option<SubmitError>>,
    readiness: Mutex<Readiness>,
    events: mpsc::UnboundedSender<Event>,
    seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
}

struct Run {
    session: SessionId,
    fingerprint: u64,
    said: watch::Sender<Said>,
}

#[derive(Debug, Clone, Default)]
struct Said {
    text: String,
    /// How much of the text some follower was given.
    taken: usize,
    end: Option<Arc<Reply>>,
    /// It is not kept any longer.
    gone: bool,
}

/// A reply of text.
pub(crate) fn done(text: &str) -> Reply {
    Reply {
        ending: Ending::Done,
        text: text.to_owned(),
        tool_calls: Vec::new(),
        stop: StopReason::Stop,
        usage: Usage { input: 3, output: 4, ..Usage::default() },
        model: "acme/large".to_owned(),
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        let (events, seen) = mpsc::unbounded_channel();
        let state = State {
            runs: Mutex::default(),
            keys: Mutex::default(),
            refusal: Mutex::default(),
            readiness: Mutex::new(Readiness::Ready),
            events,
            seen: tokio::sync::Mutex::new(seen),
        };
        Self { state: Arc::new(state) }
    }

    /// The next thing that the door asks for.
    pub(crate) async fn event(&self) -> Event {
        self.state.seen.lock().await.recv().await.unwrap()
    }

    /// The next thing that the door asks for, which must be a submission.
    pub(crate) async fn submitted(&self) -> (RunId, Box<Submission>) {
        match self.event().await {
            Event::Submitted(run, submission) => (run, submission),
            other => panic!("{other:?}"),
        }
    }

    /// What the door has asked for, if anything.
    pub(crate) async fn events_so_far(&self) -> Vec<Event> {
        let mut seen = self.state.seen.lock().await;
        std::iter::from_fn(|| seen.try_recv().ok()).collect()
    }

    /// Refuses what is submitted from now on.
    pub(crate) fn refuse(&self, error: SubmitError) {
        *self.state.refusal.lock().unwrap() = Some(error);
    }

    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        *self.state.readiness.lock().unwrap() = readiness;
    }

    /// Lets a run say more.
    pub(crate) fn say(&self, run: RunId, text: &str) {
        self.change(run, |said| said.text.push_str(text));
    }

    /// Waits until a follower was given all of `text`.
    pub(crate) async fn taken(&self, run: RunId, text: &str) {
        let mut said = self.state.runs.lock().unwrap()[&run].said.subscribe();
        said.wait_for(|said| said.taken >= text.len()).await.unwrap();
    }

    /// Waits until nobody follows a run any more.
    pub(crate) async fn listeners_gone(&self, run: RunId) {
        let said = self.state.runs.lock().unwrap()[&run].said.clone();
        said.closed().await;
    }

    /// Ends a run. Its text becomes the reply's.
    pub(crate) fn end(&self, run: RunId, reply: Reply) {
        self.change(run, |said| {
            said.text.clone_from(&reply.text);
            said.end = Some(Arc::new(reply));
        });
    }

    /// Forgets what a run has said, as its time is over.
    pub(crate) fn forget(&self, run: RunId) {
        self.change(run, |said| *said = Said { gone: true, ..Said::default() });
    }

    fn change(&self, run: RunId, change: impl FnOnce(&mut Said)) {
        self.state.runs.lock().unwrap()[&run].said.send_modify(change);
    }

    /// A new run, as if another replica had accepted it.
    pub(crate) fn begin(&self, session: &str) -> RunId {
        self.begin_as(session, 0)
    }

    fn begin_as(&self, session: &str, fingerprint: u64) -> RunId {
        let run = RunId::new();
        let session = SessionId::of(&session.parse().unwrap());
        let run_state = Run { session, fingerprint, said: watch::Sender::default() };
        self.state.runs.lock().unwrap().insert(run, run_state);
        run
    }
}

impl Engine for Fake {
    type Follow = FakeFollow;

    async fn submit(&self, submission: Submission) -> Result<Ticket, SubmitError> {
        assert_ne!(submission.inbound.messages[0].text(), "panic", "as the message demands");
        if let Some(error) = self.state.refusal.lock().unwrap().clone() {
            return Err(error);
        }
        let session = SessionId::of(&submission.session);
        let mut keys = self.state.keys.lock().unwrap();
        let key = submission.key.clone().map(|key| (submission.session.clone(), key));
        if let Some((run, fingerprint)) = key.as_ref().and_then(|key| keys.get(key)) {
            return match *fingerprint == submission.fingerprint {
                true => Ok(Ticket { run: *run, session, fingerprint: *fingerprint, duplicate: true }),
                false => Err(SubmitError::KeyReused),
            };
        }
        let run = self.begin_as(submission.session.as_str(), submission.fingerprint);
        let fingerprint = submission.fingerprint;
        key.and_then(|key| keys.insert(key, (run, submission.fingerprint)));
        self.state.events.send(Event::Submitted(run, Box::new(submission))).unwrap();
        Ok(Ticket { run, session, fingerprint, duplicate: false })
    }

    async fn ticket(&self, run: RunId) -> Result<Option<Ticket>, StoreError> {
        let runs = self.state.runs.lock().unwrap();
        let ticket = |found: &Run| {
            let Run { session, fingerprint, .. } = *found;
            Ticket { run, session, fingerprint, duplicate: true }
        };
        Ok(runs.get(&run).map(ticket))
    }

    async fn reply(&self, ticket: &Ticket) -> Result<Option<Reply>, StoreError> {
        let runs = self.state.runs.lock().unwrap();
        let end = runs[&ticket.run].said.borrow().end.clone();
        Ok(end.map(|reply| Reply::clone(&reply)))
    }

    fn follow(&self, ticket: &Ticket, from: Cursor) -> FakeFollow {
        let source = self.state.runs.lock().unwrap()[&ticket.run].said.clone();
        FakeFollow { said: source.subscribe(), source, cursor: from }
    }

    async fn abort(&self, run: RunId) -> Result<(), StoreError> {
        self.state.events.send(Event::Aborted(run)).unwrap();
        Ok(())
    }

    fn readiness(&self) -> Readiness {
        self.state.readiness.lock().unwrap().clone()
    }

    fn peer_token(&self, _: RunId) -> String {
        "between replicas".to_owned()
    }

    fn live_lines(&self, run: RunId) -> Option<BoxStream<'static, Bytes>> {
        self.state.runs.lock().unwrap().get(&run)?;
        let lines = ["{\"a\":1}\n", "{\"b\":2}\n"];
        Some(stream::iter(lines).map(|line| Bytes::from_static(line.as_bytes())).boxed())
    }
}

pub(crate) struct FakeFollow {
    source: watch::Sender<Said>,
    said: watch::Receiver<Said>,
    cursor: Cursor,
}

impl Updates for FakeFollow {
    async fn next(&mut self) -> Result<Option<Update>, StoreError> {
        loop {
            let said = self.said.borrow_and_update().clone();
            match self.cursor.rest(&said.text) {
                None => return Ok(Some(Update::Diverged)),
                Some("") => {}
                Some(rest) => {
                    self.cursor.advance(rest);
                    self.source.send_modify(|said| said.taken = self.cursor.len());
                    return Ok(Some(Update::Text(rest.to_owned())));
                }
            }
            if said.gone {
                return Ok(None);
            }
            if let Some(reply) = said.end {
                return Ok(Some(Update::Ended(reply)));
            }
            if self.said.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }
}
