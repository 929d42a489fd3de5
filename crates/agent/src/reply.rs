//! What a run says to its sender, folded from its entries: every replica computes the same.

use regrow_protocol::{Message, StopReason, ToolCall, Usage};
use serde::{Deserialize, Serialize};

use crate::{Ending, Entry, Final};

/// What stands between the texts of several model answers of one run.
const PARAGRAPH: &str = "\n\n";

/// The answer to a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// How the run ended.
    pub ending: Ending,
    /// All that the run said.
    pub text: String,
    /// Calls of the sender's own tools.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// What the run cost, all its model calls together.
    pub usage: Usage,
    /// The model that gave the last answer, as `provider/model`.
    pub model: String,
}

impl Reply {
    /// The reply of a run with these entries, if it has ended.
    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> Option<Self> {
        let last = entries.clone().find_map(|entry| match entry {
            Entry::Final(last) => Some(last),
            _ => None,
        })?;
        let mut usage = Usage::default();
        let mut model = last.model.clone();
        let mut tool_calls = Vec::new();
        for entry in entries.clone() {
            match entry {
                Entry::Assistant { usage: spent, model: name, message } => {
                    usage += *spent;
                    if last.model.is_empty() {
                        model.clone_from(name);
                    }
                    if last.message.is_none() && last.stop == StopReason::ToolCalls {
                        tool_calls = calls_of(message).to_vec();
                    }
                }
                Entry::ToolResult { message: Message::Tool { call_id, .. }, .. } => {
                    tool_calls.retain(|call| call.id != *call_id);
                }
                Entry::Compaction { usage: spent, .. } => usage += *spent,
                Entry::Final(last) => usage += last.usage,
                _ => {}
            }
        }
        if let Some(message) = &last.message {
            tool_calls = calls_of(message).to_vec();
        }
        Some(Self {
            ending: last.ending.clone(),
            text: visible_text(entries),
            tool_calls,
            stop: last.stop,
            usage,
            model,
        })
    }
}

fn calls_of(message: &Message) -> &[ToolCall] {
    match message {
        Message::Assistant { tool_calls, .. } => tool_calls,
        _ => &[],
    }
}

/// All that a run has said so far, as its sender sees it: the texts of its model answers, with a blank line between.
pub fn visible_text<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut visible = String::new();
    for entry in entries {
        if let Entry::Assistant { message: Message::Assistant { text, .. }, .. }
        | Entry::Final(Final { message: Some(Message::Assistant { text, .. }), .. }) = entry
        {
            extend_visible(&mut visible, text);
        }
    }
    visible
}

/// Adds the text of another model answer to what a run has said.
pub fn extend_visible(visible: &mut String, text: &str) {
    if !visible.is_empty() && !text.is_empty() {
        visible.push_str(PARAGRAPH);
    }
    visible.push_str(text);
}
