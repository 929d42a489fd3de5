//! Time limits, size limits and cancellation.

use std::time::{Duration, Instant};

use regrow_providers::{Api, Cause, Error, Models, Options, Retry, Timeouts};

use crate::server::{End, Reply, Server};
use crate::setup::{ask, hello, openai, provider, quick};

const TEXT: &str = r#"{"choices":[{"delta":{"content":"half"}}]}"#;
const STOP: &str = r#"{"choices":[{"delta":{"content":"whole"},"finish_reason":"stop"}]}"#;

/// The models of one server, with these limits and two attempts.
fn limited(url: &str, timeouts: Timeouts) -> Models {
    let mut options = provider("o", Api::OpenAiCompletions, url);
    options.timeouts = timeouts;
    Models::new(Options { providers: vec![options], retry: Retry { attempts: 2, ..quick() } }).unwrap()
}

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn each_stage_has_its_limit() {
    let timeouts = Timeouts::default();
    for (stage, timeouts, reply) in [
        ("no status", Timeouts { first_byte: SHORT, ..timeouts }, Reply::mute()),
        ("no first byte", Timeouts { first_byte: SHORT, ..timeouts }, Reply::stream(&[]).end(End::Hang)),
        ("no next byte", Timeouts { idle: SHORT, ..timeouts }, Reply::stream(&[TEXT]).end(End::Hang)),
        ("no end", Timeouts { total: SHORT, ..timeouts }, Reply::stream(&[TEXT]).end(End::Hang)),
        ("a hanging document", Timeouts { idle: SHORT, ..timeouts }, Reply::json(200, "{").end(End::Hang)),
    ] {
        let mut server = Server::start(vec![reply]).await;
        let start = Instant::now();
        let (answer, _) = ask(&limited(&server.url, timeouts), &["o/m"], &hello()).await;
        let timed_out =
            matches!(&answer, Err(Error::Exhausted { attempts: 2, last }) if last.cause == Cause::TimedOut);
        assert!(timed_out, "{stage}: {answer:?}");
        assert!(start.elapsed() >= SHORT * 2, "{stage}");
        server.closed().await;
        server.closed().await;
    }
}

#[tokio::test]
async fn a_stream_that_goes_on_may_take_longer_than_its_stages() {
    let events: Vec<&str> = std::iter::repeat_n(TEXT, 15).chain([STOP]).collect();
    let server = Server::start(vec![Reply::stream(&events).slowly(SHORT)]).await;
    let timeouts = Timeouts { first_byte: SHORT * 10, idle: SHORT * 10, ..Timeouts::default() };
    let start = Instant::now();
    let (answer, streamed) = ask(&limited(&server.url, timeouts), &["o/m"], &hello()).await;
    assert!(start.elapsed() > SHORT * 10);
    assert_eq!(answer.unwrap().text, streamed);
    assert!(!streamed.contains('|'), "{streamed}");
}

#[tokio::test]
async fn a_stream_that_stalls_once_is_tried_again() {
    let server = Server::start(vec![Reply::stream(&[TEXT]).end(End::Hang), Reply::stream(&[STOP])]).await;
    let timeouts = Timeouts { idle: SHORT, ..Timeouts::default() };
    let (answer, streamed) = ask(&limited(&server.url, timeouts), &["o/m"], &hello()).await;
    assert_eq!(answer.unwrap().text, "whole");
    assert_eq!(streamed, "half|whole");
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let mut server = Server::start(vec![Reply::stream(&[TEXT]).end(End::Hang)]).await;
    let models = openai(&server.url);
    let (request, chain) = (hello(), ["o/m".to_owned()]);
    let (sender, mut streamed) = tokio::sync::mpsc::unbounded_channel();
    let mut on_delta = |_: regrow_providers::Delta<'_>| sender.send(()).unwrap();
    tokio::select! {
        answer = models.complete(&chain, &request, &mut on_delta) => panic!("it hangs: {answer:?}"),
        Some(()) = streamed.recv() => {}
    }
    server.closed().await;
}

#[tokio::test]
async fn answers_lines_and_error_bodies_are_bounded() {
    let event = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(1_000_000));
    for reply in [
        Reply::stream(&[event.as_str(); 17]),
        Reply::stream(&["x".repeat(1_100_000).as_str()]),
        Reply::json(200, &format!("\"{}\"", "x".repeat(17_000_000))),
    ] {
        let server = Server::start(vec![reply]).await;
        let (answer, _) = ask(&openai(&server.url), &["o/m"], &hello()).await;
        assert!(matches!(answer, Err(Error::AnswerTooLarge { limit: 16_777_216, .. })), "{answer:?}");
        assert_eq!(server.requests().len(), 1);
    }
    // Only the start of an error body is read: the rest of this one never comes.
    let server = Server::start(vec![Reply::json(404, &"x".repeat(70_000)).end(End::Hang)]).await;
    let start = Instant::now();
    let (answer, _) = ask(&openai(&server.url), &["o/m"], &hello()).await;
    assert!(matches!(&answer, Err(Error::Refused { message, .. }) if message.len() == 2000), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}
