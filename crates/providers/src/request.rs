//! What is asked of a model. It borrows: a conversation is serialised from where it lies, without being copied.

use std::borrow::Cow;

use regrow_protocol::{Conversation, Sampling, ToolChoice, ToolSpec};
use serde_json::{Value, json};

/// Stands in for an image that the model cannot read. Which model answers is known only here, not to the caller.
pub(crate) const NO_IMAGES: &str = "[An image was here. This model does not read images.]";

/// What is asked of a model.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest<'a> {
    /// The conversation, oldest first.
    pub messages: Conversation<'a>,
    /// Tools that the model may call.
    pub tools: Vec<&'a ToolSpec>,
    /// Whether and which of them it must call; without tools it has no meaning and is not sent.
    pub tool_choice: ToolChoice,
    /// Sampling parameters; those that a dialect does not have are left out.
    pub sampling: Sampling,
}

/// A tool's schema; that of no arguments where it has none, because servers want an object.
pub(crate) fn schema(tool: &ToolSpec) -> Cow<'_, Value> {
    if tool.parameters.is_object() {
        Cow::Borrowed(&tool.parameters)
    } else {
        Cow::Owned(json!({ "type": "object", "properties": {} }))
    }
}
