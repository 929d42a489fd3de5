//! One session, many senders: each message is answered once, in the order of acceptance, and each run sees all before.

use regrow_chaos::client::{Reply, Turn};
use serde_json::json;

use crate::expected;
use crate::scene::{Scene, soon};

const MESSAGES: usize = 20;

#[tokio::test]
async fn messages_that_make_their_session_together_are_all_answered_in_order() {
    burst(&Scene::start(1).await).await;
}

#[tokio::test]
async fn messages_spread_over_replicas_are_all_answered_in_order() {
    burst(&Scene::start(2).await).await;
}

/// Sends all messages at once, spread over all replicas, to a session that does not exist.
async fn burst(scene: &Scene) {
    let replies: Vec<_> = (0..MESSAGES)
        .map(|n| {
            let turn = Turn { stream: n % 2 == 0, ..Turn::user(format!("[[id=m{n}]]")).in_session("s") };
            scene.ask_later(n % scene.cluster.size(), &turn)
        })
        .collect();
    let mut answered = Vec::new();
    for (n, reply) in replies.into_iter().enumerate() {
        answered.push((format!("m{n}"), soon(reply).await.unwrap().unwrap()));
    }
    answered.sort_by_key(|(_, reply)| turns(reply));
    let order: Vec<&str> = answered.iter().map(|(id, _)| id.as_str()).collect();
    for (position, (id, reply)) in answered.iter().enumerate() {
        expected::whole(reply, &expected::text(id, &order[..=position], 0));
        assert_eq!(scene.rounds(id), [0]);
    }
    assert_eq!(consumed(scene).await, (1..=20).collect::<Vec<i64>>());
}

/// How many user messages the model saw.
fn turns(reply: &Reply) -> usize {
    let turns = reply.text.split_once("turns=").and_then(|(_, rest)| rest.split_once(' '));
    turns.expect("an answer of the scripted model").0.parse().unwrap()
}

/// The places in the inbox of the messages that were consumed, in the order of consumption.
async fn consumed(scene: &Scene) -> Vec<i64> {
    let shown = scene.command(&["sessions", "show", "s", "--json"]).await.json();
    let users = shown.iter().filter(|line| line["entry"]["kind"] == "user");
    users.map(|line| line["entry"]["inbox_seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn acknowledged_messages_keep_their_order_over_a_death() {
    let mut scene = Scene::start(2).await;
    let turn = |n: usize| {
        let pace = if n == 0 { " tokens=30 delay_ms=25" } else { "" };
        Turn::user(format!("[[id=m{n}{pace}]]")).streamed().in_session("s").once(format!("k{n}"))
    };
    let mut waiting = Vec::new();
    for n in 0..8 {
        waiting.push(scene.open(n % 2, &turn(n)).await);
    }
    scene.kill(0).await;
    let ids: Vec<String> = (0..8).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for n in (0..8).rev() {
        let tokens = if n == 0 { 30 } else { 0 };
        expected::whole(&scene.ask(1, &turn(n)).await, &expected::text(ids[n], &ids[..=n], tokens));
    }
    for (n, live) in waiting.into_iter().enumerate().filter(|(n, _)| n % 2 == 1) {
        expected::whole(&soon(live.finish()).await, &expected::text(ids[n], &ids[..=n], 0));
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_accepted() {
    let scene = Scene::with(1, json!({"regrow": {"maxQueued": 3}})).await;
    let turn = |n: usize| Turn::user(format!("[[id=m{n} tokens=15 delay_ms=20]]")).streamed().in_session("s");
    let mut accepted = Vec::new();
    for n in 0..3 {
        accepted.push(scene.open(0, &turn(n)).await);
    }
    let refused = scene.ask(0, &turn(3)).await;
    expected::refused(&refused, 429, "session_queue_full");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 0);
    // A session that is full is not a gateway that is full.
    let elsewhere = scene.ask(0, &Turn::user("[[id=x]]").in_session("other")).await;
    expected::whole(&elsewhere, &expected::text("x", &["x"], 0));
    let ids = ["m0", "m1", "m2"];
    for (n, live) in accepted.into_iter().enumerate() {
        expected::whole(&soon(live.finish()).await, &expected::text(ids[n], &ids[..=n], 15));
    }
    assert!(scene.rounds("m3").is_empty());
}

#[tokio::test]
async fn more_sessions_than_slots_wait_for_their_turn() {
    let scene = Scene::with(2, json!({"regrow": {"slots": 1}})).await;
    let replies: Vec<_> = (0..12)
        .map(|n| scene.ask_later(n % 2, &Turn::user(format!("[[id=m{n} tokens=6 delay_ms=10]]"))))
        .collect();
    for (n, reply) in replies.into_iter().enumerate() {
        let id = format!("m{n}");
        expected::whole(&soon(reply).await.unwrap().unwrap(), &expected::text(&id, &[&id], 6));
    }
}
