//! The messages that a model sees, rendered from the journal.
//!
//! The rendering is a function of persisted data alone, so after a takeover another replica sends the same bytes and
//! meets the provider's prompt cache. What providers would reject (a call without a result, a result without a call)
//! is mended here, in one place.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use regrow_protocol::{Conversation, Message, Settled, Shared};

use crate::{Entry, Journal, Recorded};

/// Stands before a summary of the older conversation.
const SUMMARY_INTRO: &str =
    "Summary of the conversation so far; the messages themselves are no longer shown:\n\n";

/// Stands in for the result of a call that its caller never answered.
const NO_RESULT: &str = "No result was given for this call.";

/// The messages of the next model call: system prompt, then the conversation, then what this run has done.
pub fn messages<'a>(journal: &'a Journal, system_prompt: &str) -> Conversation<'a> {
    let mut opening = vec![Message::System { text: with_instructions(system_prompt, journal) }];
    opening.extend(
        journal.transcript.summary().map(|summary| Message::user(format!("{SUMMARY_INTRO}{summary}"))),
    );
    let shown = journal.transcript.shown();
    Conversation { opening, settled: Some(&shown.settled), recent: shown.recent_and(said(journal.pending())) }
}

/// The messages that entries contribute to the conversation, in order.
pub(crate) fn conversation(entries: &[Recorded]) -> impl Iterator<Item = &Message> {
    entries.iter().flat_map(|recorded| said(recorded.entry.messages()))
}

/// Instructions belong to one turn and are not part of what was said.
pub(crate) fn said(messages: &[Message]) -> impl Iterator<Item = &Message> {
    messages.iter().filter(|message| !is_instruction(message))
}

fn is_instruction(message: &Message) -> bool {
    matches!(message, Message::System { .. })
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

/// What a model is shown of a conversation so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// Up to the last moment at which no call was open: whatever follows changes nothing of it.
    pub(crate) settled: Settled,
    /// What came after that.
    recent: Mended<Shared>,
}

impl Shown {
    /// Adds what the next entry contributes.
    pub(crate) fn push(&mut self, entry: &Arc<Entry>) {
        for message in Shared::all(entry).filter(|message| !is_instruction(message)) {
            self.recent.push(message);
        }
        if self.recent.is_closed() {
            self.settled.extend(self.recent.messages.drain(..));
        }
    }

    /// What is not settled, as if it were followed by `more` and nothing else.
    fn recent_and<'a>(&'a self, more: impl Iterator<Item = &'a Message>) -> Vec<Cow<'a, Message>> {
        let borrowed =
            |messages: &'a [Shared]| messages.iter().map(|message| Cow::Borrowed(&**message)).collect();
        let mut mended = Mended {
            messages: borrowed(&self.recent.messages),
            open: self.recent.open.clone(),
            stray: borrowed(&self.recent.stray),
        };
        more.for_each(|message| mended.push(Cow::Borrowed(message)));
        mended.close();
        mended.messages
    }
}

/// A message, borrowed or shared.
trait Piece: Deref<Target = Message> {
    fn made(message: Message) -> Self;
}

impl Piece for Shared {
    fn made(message: Message) -> Self {
        message.into()
    }
}

impl Piece for Cow<'_, Message> {
    fn made(message: Message) -> Self {
        Cow::Owned(message)
    }
}

/// Messages that providers accept: every call has exactly one result, directly after it, and results without a call are
/// plain text.
#[derive(Debug, Clone)]
struct Mended<M> {
    messages: Vec<M>,
    /// Calls of the last assistant message that have no result yet, in the model's order.
    open: Vec<String>,
    /// Results without a call that came among those of its calls; they must not stand between them.
    stray: Vec<M>,
}

impl<M> Default for Mended<M> {
    fn default() -> Self {
        Self { messages: Vec::new(), open: Vec::new(), stray: Vec::new() }
    }
}

impl<M: Piece> Mended<M> {
    fn push(&mut self, message: M) {
        match &*message {
            Message::Tool { call_id, .. } => match self.open.iter().position(|id| id == call_id) {
                Some(at) => {
                    self.open.remove(at);
                    self.messages.push(message);
                }
                None => self.stray.push(message),
            },
            Message::Assistant { tool_calls, text, .. } => {
                self.close();
                self.open.extend(tool_calls.iter().map(|call| call.id.clone()));
                if !text.is_empty() || !tool_calls.is_empty() {
                    self.messages.push(message);
                }
            }
            Message::User { .. } | Message::System { .. } => {
                self.close();
                self.messages.push(message);
            }
        }
    }

    /// Nothing is missing, and nothing waits for its place.
    fn is_closed(&self) -> bool {
        self.open.is_empty() && self.stray.is_empty()
    }

    /// The results of the last assistant message are complete.
    fn close(&mut self) {
        for call_id in self.open.drain(..) {
            self.messages.push(M::made(Message::Tool {
                call_id,
                content: NO_RESULT.to_owned(),
                is_error: true,
            }));
        }
        for message in self.stray.drain(..) {
            if let Message::Tool { call_id, content, .. } = &*message {
                let text = format!("Result of an unknown tool call `{call_id}`:\n{content}");
                self.messages.push(M::made(Message::user(text)));
            }
        }
    }
}
