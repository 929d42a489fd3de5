//! SIGSTOP beyond the lease, then SIGCONT: somebody else has finished, and the one that wakes does no harm.

use regrow_chaos::client::Turn;
use serde_json::json;

use crate::expected;
use crate::scene::{Scene, soon, until};

async fn start() -> Scene {
    Scene::with(2, json!({"regrow": {"leaseSeconds": 1}})).await
}

/// Waits until the store knows two replicas, none of which is `old`.
async fn rejoined(scene: &Scene, old: &str) {
    let store = scene.store().await;
    until(async || {
        let replicas = store.list_replicas().await.unwrap();
        let ids: Vec<String> = replicas.iter().map(|replica| replica.id.to_string()).collect();
        (ids.len() == 2 && !ids.iter().any(|id| id == old)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_paused_owner_is_replaced_and_wakes_as_another() {
    let mut scene = start().await;
    let text = r#"[[id=a tokens=40 delay_ms=25 tool=write args={"path":"note","content":"hello"}]]"#;
    let turn = Turn::user(text).streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let old = scene.cluster.replica_id(0).unwrap().to_owned();
    scene.cluster.pause(0).unwrap();
    let reply = scene.ask(1, &turn).await;
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(scene.rounds("a"), [0, 1, 1]);

    scene.cluster.resume(0).unwrap();
    let woken = soon(live.finish()).await;
    expected::whole(&woken, &reply.text);
    assert_eq!(woken.id, reply.id);
    rejoined(&scene, &old).await;
    assert_eq!(scene.ends(reply.run_id().unwrap()).await, 1);
    assert_eq!(scene.rounds("a"), [0, 1, 1], "who wakes does not ask the model again");

    scene.kill(1).await;
    let next = scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await;
    expected::whole(&next, &expected::text("b", &["a", "b"], 0));
}

#[tokio::test]
async fn an_owner_that_wakes_while_another_works_writes_nothing() {
    let scene = start().await;
    let turn = Turn::user("[[id=a tokens=60 delay_ms=25]]").streamed().in_session("s").once("key");
    let live = scene.open(0, &turn).await;
    scene.model_at("a", 2).await;
    let old = scene.cluster.replica_id(0).unwrap().to_owned();
    scene.cluster.pause(0).unwrap();
    let mut follower = scene.open(1, &turn).await;
    soon(scene.model.wait_until(|calls| calls.len() == 2 && calls[1].tokens > 5)).await;
    // Its own call has been answered while it slept: it wakes with a whole reply in its hands.
    scene.cluster.resume(0).unwrap();
    let text = expected::text("a", &["a"], 60);
    assert!(soon(follower.read_text(text.len())).await);
    for live in [live, follower] {
        expected::whole(&soon(live.finish()).await, &text);
    }
    rejoined(&scene, &old).await;
    let shown = scene.shown(scene.ask(0, &turn).await.run_id().unwrap()).await;
    let epochs: Vec<i64> = shown[1..].iter().map(|line| line["epoch"].as_i64().unwrap()).collect();
    assert!(epochs.windows(2).all(|pair| pair[0] == pair[1]), "one owner wrote all of it: {shown:?}");
    assert_eq!(scene.rounds("a"), [0, 0]);
}

#[tokio::test]
async fn a_pause_within_the_lease_changes_nothing() {
    let scene = Scene::with(2, json!({"regrow": {"leaseSeconds": 30}})).await;
    let turn = Turn::user("[[id=a tokens=20 delay_ms=20]]").streamed().once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    scene.cluster.pause(0).unwrap();
    soon(scene.model.wait_until(|calls| calls[0].tokens == 20)).await;
    scene.cluster.resume(0).unwrap();
    expected::whole(&soon(live.finish()).await, &expected::text("a", &["a"], 20));
    assert_eq!(scene.rounds("a"), [0]);
}
