//! Entries of a session's log: the transcript and the journal in one.

use regrow_protocol::{EntryKind, Epoch, RunId, Seq};

/// An entry to be appended; the store assigns its position.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// What it records.
    pub kind: EntryKind,
    /// Its content, opaque to the store.
    pub payload: Vec<u8>,
}

/// An entry as it stands in the log. Once written it never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Its position; a session's entries are numbered from 1 without a gap. The oldest may have been deleted.
    pub seq: Seq,
    /// The run that wrote it.
    pub run: RunId,
    /// The lease under which it was written.
    pub epoch: Epoch,
    /// What it records.
    pub kind: EntryKind,
    /// When it was written: milliseconds since 1970, by the store's clock.
    pub at: i64,
    /// Its content.
    pub payload: Vec<u8>,
}
