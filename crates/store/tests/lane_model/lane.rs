//! The words of the protocol: leases, log entries, and what passes between the store and its replicas.

/// The right of a replica to run the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lease {
    pub(crate) replica: usize,
    pub(crate) epoch: u8,
}

/// The session is idle, ready to be claimed, or run by a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Idle,
    Ready,
    Running(usize),
}

/// What a log entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Message,
    Step(u8),
    Final,
}

/// The entries of one write: the first one of a run begins with its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    pub(crate) message: bool,
    pub(crate) last: Kind,
}

impl Batch {
    pub(crate) fn kinds(self) -> impl Iterator<Item = Kind> {
        self.message.then_some(Kind::Message).into_iter().chain([self.last])
    }

    pub(crate) fn len(self) -> u8 {
        1 + u8::from(self.message)
    }
}

/// A log entry. A run has the number of its message in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) seq: u8,
    pub(crate) run: u8,
    pub(crate) kind: Kind,
    /// The lease that its writer named.
    pub(crate) by: Lease,
    /// The lease that the session was under.
    pub(crate) under: Lease,
}

/// The record of a run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct End {
    pub(crate) run: u8,
    pub(crate) epoch: u8,
    /// The lease of the next run, if this end kept it.
    pub(crate) kept: Option<u8>,
}

/// A lease as its holder gets it: the run to drive, and where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claimed {
    pub(crate) lease: Lease,
    pub(crate) run: u8,
    pub(crate) head: u8,
}

/// The write was refused: the lease is gone.
#[derive(Debug)]
pub(crate) struct Fenced;
