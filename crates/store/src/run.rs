//! Runs as their senders see them: waiting, running, or ended in exactly one way.

use regrow_protocol::{Epoch, ReplicaId, RunId, Seq, SessionId, SessionKey};

/// How a run ended. The numbers are persisted and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It has a reply.
    Done,
    /// It could not be answered, and says why.
    Failed,
    /// Its sender did not want it any more.
    Aborted,
}

impl RunStatus {
    /// The persisted number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::Failed => 2,
            Self::Aborted => 3,
        }
    }

    /// The status with this persisted number. What a newer release wrote counts as failed: visible, and never taken
    /// for a reply.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Done,
            3 => Self::Aborted,
            _ => Self::Failed,
        }
    }

    /// The word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// A run and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// The run.
    pub run: RunId,
    /// Its session.
    pub session: SessionId,
    /// Its session's key.
    pub session_key: SessionKey,
    /// When its message was accepted: milliseconds since 1970, by the store's clock.
    pub accepted_at: i64,
    /// The digest of what was asked.
    pub fingerprint: u64,
    /// Where it stands.
    pub state: RunState,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Its message waits for earlier ones of the session, or for a replica with room.
    Queued {
        /// How many messages of the session come first.
        ahead: u64,
    },
    /// A replica drives it.
    Running {
        /// Which one.
        replica: ReplicaId,
        /// Where that replica is reached.
        address: String,
        /// Under which lease.
        epoch: Epoch,
    },
    /// It has ended.
    Ended(RunEnd),
}

/// A run that a replica drives, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningView {
    /// The replica that drives it.
    pub replica: ReplicaId,
    /// The run.
    pub run: RunId,
    /// Its session.
    pub session: SessionId,
    /// Its session's key.
    pub session_key: SessionKey,
    /// Under which lease.
    pub epoch: Epoch,
    /// How often it was claimed since its last step; more than once means that replicas lost it.
    pub attempt: u32,
    /// When its turn came: milliseconds since 1970, by the store's clock. A take-over does not change it.
    pub since: i64,
}

/// The record of an ended run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// How it ended.
    pub status: RunStatus,
    /// The last position of the log before its first entry.
    pub log_base: Seq,
    /// The position of its last entry.
    pub log_head: Seq,
    /// When: milliseconds since 1970, by the store's clock.
    pub finished_at: i64,
    /// Why it did not end well.
    pub error: Option<String>,
    /// Tokens spent, as JSON.
    pub usage: String,
}
