//! Whole completions.

use regrow_agent::{Ending, Failure, FailureKind, Reply};
use regrow_protocol::{StopReason, ToolCall};
use serde_json::json;

use crate::testing::{Door, Event, done};

const HI: &str = r#"{"model":"openclaw/main","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn a_completion_is_what_openai_gives() {
    let door = Door::open().await;
    let (answer, run) = tokio::join!(door.chat("", HI), async {
        let (run, _) = door.engine.submitted().await;
        door.engine.end(run, done("Hello"));
        run
    });
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let seconds = u64::from_str_radix(&run.to_string().replace('-', "")[..12], 16).unwrap() / 1_000;
    let want = json!({
        "id": format!("chatcmpl_{run}"), "object": "chat.completion", "created": seconds, "model": "openclaw/main",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    });
    assert_eq!(body, want);
    assert_eq!(answer.header("x-regrow-run-id"), Some(run.to_string().as_str()));
    assert!(answer.header("x-openclaw-session-key").unwrap().starts_with("agent:main:openai:"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-regrow-duplicate"), None);
}

#[tokio::test]
async fn calls_of_tools_come_without_content() {
    let door = Door::open().await;
    let call = ToolCall { id: "c1".into(), name: "f".into(), arguments: "{\"a\":1}".into() };
    let reply = Reply { tool_calls: vec![call], stop: StopReason::ToolCalls, ..done("") };
    let (answer, ()) = tokio::join!(door.chat("", HI), async {
        let (run, _) = door.engine.submitted().await;
        door.engine.end(run, reply);
    });
    let choice = answer.json()["choices"][0].take();
    let function = json!({"name": "f", "arguments": "{\"a\":1}"});
    assert_eq!(
        choice["message"],
        json!({
            "role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        })
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_run_without_a_reply_is_a_final_error() {
    let door = Door::open().await;
    let failure = Failure { reason: FailureKind::ModelRefused, message: "No credit.".into() };
    for (ending, status, code) in
        [(Ending::Failed(failure), 502, "model_refused"), (Ending::Aborted, 409, "run_aborted")]
    {
        let (answer, ()) = tokio::join!(door.chat("", HI), async {
            let (run, _) = door.engine.submitted().await;
            door.engine.end(run, Reply { ending, ..done("") });
        });
        assert_eq!((answer.status, answer.error().1.as_deref()), (status, Some(code)));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(answer.header("x-regrow-run-id").is_some());
    }
}

#[tokio::test]
async fn a_stored_completion_can_be_asked_for() {
    let door = Door::open().await;
    let run = door.engine.begin("agent:main:x");
    let path = format!("/v1/chat/completions/chatcmpl_{run}");
    let pending = door.ask(&format!("GET {path}?wait=false HTTP/1.1"), "").await;
    assert_eq!((pending.status, pending.json()["status"].as_str()), (202, Some("in_progress")));
    let head = format!("GET {path} HTTP/1.1");
    let (waited, ()) = tokio::join!(door.ask(&head, ""), async {
        door.engine.end(run, done("Hello"));
    });
    assert_eq!(waited.status, 200);
    assert_eq!(waited.json()["choices"][0]["message"]["content"], "Hello");
    for path in [format!("{path}?wait=false"), format!("/v1/chat/completions/{run}")] {
        let again = door.ask(&format!("GET {path} HTTP/1.1"), "").await;
        assert_eq!(again.json(), waited.json(), "{path}");
        assert_eq!(again.header("x-regrow-run-id"), Some(run.to_string().as_str()));
    }
    let other = regrow_protocol::RunId::new();
    for id in [other.to_string(), "x".to_owned()] {
        assert_eq!(door.ask(&format!("GET /v1/chat/completions/{id} HTTP/1.1"), "").await.status, 404);
    }
}

#[tokio::test]
async fn what_is_not_kept_any_longer_is_not_found() {
    let door = Door::open().await;
    let run = door.engine.begin("agent:main:x");
    door.engine.forget(run);
    for (accept, status) in [("application/json", 404), ("text/event-stream", 200)] {
        let head = format!("GET /v1/chat/completions/{run} HTTP/1.1\r\naccept: {accept}");
        let answer = door.ask(&head, "").await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains("not kept any longer"), "{}", answer.body);
        assert!(answer.body.contains("\"code\":\"not_found\""), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_run_can_be_aborted_by_its_id() {
    let door = Door::open().await;
    let run = door.engine.begin("agent:main:x");
    let answer = door.ask(&format!("DELETE /v1/chat/completions/{run} HTTP/1.1"), "").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("aborting")));
    assert!(matches!(door.engine.event().await, Event::Aborted(aborted) if aborted == run));
}

#[tokio::test]
async fn a_panic_is_one_requests_failure() {
    let door = Door::open().await;
    let mut conversation = door.connect().await;
    let body = HI.replace("\"hi\"", "\"panic\"");
    conversation.request("POST /v1/chat/completions HTTP/1.1", &body).await;
    let answer = conversation.answer().await;
    assert_eq!((answer.status, answer.error().1.as_deref()), (500, Some("internal_error")));
    conversation.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(conversation.answer().await.status, 200);
}
