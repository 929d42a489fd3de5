//! Probes, models and the peers' route.

use regrow_worker::Readiness;
use serde_json::json;

use crate::Auth;
use crate::testing::{Door, SECRET};

#[tokio::test]
async fn probes_say_what_openclaw_says() {
    let door = Door::ruled(|settings| settings.auth = Auth::Secrets(vec![SECRET.to_owned().into()])).await;
    let live = r#"{"ok":true,"status":"live"}"#;
    let started = r#"{"ok":true,"status":"started"}"#;
    let away = || Readiness::NotReady("store".into());
    for (readiness, path, status, body) in [
        (Readiness::Starting, "healthz", 200, live),
        (Readiness::Draining, "health", 200, live),
        (Readiness::Ready, "startupz", 200, started),
        (away(), "startup", 200, started),
        (Readiness::Starting, "startupz", 503, r#"{"ok":false,"status":"starting"}"#),
        (Readiness::Draining, "startupz", 503, r#"{"ok":false,"status":"draining"}"#),
        (Readiness::Ready, "readyz", 200, r#"{"ready":true}"#),
        (away(), "ready", 503, r#"{"ready":false,"failing":["store"]}"#),
        (Readiness::Starting, "readyz", 503, r#"{"ready":false,"failing":["starting"]}"#),
        (Readiness::Draining, "readyz", 503, r#"{"ready":false,"failing":["draining"]}"#),
    ] {
        door.engine.set_readiness(readiness);
        let answer = door.ask(&format!("GET /{path} HTTP/1.1"), "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("permissions-policy"), Some("camera=(), microphone=(self), geolocation=()"));
    }
}

#[tokio::test]
async fn probes_tell_more_to_those_with_the_secret() {
    let door = Door::ruled(|settings| settings.auth = Auth::Secrets(vec![SECRET.to_owned().into()])).await;
    for path in ["startupz", "readyz"] {
        let answer =
            door.ask(&format!("GET /{path} HTTP/1.1\r\nauthorization: Bearer {SECRET}"), "").await.json();
        assert_eq!(answer["version"], "1.2.3");
        assert!(answer["uptimeMs"].is_u64());
    }
}

#[tokio::test]
async fn probes_are_for_reading() {
    let door = Door::open().await;
    let mut conversation = door.connect().await;
    conversation.request("HEAD /healthz HTTP/1.1", "").await;
    let head = conversation.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 27"), "{head}");
    conversation.request("POST /healthz HTTP/1.1", "").await;
    let answer = conversation.answer().await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("get, head")));
}

#[tokio::test]
async fn models_are_the_agents() {
    let door = Door::open().await;
    let model = |id: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": "openclaw", "permission": []});
    let list = door.ask("GET /v1/models HTTP/1.1", "").await;
    let ids = ["openclaw", "openclaw/default", "openclaw/main", "openclaw/ops"];
    assert_eq!(list.json(), json!({"object": "list", "data": ids.map(model)}));
    for (path, status) in [
        ("openclaw", 200),
        ("openclaw/default", 200),
        ("openclaw/ops", 200),
        ("openclaw%2Fops", 200),
        ("openclaw/nobody", 404),
        ("%zz", 400),
        ("", 400),
    ] {
        let answer = door.ask(&format!("GET /v1/models/{path} HTTP/1.1"), "").await;
        assert_eq!(answer.status, status, "{path}");
        if status == 200 {
            assert_eq!(answer.json(), model(&path.replace("%2F", "/")));
        }
    }
    assert_eq!(
        door.ask("GET /v1/models/%zz HTTP/1.1", "").await.json()["error"]["message"],
        "Invalid model id."
    );
}

#[tokio::test]
async fn peers_are_known_by_their_token() {
    let door = Door::open().await;
    let run = door.engine.begin("agent:main:x");
    let other = regrow_protocol::RunId::new();
    for (run, secret, status) in [
        (run.to_string(), "between replicas", 200),
        (run.to_string(), "wrong", 401),
        (run.to_string(), "", 401),
        (other.to_string(), "between replicas", 404),
        ("x".to_owned(), "between replicas", 401),
    ] {
        let head = format!("GET /internal/live/{run} HTTP/1.1\r\nauthorization: Bearer {secret}");
        let answer = door.ask(&head, "").await;
        assert_eq!(answer.status, status, "{head}");
        if status == 200 {
            assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
            assert_eq!(answer.body, "{\"a\":1}\n{\"b\":2}\n");
        }
    }
}
