//! Whose a run was before: what a takeover tells of the one that lost it.

use regrow_protocol::ReplicaId;

/// The last owner of a session that its present one took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// The owner.
    pub replica: ReplicaId,
    /// Why it is that no more.
    pub loss: Loss,
}

/// How a replica lost a session. The numbers are persisted and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Its process was found to be gone.
    Crashed,
    /// It gave no sign of life for as long as its lease lasted.
    Silent,
    /// It gave the session up, so that another one goes on.
    HandedOver,
    /// It left while it had the session.
    Left,
    /// A newer release knows how.
    Unknown,
}

impl Loss {
    /// The persisted number.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Unknown => 0,
            Self::Crashed => 1,
            Self::Silent => 2,
            Self::HandedOver => 3,
            Self::Left => 4,
        }
    }

    /// The loss with this persisted number.
    pub(crate) fn from_code(code: i16) -> Self {
        match code {
            1 => Self::Crashed,
            2 => Self::Silent,
            3 => Self::HandedOver,
            4 => Self::Left,
            _ => Self::Unknown,
        }
    }

    /// The word for people and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Silent => "silent",
            Self::HandedOver => "handed_over",
            Self::Left => "left",
            Self::Unknown => "unknown",
        }
    }
}
