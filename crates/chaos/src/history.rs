//! What happened, as those outside saw it: clients, the model, and whoever did harm to the replicas.
//!
//! [`History::check`] decides from this alone whether a promise was broken. It knows nothing of stores, leases or
//! replicas; so it judges every back-end, and every program that speaks the same protocol.

mod check;
mod violation;

mod accepted;
mod answered;
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
}

impl HarmKind {
    /// How often what a replica does may have been begun again for it: a killed replica's runs once. A pause or a stall
    /// also makes others late, so whoever took over may lose its lease itself.
    pub(crate) fn excuses(self) -> usize {
        match self {
            Self::Kill => 1,
            Self::Pause | Self::Stall => 2,
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
