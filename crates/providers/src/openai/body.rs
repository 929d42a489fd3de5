//! The request body: serialised once, straight from the borrowed conversation.

use std::borrow::Cow;
use std::fmt;

use regrow_protocol::{Message, Part, ToolCall, ToolChoice, ToolSpec};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::arguments::object_text;
use crate::provider::{Call, CallError};
use crate::request::{NO_IMAGES, schema};

/// How a server wants the limit of an answer to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenLimit {
    /// OpenAI itself, whose newer models refuse the older name.
    MaxCompletionTokens,
    /// Compatible servers, many of which ignore the newer name.
    MaxTokens,
}

impl TokenLimit {
    /// What the server at `host` wants.
    pub(super) fn at(host: &str) -> Self {
        if host == "api.openai.com" { Self::MaxCompletionTokens } else { Self::MaxTokens }
    }
}

/// The body of `call`.
pub(super) fn encode(call: &Call<'_>, limit: TokenLimit) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(&Body::of(call, limit))
        .map_err(|error| CallError::Misconfigured { message: error.to_string() })
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Messages<'a>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a Value>,
}

impl<'a> Body<'a> {
    fn of(call: &'a Call<'_>, limit: TokenLimit) -> Self {
        let request = call.request;
        let sampling = &request.sampling;
        let has_tools = !request.tools.is_empty();
        Self {
            model: call.id,
            messages: Messages { messages: &request.messages, images: call.info.images },
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            tools: request.tools.iter().map(Tool::of).collect(),
            tool_choice: has_tools.then(|| Choice::of(&request.tool_choice)),
            parallel_tool_calls: sampling.parallel_tool_calls.filter(|_| has_tools),
            max_tokens: sampling.max_tokens.filter(|_| limit == TokenLimit::MaxTokens),
            max_completion_tokens: sampling.max_tokens.filter(|_| limit == TokenLimit::MaxCompletionTokens),
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            seed: sampling.seed,
            stop: &sampling.stop,
            response_format: sampling.response_format.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The conversation, mapped message by message while it is being written.
struct Messages<'a> {
    messages: &'a [Cow<'a, Message>],
    images: bool,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.messages.iter().map(|message| WireMessage::of(message, self.images)))
    }
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum WireMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<WireCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

impl<'a> WireMessage<'a> {
    fn of(message: &'a Message, images: bool) -> Self {
        match message {
            Message::System { text } => Self::System { content: text },
            Message::User { parts } => Self::User { content: Content::of(parts, images) },
            Message::Assistant { text, tool_calls, .. } => Self::Assistant {
                content: (!text.is_empty() || tool_calls.is_empty()).then_some(text),
                tool_calls: tool_calls.iter().map(WireCall::of).collect(),
            },
            Message::Tool { call_id, content, .. } => Self::Tool { tool_call_id: call_id, content },
        }
    }
}

/// A single text is sent as a string, which every server understands; anything else as a list of parts.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<WirePart<'a>>),
}

impl<'a> Content<'a> {
    fn of(parts: &'a [Part], images: bool) -> Self {
        match parts {
            [] => Self::Text(""),
            [Part::Text { text }] => Self::Text(text),
            parts => Self::Parts(parts.iter().map(|part| WirePart::of(part, images)).collect()),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WirePart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

impl<'a> WirePart<'a> {
    fn of(part: &'a Part, images: bool) -> Self {
        match part {
            Part::Text { text } => Self::Text { text },
            Part::Image { .. } if !images => Self::Text { text: NO_IMAGES },
            Part::Image { media_type, data } => {
                Self::ImageUrl { image_url: ImageUrl { url: DataUrl { media_type, data } } }
            }
        }
    }
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: DataUrl<'a>,
}

/// An image as a data URL, written without being put together in memory first.
struct DataUrl<'a> {
    media_type: &'a str,
    data: &'a str,
}

impl fmt::Display for DataUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data:{};base64,{}", self.media_type, self.data)
    }
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
struct WireCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
}

impl<'a> WireCall<'a> {
    fn of(call: &'a ToolCall) -> Self {
        let function = CalledFunction { name: &call.name, arguments: object_text(&call.arguments) };
        Self { id: &call.id, r#type: "function", function }
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        let function = Function {
            name: &tool.name,
            description: &tool.description,
            parameters: schema(tool),
            strict: tool.strict,
        };
        Self { r#type: "function", function }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named { r#type: &'static str, function: NamedFunction<'a> },
}

#[derive(Serialize)]
struct NamedFunction<'a> {
    name: &'a str,
}

impl<'a> Choice<'a> {
    fn of(choice: &'a ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Mode("auto"),
            ToolChoice::None => Self::Mode("none"),
            ToolChoice::Required => Self::Mode("required"),
            ToolChoice::Named(name) => Self::Named { r#type: "function", function: NamedFunction { name } },
        }
    }
}
