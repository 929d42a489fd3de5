//! The same key in the same session is the same message: accepted once, run once, answered alike, for ever.

use regrow_chaos::client::{Reply, Turn};

use crate::expected;
use crate::scene::{Scene, soon};

#[tokio::test]
async fn copies_that_arrive_everywhere_at_once_are_one_message() {
    let scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a tokens=10 delay_ms=10]]").in_session("s").once("key");
    let copies: Vec<_> = (0..20).map(|n| scene.ask_later(n % 2, &turn)).collect();
    let mut replies = Vec::new();
    for copy in copies {
        replies.push(soon(copy).await.unwrap().unwrap());
    }
    let first = |reply: &Reply| reply.header("x-regrow-duplicate").is_none();
    assert_eq!(replies.iter().filter(|reply| first(reply)).count(), 1);
    for reply in &replies {
        expected::whole(reply, &expected::text("a", &["a"], 10));
        assert_eq!((&reply.id, &reply.usage), (&replies[0].id, &replies[0].usage));
    }
    assert_eq!(scene.rounds("a"), [0]);
    assert_eq!(scene.command(&["runs", "list", "--json"]).await.json().len(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_body_in_one_session() {
    let scene = Scene::start(2).await;
    let turn = |text: &str| Turn::user(text).in_session("s").once("key");
    expected::whole(&scene.ask(0, &turn("[[id=a]]")).await, &expected::text("a", &["a"], 0));
    for replica in [0, 1] {
        let reused = scene.ask(replica, &turn("[[id=b]]")).await;
        expected::refused(&reused, 422, "idempotency_key_reused");
    }
    // How the answer is sent is no other question.
    let streamed = scene.ask(1, &turn("[[id=a]]").streamed()).await;
    expected::whole(&streamed, &expected::text("a", &["a"], 0));
    let elsewhere = scene.ask(1, &Turn::user("[[id=b]]").in_session("other").once("key")).await;
    expected::whole(&elsewhere, &expected::text("b", &["b"], 0));
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn a_reply_outlives_all_replicas_and_their_model() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a tokens=12]]").once("key");
    let streamed = scene.ask(0, &turn.clone().streamed()).await;
    for replica in [0, 1] {
        scene.kill(replica).await;
    }
    for replica in [0, 1] {
        scene.cluster.restart(replica).await.unwrap();
        let reply = scene.ask(replica, &turn.clone().streamed()).await;
        expected::whole(&reply, &expected::text("a", &["a"], 12));
        assert_eq!((&reply.id, reply.header("x-regrow-duplicate")), (&streamed.id, Some("true")));
    }
    assert_eq!(scene.rounds("a"), [0]);
}
