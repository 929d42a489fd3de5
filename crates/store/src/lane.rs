//! The lease of a session, as the replica that holds it sees it.

use regrow_protocol::{Epoch, ReplicaId, RunId, Seq, SessionId, SessionKey};

use crate::{Former, NewEntry, RunStatus};

/// The right to write to a session. Only a store makes one, and every write checks it in the statement that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pub(crate) session: SessionId,
    pub(crate) replica: ReplicaId,
    pub(crate) epoch: Epoch,
    /// The last entry of the log that the holder knows.
    pub(crate) head: Seq,
}

/// A session whose lease this replica holds, with the run that is to be driven.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub(crate) guard: Guard,
    /// The session's key.
    pub session_key: SessionKey,
    /// The run to drive. It stays the same across takeovers.
    pub run: RunId,
    /// How often this run was claimed since it last made progress; 1 the first time.
    pub attempt: u32,
    /// How far this run is to blame for replicas that died under it since it last made progress, in units of
    /// [`Claimed::WHOLE_BLAME`] for each: those that died together share the blame.
    pub blame: u32,
    /// The last position of the log before this run's first entry.
    pub run_base: Seq,
    /// The context of the conversation starts after this position.
    pub context_base: Seq,
    /// Whose the run was before this claim, if another lease had it and that is known.
    pub former: Option<Former>,
    /// The message that the run answers.
    pub message: InboxMessage,
}

impl Claimed {
    /// The blame for a replica that drove nothing else when it died.
    pub const WHOLE_BLAME: u32 = 12;

    /// The session's id.
    pub fn session(&self) -> SessionId {
        self.guard.session
    }

    /// The lease's fencing token.
    pub fn epoch(&self) -> Epoch {
        self.guard.epoch
    }

    /// The last entry of the log.
    pub fn head(&self) -> Seq {
        self.guard.head
    }

    /// The lease as it goes into statements.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }
}

/// An accepted message that no run has answered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxMessage {
    /// Its position in the inbox.
    pub seq: Seq,
    /// Its id.
    pub id: RunId,
    /// When it was accepted: milliseconds since 1970, by the store's clock.
    pub accepted_at: i64,
    /// Its sender asked to abort it.
    pub aborted: bool,
    /// Its content.
    pub body: Vec<u8>,
}

/// What others asked of a running session; every write's answer carries it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// The run is to be aborted.
    pub abort: bool,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Finish {
    /// Its last entries, written together with the end.
    pub entries: Vec<NewEntry>,
    /// How it ended.
    pub status: RunStatus,
    /// Why, for people, when it did not end well.
    pub error: Option<String>,
    /// Tokens spent, as JSON.
    pub usage: String,
    /// Hold on to the lease if more messages wait.
    pub keep: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The session's next run, if the lease was kept.
    pub next: Option<Box<Claimed>>,
}
