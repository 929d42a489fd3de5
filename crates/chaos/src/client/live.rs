//! A response that is still coming: a test can look at it, act in the middle of it, drop it, or read it to its end.

use std::time::Instant;

use serde_json::Value;

use super::sse::Lines;
use super::{Reply, ToolCall};

/// The most bytes of an answer that is not a stream; what is longer counts as broken.
const MAX_BODY: usize = 64 << 20;

/// A response that is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub struct Live {
    response: reqwest::Response,
    begun: Instant,
    streamed: bool,
    lines: Lines,
    /// The body of an answer that is not a stream.
    whole: Vec<u8>,
    reply: Reply,
}

impl Live {
    pub(super) fn new(response: reqwest::Response, begun: Instant) -> Self {
        let headers = response.headers().clone();
        let streamed = headers
            .get(reqwest::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let reply = Reply { status: response.status().as_u16(), headers, ..Reply::default() };
        Self { response, begun, streamed, lines: Lines::default(), whole: Vec::new(), reply }
    }

    /// What has come so far.
    pub fn so_far(&self) -> &Reply {
        &self.reply
    }

    /// Reads until the text holds at least `bytes` bytes; `false` if the response ended before.
    pub async fn read_text(&mut self, bytes: usize) -> bool {
        while self.reply.text.len() < bytes {
            if !self.read_piece().await {
                return false;
            }
        }
        true
    }

    /// Reads to the end, whatever the end is.
    pub async fn finish(mut self) -> Reply {
        self.read_to_end().await;
        self.into_reply()
    }

    /// Reads to the end and keeps what came; who stops waiting for this can still ask for it.
    pub async fn read_to_end(&mut self) {
        while self.read_piece().await {}
    }

    /// What has come so far, as all that will.
    pub fn into_reply(mut self) -> Reply {
        self.reply.total = self.begun.elapsed();
        self.reply
    }

    /// Reads one piece of the body; `false` at its end.
    async fn read_piece(&mut self) -> bool {
        match self.response.chunk().await {
            Ok(Some(piece)) if self.streamed => {
                let Self { lines, reply, begun, .. } = self;
                lines.feed(&piece, |name, value| match name {
                    "data" => note_event(reply, value, *begun),
                    "id" => reply.last_event_id = Some(value.to_owned()),
                    _ => {}
                });
                true
            }
            Ok(Some(piece)) if self.whole.len() + piece.len() > MAX_BODY => {
                self.reply.broken = Some(format!("a body of more than {MAX_BODY} bytes"));
                false
            }
            Ok(Some(piece)) => {
                self.whole.extend_from_slice(&piece);
                true
            }
            Ok(None) if self.streamed => false,
            Ok(None) => {
                note_whole(&mut self.reply, &self.whole, self.begun);
                false
            }
            Err(error) => {
                self.reply.broken = Some(format!("{:#}", anyhow::Error::from(error)));
                false
            }
        }
    }
}

/// Notes the data of one server-sent event.
fn note_event(reply: &mut Reply, data: &str, begun: Instant) {
    if data == "[DONE]" {
        reply.complete = true;
        return;
    }
    let Ok(chunk) = serde_json::from_str::<Value>(data) else {
        reply.error = Some(Value::from(format!("not JSON: {data}")));
        return;
    };
    note_object(reply, &chunk, "delta", begun);
}

/// Notes a whole body. One that is not JSON is an error in itself.
fn note_whole(reply: &mut Reply, body: &[u8], begun: Instant) {
    reply.complete = true;
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => note_object(reply, &body, "message", begun),
        Err(_) => reply.error = Some(Value::from(String::from_utf8_lossy(body))),
    }
}

/// Notes a completion or a chunk of one, whose content stands under `content_key`.
fn note_object(reply: &mut Reply, object: &Value, content_key: &str, begun: Instant) {
    if let Some(error) = object.get("error") {
        reply.error = Some(error.clone());
    }
    if let Some(id) = object["id"].as_str() {
        reply.id.get_or_insert_with(|| id.to_owned());
    }
    if object["usage"].is_object() {
        reply.usage = Some(object["usage"].clone());
    }
    let choice = &object["choices"][0];
    if let Some(reason) = choice["finish_reason"].as_str() {
        reply.finish_reason = Some(reason.to_owned());
    }
    let content = &choice[content_key];
    let text = content["content"].as_str().unwrap_or_default();
    let calls = content["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !text.is_empty() || !calls.is_empty() {
        reply.first_token.get_or_insert_with(|| begun.elapsed());
    }
    reply.text.push_str(text);
    for (position, call) in calls.iter().enumerate() {
        note_tool_call(reply, call, position);
    }
}

/// Adds a call or a fragment of one. An index outside of what can follow is noted as an error.
fn note_tool_call(reply: &mut Reply, call: &Value, position: usize) {
    let index = call["index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(position);
    if index == reply.tool_calls.len() {
        reply.tool_calls.push(ToolCall::default());
    }
    let Some(known) = reply.tool_calls.get_mut(index) else {
        reply.error = Some(Value::from(format!("a tool call skips to index {index}")));
        return;
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    known.id.push_str(&text(&call["id"]));
    known.name.push_str(&text(&call["function"]["name"]));
    known.arguments.push_str(&text(&call["function"]["arguments"]));
}
