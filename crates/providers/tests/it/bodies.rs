//! What is sent: whole bodies of both dialects, and the demo model, which is sent nothing.

use std::borrow::Cow;
use std::time::Duration;

use regrow_protocol::{Message, Part, RawTurn, Sampling, StopReason, ToolCall, ToolChoice, ToolSpec};
use regrow_providers::{Api, ModelRequest, Models};
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::setup::{KEY, anthropic, ask, hello, models, openai, provider};

fn system(text: &str) -> Message {
    Message::System { text: text.to_owned() }
}

fn result(call_id: &str, content: &str, is_error: bool) -> Message {
    Message::Tool { call_id: call_id.to_owned(), content: content.to_owned(), is_error }
}

fn image() -> Message {
    let image = Part::Image { media_type: "image/png".to_owned(), data: "aGk=".to_owned() };
    Message::User { parts: vec![Part::Text { text: "look".to_owned() }, image] }
}

fn calls() -> Message {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        arguments: arguments.to_owned(),
    };
    let tool_calls = vec![call("c1", r#"{"path": "a"}"#), call("c2", r#"{"path"#)];
    Message::Assistant { text: String::new(), tool_calls, raw: None }
}

/// A conversation with everything in it.
fn conversation() -> Vec<Message> {
    vec![
        system("Be kind."),
        image(),
        calls(),
        result("c1", "text of a", false),
        Message::user("and quickly"),
        result("c2", "no such file", true),
        system("Be brief."),
        Message::assistant("Done."),
        Message::user("thanks \"you\"\n"),
    ]
}

fn tools() -> Vec<ToolSpec> {
    let schema = json!({ "type": "object", "properties": { "path": { "type": "string" } } });
    let tool = |name: &str, description: &str, parameters, strict| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
        strict,
    };
    vec![tool("read", "Reads a file.", schema, true), tool("clock", "", Value::Null, false)]
}

fn sampling() -> Sampling {
    Sampling {
        max_tokens: Some(100),
        temperature: Some(1.5),
        top_p: Some(0.5),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(-0.25),
        seed: Some(7),
        stop: vec!["END".to_owned()],
        response_format: Some(json!({ "type": "json_object" })),
        parallel_tool_calls: Some(false),
    }
}

/// What the server of `models` received for `request`: the lower-case head and the body.
async fn sent(models: fn(&str) -> Models, model: &str, request: &ModelRequest<'_>) -> (String, Value) {
    let server = Server::start(vec![Reply::json(404, "")]).await;
    ask(&models(&server.url), &[model], request).await.0.unwrap_err();
    let request = server.requests().remove(0);
    (request.head, request.body)
}

fn request(messages: &[Message]) -> ModelRequest<'_> {
    let messages: Vec<_> = messages.iter().map(Cow::Borrowed).collect();
    ModelRequest { messages: messages.into(), ..ModelRequest::default() }
}

