//! What entries weigh in memory, about: caches are bounded by it.

use regrow_protocol::{Message, Part};
use serde_json::Value;

use crate::Entry;

/// What an entry costs beside its text.
const OVERHEAD: usize = 160;

/// Bytes of memory that an entry takes.
pub(crate) fn of(entry: &Entry) -> usize {
    let summary = match entry {
        Entry::Compaction { summary, .. } => summary.len(),
        _ => 0,
    };
    summary + entry.messages().iter().map(of_message).sum::<usize>() + OVERHEAD
}

fn of_message(message: &Message) -> usize {
    match message {
        Message::System { text } => text.len(),
        Message::User { parts } => parts
            .iter()
            .map(|part| match part {
                Part::Text { text } => text.len(),
                Part::Image { data, .. } => data.len(),
            })
            .sum(),
        Message::Assistant { text, tool_calls, raw } => {
            let calls: usize = tool_calls.iter().map(|call| call.arguments.len() + OVERHEAD).sum();
            let raw = raw.as_ref().map_or(0, |raw| of_json(&raw.content));
            text.len() + calls + raw
        }
        Message::Tool { content, .. } => content.len(),
    }
}

fn of_json(value: &Value) -> usize {
    let inside: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(of_json).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + of_json(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    inside + size_of::<Value>()
}
