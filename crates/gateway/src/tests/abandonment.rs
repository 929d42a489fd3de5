//! Clients that go away before the end.

use std::time::Duration;

use crate::testing::{Door, Event, done};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1";

fn body(stream: bool) -> String {
    format!(r#"{{"model":"openclaw","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_is_aborted() {
    let door = Door::open().await;
    for stream in [true, false] {
        let mut conversation = door.connect().await;
        conversation.request(HEAD, &body(stream)).await;
        let (run, _) = door.engine.submitted().await;
        if stream {
            conversation.until("\"role\":\"assistant\"").await;
        }
        drop(conversation);
        let aborted = door.engine.event().await;
        assert!(matches!(aborted, Event::Aborted(aborted) if aborted == run), "stream: {stream}");
    }
}

#[tokio::test]
async fn a_run_with_a_key_or_other_listeners_goes_on() {
    let door = Door::open().await;
    let mut run = None;
    for (head, body) in [
        (format!("{HEAD}\r\nidempotency-key: k"), body(true)),
        (format!("{HEAD}\r\nidempotency-key: k"), body(true)),
        ("GET /v1/chat/completions/RUN HTTP/1.1\r\naccept: text/event-stream".to_owned(), String::new()),
    ] {
        let mut conversation = door.connect().await;
        let head =
            run.map_or(head.clone(), |run: regrow_protocol::RunId| head.replace("RUN", &run.to_string()));
        conversation.request(&head, &body).await;
        if run.is_none() {
            run = Some(door.engine.submitted().await.0);
        }
        conversation.until("\"role\":\"assistant\"").await;
    }
    let engine = door.engine.clone();
    door.shutdown.drain.cancel();
    // Nothing is cut yet: closing waits until the door has noticed that the clients are gone.
    engine.listeners_gone(run.unwrap()).await;
    assert_eq!(door.close().await, 0);
    assert_eq!(engine.events_so_far().await.len(), 0);
}

#[tokio::test]
async fn a_run_that_has_ended_is_not_aborted() {
    let door = Door::open().await;
    for stream in [true, false] {
        let body = body(stream);
        let (answer, ()) = tokio::join!(door.chat("", &body), async {
            let (run, _) = door.engine.submitted().await;
            door.engine.end(run, done("Hello"));
        });
        assert_eq!(answer.status, 200);
    }
    let engine = door.engine.clone();
    door.shutdown.drain.cancel();
    assert_eq!(door.close().await, 0);
    assert_eq!(engine.events_so_far().await.len(), 0);
}

#[tokio::test]
async fn a_stream_that_the_replica_drops_is_not_abandoned() {
    let door = Door::with_grace(Duration::from_millis(50), |_| {}).await;
    let mut stuck = door.connect().await;
    stuck.request(HEAD, &body(true)).await;
    let (run, _) = door.engine.submitted().await;
    // More than the sockets hold, and nobody reads.
    let text = "x".repeat(32 << 20);
    door.engine.say(run, &text);
    door.engine.taken(run, &text).await;
    let engine = door.engine.clone();
    assert_eq!(door.close().await, 1);
    assert_eq!(engine.events_so_far().await.len(), 0);
}
