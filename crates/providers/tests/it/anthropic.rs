//! Anthropic's dialect: golden streams.

use regrow_protocol::{RawTurn, StopReason, ToolCall, Usage};
use regrow_providers::{Cause, Error};
use serde_json::json;

use crate::server::{End, Reply, Server};
use crate::setup::{anthropic, ask, hello};

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":1000,"output_tokens":1}}}"#;
const PING: &str = r#"{"type":"ping"}"#;
const TEXT: [&str; 4] = [
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüß"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" \u263a"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
];
const END: [&str; 2] = [
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}"#,
    r#"{"type":"message_stop"}"#,
];
const THINKING_AND_TOOLS: [&str; 15] = [
    START,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"I need "}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"two tools."}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"eHl6"}}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Wait."}}"#,
    r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"read","input":{}}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"path\": "}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"\"a\"}"}}"#,
    r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"clock","input":{}}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":42}}"#,
    r#"{"type":"message_stop"}"#,
];

fn text_stream() -> Vec<&'static str> {
    [START, PING].into_iter().chain(TEXT).chain([r#"{"type":"unheard_of"}"#]).chain(END).collect()
}

#[tokio::test]
async fn text_is_streamed_and_counted() {
    for reply in [Reply::stream(&text_stream()), Reply::stream(&text_stream()).dripping()] {
        let server = Server::start(vec![reply]).await;
        let (answer, streamed) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
        let answer = answer.unwrap();
        assert_eq!((answer.text.as_str(), streamed.as_str()), ("Grüß ☺", "Grüß ☺"));
        assert_eq!(answer.usage, Usage { input: 1110, output: 7, cache_read: 100, cache_write: 1000 });
        assert_eq!((answer.stop, answer.raw, answer.model.as_str()), (StopReason::Stop, None, "a/m"));
    }
}

#[tokio::test]
async fn thinking_is_kept_in_its_own_form_beside_text_and_tools() {
    let server = Server::start(vec![Reply::stream(&THINKING_AND_TOOLS)]).await;
    let (answer, streamed) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
    let answer = answer.unwrap();
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    assert_eq!(
        answer.tool_calls,
        [call("toolu_1", "read", r#"{"path": "a"}"#), call("toolu_2", "clock", "{}")]
    );
    assert_eq!((answer.text.as_str(), streamed.as_str()), ("Wait.", "Wait."));
    assert_eq!(answer.stop, StopReason::ToolCalls);
    let content = json!([
        { "type": "thinking", "thinking": "I need two tools.", "signature": "c2ln" },
        { "type": "redacted_thinking", "data": "eHl6" },
        { "type": "text", "text": "Wait." },
        { "type": "tool_use", "id": "toolu_1", "name": "read", "input": { "path": "a" } },
        { "type": "tool_use", "id": "toolu_2", "name": "clock", "input": {} },
    ]);
    assert_eq!(answer.raw, Some(RawTurn { api: "anthropic-messages".to_owned(), content }));
}

#[tokio::test]
async fn a_message_that_was_not_streamed_is_understood() {
    let body = json!({
        "type": "message", "role": "assistant", "stop_reason": "max_tokens",
        "content": [
            { "type": "text", "text": "Hello" },
            { "type": "tool_use", "id": "t", "name": "read", "input": { "path": "a" } },
        ],
        "usage": { "input_tokens": 5, "output_tokens": 6 },
    });
    let server = Server::start(vec![Reply::json(200, &body.to_string())]).await;
    let (answer, streamed) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), streamed.as_str()), ("Hello", "Hello"));
    assert_eq!(answer.tool_calls[0].arguments, r#"{"path":"a"}"#);
    assert_eq!((answer.stop, answer.usage.total()), (StopReason::Length, 11));
}

#[tokio::test]
async fn failures_inside_the_stream_are_tried_again() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    for failure in [
        Reply::stream(&[START, TEXT[0], TEXT[1], overloaded]),
        Reply::stream(&[START, TEXT[0], TEXT[1]]),
        Reply::stream(&[START, TEXT[0], TEXT[1]]).end(End::Cut),
    ] {
        let server = Server::start(vec![failure, Reply::stream(&text_stream())]).await;
        let (answer, streamed) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
        assert_eq!(answer.unwrap().text, "Grüß ☺");
        assert_eq!(streamed, "Grüß|Grüß ☺");
    }
}

#[tokio::test]
async fn errors_before_the_stream_are_told_apart() {
    let body = |kind: &str, message: &str| {
        json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string()
    };
    let fail = async |status, body: String| {
        let server = Server::start(vec![Reply::json(status, &body)]).await;
        let (answer, _) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
        (answer.unwrap_err(), server.requests().len())
    };
    let (error, calls) = fail(529, body("overloaded_error", "Overloaded")).await;
    assert!(matches!(error, Error::Exhausted { attempts: 5, last } if last.cause == Cause::Unavailable));
    assert_eq!(calls, 5);
    let (error, calls) =
        fail(400, body("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")).await;
    assert!(matches!(error, Error::ContextTooLong { message, .. } if message.contains("9 tokens")));
    assert_eq!(calls, 1);
    let (error, calls) = fail(401, body("authentication_error", "invalid x-api-key")).await;
    assert!(matches!(error, Error::Refused { status: 401, message, .. } if message == "invalid x-api-key"));
    assert_eq!(calls, 1);
}
