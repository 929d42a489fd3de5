//! The `messages` of a request.

use serde_json::Value;

use super::content::{ImageRoom, parts, text_only};
use super::place::Place;
use super::value::Fields;
use super::{ChatRequest, Invalid};
use crate::{Message, ToolCall};

/// The call that a message of the former `function` role answers: such calls have no id of their own.
#[derive(Debug, Default)]
struct LastFunctionCall {
    id: String,
    name: String,
}

/// Reads all messages. At least one must be a user's or a tool's: there is nothing to answer otherwise.
pub(super) fn read(list: Vec<Value>, place: &Place<'_>) -> Result<Vec<Message>, Invalid> {
    if list.is_empty() {
        return Err(place.refuse("must have at least one message"));
    }
    if list.len() > ChatRequest::MAX_MESSAGES {
        return Err(place.refuse(format_args!("has more than {} messages", ChatRequest::MAX_MESSAGES)));
    }
    let mut room = ImageRoom::new();
    let mut last_call = LastFunctionCall::default();
    let mut messages = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let place = place.index(index);
        messages.push(message(Fields::of(value, &place)?, index, &mut room, &mut last_call)?);
    }
    if !messages.iter().any(|m| matches!(m, Message::User { .. } | Message::Tool { .. })) {
        return Err(place.refuse("must have at least one message of role `user` or `tool`"));
    }
    Ok(messages)
}

fn message(
    mut fields: Fields<'_>,
    index: usize,
    room: &mut ImageRoom,
    last_call: &mut LastFunctionCall,
) -> Result<Message, Invalid> {
    let content_place = fields.place.field("content");
    match fields.required_string("role")?.as_str() {
        "system" | "developer" => {
            Ok(Message::System { text: text_only(fields.required("content")?, &content_place)? })
        }
        "user" => Ok(Message::User { parts: parts(fields.required("content")?, &content_place, room)? }),
        "assistant" => assistant(fields, index, last_call),
        "tool" => {
            let call_id = fields.required_string("tool_call_id")?;
            let content = text_only(fields.required("content")?, &content_place)?;
            Ok(Message::Tool { call_id, content, is_error: false })
        }
        "function" => function_result(fields, last_call),
        other => Err(fields.refuse(
            "role",
            format_args!("is `{other}`; it must be system, developer, user, assistant, tool or function"),
        )),
    }
}

fn assistant(
    mut fields: Fields<'_>,
    index: usize,
    last_call: &mut LastFunctionCall,
) -> Result<Message, Invalid> {
    let content = fields.take("content");
    let place = fields.place.field("content");
    let text = content.map(|content| text_only(content, &place)).transpose()?;
    let text = text.or(fields.string("refusal")?);
    let calls_place = fields.place.field("tool_calls");
    let mut tool_calls = Vec::new();
    for (index, call) in fields.list("tool_calls")?.into_iter().enumerate() {
        tool_calls.push(tool_call(Fields::of(call, &calls_place.index(index))?)?);
    }
    if let Some(call) = fields.take("function_call") {
        let id = format!("function_call_{index}");
        let place = fields.place.field("function_call");
        let call = called_function(Fields::of(call, &place)?, id)?;
        *last_call = LastFunctionCall { id: call.id.clone(), name: call.name.clone() };
        tool_calls.push(call);
    }
    if text.is_none() && tool_calls.is_empty() {
        return Err(fields.refuse("content", "is required unless the message has tool calls"));
    }
    Ok(Message::Assistant { text: text.unwrap_or_default(), tool_calls, raw: None })
}

fn tool_call(mut call: Fields<'_>) -> Result<ToolCall, Invalid> {
    let id = call.required_string("id")?;
    if call.string("type")?.is_some_and(|kind| kind != "function") {
        return Err(call.refuse("type", "must be `function`"));
    }
    let place = call.place.field("function");
    called_function(Fields::of(call.required("function")?, &place)?, id)
}

fn called_function(mut function: Fields<'_>, id: String) -> Result<ToolCall, Invalid> {
    let name = function.required_string("name")?;
    let arguments = function.string("arguments")?.unwrap_or_default();
    Ok(ToolCall { id, name, arguments })
}

fn function_result(mut fields: Fields<'_>, last_call: &LastFunctionCall) -> Result<Message, Invalid> {
    let name = fields.required_string("name")?;
    if name != last_call.name {
        return Err(fields.refuse("name", "does not name the last function call of the assistant"));
    }
    let place = fields.place.field("content");
    let content = text_only(fields.required("content")?, &place)?;
    Ok(Message::Tool { call_id: last_call.id.clone(), content, is_error: false })
}
