//! What a chat completion looks like on the wire: whole, and in chunks. Everything is borrowed.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::{StopReason, ToolCall, Usage};

/// A whole completion.
#[derive(Debug, Serialize)]
pub struct Completion<'a> {
    /// `chatcmpl_<run id>`.
    pub id: &'a str,
    /// Always `chat.completion`.
    pub object: &'static str,
    /// When the message was accepted, in seconds since 1970.
    pub created: u64,
    /// The model as it was requested.
    pub model: &'a str,
    /// The one choice.
    pub choices: [Choice<'a>; 1],
    /// Tokens.
    pub usage: UsageCounts,
}

/// The one choice of a completion.
#[derive(Debug, Serialize)]
pub struct Choice<'a> {
    /// Always 0.
    pub index: u32,
    /// The reply.
    pub message: Answer<'a>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The message of a completion.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text; `null` if there are only calls of tools.
    pub content: Option<&'a str>,
    /// Calls of the sender's tools.
    #[serde(skip_serializing_if = "Calls::is_empty")]
    pub tool_calls: Calls<'a>,
}

/// A chunk of a streamed completion.
#[derive(Debug, Serialize)]
pub struct Chunk<'a> {
    /// The same in all chunks of a completion.
    pub id: &'a str,
    /// Always `chat.completion.chunk`.
    pub object: &'static str,
    /// The same in all chunks of a completion.
    pub created: u64,
    /// The model as it was requested.
    pub model: &'a str,
    /// One choice; none in the chunk that tells the usage.
    pub choices: &'a [ChunkChoice<'a>],
    /// Absent unless the usage was asked for; then `null` in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<UsageCounts>>,
}

/// The one choice of a chunk.
#[derive(Debug, Serialize)]
pub struct ChunkChoice<'a> {
    /// Always 0.
    pub index: u32,
    /// What is added.
    pub delta: Delta<'a>,
    /// Why it ended, in the last chunk with a choice.
    pub finish_reason: Option<FinishReason>,
}

/// What a chunk adds to the message.
#[derive(Debug, Default, Serialize)]
pub struct Delta<'a> {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// More text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// A whole call of a sender's tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[CallDelta<'a>; 1]>,
}

/// A call of a tool in a chunk.
#[derive(Debug, Serialize)]
pub struct CallDelta<'a> {
    /// Its place among the calls.
    pub index: usize,
    /// Its id.
    pub id: &'a str,
    /// Always `function`.
    pub r#type: &'static str,
    /// The call.
    pub function: CallFunction<'a>,
}

/// The name and arguments of a call.
#[derive(Debug, Serialize)]
pub struct CallFunction<'a> {
    /// The tool.
    pub name: &'a str,
    /// JSON text, as the model wrote it.
    pub arguments: &'a str,
}

impl<'a> CallDelta<'a> {
    /// The call at a place among the calls.
    pub fn new(index: usize, call: &'a ToolCall) -> Self {
        let function = CallFunction { name: &call.name, arguments: &call.arguments };
        Self { index, id: &call.id, r#type: "function", function }
    }
}

/// The calls of a whole completion.
#[derive(Debug)]
pub struct Calls<'a>(pub &'a [ToolCall]);

impl Calls<'_> {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Call<'a> {
            id: &'a str,
            r#type: &'static str,
            function: CallFunction<'a>,
        }
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for call in self.0 {
            let function = CallFunction { name: &call.name, arguments: &call.arguments };
            list.serialize_element(&Call { id: &call.id, r#type: "function", function })?;
        }
        list.end()
    }
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It reached its token limit.
    Length,
    /// The sender is to execute its tools.
    ToolCalls,
    /// The provider withheld the answer.
    ContentFilter,
}

impl From<StopReason> for FinishReason {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Stop => Self::Stop,
            StopReason::Length => Self::Length,
            StopReason::ToolCalls => Self::ToolCalls,
            StopReason::ContentFilter => Self::ContentFilter,
        }
    }
}

/// Tokens in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UsageCounts {
    /// Of the prompt.
    pub prompt_tokens: u64,
    /// Of the reply.
    pub completion_tokens: u64,
    /// Together.
    pub total_tokens: u64,
}

impl From<Usage> for UsageCounts {
    fn from(usage: Usage) -> Self {
        Self { prompt_tokens: usage.input, completion_tokens: usage.output, total_tokens: usage.total() }
    }
}
