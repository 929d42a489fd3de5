//! The request body, put together from three pieces: what stands before the conversation, the conversation message by
//! message, and what stands after it. The settled part of a conversation was written for earlier requests, so its bytes
//! are copied; each other message is serialised from where it lies.

use std::borrow::Cow;
use std::fmt;

use regrow_protocol::{Conversation, Message, Part, ToolCall, ToolChoice, ToolSpec};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::arguments::object_text;
use crate::provider::{Call, CallError};
use crate::request::{NO_IMAGES, schema};

/// Room for a usual system prompt, and for a few messages that are not settled.
const MESSAGES: usize = 2 << 10;

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
    write(call, limit).map_err(|error| CallError::Misconfigured { message: error.to_string() })
}

fn write(call: &Call<'_>, limit: TokenLimit) -> serde_json::Result<Vec<u8>> {
    let head = serde_json::to_vec(&Head { model: call.id })?;
    let tail = serde_json::to_vec(&Tail::of(call, limit))?;
    let mut out = Vec::with_capacity(head.len() + tail.len() + MESSAGES);
    out.extend_from_slice(head.strip_suffix(b"}").unwrap_or(&head));
    out.extend_from_slice(br#","messages":["#);
    messages(&mut out, &call.request.messages, call.info.images, tail.len())?;
    if out.ends_with(b",") {
        out.pop();
    }
    out.extend_from_slice(b"],");
    out.extend_from_slice(tail.strip_prefix(b"{").unwrap_or(&tail));
    Ok(out)
}

/// Writes the conversation, with a comma after each message, and leaves room for `more` bytes.
fn messages(
    out: &mut Vec<u8>,
    conversation: &Conversation<'_>,
    images: bool,
    more: usize,
) -> serde_json::Result<()> {
    let add = |out: &mut Vec<u8>, message: &Message| {
        serde_json::to_writer(&mut *out, &WireMessage::of(message, images))?;
        out.push(b',');
        Ok::<_, serde_json::Error>(())
    };
    conversation.opening.iter().try_for_each(|message| add(out, message))?;
    if let Some(settled) = conversation.settled {
        let form = if images { "openai with images" } else { "openai without images" };
        settled.written(form, add, |written| {
            out.reserve(written.len() + MESSAGES + more);
            out.extend_from_slice(written);
        })?;
    }
    conversation.recent.iter().try_for_each(|message| add(out, message))
}

/// What stands before the conversation.
#[derive(Serialize)]
struct Head<'a> {
    model: &'a str,
}

/// What stands after it; never empty.
#[derive(Serialize)]
struct Tail<'a> {
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

impl<'a> Tail<'a> {
    fn of(call: &'a Call<'_>, limit: TokenLimit) -> Self {
        let request = call.request;
        let sampling = &request.sampling;
        let has_tools = !request.tools.is_empty();
        Self {
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            tools: request.tools.iter().copied().map(Tool::of).collect(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regrow_protocol::Settled;

    use super::*;
    use crate::ModelRequest;
    use crate::catalogue::ModelInfo;

    fn message() -> impl Strategy<Value = Message> {
        let text = || "[a-zü\"\\\\\n\u{1}🦎]{0,6}";
        let call = (text(), text(), "|\\{|\\{\"a\":1\\}").prop_map(|(id, name, arguments)| ToolCall {
            id,
            name,
            arguments,
        });
        let part = prop_oneof![
            text().prop_map(|text| Part::Text { text }),
            text().prop_map(|data| Part::Image { media_type: "image/png".to_owned(), data }),
        ];
        prop_oneof![
            text().prop_map(|text| Message::System { text }),
            prop::collection::vec(part, 0..3).prop_map(|parts| Message::User { parts }),
            (text(), prop::collection::vec(call, 0..3)).prop_map(|(text, tool_calls)| Message::Assistant {
                text,
                tool_calls,
                raw: None
            }),
            (text(), text(), any::<bool>()).prop_map(|(call_id, content, is_error)| Message::Tool {
                call_id,
                content,
                is_error
            }),
        ]
    }

    fn body(conversation: Conversation<'_>, images: bool) -> String {
        let request = ModelRequest { messages: conversation, ..ModelRequest::default() };
        let info = ModelInfo { name: "p/m".to_owned(), context_window: 1, max_tokens: 1, images };
        String::from_utf8(write(&Call::new(info, "m", &request), TokenLimit::MaxTokens).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_conversation_that_grows_gives_the_bytes_that_it_gives_at_once(
            turns in prop::collection::vec(
                (prop::collection::vec(message(), 0..3), prop::collection::vec(message(), 0..3), any::<bool>()), 1..6),
            opening in prop::collection::vec(message(), 0..2),
        ) {
            let (mut settled, mut said) = (Settled::default(), opening.clone());
            for (more, recent, images) in turns {
                settled.extend(more.iter().cloned().map(Into::into));
                said.extend(more);
                let borrowed = |messages: &'_ [Message]| messages.iter().cloned().map(Cow::Owned).collect::<Vec<_>>();
                let grown =
                    Conversation { opening: opening.clone(), settled: Some(&settled), recent: borrowed(&recent) };
                let at_once = Conversation::from(borrowed(&[said.as_slice(), &recent].concat()));
                let grown = body(grown, images);
                prop_assert!(serde_json::from_str::<Value>(&grown).is_ok(), "{}", grown);
                prop_assert_eq!(grown, body(at_once, images));
            }
        }
    }
}
