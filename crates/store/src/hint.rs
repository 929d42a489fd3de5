//! Hints between replicas. Any of them may be lost at any time: whoever waits for one also polls.

use regrow_protocol::SessionId;

/// Something changed that somebody may be waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A session is ready to be claimed.
    Ready,
    /// A run of this session began or ended.
    Session(SessionId),
    /// Somebody asked to abort a run of this session.
    Abort(SessionId),
}
