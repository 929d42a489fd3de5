//! A session's log as a run sees it.

use std::sync::Arc;

use regrow_protocol::{Message, Seq, ToolCall};

use crate::{Entry, Inbound};

/// An entry with its position.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The position.
    pub seq: Seq,
    /// The entry, shared with the replica's cache.
    pub entry: Arc<Entry>,
}

/// Everything that decides what a run does next.
#[derive(Debug, Clone)]
pub struct Journal {
    /// The log from the start of the context on, or of this run if that comes first: a run that had its own beginning
    /// summarised still has its limits counted from there.
    pub entries: Vec<Recorded>,
    /// The last position before this run's first entry.
    pub run_base: Seq,
    /// What the run answers.
    pub inbound: Inbound,
    /// The position of that message in the inbox.
    pub inbox_seq: Seq,
}

impl Journal {
    /// Entries of earlier runs.
    pub fn history(&self) -> &[Recorded] {
        &self.entries[..self.run_start()]
    }

    /// Entries of this run.
    pub fn run(&self) -> &[Recorded] {
        &self.entries[self.run_start()..]
    }

    fn run_start(&self) -> usize {
        self.entries.partition_point(|recorded| recorded.seq <= self.run_base)
    }

    /// No earlier run has said anything in this conversation.
    pub fn is_fresh(&self) -> bool {
        let has_summary = self.entries.iter().any(|r| matches!(*r.entry, Entry::Compaction { .. }));
        !has_summary && !self.history().iter().any(|r| matches!(*r.entry, Entry::User { .. }))
    }

    /// Forgets what came before the context, which starts after `base`; this run's own entries stay.
    pub fn start_after(&mut self, base: Seq) {
        let start = base.min(self.run_base);
        self.entries.retain(|recorded| recorded.seq > start);
    }

    /// The entries that a model sees: those that no summary stands for.
    pub(crate) fn context(&self) -> &[Recorded] {
        let summarised = self.entries.iter().rev().find_map(|recorded| match &*recorded.entry {
            Entry::Compaction { through, .. } => Some(*through),
            _ => None,
        });
        let start = self.entries.partition_point(|recorded| Some(recorded.seq) <= summarised);
        &self.entries[start..]
    }

    /// What the run's message adds to the conversation, as long as the log does not have it.
    pub(crate) fn pending(&self) -> &[Message] {
        if self.has_user_entry() { &[] } else { self.inbound.added(self.is_fresh()) }
    }

    /// The run's message is in the log.
    pub fn has_user_entry(&self) -> bool {
        self.run().iter().any(|r| matches!(*r.entry, Entry::User { .. }))
    }

    /// The entry that records the run's message, for the first write of the run.
    pub fn user_entry(&self) -> Entry {
        let messages = self.inbound.added(self.is_fresh()).to_vec();
        Entry::User { inbox_seq: self.inbox_seq, messages }
    }

    /// The tool calls of the run's last model answer, and which of them have a result or were started.
    pub(crate) fn open_calls(&self) -> OpenCalls<'_> {
        let run = self.run();
        let last = run.iter().rposition(|r| matches!(*r.entry, Entry::Assistant { .. }));
        let Some(last) = last else { return OpenCalls::default() };
        let mut open = OpenCalls::default();
        if let Entry::Assistant { message: Message::Assistant { tool_calls, .. }, .. } = &*run[last].entry {
            open.calls = tool_calls;
        }
        for recorded in &run[last + 1..] {
            match &*recorded.entry {
                Entry::ToolStarted { call_id } => open.started.push(call_id),
                Entry::ToolResult { message: Message::Tool { call_id, .. }, .. } => {
                    open.finished.push(call_id)
                }
                _ => {}
            }
        }
        open
    }
}

/// See [`Journal::open_calls`].
#[derive(Debug, Default)]
pub(crate) struct OpenCalls<'a> {
    pub(crate) calls: &'a [ToolCall],
    pub(crate) started: Vec<&'a str>,
    pub(crate) finished: Vec<&'a str>,
}
