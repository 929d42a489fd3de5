//! Retry, fail-over, and what the caller learns in the end.

use std::time::{Duration, Instant};

use regrow_providers::{Api, Cause, Error, Models, Options, Retry};

use crate::server::{Reply, Server};
use crate::setup::{KEY, anthropic, ask, hello, models, openai, provider};

const TEXT: &str = r#"{"choices":[{"delta":{"content":"half"}}]}"#;
const STOP: &str = r#"{"choices":[{"delta":{"content":"whole"},"finish_reason":"stop"}]}"#;

fn whole() -> Reply {
    Reply::stream(&[STOP, "[DONE]"])
}

/// Two servers as the providers `p` and `q`.
async fn pair(first: Vec<Reply>, second: Vec<Reply>) -> (Server, Server, Models) {
    let (first, second) = (Server::start(first).await, Server::start(second).await);
    let models = models(vec![
        provider("p", Api::OpenAiCompletions, &first.url),
        provider("q", Api::OpenAiCompletions, &second.url),
    ]);
    (first, second, models)
}

#[tokio::test]
async fn retry_after_is_honoured() {
    for (name, value, least) in [("retry-after", "1", 1000), ("retry-after-ms", "80", 80)] {
        let limited = Reply::json(429, r#"{"error":{"message":"slow down"}}"#).header(name, value);
        let server = Server::start(vec![limited, whole()]).await;
        let start = Instant::now();
        let (answer, _) = ask(&openai(&server.url), &["o/m"], &hello()).await;
        assert_eq!(answer.unwrap().text, "whole");
        assert!(start.elapsed() >= Duration::from_millis(least), "{name}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_long_retry_after_leads_to_the_next_model_at_once() {
    let limited = Reply::json(429, "").header("retry-after", "3600");
    let (first, second, models) = pair(vec![limited], vec![whole()]).await;
    let (answer, _) = ask(&models, &["p/m", "q/m"], &hello()).await;
    assert_eq!(answer.unwrap().model, "q/m");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test]
async fn the_next_model_answers_when_the_first_one_does_not() {
    let (first, second, models) =
        pair(vec![Reply::json(500, "oh"), Reply::stream(&[TEXT])], vec![whole()]).await;
    let (answer, streamed) = ask(&models, &["p/m", "q/n"], &hello()).await;
    assert_eq!(answer.unwrap().model, "q/n");
    assert_eq!(streamed, "half|half|half|half|whole");
    assert_eq!((first.requests().len(), second.requests().len()), (5, 1));
    assert_eq!(second.requests()[0].body["model"], "n");
}

#[tokio::test]
async fn a_model_that_keeps_failing_is_passed_over_while_another_one_can_answer() {
    let (first, second, models) = pair(vec![Reply::json(503, "")], vec![whole()]).await;
    for _ in 0..3 {
        ask(&models, &["p/m", "q/m"], &hello()).await.0.unwrap();
    }
    assert_eq!((first.requests().len(), second.requests().len()), (5, 3));
    // Alone, it is asked all the same.
    ask(&models, &["p/m"], &hello()).await.0.unwrap_err();
    assert_eq!(first.requests().len(), 10);
}

#[tokio::test]
async fn refusals_move_on_unless_every_model_would_refuse() {
    for (status, moves_on) in [(400, false), (422, false), (401, true), (403, true), (404, true), (402, true)]
    {
        let (first, second, models) = pair(vec![Reply::json(status, "no")], vec![whole()]).await;
        let (answer, _) = ask(&models, &["p/m", "q/m"], &hello()).await;
        assert_eq!(answer.is_ok(), moves_on, "{status}");
        assert_eq!((first.requests().len(), second.requests().len()), (1, usize::from(moves_on)), "{status}");
    }
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_told_at_once() {
    let body =
        r#"{"error":{"message":"maximum context length is 8192 tokens","code":"context_length_exceeded"}}"#;
    let in_stream = format!("{{\"error\":{}}}", r#"{"message":"too much","code":"context_length_exceeded"}"#);
    for reply in [Reply::json(400, body), Reply::stream(&[in_stream.as_str()])] {
        let (first, second, models) = pair(vec![reply], vec![whole()]).await;
        let (answer, _) = ask(&models, &["p/m", "q/m"], &hello()).await;
        assert!(matches!(&answer, Err(Error::ContextTooLong { model, .. }) if model == "p/m"), "{answer:?}");
        assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
    }
}

#[tokio::test]
async fn in_the_end_the_caller_learns_what_may_pass() {
    let (_first, _second, models) = pair(vec![Reply::json(500, "oh")], vec![Reply::json(401, "who?")]).await;
    let (answer, _) = ask(&models, &["p/m", "q/m"], &hello()).await;
    let Err(Error::Exhausted { attempts: 6, last }) = answer else { panic!("{answer:?}") };
    assert_eq!((last.model.as_str(), last.cause, last.message.as_str()), ("p/m", Cause::Unavailable, "oh"));
    let (answer, _) = ask(&models, &["q/m", "q/n"], &hello()).await;
    assert!(matches!(&answer, Err(Error::Refused { model, .. }) if model == "q/m"), "{answer:?}");
}

#[tokio::test]
async fn unknown_models_are_errors_unless_another_one_answers() {
    let server = Server::start(vec![whole()]).await;
    let models = openai(&server.url);
    assert_eq!(ask(&models, &["x/m", "o/m"], &hello()).await.0.unwrap().model, "o/m");
    let unknown = |name: &str| Err(Error::UnknownModel { name: name.to_owned() });
    assert_eq!(ask(&models, &["x/m", "y/m"], &hello()).await.0, unknown("x/m"));
    assert_eq!(ask(&models, &[], &hello()).await.0, unknown(""));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (answer, _) = ask(&openai(&url), &["o/m"], &hello()).await;
    assert!(
        matches!(&answer, Err(Error::Exhausted { last, .. }) if last.cause == Cause::Unreachable),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_spent_budget_ends_the_retries_but_not_the_chain() {
    let (first, second) =
        (Server::start(vec![Reply::json(500, "")]).await, Server::start(vec![whole()]).await);
    let providers = vec![
        provider("p", Api::OpenAiCompletions, &first.url),
        provider("q", Api::OpenAiCompletions, &second.url),
    ];
    let retry = Retry { budget: Duration::ZERO, ..Retry::default() };
    let models = Models::new(Options { providers, retry }).unwrap();
    assert_eq!(ask(&models, &["p/m", "q/m"], &hello()).await.0.unwrap().model, "q/m");
    assert_eq!(first.requests().len(), 1);
}

#[tokio::test]
async fn keys_and_headers_never_reach_the_caller() {
    let echo = format!(r#"{{"error":{{"message":"the key {KEY} and the team blue-whales are unknown"}}}}"#);
    let in_stream = echo.as_str();
    for reply in [
        Reply::json(401, &echo),
        Reply::json(400, &echo),
        Reply::json(503, &echo),
        Reply::stream(&[in_stream]),
    ] {
        let server = Server::start(vec![reply]).await;
        let mut options = provider("p", Api::OpenAiCompletions, &server.url);
        options.headers = vec![("x-team".to_owned(), "blue-whales".to_owned())];
        let error = ask(&models(vec![options]), &["p/m"], &hello()).await.0.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("the key [redacted] and the team [redacted] are unknown"), "{told}");
        let head = &server.requests()[0].head;
        assert!(
            head.contains(&format!("authorization: bearer {KEY}")) && head.contains("x-team: blue-whales"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start(vec![Reply::json(307, "").header("location", "/elsewhere")]).await;
    let (answer, _) = ask(&anthropic(&server.url), &["a/m"], &hello()).await;
    assert!(matches!(&answer, Err(Error::Refused { status: 307, .. })), "{answer:?}");
    assert_eq!(server.requests().len(), 1);
}