#[tokio::test]
async fn a_small_openai_request_has_nothing_superfluous() {
    let (head, body) = sent(openai, "o/org/model", &hello()).await;
    let want = json!({
        "model": "org/model",
        "messages": [{ "role": "user", "content": "hello" }],
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    assert_eq!(body, want);
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    for line in
        [&format!("authorization: bearer {KEY}"), "content-type: application/json", "user-agent: regrow/"]
    {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("accept-encoding"), "{head}");
}

#[tokio::test]
async fn a_full_openai_request() {
    let messages = conversation();
    let tools = tools();
    let request = ModelRequest {
        tools: tools.iter().collect(),
        tool_choice: ToolChoice::Required,
        sampling: sampling(),
        ..request(&messages)
    };
    let (_, body) = sent(openai, "o/m", &request).await;
    let call = |id: &str, arguments: &str| json!({ "id": id, "type": "function", "function": { "name": "read", "arguments": arguments } });
    let want = json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": [
                { "type": "text", "text": "look" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,aGk=" } },
            ] },
            { "role": "assistant", "content": null, "tool_calls": [
                call("c1", r#"{"path": "a"}"#),
                call("c2", r#"{"malformed_arguments":"{\"path"}"#),
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "text of a" },
            { "role": "user", "content": "and quickly" },
            { "role": "tool", "tool_call_id": "c2", "content": "no such file" },
            { "role": "system", "content": "Be brief." },
            { "role": "assistant", "content": "Done." },
            { "role": "user", "content": "thanks \"you\"\n" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
        "tools": [
            { "type": "function", "function": {
                "name": "read",
                "description": "Reads a file.",
                "parameters": { "type": "object", "properties": { "path": { "type": "string" } } },
                "strict": true,
            } },
            { "type": "function", "function": {
                "name": "clock",
                "parameters": { "type": "object", "properties": {} },
            } },
        ],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "max_tokens": 100,
        "temperature": 1.5,
        "top_p": 0.5,
        "frequency_penalty": 0.25,
        "presence_penalty": -0.25,
        "seed": 7,
        "stop": ["END"],
        "response_format": { "type": "json_object" },
    });
    assert_eq!(body, want);
}

#[tokio::test]
async fn tool_choices_of_both_dialects() {
    let named = ToolChoice::Named("read".to_owned());
    for (choice, openai_form, anthropic_form) in [
        (ToolChoice::Auto, json!("auto"), json!({ "type": "auto" })),
        (ToolChoice::None, json!("none"), json!({ "type": "none" })),
        (ToolChoice::Required, json!("required"), json!({ "type": "any" })),
        (
            named,
            json!({ "type": "function", "function": { "name": "read" } }),
            json!({ "type": "tool", "name": "read" }),
        ),
    ] {
        let tools = tools();
        let mut request =
            ModelRequest { tools: tools.iter().collect(), tool_choice: choice.clone(), ..hello() };
        assert_eq!(sent(openai, "o/m", &request).await.1["tool_choice"], openai_form);
        assert_eq!(sent(anthropic, "a/m", &request).await.1["tool_choice"], anthropic_form);
        request.tools.clear();
        for body in [sent(openai, "o/m", &request).await.1, sent(anthropic, "a/m", &request).await.1] {
            assert!(body.get("tool_choice").is_none() && body.get("tools").is_none(), "{choice:?}: {body}");
        }
    }
}

#[tokio::test]
async fn a_small_anthropic_request_goes_to_the_same_place_with_and_without_version() {
    fn with_version(url: &str) -> Models {
        models(vec![provider("a", Api::AnthropicMessages, &format!("{url}/v1/"))])
    }
    for models in [anthropic, with_version] {
        let (head, body) = sent(models, "a/text", &hello()).await;
        let marked = json!({ "type": "text", "text": "hello", "cache_control": { "type": "ephemeral" } });
        let want = json!({
            "model": "text",
            "max_tokens": 77,
            "stream": true,
            "messages": [{ "role": "user", "content": [marked] }],
        });
        assert_eq!(body, want);
        assert!(head.starts_with("post /v1/messages http/1.1\r\n"), "{head}");
        assert!(
            head.contains(&format!("x-api-key: {KEY}")) && head.contains("anthropic-version: 2023-06-01"),
            "{head}"
        );
        assert!(!head.contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn a_full_anthropic_request() {
    let messages = conversation();
    let tools = tools();
    let request = ModelRequest { tools: tools.iter().collect(), sampling: sampling(), ..request(&messages) };
    let (_, body) = sent(anthropic, "a/m", &request).await;
    let cache = json!({ "type": "ephemeral" });
    let want = json!({
        "model": "m",
        "max_tokens": 100,
        "stream": true,
        "system": [
            { "type": "text", "text": "Be kind." },
            { "type": "text", "text": "Be brief.", "cache_control": cache },
        ],
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "look" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "aGk=" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "c1", "name": "read", "input": { "path": "a" } },
                { "type": "tool_use", "id": "c2", "name": "read", "input": { "malformed_arguments": "{\"path" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c1", "content": "text of a" },
                { "type": "tool_result", "tool_use_id": "c2", "content": "no such file", "is_error": true },
                { "type": "text", "text": "and quickly" },
            ] },
            { "role": "assistant", "content": [{ "type": "text", "text": "Done." }] },
            { "role": "user", "content": [{ "type": "text", "text": "thanks \"you\"\n", "cache_control": cache }] },
        ],
        "tools": [
            {
                "name": "read",
                "description": "Reads a file.",
                "input_schema": { "type": "object", "properties": { "path": { "type": "string" } } },
                "strict": true,
            },
            { "name": "clock", "input_schema": { "type": "object", "properties": {} } },
        ],
        "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
        "temperature": 1.0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
    });
    assert_eq!(body, want);
}

#[tokio::test]
async fn a_raw_turn_is_replayed_to_the_api_that_made_it_and_to_no_other() {
    let blocks = json!([{ "type": "thinking", "thinking": "hm", "signature": "c2ln" }, { "type": "text", "text": "Yes" }]);
    let turn = |api: &str| {
        let raw = RawTurn { api: api.to_owned(), content: blocks.clone() };
        vec![
            Message::user("?"),
            Message::Assistant { text: "Yes".to_owned(), tool_calls: Vec::new(), raw: Some(raw) },
        ]
    };
    let (ours, theirs) = (turn("anthropic-messages"), turn("another-api"));
    let (_, body) = sent(anthropic, "a/m", &request(&ours)).await;
    assert_eq!(body["messages"][1], json!({ "role": "assistant", "content": blocks }));
    let (_, body) = sent(anthropic, "a/m", &request(&theirs)).await;
    let marked = json!({ "type": "text", "text": "Yes", "cache_control": { "type": "ephemeral" } });
    assert_eq!(body["messages"][1], json!({ "role": "assistant", "content": [marked] }));
    let (_, body) = sent(openai, "o/m", &request(&ours)).await;
    assert_eq!(body["messages"][1], json!({ "role": "assistant", "content": "Yes" }));
}

#[tokio::test]
async fn images_are_left_out_for_models_that_read_none() {
    let messages = [image()];
    for (models, model) in [(openai as fn(&str) -> Models, "o/text"), (anthropic, "a/text")] {
        let (_, body) = sent(models, model, &request(&messages)).await;
        let part = &body["messages"][0]["content"][1];
        assert!(part["text"].as_str().unwrap().contains("does not read images"), "{body}");
    }
}

#[tokio::test]
async fn blank_texts_and_missing_beginnings_do_not_upset_anthropic() {
    let filler = json!([{ "type": "text", "text": "(The conversation up to here is not shown.)" }]);
    let messages = [Message::user(" "), Message::assistant("Hi."), Message::user("")];
    let (_, body) = sent(anthropic, "a/m", &request(&messages)).await;
    assert_eq!(body["messages"][0], json!({ "role": "user", "content": filler }));
    assert_eq!(body["messages"][1]["content"][0]["text"], "Hi.");
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    let (_, body) = sent(anthropic, "a/m", &request(&[system("Be kind.")])).await;
    assert_eq!(body["messages"][0]["content"][0]["text"], filler[0]["text"]);
}

#[tokio::test]
async fn the_demo_model_answers_and_streams_without_a_network() {
    let models = Models::demo_paced(Duration::ZERO);
    let (answer, streamed) = ask(&models, &["demo/demo"], &hello()).await;
    let answer = answer.unwrap();
    assert!(
        answer.text.contains("demo model") && answer.text.ends_with("You said: hello"),
        "{}",
        answer.text
    );
    assert_eq!((answer.text.as_str(), answer.model.as_str()), (streamed.as_str(), "demo/demo"));
    assert_eq!((answer.stop, answer.usage.input), (StopReason::Stop, 1));

    let messages = [Message::user("/tool read {}")];
    let (answer, streamed) =
        ask(&models, &["demo/demo"], &ModelRequest { tools: tools().iter().collect(), ..request(&messages) })
            .await;
    let answer = answer.unwrap();
    assert_eq!((answer.stop, answer.tool_calls.len(), streamed.as_str()), (StopReason::ToolCalls, 1, ""));
}

#[tokio::test(start_paused = true)]
async fn the_demo_model_speaks_at_a_human_pace() {
    let start = tokio::time::Instant::now();
    let messages = [Message::user("/long 80")];
    ask(&Models::demo(), &["demo/demo"], &request(&messages)).await.0.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
}
