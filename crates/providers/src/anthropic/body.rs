//! The request body: serialised once, from turns that borrow the conversation.

use std::borrow::Cow;

use regrow_protocol::{ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use super::turns::{Block, Turn, alternate, system};
use crate::provider::{Call, CallError};
use crate::request::schema;

/// The body of `call`.
pub(super) fn encode(call: &Call<'_>) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(&Body::of(call))
        .map_err(|error| CallError::Misconfigured { message: error.to_string() })
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl<'a> Body<'a> {
    fn of(call: &'a Call<'_>) -> Self {
        let request = call.request;
        let sampling = &request.sampling;
        let mut system = system(request.messages.iter());
        let mut messages = alternate(request.messages.iter(), call.info.images);
        // Two marks: what all calls of an agent share, and the conversation up to here.
        system.last_mut().map(Block::mark);
        messages.last_mut().and_then(|turn| turn.content.last_mut()).map(Block::mark);
        Self {
            model: call.id,
            max_tokens: sampling.max_tokens.unwrap_or(call.info.max_tokens),
            stream: true,
            system,
            messages,
            tools: request.tools.iter().copied().map(Tool::of).collect(),
            tool_choice: (!request.tools.is_empty())
                .then(|| Choice::of(&request.tool_choice, sampling.parallel_tool_calls)),
            // The range ends at 1 here, at 2 in OpenAI's interface.
            temperature: sampling.temperature.map(|temperature| temperature.min(1.0)),
            top_p: sampling.top_p,
            stop_sequences: &sampling.stop,
        }
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            input_schema: schema(tool),
            strict: tool.strict,
        }
    }
}

#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

impl<'a> Choice<'a> {
    fn of(choice: &'a ToolChoice, parallel: Option<bool>) -> Self {
        let (kind, name) = match choice {
            ToolChoice::Auto => ("auto", None),
            ToolChoice::None => ("none", None),
            ToolChoice::Required => ("any", None),
            ToolChoice::Named(name) => ("tool", Some(name.as_str())),
        };
        Self { r#type: kind, name, disable_parallel_tool_use: parallel == Some(false) && kind != "none" }
    }
}
