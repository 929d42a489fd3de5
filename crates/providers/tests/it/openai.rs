//! OpenAI's dialect: streams as servers send them.

use regrow_protocol::{StopReason, ToolCall, Usage};
use regrow_providers::{Cause, Completion, Error};

use crate::server::{End, Reply, Server};
use crate::setup::{ask, hello, openai};

const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Grüß"}}]}"#;
const MORE: &str = r#"{"choices":[{"index":0,"delta":{"content":" 🦎"}}]}"#;
const CALLS: &str = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}},{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}}]}"#;
const ARGUMENTS: &str = r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"x\":"}},{"index":1,"function":{"arguments":"1}"}}]}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const TOOLS: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}"#;
const DONE: &str = "[DONE]";

fn greeting(usage: Usage) -> Completion {
    let (text, model) = ("Grüß 🦎".to_owned(), "o/any/model".to_owned());
    Completion { text, tool_calls: Vec::new(), stop: StopReason::Stop, usage, raw: None, model }
}

#[tokio::test]
async fn text_is_streamed_and_folded_however_it_is_cut_into_packets() {
    let events = [TEXT, MORE, STOP, USAGE, DONE];
    let usage = Usage { input: 12, output: 3, ..Usage::default() };
    for (how, reply, usage) in [
        ("event by event", Reply::stream(&events), usage),
        ("byte by byte", Reply::stream(&events).dripping(), usage),
        ("without usage", Reply::stream(&[TEXT, MORE, STOP, DONE]), Usage::default()),
        ("without [DONE]", Reply::stream(&[TEXT, MORE, STOP]), Usage::default()),
        ("without a finish reason", Reply::stream(&[TEXT, MORE, DONE]), Usage::default()),
        ("cut after the finish reason", Reply::stream(&[TEXT, MORE, STOP]).end(End::Cut), Usage::default()),
        ("left hanging after the last word", Reply::stream(&events).end(End::Hang), usage),
    ] {
        let server = Server::start(vec![reply]).await;
        let (answer, streamed) = ask(&openai(&server.url), &["o/any/model"], &hello()).await;
        assert_eq!(answer, Ok(greeting(usage)), "{how}");
        assert_eq!(streamed, "Grüß 🦎", "{how}");
        assert_eq!(server.requests().len(), 1, "{how}");
    }
}

#[tokio::test]
async fn parallel_tool_calls_are_folded() {
    let server = Server::start(vec![Reply::stream(&[CALLS, ARGUMENTS, TOOLS, DONE]).dripping()]).await;
    let (answer, streamed) = ask(&openai(&server.url), &["o/m"], &hello()).await;
    let answer = answer.unwrap();
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    assert_eq!(answer.tool_calls, [call("a", "f", "{}"), call("b", "g", r#"{"x":1}"#)]);
    assert_eq!((answer.stop, streamed.as_str()), (StopReason::ToolCalls, ""));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Grüß 🦎","tool_calls":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":3}}"#;
    let server = Server::start(vec![Reply::json(200, body)]).await;
    let (answer, streamed) = ask(&openai(&server.url), &["o/any/model"], &hello()).await;
    assert_eq!(answer, Ok(greeting(Usage { input: 12, output: 3, ..Usage::default() })));
    assert_eq!(streamed, "Grüß 🦎");
}

#[tokio::test]
async fn a_cut_stream_is_tried_again_and_what_it_streamed_is_revoked() {
    for cut in [
        Reply::stream(&[TEXT]),
        Reply::stream(&[TEXT]).end(End::Cut),
        Reply::stream(&[TEXT, r#"{"choices":[{"del"#]),
        Reply::stream(&[TEXT, r#"{"error":{"message":"overloaded","code":503}}"#]),
    ] {
        let server = Server::start(vec![cut, Reply::stream(&[TEXT, MORE, STOP, DONE])]).await;
        let (answer, streamed) = ask(&openai(&server.url), &["o/any/model"], &hello()).await;
        assert_eq!(answer, Ok(greeting(Usage::default())));
        assert_eq!(streamed, "Grüß|Grüß 🦎");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_failure_before_the_first_text_needs_no_restart() {
    let server = Server::start(vec![Reply::json(500, ""), Reply::stream(&[TEXT, MORE, STOP, DONE])]).await;
    let (answer, streamed) = ask(&openai(&server.url), &["o/any/model"], &hello()).await;
    assert!(answer.is_ok());
    assert_eq!(streamed, "Grüß 🦎");
}

#[tokio::test]
async fn what_is_no_model_server_is_refused_at_once() {
    let server = Server::start(vec![Reply::json(200, "<html>").media("text/html")]).await;
    let (answer, _) = ask(&openai(&server.url), &["o/m"], &hello()).await;
    assert!(
        matches!(&answer, Err(Error::Refused { status: 200, message, .. }) if message.contains("text/html"))
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_empty_document_is_no_answer() {
    let server = Server::start(vec![Reply::json(200, "{}")]).await;
    let (answer, _) = ask(&openai(&server.url), &["o/m"], &hello()).await;
    assert!(
        matches!(&answer, Err(Error::Exhausted { attempts: 5, last }) if last.cause == Cause::Cut),
        "{answer:?}"
    );
}

#[tokio::test]
async fn connections_are_kept_between_calls() {
    let server = Server::start(vec![Reply::stream(&[TEXT, STOP, USAGE, DONE])]).await;
    let models = openai(&server.url);
    for _ in 0..3 {
        ask(&models, &["o/m"], &hello()).await.0.unwrap();
    }
    let connections: Vec<usize> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}
