//! A model that says something else the second time: what a client has is never silently continued by another text.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regrow_chaos::client::Turn;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::expected;
use crate::scene::{Scene, soon};
use crate::stream::Stream;

/// What the model says first, without ever finishing.
const FIRST: &str = "the first answer ";

/// What it says from then on.
const SECOND: &str = "another answer, and it is whole";

/// Starts the model.
async fn start_model() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&calls)));
        }
    });
    address
}

/// Answers one call; the first one stays open until its caller leaves.
async fn answer(stream: TcpStream, calls: Arc<AtomicUsize>) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
    let chunk = |delta: &str, reason: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n")
    };
    let said = |text: &str| chunk(&json!({"content": text}).to_string(), "null");
    let end = format!("{}data: [DONE]\n\n", chunk("{}", "\"stop\""));
    let body = if first { said(FIRST) } else { said(SECOND) + &end };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    if first {
        stream.read_u8().await.ok();
    }
}

async fn start(replicas: usize) -> Scene {
    let url = format!("http://{}/v1", start_model().await);
    Scene::with(replicas, json!({"models": {"providers": {"fake": {"baseUrl": url}}}})).await
}

#[tokio::test]
async fn a_stream_that_cannot_be_continued_says_so_and_the_reply_is_there_whole() {
    let mut scene = start(2).await;
    let turn = Turn::user("hello").streamed().once("key");
    let _driven = scene.open(0, &turn).await;
    let mut follower = scene.open(1, &turn).await;
    assert!(soon(follower.read_text(FIRST.len())).await);
    scene.kill(0).await;
    let cut = soon(follower.finish()).await;
    assert_eq!((cut.text.as_str(), expected::code(&cut)), (FIRST, Some("stream_diverged")), "{cut:?}");
    for turn in [turn.clone(), Turn { stream: false, ..turn }] {
        expected::whole(&scene.ask(1, &turn).await, SECOND);
    }
}

#[tokio::test]
async fn a_position_in_a_text_that_is_gone_is_not_resumed() {
    let mut scene = start(2).await;
    let turn = Turn::user("hello").once("key");
    let mut lost = Stream::open(&scene, 0, &turn, None).await;
    lost.read_text(FIRST.len()).await;
    scene.kill(0).await;
    let mut rest = Stream::open(&scene, 1, &turn, lost.last_id.as_deref()).await;
    rest.finish().await;
    assert_eq!((rest.text.as_str(), &rest.error.unwrap()["code"]), ("", &json!("stream_diverged")));
    expected::whole(&scene.ask(1, &turn).await, SECOND);
}
