//! The messages that a model sees, rendered from the journal.
//!
//! The rendering is a function of persisted data alone, so after a takeover another replica sends the same bytes and
//! meets the provider's prompt cache. What providers would reject (a call without a result, a result without a call)
//! is mended here, in one place.

use std::borrow::Cow;

use regrow_protocol::Message;

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
    if let Some(summary) = last_summary(journal.context()) {
        rendered.push(Cow::Owned(Message::user(format!("{SUMMARY_INTRO}{summary}"))));
    }
    rendered.extend(conversation(journal.context()).map(Cow::Borrowed));
    rendered.extend(said(journal.pending()).map(Cow::Borrowed));
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
        said(messages)
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
pub(crate) fn said(messages: &[Message]) -> impl Iterator<Item = &Message> {
    messages.iter().filter(|message| !matches!(message, Message::System { .. }))
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
    let mut mended = Mended { messages: Vec::with_capacity(messages.len()), ..Mended::default() };
    for message in messages {
        match &*message {
            Message::Tool { call_id, .. } => match mended.open.iter().position(|id| id == call_id) {
                Some(at) => {
                    mended.open.remove(at);
                    mended.messages.push(message);
                }
                None => mended.stray.push(message),
            },
            Message::Assistant { tool_calls, text, .. } => {
                mended.close();
                mended.open.extend(tool_calls.iter().map(|call| call.id.clone()));
                if !text.is_empty() || !tool_calls.is_empty() {
                    mended.messages.push(message);
                }
            }
            Message::User { .. } | Message::System { .. } => {
                mended.close();
                mended.messages.push(message);
            }
        }
    }
    mended.close();
    mended.messages
}

/// Messages that providers accept, and what the last assistant message among them still lacks.
#[derive(Default)]
struct Mended<'a> {
    messages: Vec<Cow<'a, Message>>,
    /// Its calls without a result, in the model's order.
    open: Vec<String>,
    /// Results without a call that came among those of its calls; they must not stand between them.
    stray: Vec<Cow<'a, Message>>,
}

impl Mended<'_> {
    /// The results of the last assistant message are complete.
    fn close(&mut self) {
        for call_id in self.open.drain(..) {
            let message = Message::Tool { call_id, content: NO_RESULT.to_owned(), is_error: true };
            self.messages.push(Cow::Owned(message));
        }
        for message in self.stray.drain(..) {
            if let Message::Tool { call_id, content, .. } = &*message {
                let text = format!("Result of an unknown tool call `{call_id}`:\n{content}");
                self.messages.push(Cow::Owned(Message::user(text)));
            }
        }
    }
}
