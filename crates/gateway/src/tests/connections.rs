//! Connections that are slow, large, idle, or too many; and the end of all of them.

use std::time::{Duration, Instant};

use regrow_worker::Readiness;

use crate::testing::{Door, done};

const HI: &str = r#"{"model":"openclaw","messages":[{"role":"user","content":"hi"}]}"#;
const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: door\r\n";
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn slow_headers_are_not_waited_for() {
    let door = Door::with(|options| options.limits.header_timeout = SHORT).await;
    for begun in ["", "GET /healthz HTTP/1.1\r\nx-a: "] {
        let mut conversation = door.connect().await;
        conversation.send(begun).await;
        let answer = conversation.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn slow_headers_of_a_later_request_are_not_waited_for() {
    let door = Door::with(|options| options.limits.header_timeout = SHORT).await;
    let mut conversation = door.connect().await;
    conversation.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(conversation.answer().await.status, 200);
    let begun = Instant::now();
    conversation.send("GET /healthz HTTP/1.1\r\nx-a: ").await;
    conversation.rest().await;
    assert!(begun.elapsed() < door_idle() / 2);
}

fn door_idle() -> Duration {
    crate::Limits::default().idle_timeout
}

#[tokio::test]
async fn idle_connections_are_kept_longer_than_headers_are_waited_for() {
    let idle = SHORT * 6;
    let door = Door::with(|options| {
        options.limits.header_timeout = SHORT;
        options.limits.idle_timeout = idle;
    })
    .await;
    let mut conversation = door.connect().await;
    conversation.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(conversation.answer().await.status, 200);
    let quiet = Instant::now();
    assert_eq!(conversation.rest().await, "");
    assert!(quiet.elapsed() >= idle - SHORT, "{:?}", quiet.elapsed());
}

#[tokio::test]
async fn slow_bodies_are_refused() {
    let door = Door::with(|options| options.limits.body_timeout = SHORT).await;
    let mut conversation = door.connect().await;
    conversation.send(format!("{HEAD}content-length: 100\r\n\r\n{{")).await;
    let answer = conversation.answer().await;
    assert_eq!((answer.status, answer.error()), (408, (None, None)));
    assert_eq!(conversation.rest().await, "");
}

#[tokio::test]
async fn large_bodies_are_refused_and_the_refusal_arrives() {
    let door = Door::with(|options| options.limits.body_bytes = 1 << 20).await;
    let megabytes = "x".repeat(8 << 20);
    let announced = format!("{HEAD}content-length: {}\r\n\r\n", megabytes.len());
    let chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n{:x}\r\n", megabytes.len());
    for head in [announced, chunked] {
        let mut conversation = door.connect().await;
        conversation.send(&head).await;
        // All of it is sent before anything is read, as simple clients do.
        conversation.send(&megabytes).await;
        assert_eq!(conversation.answer().await.status, 413, "{head}");
    }
    let mut conversation = door.connect().await;
    conversation.send(format!("{HEAD}content-length: 99999999999\r\nexpect: 100-continue\r\n\r\n")).await;
    assert_eq!(conversation.answer().await.status, 413, "before the body is sent");
}

#[tokio::test]
async fn bodies_share_their_room() {
    let door = Door::with(|options| options.limits.bodies_bytes = 4 << 10).await;
    let mut first = door.connect().await;
    first.send(format!("{HEAD}content-length: 4000\r\n\r\n{{")).await;
    let mut answer;
    loop {
        answer = door.chat("", "{}").await;
        if answer.status != 400 {
            break;
        }
    }
    assert_eq!((answer.status, answer.error().1.as_deref()), (429, Some("overloaded")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(first);
    while door.chat("", "{}").await.status != 400 {}
    let mut growing = door.connect().await;
    growing.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n2000\r\n{}\r\n", "x".repeat(0x2000))).await;
    assert_eq!(growing.answer().await.status, 429);
}

#[tokio::test]
async fn large_headers_are_refused() {
    let door = Door::open().await;
    let mut conversation = door.connect().await;
    conversation.send(format!("{HEAD}x-a: {}\r\n\r\n", "a".repeat(65 << 10))).await;
    assert_eq!(conversation.answer().await.status, 431);
}

#[tokio::test]
async fn surplus_connections_are_told_so() {
    let door = Door::with(|options| options.limits.connections = 1).await;
    let mut first = door.connect().await;
    first.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = door.connect().await;
    let answer = second.answer().await;
    assert_eq!((answer.status, answer.error().1.as_deref()), (503, Some("gateway_unavailable")));
    assert_eq!(second.rest().await, "");
    first.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn draining_closes_idle_connections_and_finishes_the_others() {
    let door = Door::open().await;
    let mut unused = door.connect().await;
    let mut idle = door.connect().await;
    idle.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut busy = door.connect().await;
    busy.request("POST /v1/chat/completions HTTP/1.1", HI).await;
    let (run, _) = door.engine.submitted().await;
    door.shutdown.release.cancel();
    assert_eq!(idle.rest().await, "");
    door.shutdown.drain.cancel();
    assert_eq!(unused.rest().await, "");
    door.engine.end(run, done("Hello"));
    assert_eq!(busy.answer().await.status, 200);
    assert_eq!(door.close().await, 0);
}

#[tokio::test]
async fn a_replica_that_leaves_sends_clients_elsewhere_and_still_answers() {
    let door = Door::open().await;
    let mut early = door.connect().await;
    early.request("GET /healthz HTTP/1.1", "").await;
    assert_eq!(early.answer().await.header("connection"), None);
    door.engine.set_readiness(Readiness::Draining);
    early.request("POST /v1/chat/completions HTTP/1.1", HI).await;
    let (run, _) = door.engine.submitted().await;
    door.engine.end(run, done("Hello"));
    let answer = early.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(early.rest().await, "");
    // Connections are accepted in order, so this one is when the next one is answered.
    let unused = door.connect().await;
    assert_eq!(door.ask("GET /healthz HTTP/1.1", "").await.status, 200);
    door.shutdown.release.cancel();
    for mut late in [unused, door.connect().await] {
        late.request("GET /readyz HTTP/1.1", "").await;
        let answer = late.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
        assert_eq!(late.rest().await, "");
    }
    assert_eq!(door.close().await, 0);
}

#[tokio::test]
async fn waiting_requests_are_told_when_the_replica_stops() {
    let door = Door::open().await;
    let mut waiting = Vec::new();
    for (key, retry_after, should_retry) in
        [("", None, Some("false")), ("idempotency-key: k", Some("1"), None)]
    {
        let mut conversation = door.connect().await;
        conversation.request(&format!("POST /v1/chat/completions HTTP/1.1\r\n{key}"), HI).await;
        door.engine.submitted().await;
        waiting.push((conversation, retry_after, should_retry));
    }
    let engine = door.engine.clone();
    door.shutdown.cut.cancel();
    for (mut conversation, retry_after, should_retry) in waiting {
        let answer = conversation.answer().await;
        assert_eq!((answer.status, answer.error().1.as_deref()), (503, Some("replica_draining")));
        assert_eq!(answer.header("retry-after"), retry_after);
        assert_eq!(answer.header("x-should-retry"), should_retry);
        assert!(answer.header("x-regrow-run-id").is_some());
    }
    assert_eq!(door.close().await, 0);
    assert_eq!(engine.events_so_far().await.len(), 0);
}

#[tokio::test]
async fn what_does_not_close_is_dropped_at_the_end() {
    let door = Door::with_grace(SHORT, |_| {}).await;
    let mut stuck = door.connect().await;
    stuck.send(format!("{HEAD}content-length: 100\r\n\r\n{{")).await;
    // Its headers were read when another connection, opened later, is answered.
    assert_eq!(door.ask("GET /healthz HTTP/1.1", "").await.status, 200);
    assert_eq!(door.close().await, 1);
}
