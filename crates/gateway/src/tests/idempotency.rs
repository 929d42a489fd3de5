//! Asking again with the same key, on any replica.

use crate::testing::{Door, done};

const HI: &str = r#"{"model":"openclaw","messages":[{"role":"user","content":"hi"}]}"#;
const STREAMED: &str = r#"{"model":"openclaw","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn the_same_request_gets_the_same_reply() {
    let door = Door::open().await;
    let (first, run) = tokio::join!(door.chat("idempotency-key: k1", HI), async {
        let (run, submission) = door.engine.submitted().await;
        assert_eq!(submission.key.as_deref(), Some("k1"));
        door.engine.end(run, done("Hello"));
        run
    });
    let again = door.chat("idempotency-key: k1", HI).await;
    assert_eq!(again.body, first.body);
    let marks = [&first, &again].map(|answer| answer.header("x-regrow-duplicate"));
    assert_eq!(marks, [None, Some("true")]);
    let sessions = [&first, &again].map(|answer| answer.header("x-openclaw-session-key").unwrap());
    assert_eq!(sessions[0], sessions[1]);
    let streamed = door.chat("idempotency-key: k1", STREAMED).await;
    assert_eq!(streamed.header("x-regrow-run-id"), Some(run.to_string().as_str()));
    assert!(streamed.body.contains("Hello") && streamed.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(door.engine.events_so_far().await.len(), 0);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let door = Door::open().await;
    let (_, ()) = tokio::join!(door.chat("idempotency-key: k1", HI), async {
        let (run, _) = door.engine.submitted().await;
        door.engine.end(run, done("Hello"));
    });
    for (headers, body) in [
        ("idempotency-key: k1", HI.replace("hi", "ho")),
        ("idempotency-key: k1", HI.replace("\"messages\"", "\"seed\":1,\"messages\"")),
        ("idempotency-key: k1\r\nx-openclaw-model: acme/large", HI.to_owned()),
    ] {
        let answer = door.chat(headers, &body).await;
        assert_eq!(
            (answer.status, answer.error().1.as_deref()),
            (422, Some("idempotency_key_reused")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let door = Door::open().await;
    for key in ["", "a b", "ü", &"x".repeat(257)] {
        let answer = door.chat(&format!("idempotency-key: {key}"), HI).await;
        assert_eq!((answer.status, answer.error().0.as_deref()), (400, Some("idempotency-key")), "{key:?}");
    }
}
