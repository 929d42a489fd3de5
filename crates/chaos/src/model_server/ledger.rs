//! The ledger: every call the model server received, what became of it, and a way to await what happens to one.
//!
//! It is the witness of a test ("this message was asked once"), so it forgets nothing silently: when it is full, the
//! server refuses calls with an id until it is reset.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::Notify;

use super::asked::Asked;

/// The most calls kept. When it is reached, further calls that name an id are refused (507), and those without one, as
/// long loads make them, are only counted.
const MAX_CALLS: usize = 500_000;

/// One call of the model.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Its number among all calls since the last reset, from 0.
    pub number: usize,
    /// The id that the last user message named.
    pub id: Option<Arc<str>>,
    /// How many calls for this id came before it.
    pub earlier: u32,
    /// When it arrived, in microseconds since the server's start.
    pub at_us: u64,
    /// How many user messages it carried.
    pub turns: usize,
    /// The ids of its user messages in order, separated by commas.
    #[serde(serialize_with = "as_list")]
    pub seen: Box<str>,
    /// Of each of these messages, the [`digest`] of the answer that the call says it had; 0 if it had none, and the digest
    /// of no answer if it had several.
    #[serde(skip)]
    pub heard: Box<[u64]>,
    /// How many rounds of tool calls it carried since its last user message.
    pub rounds: usize,
    /// The text that it is answered with; empty if it is answered with tool calls, not at all, or has no id.
    #[serde(skip)]
    pub answer: Box<str>,
    /// How many tokens were handed to the connection.
    pub tokens: usize,
    /// What became of it.
    pub state: State,
}

/// Tells answers apart.
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    // 0 stands for no answer.
    hasher.finish().max(1)
}

impl Call {
    /// The ids of the user messages that the call carried, in order.
    pub fn seen_ids(&self) -> Vec<&str> {
        self.seen.split(',').filter(|id| !id.is_empty()).collect()
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being answered.
    Open,
    /// The whole answer was handed to the connection.
    Completed,
    /// It was refused, as its script said.
    Refused,
    /// It was cut off, as its script said.
    Cut,
    /// The client left before the end.
    ClientGone,
}

/// All calls, shared by the connections of one server.
#[derive(Debug)]
pub(super) struct Ledger {
    start: Instant,
    entries: Mutex<Entries>,
    /// Woken after every change.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    /// Grows with each reset, so that calls that outlive one do not write into the new list.
    generation: u64,
    calls: Vec<Call>,
    /// Calls without an id that came when the list was full.
    unrecorded: usize,
    per_id: HashMap<Arc<str>, Tally>,
    effects: Vec<Effect>,
}

/// What a tool did to the world outside, as the tool told it here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The tool.
    pub tool: String,
    /// The key of the call.
    pub key: String,
    /// The message that the call was made for.
    pub message: String,
}

#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    most_tokens: usize,
}

/// The right to report on one call. Dropped without an end, it reports that the client has gone.
#[derive(Debug)]
pub(super) struct Reporter {
    ledger: Arc<Ledger>,
    generation: u64,
    number: usize,
    ended: bool,
}

