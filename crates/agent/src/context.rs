//! The messages that a model sees, rendered from the journal.
//!
//! The rendering is a function of persisted data alone, so after a takeover another replica sends the same bytes and
//! meets the provider's prompt cache. What providers would reject (a call without a result, a result without a call)
//! is mended here, in one place.

use std::borrow::Cow;

use regrow_protocol::{Message, Part};

use crate::{Entry, Journal, Recorded};

/// Stands before a summary of the older conversation.
const SUMMARY_INTRO: &str =
    "Summary of the conversation so far; the messages themselves are no longer shown:\n\n";

/// Stands in for the result of a call that its caller never answered.
const NO_RESULT: &str = "No result was given for this call.";

/// The messages of the next model call: system prompt, then the conversation, then what this run has done.
pub fn messages<'a>(journal: &'a Journal, system_prompt: &str) -> Vec<Cow<'a, Message>> {
    let mut rendered = Vec::with_capacity(journal.entries.len() + 3);
    rendered.push(Cow::Owned(Message::System { text: with_instructions(system_prompt, journal) }));
    if let Some(summary) = last_summary(&journal.entries) {
        rendered.push(Cow::Owned(Message::user(format!("{SUMMARY_INTRO}{summary}"))));
    }
    rendered.extend(conversation(&journal.entries).map(Cow::Borrowed));
    if !journal.has_user_entry() {
        let added = journal.inbound.added(journal.is_fresh());
        rendered.extend(added.iter().filter(|message| is_said(message)).map(Cow::Borrowed));
    }
    mend(rendered)
}

/// The messages that entries contribute to the conversation, in order.
pub(crate) fn conversation(entries: &[Recorded]) -> impl Iterator<Item = &Message> {
    entries.iter().flat_map(|recorded| {
        let messages: &[Message] = match &*recorded.entry {
            Entry::User { messages, .. } => messages,
            Entry::Assistant { message, .. } | Entry::ToolResult { message, .. } => {
                std::slice::from_ref(message)
            }
            Entry::Final(last) => last.message.as_slice(),
            Entry::ToolStarted { .. } | Entry::Compaction { .. } | Entry::Reset => &[],
        };
        messages.iter().filter(|message| is_said(message))
    })
}

/// The last summary among these entries.
pub(crate) fn last_summary(entries: &[Recorded]) -> Option<&str> {
    entries.iter().rev().find_map(|recorded| match &*recorded.entry {
        Entry::Compaction { summary, .. } => Some(summary.as_str()),
        _ => None,
    })
}

/// Instructions belong to one turn and are not part of what was said.
fn is_said(message: &Message) -> bool {
    !matches!(message, Message::System { .. })
}

fn with_instructions(system_prompt: &str, journal: &Journal) -> String {
    let mut text = system_prompt.to_owned();
    for instruction in journal.inbound.instructions() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(instruction);
    }
    text
}

/// Gives every call exactly one result, directly after it, and turns results without a call into plain text.
fn mend(messages: Vec<Cow<'_, Message>>) -> Vec<Cow<'_, Message>> {
    let mut mended: Vec<Cow<'_, Message>> = Vec::with_capacity(messages.len());
    let mut open: Vec<String> = Vec::new();
    for message in messages {
        match &*message {
            Message::Tool { call_id, content, .. } => match open.iter().position(|id| id == call_id) {
                Some(at) => {
                    open.swap_remove(at);
                    mended.push(message);
                }
                None => {
                    let text = format!("Result of an unknown tool call `{call_id}`:\n{content}");
                    close(&mut mended, &mut open);
                    mended.push(Cow::Owned(Message::User { parts: vec![Part::Text { text }] }));
                }
            },
            Message::Assistant { tool_calls, text, .. } => {
                close(&mut mended, &mut open);
                open.extend(tool_calls.iter().map(|call| call.id.clone()));
                if !text.is_empty() || !tool_calls.is_empty() {
                    mended.push(message);
                }
            }
            Message::User { .. } | Message::System { .. } => {
                close(&mut mended, &mut open);
                mended.push(message);
            }
        }
    }
    close(&mut mended, &mut open);
    mended
}

fn close(mended: &mut Vec<Cow<'_, Message>>, open: &mut Vec<String>) {
    for call_id in open.drain(..) {
        let message = Message::Tool { call_id, content: NO_RESULT.to_owned(), is_error: true };
        mended.push(Cow::Owned(message));
    }
}
