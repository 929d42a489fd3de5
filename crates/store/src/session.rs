//! Sessions, for people.

use regrow_protocol::{Seq, SessionId, SessionKey};

/// A session and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Its key.
    pub key: SessionKey,
    /// When its first message was accepted: milliseconds since 1970, by the store's clock.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// Messages accepted so far.
    pub messages: i64,
    /// Messages that wait or run.
    pub waiting: i64,
    /// Position of the last entry of its log.
    pub log_head: Seq,
    /// The context of the conversation starts after this position.
    pub context_base: Seq,
}

/// What became of the wish to start a session afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// The next message starts a new conversation; the old entries stay in the log.
    Done,
    /// There is no such session.
    Missing,
    /// Messages wait or run; abort them first.
    Busy,
}
