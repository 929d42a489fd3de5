//! A session's log as a run sees it.

use std::sync::Arc;

use regrow_protocol::{Message, Seq, ToolCall};

use crate::{Entry, Inbound, Transcript};

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
    pub transcript: Transcript,
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
        &self.transcript.entries()[..self.run_start()]
    }

    /// Entries of this run.
    pub fn run(&self) -> &[Recorded] {
        &self.transcript.entries()[self.run_start()..]
    }

    fn run_start(&self) -> usize {
        self.transcript.entries().partition_point(|recorded| recorded.seq <= self.run_base)
    }

    /// No earlier run has said anything in this conversation.
    pub fn is_fresh(&self) -> bool {
        // A conversation that goes on usually begins with a message.
        self.transcript.summary().is_none()
            && !self.history().iter().any(|r| matches!(*r.entry, Entry::User { .. }))
    }

    /// Forgets what came before the context, which starts after `base`; this run's own entries stay.
    pub fn start_after(&mut self, base: Seq) {
        self.transcript.start_after(base.min(self.run_base));
    }

    /// The entries that a model sees: those that no summary stands for.
    pub(crate) fn context(&self) -> &[Recorded] {
        self.transcript.context()
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
