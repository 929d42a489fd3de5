//! What happened, as those outside saw it: clients, the model, and whoever did harm to the replicas.
//!
//! [`History::check`] decides from this alone whether a promise was broken. It knows nothing of stores, leases or
//! replicas; so it judges every back-end, and every program that speaks the same protocol.

mod check;
mod violation;

mod accepted;
mod answered;
mod away;
mod order;
mod takeover;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model_server::Call;
pub use violation::{Promise, Violation};

/// All that was seen. Times count from the start of the model server.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The last message of each session, sent when all others had been answered or given up: what the model is shown
    /// with it is what the session has become.
    pub sessions: BTreeMap<String, String>,
    /// What clients asked and were told. Each message is sent again until its end is known, or its sender's patience is at
    /// an end.
    pub asks: Vec<Ask>,
    /// What the model was asked, in the order of arrival.
    pub calls: Vec<Call>,
    /// What was done to replicas.
    pub harms: Vec<Harm>,
    /// What replicas that were certainly cut off from the store said.
    pub probes: Vec<Probe>,
    /// Messages whose senders asked to abort them.
    pub aborted: BTreeSet<String>,
}

/// One request of a client.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The session.
    pub session: String,
    /// The message's id, which is its idempotency key and the id that the model's script knows.
    pub message: String,
    /// When it was sent.
    pub sent: Duration,
    /// When the client was told that the message is accepted, and as which run.
    pub accepted: Option<(Duration, String)>,
    /// When it ended.
    pub ended: Duration,
    /// What the client had from an earlier stream of the same message that this request resumed.
    pub resumed: String,
    /// The text that came.
    pub text: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With the whole reply.
    Answered,
    /// With a failure that is the run's end.
    Failed(String),
    /// The reply is no longer what was streamed: the client must ask for it whole.
    Diverged,
    /// Not now: nothing was promised.
    Refused(u16),
    /// The connection was lost.
    Lost,
}

/// Something that was done to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harm {
    /// What.
    pub kind: HarmKind,
    /// To which replica; to all, if none is named.
    pub replica: Option<usize>,
    /// When it began.
    pub from: Duration,
    /// When its direct effects were over: a killed replica's at once, a paused one's when it went on.
    pub until: Duration,
}

/// What is done to replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarmKind {
    /// SIGKILL.
    Kill,
    /// SIGSTOP for longer than the lease, then SIGCONT.
    Pause,
    /// The whole machine stood still for a good part of a lease.
    Stall,
    /// The connections to the store were reset.
    Cut,
    /// Nothing came through between the replica and the store for longer than its lease.
    BlackHole,
    /// The same, but then everything arrived.
    Late,
    /// The store did what it was asked, and the answers were lost.
    LostAnswers,
    /// The store crashed and was started again.
    StoreRestart,
    /// The store was gone for good, and a copy took its place.
    FailOver,
}

/// A question to a replica that is certainly cut off from the store, or to one that no longer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The replica.
    pub replica: usize,
    /// What was asked.
    pub what: &'static str,
    /// When.
    pub asked: Duration,
    /// When it was answered, or given up.
    pub answered: Duration,
    /// The answer.
    pub answer: Answer,
}

/// What a probe was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Not now: 503, to a message with the time to come back.
    Refused,
    /// It is ready again.
    Returned,
    /// Something else.
    Other(u16),
    /// Nothing.
    Lost,
    /// There was nobody to ask: no process was there yet.
    Nobody,
}

impl HarmKind {
    /// How often what a replica does may have been begun again for it: a killed replica's runs once. A pause or a stall
    /// also makes others late, so whoever took over may lose its lease itself.
    pub(crate) fn excuses(self) -> usize {
        match self {
            Self::Kill | Self::Cut | Self::LostAnswers | Self::StoreRestart | Self::FailOver => 1,
            Self::Pause | Self::Stall | Self::BlackHole | Self::Late => 2,
        }
    }
}

impl Ask {
    /// All the text that the client has: what it resumed from, and what came.
    pub fn whole_text(&self) -> String {
        format!("{}{}", self.resumed, self.text)
    }
}

impl History {
    /// Every promise that was broken; none if all is well.
    pub fn check(&self) -> Vec<Violation> {
        check::check(self)
    }

    /// How many messages clients were told are accepted.
    pub fn accepted(&self) -> usize {
        self.messages(|ask| ask.accepted.is_some())
    }

    /// How many messages were answered, or visibly given up.
    pub fn answered(&self) -> usize {
        self.messages(|ask| matches!(ask.outcome, Outcome::Answered | Outcome::Failed(_)))
    }

    /// How many messages were visibly given up.
    pub fn failed(&self) -> usize {
        self.messages(|ask| matches!(ask.outcome, Outcome::Failed(_)))
    }

    fn messages(&self, is: impl Fn(&Ask) -> bool) -> usize {
        let messages: BTreeSet<&str> =
            self.asks.iter().filter(|ask| is(ask)).map(|ask| ask.message.as_str()).collect();
        messages.len()
    }
}
