//! Which agent and session a request reaches.

use crate::testing::{Door, done};

fn body(model: &str, user: &str) -> String {
    format!(r#"{{"model":"{model}","user":"{user}","messages":[{{"role":"user","content":"hi"}}]}}"#)
}

/// The session that a request reaches, and the one that its answer names.
async fn session(door: &Door, headers: &str, body: &str) -> String {
    let (answer, session) = tokio::join!(door.chat(headers, body), async {
        let (run, submission) = door.engine.submitted().await;
        door.engine.end(run, done("Hello"));
        submission.session
    });
    assert_eq!(answer.header("x-openclaw-session-key"), Some(session.as_str()));
    session.to_string()
}

#[tokio::test]
async fn sessions_are_named_as_openclaw_names_them() {
    let door = Door::open().await;
    for (headers, model, user, want) in [
        ("", "openclaw", "kim", "agent:main:openai-user:kim"),
        ("", "openclaw/ops", "kim", "agent:ops:openai-user:kim"),
        ("", "openclaw/default", "kim", "agent:main:openai-user:kim"),
        ("x-openclaw-agent-id: ops", "openclaw", "kim", "agent:ops:openai-user:kim"),
        ("x-openclaw-agent: ops", "openclaw", "kim", "agent:ops:openai-user:kim"),
        ("x-openclaw-agent-id: ops", "agent:ops", "kim", "agent:ops:openai-user:kim"),
        ("x-openclaw-session-key: team", "openclaw:ops", "kim", "agent:ops:team"),
        ("x-openclaw-session-key: agent:main:main", "openclaw", "kim", "agent:main:main"),
        ("x-openclaw-session-key: agent:ops:main", "openclaw", "", "agent:ops:main"),
        ("x-openclaw-session-key: größe", "openclaw", "", "agent:main:größe"),
        ("idempotency-key: k", "openclaw", "kim", "agent:main:openai-user:kim"),
    ] {
        assert_eq!(session(&door, headers, &body(model, user)).await, want);
    }
}

#[tokio::test]
async fn sessions_without_a_name_are_new_unless_there_is_a_key() {
    let (door, replica) = (Door::open().await, Door::open().await);
    let hi = body("openclaw", "");
    let first = session(&door, "", &hi).await;
    assert!(first.starts_with("agent:main:openai:"));
    assert_ne!(first, session(&door, "", &hi).await);
    let keyed = session(&door, "idempotency-key: k", &hi).await;
    assert_eq!(keyed, session(&replica, "idempotency-key: k", &hi).await);
    assert_ne!(keyed, session(&door, "idempotency-key: k2", &hi).await);
}

#[tokio::test]
async fn a_model_can_be_chosen_by_header() {
    let door = Door::open().await;
    let hi = body("openclaw", "");
    let (_, ()) = tokio::join!(door.chat("x-openclaw-model: acme/large", &hi), async {
        let (run, submission) = door.engine.submitted().await;
        assert_eq!(submission.inbound.model.as_deref(), Some("acme/large"));
        door.engine.end(run, done("Hello"));
    });
}

#[tokio::test]
async fn contradictions_are_refused() {
    let door = Door::open().await;
    for (headers, model, user, param) in [
        ("", "gpt-5", "", "model"),
        ("", "openclaw/nobody", "", "model"),
        ("x-openclaw-agent-id: nobody", "openclaw", "", "x-openclaw-agent-id"),
        ("x-openclaw-agent: main", "openclaw/ops", "", "x-openclaw-agent"),
        ("x-openclaw-model: acme/small", "openclaw", "", "x-openclaw-model"),
        ("x-openclaw-session-key: agent:ops:main", "openclaw/main", "", "x-openclaw-session-key"),
        ("x-openclaw-session-key: agent:nobody:main", "openclaw", "", "x-openclaw-session-key"),
        ("x-openclaw-session-key: cron:x", "openclaw", "", "x-openclaw-session-key"),
        ("x-openclaw-session-key: agent:Ma in:x", "openclaw", "", "x-openclaw-session-key"),
        ("last-event-id: 7", "openclaw", "", "last-event-id"),
        ("", "openclaw", &"ü".repeat(256), "user"),
    ] {
        let answer = door.chat(headers, &body(model, user)).await;
        assert_eq!((answer.status, answer.error().0.as_deref()), (400, Some(param)), "{headers} {model}");
    }
    let listed = door.chat("", &body("gpt-5", "")).await.json()["error"]["message"].to_string();
    assert!(listed.contains("`openclaw/ops`"), "{listed}");
    assert_eq!(door.engine.events_so_far().await.len(), 0);
}
