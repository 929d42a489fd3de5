//! What is not answered, and how that is said.

use std::time::Duration;

use regrow_worker::SubmitError;
use serde_json::json;

use crate::testing::{Door, SECRET};
use crate::{Auth, AuthRateLimit};

const HI: &str = r#"{"model":"openclaw","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let door = Door::with(|options| options.limits.body_bytes = 200).await;
    let json = "content-type: application/json";
    let long = HI.replace("hi", &"x".repeat(200));
    let deep = "[".repeat(190);
    for (headers, body, status, message) in [
        (json, "{", 400, "EOF while parsing an object at line 1 column 1"),
        (json, "[]", 400, "must be a JSON object"),
        (json, "", 400, "EOF while parsing a value"),
        (json, &deep, 400, "recursion limit exceeded"),
        ("content-type: text/plain", HI, 415, "application/json"),
        ("content-encoding: gzip", HI, 415, "without content encoding"),
        (json, &long, 413, "larger than 200 bytes"),
        ("content-type: application/json; charset=utf-8", "{}", 400, "`model` is required"),
        ("", r#"{"model":"openclaw","n":2}"#, 400, "`n` must be 1"),
    ] {
        let answer = door.chat(headers, body).await;
        let got = answer.json()["error"]["message"].to_string();
        assert!(answer.status == status && got.contains(message), "{headers}: {} {got}", answer.status);
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf8() {
    let door = Door::open().await;
    let mut conversation = door.connect().await;
    conversation.send("POST /v1/chat/completions HTTP/1.1\r\nhost: door\r\ncontent-length: 11\r\n\r\n").await;
    conversation.send(b"{\"model\":\"\xff").await;
    assert_eq!(conversation.answer().await.status, 400);
}

#[tokio::test]
async fn refused_submissions_say_when_to_come_back() {
    let door = Door::open().await;
    let retry_after = Duration::from_millis(1_500);
    for (error, status, code, after) in [
        (SubmitError::QueueFull { waiting: 9, retry_after }, 429, "session_queue_full", Some("2")),
        (SubmitError::Overloaded { retry_after }, 429, "overloaded", Some("2")),
        (SubmitError::Draining, 503, "gateway_unavailable", Some("1")),
        (SubmitError::Unavailable { retry_after }, 503, "gateway_unavailable", Some("2")),
    ] {
        door.engine.refuse(error);
        let answer = door.chat("", HI).await;
        assert_eq!((answer.status, answer.error().1.as_deref()), (status, Some(code)));
        assert_eq!(answer.header("retry-after"), after);
    }
}

#[tokio::test]
async fn the_api_is_behind_the_secret() {
    let door = Door::ruled(|settings| settings.auth = Auth::Secrets(vec![SECRET.to_owned().into()])).await;
    for path in ["/v1/chat/completions", "/v1/models", "/v1/nonsense", "/v1/chat/completions/x"] {
        let answer = door.ask(&format!("POST {path} HTTP/1.1"), HI).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.json(), json!({"error": {"message": "Unauthorized", "type": "unauthorized"}}));
        assert_eq!(answer.header("www-authenticate"), Some("bearer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let answer = door.ask(&format!("GET /v1/models HTTP/1.1\r\nauthorization: Bearer {SECRET}"), "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn who_guesses_is_locked_out() {
    let door = Door::ruled(|settings| {
        settings.auth = Auth::Secrets(vec![SECRET.to_owned().into()]);
        settings.rate_limit =
            AuthRateLimit { max_attempts: 2, exempt_loopback: false, ..AuthRateLimit::default() };
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    for (token, client, status) in [
        ("wrong", "203.0.113.1", 401),
        ("wrong", "203.0.113.1", 401),
        (SECRET, "203.0.113.1", 429),
        (SECRET, "203.0.113.2", 200),
    ] {
        let head =
            format!("GET /v1/models HTTP/1.1\r\nauthorization: Bearer {token}\r\nx-forwarded-for: {client}");
        let answer = door.ask(&head, "").await;
        assert_eq!(answer.status, status, "{token} {client}");
        if status == 429 {
            let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((290..=300).contains(&after), "{after}");
        }
    }
}

#[tokio::test]
async fn what_is_not_here() {
    let door = Door::open().await;
    for (head, status, allow) in [
        ("GET /nonsense HTTP/1.1", 404, None),
        ("GET /v1/nonsense HTTP/1.1", 404, None),
        ("GET / HTTP/1.1", 404, None),
        ("GET /v1/chat/completions HTTP/1.1", 405, Some("post")),
        ("PUT /v1/chat/completions/x HTTP/1.1", 405, Some("get, delete")),
        ("POST /v1/models HTTP/1.1", 405, Some("get, head")),
    ] {
        let answer = door.ask(head, "").await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{head}");
        match status {
            404 => assert_eq!(answer.error().1.as_deref(), Some("not_found")),
            _ => assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8")),
        }
    }
    let closed = Door::ruled(|settings| settings.chat_completions = false).await;
    for head in ["POST /v1/chat/completions HTTP/1.1", "GET /v1/models HTTP/1.1"] {
        assert_eq!(closed.ask(head, "").await.status, 404, "{head}");
    }
}
