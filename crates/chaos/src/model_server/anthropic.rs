//! Answers in Anthropic's messages dialect.

use serde_json::{Value, json};

use super::frames::{Frames, Header, completion_tokens, halves};
use super::script::Answer;

/// The answer as server-sent events.
pub(super) fn stream(header: &Header<'_>, answer: &Answer) -> Frames {
    let mut message = envelope(header);
    message["content"] = json!([]);
    message["usage"] = json!({"input_tokens": header.prompt_tokens, "output_tokens": 0});
    let mut head = event(&json!({"type": "message_start", "message": message}));
    let mut tokens = Vec::new();
    if answer.calls.is_empty() {
        head += &start(0, &json!({"type": "text", "text": ""}));
        tokens
            .extend(answer.tokens.iter().map(|text| delta(0, &json!({"type": "text_delta", "text": text}))));
        if let Some(last) = tokens.last_mut() {
            last.push_str(&stop(0));
        }
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let open = start(index, &json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}));
        let (first, second) = halves(call);
        let part = |json: &str| delta(index, &json!({"type": "input_json_delta", "partial_json": json}));
        tokens.extend([open + &part(first), part(second) + &stop(index)]);
    }
    let tail = event(&json!({"type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": {"output_tokens": completion_tokens(answer)}}));
    Frames {
        head: head.into(),
        tokens: tokens.into_iter().map(Into::into).collect(),
        tail: (tail + &event(&json!({"type": "message_stop"}))).into(),
    }
}

/// The answer in one piece.
pub(super) fn whole(header: &Header<'_>, answer: &Answer) -> Value {
    let uses = answer.calls.iter().map(|call| {
        let input: Value = serde_json::from_str(&call.args).unwrap_or_default();
        json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
    });
    let mut content: Vec<Value> = uses.collect();
    if content.is_empty() {
        content.push(json!({"type": "text", "text": answer.text()}));
    }
    let mut message = envelope(header);
    message["content"] = content.into();
    message["stop_reason"] = stop_reason(answer).into();
    message["usage"] =
        json!({"input_tokens": header.prompt_tokens, "output_tokens": completion_tokens(answer)});
    message
}

fn envelope(header: &Header<'_>) -> Value {
    json!({"id": format!("msg_{}", header.number), "type": "message", "role": "assistant",
        "model": header.model, "stop_reason": null, "stop_sequence": null})
}

fn stop_reason(answer: &Answer) -> &'static str {
    if answer.calls.is_empty() { "end_turn" } else { "tool_use" }
}

fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

fn start(index: usize, block: &Value) -> String {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: &Value) -> String {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn stop(index: usize) -> String {
    event(&json!({"type": "content_block_stop", "index": index}))
}
