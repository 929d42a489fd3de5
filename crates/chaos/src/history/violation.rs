//! A broken promise, told so that somebody can find out why.

use std::fmt;

/// The promises that can be judged from outside; the design's invariants I1 to I5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// I1: a message that was acknowledged is there, and the same key is accepted once.
    AcceptedOnce,
    /// I2: every accepted message has exactly one end, the same for everybody who asks.
    AnsweredOnce,
    /// I3: messages are consumed in the order of acceptance, and each sees everything before it.
    InOrder,
    /// I4: a session has one history.
    OneWriter,
    /// I5: a finished step is not executed again, and a finished reply is not generated again.
    Takeover,
    /// While the store is away, requests are refused in time, and afterwards replicas come back.
    Away,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AcceptedOnce => "I1 accepted once",
            Self::AnsweredOnce => "I2 answered once",
            Self::InOrder => "I3 in order",
            Self::OneWriter => "I4 one writer",
            Self::Takeover => "I5 takeover",
            Self::Away => "store away",
        })
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub promise: Promise,
    /// In which session.
    pub session: String,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: session {}: {}", self.promise, self.session, self.what)
    }
}
