//! What is said in a conversation, independent of any provider's dialect. These types are persisted in journals.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message as a model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions that stand beside the agent's own system prompt.
    System {
        /// The instructions.
        text: String,
    },
    /// What a person (or the program that speaks for one) said.
    User {
        /// Text and images, in the order given.
        parts: Vec<Part>,
    },
    /// What a model answered.
    Assistant {
        /// The visible text; empty when the model only called tools.
        text: String,
        /// Tools the model asked for, in its order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// The provider's own form of this turn, replayed verbatim to the same API (signed reasoning, for one).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<RawTurn>,
    },
    /// The result of one tool call.
    Tool {
        /// Which call this answers.
        call_id: String,
        /// What the tool returned, as text.
        content: String,
        /// The tool failed, or its outcome is unknown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

impl Message {
    /// A user message of plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { parts: vec![Part::Text { text: text.into() }] }
    }

    /// An assistant message of plain text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: text.into(), tool_calls: Vec::new(), raw: None }
    }

    /// The message's text without images and tool calls.
    pub fn text(&self) -> String {
        match self {
            Self::System { text } | Self::Assistant { text, .. } => text.clone(),
            Self::Tool { content, .. } => content.clone(),
            Self::User { parts } => {
                let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
                texts.join("\n")
            }
        }
    }
}

/// A part of a user message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// An image, carried in the message.
    Image {
        /// Its media type, such as `image/png`.
        media_type: String,
        /// Its bytes in standard base64.
        data: String,
    },
}

impl Part {
    /// The text of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Image { .. } => None,
        }
    }
}

/// A model's request to call a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id, unique within its assistant message.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: JSON text, kept verbatim because it may be broken.
    pub arguments: String,
}

/// A provider's own form of an assistant turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawTurn {
    /// Which API understands it, such as `anthropic-messages`.
    pub api: String,
    /// The turn's content blocks in that API's form.
    pub content: Value,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was done, or met a stop sequence.
    Stop,
    /// It reached its token limit.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// The provider withheld the answer.
    ContentFilter,
}

/// Tokens, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Prompt tokens read from the provider's cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Prompt tokens written to the provider's cache.
    #[serde(default)]
    pub cache_write: u64,
}

impl Usage {
    /// Input and output together.
    pub fn total(&self) -> u64 {
        self.input + self.output
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
    }
}
