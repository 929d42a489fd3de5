//! The body of `POST /v1/chat/completions`.

use serde_json::Value;

use super::place::Place;
use super::value::Fields;
use super::{Document, Invalid, messages, tools};
use crate::{Message, Sampling, ToolChoice, ToolSpec};

/// The most characters of `user`.
const MAX_USER_CHARS: usize = 256;

/// The most stop sequences.
const MAX_STOPS: usize = 4;

/// What a chat-completions request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// Which agent, in one of OpenClaw's forms; not looked up yet.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Tools that the sender executes itself.
    pub tools: Vec<ToolSpec>,
    /// Whether one must be called.
    pub tool_choice: ToolChoice,
    /// How to sample.
    pub sampling: Sampling,
    /// The reply is wanted as a stream.
    pub stream: bool,
    /// The stream is to end with a chunk that tells the usage.
    pub include_usage: bool,
    /// The sender's name for the person it speaks for; names a session. Never empty.
    pub user: Option<String>,
}

impl ChatRequest {
    /// The most messages of a request.
    pub const MAX_MESSAGES: usize = 2_000;

    /// Reads a request out of its body. The first thing that is wrong is refused, with its place.
    pub fn read(document: Document) -> Result<Self, Invalid> {
        let root = Place::ROOT;
        let mut fields = Fields { map: document.0, place: &root };
        let model = fields.required_string("model")?;
        if fields.take("n").is_some_and(|n| n.as_u64() != Some(1)) {
            return Err(fields.refuse("n", "must be 1: a session has one reply at a time"));
        }
        let messages = fields.required("messages")?;
        let Value::Array(messages) = messages else {
            return Err(fields.refuse("messages", "must be an array"));
        };
        let messages = messages::read(messages, &root.field("messages"))?;
        let tools = tools::read(fields.list("tools")?, &root.field("tools"))?;
        let tool_choice = tools::choice(fields.take("tool_choice"), &root.field("tool_choice"), &tools)?;
        let sampling = sampling(&mut fields)?;
        let stream = fields.bool("stream")?.unwrap_or(false);
        let include_usage = include_usage(&mut fields)?;
        let user = user(&mut fields)?;
        Ok(Self { model, messages, tools, tool_choice, sampling, stream, include_usage, user })
    }
}

fn sampling(fields: &mut Fields<'_>) -> Result<Sampling, Invalid> {
    let max_tokens = fields.count("max_tokens")?;
    Ok(Sampling {
        max_tokens: fields.count("max_completion_tokens")?.or(max_tokens),
        temperature: fields.number("temperature", 0.0, 2.0)?,
        top_p: fields.number("top_p", 0.0, 1.0)?,
        frequency_penalty: fields.number("frequency_penalty", -2.0, 2.0)?,
        presence_penalty: fields.number("presence_penalty", -2.0, 2.0)?,
        seed: fields.integer("seed")?,
        stop: stop(fields)?,
        response_format: response_format(fields)?,
        parallel_tool_calls: fields.bool("parallel_tool_calls")?,
    })
}

fn stop(fields: &mut Fields<'_>) -> Result<Vec<String>, Invalid> {
    let stops = match fields.take("stop") {
        None => return Ok(Vec::new()),
        Some(Value::String(stop)) => vec![Value::String(stop)],
        Some(Value::Array(stops)) => stops,
        Some(_) => return Err(fields.refuse("stop", "must be a string or an array of strings")),
    };
    if stops.len() > MAX_STOPS {
        return Err(fields.refuse("stop", format_args!("has more than {MAX_STOPS} sequences")));
    }
    let place = fields.place.field("stop");
    let read = |(index, stop)| match stop {
        Value::String(stop) if !stop.is_empty() => Ok(stop),
        _ => Err(place.index(index).refuse("must be a string that is not empty")),
    };
    stops.into_iter().enumerate().map(read).collect()
}

fn response_format(fields: &mut Fields<'_>) -> Result<Option<Value>, Invalid> {
    let Some(format) = fields.take("response_format") else { return Ok(None) };
    let place = fields.place.field("response_format");
    match format.get("type").and_then(Value::as_str) {
        Some("text" | "json_object") => Ok(Some(format)),
        Some("json_schema") if format.get("json_schema").is_some_and(Value::is_object) => Ok(Some(format)),
        Some("json_schema") => Err(place.field("json_schema").refuse("must be an object")),
        _ => Err(place.field("type").refuse("must be text, json_object or json_schema")),
    }
}

fn include_usage(fields: &mut Fields<'_>) -> Result<bool, Invalid> {
    let Some(options) = fields.take("stream_options") else { return Ok(false) };
    let place = fields.place.field("stream_options");
    Ok(Fields::of(options, &place)?.bool("include_usage")?.unwrap_or(false))
}

fn user(fields: &mut Fields<'_>) -> Result<Option<String>, Invalid> {
    let Some(user) = fields.string("user")?.filter(|user| !user.is_empty()) else { return Ok(None) };
    if user.chars().count() > MAX_USER_CHARS {
        return Err(fields.refuse("user", format_args!("has more than {MAX_USER_CHARS} characters")));
    }
    if user.chars().any(char::is_control) {
        return Err(fields.refuse("user", "must not contain control characters"));
    }
    Ok(Some(user))
}

#[cfg(test)]
mod tests;