impl Ledger {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), entries: Mutex::default(), changed: Notify::new() })
    }

    /// Records a call; also returns how many calls for its id came before it. `None` if the ledger is full.
    pub(super) fn open(self: &Arc<Self>, asked: &Asked) -> Option<(Reporter, u32)> {
        let mut entries = self.entries();
        let number = entries.calls.len();
        if number >= MAX_CALLS {
            return entries.open_unrecorded(self, asked);
        }
        let id: Option<Arc<str>> = asked.script.id.as_deref().map(Arc::from);
        let earlier = id.as_ref().map_or(0, |id| entries.count(id));
        let at_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let seen = asked.seen.as_str().into();
        let heard = asked.heard.as_slice().into();
        let (turns, rounds) = (asked.turns, asked.rounds);
        entries.calls.push(Call {
            number,
            id,
            earlier,
            at_us,
            turns,
            seen,
            heard,
            rounds,
            answer: Box::default(),
            tokens: 0,
            state: State::Open,
        });
        let reporter =
            Reporter { ledger: Arc::clone(self), generation: entries.generation, number, ended: false };
        drop(entries);
        self.changed.notify_waiters();
        Some((reporter, earlier))
    }

    /// What the arrival of calls is counted from.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.entries().calls.clone()
    }

    /// The time since the start, which the calls' times count from.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// How many calls named this id.
    pub(super) fn count(&self, id: &str) -> u32 {
        self.entries().per_id.get(id).map_or(0, |tally| tally.calls)
    }

    /// How many calls are not in the list.
    pub(super) fn unrecorded(&self) -> usize {
        self.entries().unrecorded
    }

    /// Notes what a tool did.
    pub(super) fn note_effect(&self, effect: Effect) {
        self.entries().effects.push(effect);
        self.changed.notify_waiters();
    }

    pub(super) fn effects(&self) -> Vec<Effect> {
        self.entries().effects.clone()
    }

    pub(super) fn reset(&self) {
        let mut entries = self.entries();
        *entries = Entries { generation: entries.generation + 1, ..Entries::default() };
    }

    /// Waits until some call for `id` has streamed `tokens` tokens; 0 waits for the call's arrival.
    pub(super) async fn wait_for(&self, id: &str, tokens: usize) {
        let reached =
            |entries: &Entries| entries.per_id.get(id).is_some_and(|tally| tally.most_tokens >= tokens);
        self.wait_until(reached).await;
    }

    /// Waits until `done` holds for the list of calls.
    pub(super) async fn wait_until_calls(&self, mut done: impl FnMut(&[Call]) -> bool) {
        self.wait_until(move |entries| done(&entries.calls)).await;
    }

    async fn wait_until(&self, mut done: impl FnMut(&Entries) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if done(&self.entries()) {
                return;
            }
            changed.await;
        }
    }

    /// A panic elsewhere leaves the list as valid as it was: each change is one assignment.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Counts a call that has no place in the list; its reports go nowhere.
    fn open_unrecorded(&mut self, ledger: &Arc<Ledger>, asked: &Asked) -> Option<(Reporter, u32)> {
        if asked.script.id.is_some() {
            return None;
        }
        self.unrecorded += 1;
        let number = self.calls.len() + self.unrecorded;
        let ledger = Arc::clone(ledger);
        Some((Reporter { ledger, generation: self.generation, number, ended: false }, 0))
    }

    /// Counts a call for `id` and returns how many there were before.
    fn count(&mut self, id: &Arc<str>) -> u32 {
        let tally = self.per_id.entry(Arc::clone(id)).or_default();
        tally.calls += 1;
        tally.calls - 1
    }
}

impl Reporter {
    /// The number of the call.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Reports what the call is answered with.
    pub(super) fn says(&self, text: &str) {
        self.change(|call, _| {
            if call.id.is_some() {
                call.answer = text.into();
            }
        });
    }

    /// Reports that `tokens` tokens have been handed to the connection so far.
    pub(super) fn streamed(&self, tokens: usize) {
        self.change(|call, tally| {
            call.tokens = tokens;
            if let Some(tally) = tally {
                tally.most_tokens = tally.most_tokens.max(tokens);
            }
        });
    }

    /// Reports the end of the call.
    pub(super) fn end(&mut self, state: State) {
        self.ended = true;
        self.change(|call, _| call.state = state);
    }

    fn change(&self, change: impl FnOnce(&mut Call, Option<&mut Tally>)) {
        let mut entries = self.ledger.entries();
        let Entries { generation, calls, per_id, .. } = &mut *entries;
        if *generation == self.generation
            && let Some(call) = calls.get_mut(self.number)
        {
            let tally = call.id.as_ref().and_then(|id| per_id.get_mut(id));
            change(call, tally);
        }
        drop(entries);
        self.ledger.changed.notify_waiters();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.ended {
            self.end(State::ClientGone);
        }
    }
}

fn as_list<S: Serializer>(seen: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(seen.split(',').filter(|id| !id.is_empty()))
}
