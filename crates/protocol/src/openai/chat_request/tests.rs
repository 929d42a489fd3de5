//! What is read from a request, and what is refused at which place.

use serde_json::json;

use super::*;
use crate::{Part, ToolCall};

fn read(body: Value) -> Result<ChatRequest, Invalid> {
    ChatRequest::read(Document::parse(body.to_string().as_bytes())?)
}

/// A good request with one field replaced.
fn with(name: &str, value: Value) -> Value {
    let mut body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]});
    body[name] = value;
    body
}

#[test]
fn reads_every_role() {
    let request = read(with(
        "messages",
        json!([
            {"role": "system", "content": "be kind"},
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "assistant", "content": null, "function_call": {"name": "g", "arguments": "{}"}},
            {"role": "function", "name": "g", "content": "43"},
            {"role": "user", "content": "and?", "name": "kim"},
        ]),
    ))
    .unwrap();
    let call = |id: &str, name: &str| ToolCall { id: id.into(), name: name.into(), arguments: "{}".into() };
    let calls = |call| Message::Assistant { text: String::new(), tool_calls: vec![call], raw: None };
    let result =
        |id: &str, text: &str| Message::Tool { call_id: id.into(), content: text.into(), is_error: false };
    let image = Part::Image { media_type: "image/png".into(), data: "QUJD".into() };
    assert_eq!(
        request.messages,
        [
            Message::System { text: "be kind".into() },
            Message::System { text: "a\nb".into() },
            Message::User { parts: vec![Part::Text { text: "look".into() }, image] },
            calls(call("c1", "f")),
            result("c1", "42"),
            Message::assistant("no"),
            calls(call("function_call_6", "g")),
            result("function_call_6", "43"),
            Message::user("and?"),
        ]
    );
}

#[test]
fn reads_every_field() {
    let request = read(json!({
        "model": "openclaw/ops",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": true, "stream_options": {"include_usage": true}, "user": "kim", "n": 1,
        "tools": [{"type": "function", "function": {"name": "f", "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false, "max_tokens": 7, "max_completion_tokens": 9, "temperature": 2,
        "top_p": 0.5, "frequency_penalty": -2.0, "presence_penalty": 1, "seed": -1, "stop": "x",
        "response_format": {"type": "json_object"}, "logit_bias": {"1": 2}, "store": true,
    }))
    .unwrap();
    assert_eq!((request.stream, request.include_usage, request.user.as_deref()), (true, true, Some("kim")));
    assert_eq!(request.tool_choice, ToolChoice::Named("f".into()));
    assert_eq!(request.tools[0].parameters, json!({"type": "object", "properties": {}}));
    assert!(request.tools[0].strict);
    let sampling = request.sampling;
    assert_eq!((sampling.max_tokens, sampling.temperature, sampling.seed), (Some(9), Some(2.0), Some(-1)));
    assert_eq!((sampling.stop, sampling.parallel_tool_calls), (vec!["x".to_owned()], Some(false)));
    assert_eq!(sampling.response_format, Some(json!({"type": "json_object"})));
}

#[test]
fn null_counts_as_absent() {
    let mut body = with("user", Value::Null);
    for name in ["stream", "stream_options", "tools", "tool_choice", "temperature", "stop", "n", "seed"] {
        body[name] = Value::Null;
    }
    assert_eq!(read(body), read(with("stream", json!(false))));
}

#[test]
fn refusals_name_the_place() {
    let user = json!({"role": "user", "content": "hi"});
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let long: String = "x".repeat(257);
    let nine = vec![image("data:image/png;base64,QUJD"); 9];
    for (field, value, param) in [
        ("model", json!(""), "model"),
        ("model", json!(7), "model"),
        ("n", json!(2), "n"),
        ("messages", json!({}), "messages"),
        ("messages", json!([]), "messages"),
        ("messages", json!([{"role": "system", "content": "x"}]), "messages"),
        ("messages", json!(["x"]), "messages[0]"),
        ("messages", json!([user, {"content": "x"}]), "messages[1].role"),
        ("messages", json!([user, {"role": "robot", "content": "x"}]), "messages[1].role"),
        ("messages", json!([{"role": "user"}]), "messages[0].content"),
        ("messages", json!([{"role": "user", "content": []}]), "messages[0].content"),
        ("messages", json!([{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
        (
            "messages",
            json!([user, {"role": "user", "content": [user, image("https://example.org/a.png")]}]),
            "messages[1].content[0].type",
        ),
        (
            "messages",
            json!([user, {"role": "user", "content": [{"type": "text", "text": ""}, image("https://a.b/c")]}]),
            "messages[1].content[1].image_url.url",
        ),
        ("messages", json!([{"role": "user", "content": nine}]), "messages[0].content[8]"),
        (
            "messages",
            json!([{"role": "system", "content": [image("x")]}, user]),
            "messages[0].content[0].type",
        ),
        ("messages", json!([user, {"role": "assistant"}]), "messages[1].content"),
        ("messages", json!([user, {"role": "tool", "content": "x"}]), "messages[1].tool_call_id"),
        ("messages", json!([user, {"role": "function", "name": "f", "content": "x"}]), "messages[1].name"),
        (
            "messages",
            json!([user, {"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}]),
            "messages[1].tool_calls[0].function.name",
        ),
        ("messages", json!(vec![&user; 2001]), "messages"),
        ("tools", json!([{"type": "web_search"}]), "tools[0].type"),
        ("tools", json!([tool("a b")]), "tools[0].function.name"),
        ("tools", json!([tool("a"), tool("a")]), "tools[1].function.name"),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f", "parameters": 1}}]),
            "tools[0].function.parameters",
        ),
        ("tools", json!((0..129).map(|i| tool(&format!("t{i}"))).collect::<Vec<_>>()), "tools"),
        ("tool_choice", json!("required"), "tool_choice"),
        ("tool_choice", json!("any"), "tool_choice"),
        ("tool_choice", tool("f"), "tool_choice.function.name"),
        ("stream", json!("yes"), "stream"),
        ("stream_options", json!({"include_usage": 1}), "stream_options.include_usage"),
        ("user", json!(long), "user"),
        ("user", json!("a\nb"), "user"),
        ("max_tokens", json!(0), "max_tokens"),
        ("max_completion_tokens", json!(1.5), "max_completion_tokens"),
        ("temperature", json!(2.1), "temperature"),
        ("top_p", json!(-0.1), "top_p"),
        ("frequency_penalty", json!(3), "frequency_penalty"),
        ("presence_penalty", json!("1"), "presence_penalty"),
        ("seed", json!(0.5), "seed"),
        ("stop", json!(["a", "b", "c", "d", "e"]), "stop"),
        ("stop", json!(["a", 1]), "stop[1]"),
        ("response_format", json!({"type": "xml"}), "response_format.type"),
        ("response_format", json!({"type": "json_schema"}), "response_format.json_schema"),
        ("parallel_tool_calls", json!(1), "parallel_tool_calls"),
    ] {
        let refused = read(with(field, value.clone())).expect_err(field);
        assert_eq!(refused.param.as_deref(), Some(param), "{}", refused.message);
    }
}
