//! What a sender asked for: the body of an accepted message.

use regrow_protocol::{Message, Sampling, ToolChoice, ToolSpec, TraceContext};
use serde::{Deserialize, Serialize};

/// A message as it was accepted. It is persisted in the inbox and read again after a takeover.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The messages that the sender gave, oldest first: a single one, or a whole conversation.
    pub messages: Vec<Message>,
    /// Tools that the sender executes itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether the model must call one.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// How to sample.
    #[serde(default)]
    pub sampling: Sampling,
    /// The model to use instead of the agent's, as `provider/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The trace that the request is part of: each replica that runs the message continues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

impl Inbound {
    /// The messages that this turn adds to the conversation.
    ///
    /// In a fresh conversation that is all of them. In one that goes on, the transcript is the truth: a client that
    /// sends the whole history with each request (as chat-completions clients do) adds only what follows the last
    /// assistant message.
    pub fn added(&self, fresh: bool) -> &[Message] {
        if fresh {
            return &self.messages;
        }
        let last_assistant = self.messages.iter().rposition(|m| matches!(m, Message::Assistant { .. }));
        last_assistant.map_or(&self.messages[..], |at| &self.messages[at + 1..])
    }

    /// The sender's own instructions for this turn, which stand beside the agent's system prompt.
    pub fn instructions(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().filter_map(|message| match message {
            Message::System { text } => Some(text.as_str()),
            _ => None,
        })
    }
}
