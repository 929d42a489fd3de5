//! Whose a run was before: what a takeover tells of the one that lost it.

use std::time::Duration;

use regrow_protocol::ReplicaId;

/// The last owner of a session that its present one took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// The owner.
    pub replica: ReplicaId,
    /// Why it is that no more.
    pub loss: Loss,
    /// How long the run stood still, by the store's clock: from that owner's last sign of life to the claim. That was
    /// its last heartbeat, or, for a process that is gone, when a peer found it there after that; for whoever hands over or
    /// leaves it is to do so. Nothing if none is known.
    pub stood_still: Option<Duration>,
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
    /// Those that this release knows.
    pub const KNOWN: [Self; 4] = [Self::Crashed, Self::Silent, Self::HandedOver, Self::Left];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_as_it_was_written_and_all_that_are_read_are_known() {
        let read: Vec<Loss> = (0..16).map(Loss::from_code).filter(|loss| *loss != Loss::Unknown).collect();
        assert_eq!(read, Loss::KNOWN);
        assert_eq!(Loss::KNOWN.map(|loss| Loss::from_code(loss.code())), Loss::KNOWN);
    }
}
