//! Answers in OpenAI's chat completions dialect.

use serde_json::{Value, json};

use super::frames::{Frames, Header, completion_tokens, halves, quoted};
use super::script::Answer;

/// The answer as server-sent events.
pub(super) fn stream(header: &Header<'_>, answer: &Answer) -> Frames {
    let start = format!(
        r#"data: {{"id":"chatcmpl-{}","object":"chat.completion.chunk","created":0,"model":{},"choices":["#,
        header.number,
        quoted(header.model)
    );
    let choice = |delta: &str, finish: &str| {
        format!("{start}{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let mut tokens: Vec<String> = answer
        .tokens
        .iter()
        .map(|text| choice(&format!(r#"{{"content":{}}}"#, quoted(text)), "null"))
        .collect();
    for (index, call) in answer.calls.iter().enumerate() {
        let (first, second) = halves(call);
        let open = json!({"tool_calls": [{"index": index, "id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": first}}]});
        let rest = json!({"tool_calls": [{"index": index, "function": {"arguments": second}}]});
        tokens.extend([choice(&open.to_string(), "null"), choice(&rest.to_string(), "null")]);
    }
    let mut tail = choice("{}", &quoted(finish_reason(answer)));
    if header.usage {
        tail.push_str(&format!("{start}],\"usage\":{}}}\n\n", usage(header, answer)));
    }
    tail.push_str("data: [DONE]\n\n");
    Frames {
        head: choice(r#"{"role":"assistant","content":""}"#, "null").into(),
        tokens: tokens.into_iter().map(Into::into).collect(),
        tail: tail.into(),
    }
}

/// The answer in one piece.
pub(super) fn whole(header: &Header<'_>, answer: &Answer) -> Value {
    let calls: Vec<Value> = answer
        .calls
        .iter()
        .map(|call| {
            json!({"id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": call.args}})
        })
        .collect();
    let mut message = json!({"role": "assistant", "content": answer.text()});
    if !calls.is_empty() {
        message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    }
    json!({"id": format!("chatcmpl-{}", header.number), "object": "chat.completion", "created": 0,
        "model": header.model, "usage": usage(header, answer),
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(answer)}]})
}

fn finish_reason(answer: &Answer) -> &'static str {
    if answer.calls.is_empty() { "stop" } else { "tool_calls" }
}

fn usage(header: &Header<'_>, answer: &Answer) -> Value {
    let completion = completion_tokens(answer);
    json!({"prompt_tokens": header.prompt_tokens, "completion_tokens": completion,
        "total_tokens": header.prompt_tokens + completion})
}
