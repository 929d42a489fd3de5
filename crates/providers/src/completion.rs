//! What a model answers: in pieces while it is being made, and as a whole.

use regrow_protocol::{RawTurn, StopReason, ToolCall, Usage};

/// A piece of an answer while it is being made. Only text is streamed; tool calls come with the whole answer, because
/// nothing can be done with half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'a> {
    /// The next piece of the visible text; never empty.
    Text(&'a str),
    /// Everything streamed so far in this call is void: the call is being retried, or another model answers.
    Restart,
}

/// Receives the pieces of an answer. It is called between reads of the network, so it must not block.
pub type OnDelta<'a> = &'a mut (dyn FnMut(Delta<'_>) + Send);

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The visible text; empty when the model only called tools.
    pub text: String,
    /// Tools the model asked for, in its order; the ids are unique within the answer.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// Tokens as the provider counted them; zero where it does not count.
    pub usage: Usage,
    /// The provider's own form of the turn, where the fields above would lose something that the provider wants back.
    pub raw: Option<RawTurn>,
    /// `provider/model` of the model that answered.
    pub model: String,
}
