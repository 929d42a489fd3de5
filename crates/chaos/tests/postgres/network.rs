//! What befalls the network between a replica and the store.

use std::time::{Duration, Instant};

use regrow_chaos::client::Turn;
use serde_json::json;

use crate::scene::{Scene, refused, soon, text, until, whole};

/// How long a request may take until it is refused, on a busy machine: the patience of a replica with its store is five
/// seconds.
const IN_TIME: Duration = Duration::from_secs(8);

/// How soon it is refused by who knows that it is cut off, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// In the middle of a reply, replica 0 is cut off by `cut`, and not healed before somebody else has finished.
async fn is_replaced_and_rejoins(cut: impl FnOnce(&Scene)) {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a tokens=100 delay_ms=25]]").streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    let mut follower = scene.open(1, &turn).await;
    assert!(soon(live.read_text(12)).await && soon(follower.read_text(12)).await);
    let old = scene.cluster.replica_id(0).unwrap().to_owned();
    cut(&scene);
    let asked = Instant::now();
    let cut_off = Turn::user("[[id=c]]").in_session("other").once("c");
    refused(&scene.ask(0, &cut_off).await, 503, "gateway_unavailable");
    assert!(asked.elapsed() < IN_TIME, "it took {:?}", asked.elapsed());
    scene.ready(0, false).await;
    // Who knows that it is cut off says so at once.
    until(async || {
        let refusal = scene.client(0).send(&cut_off).await.unwrap();
        refused(&refusal, 503, "gateway_unavailable");
        (refusal.total < AT_ONCE).then_some(())
    })
    .await;
    assert_eq!(soon(scene.client(0).get("/healthz")).await.unwrap().0, 200, "a restart would not help");
    // Who follows elsewhere does not wait for one that is cut off and does not know that it is replaced.
    whole(&soon(follower.finish()).await, &text("a", &["a"], 100));
    whole(&scene.insist(1, &turn).await, &text("a", &["a"], 100));
    let calls = scene.rounds("a").len();

    scene.database.network(0).pass();
    scene.ready(0, true).await;
    scene.rejoined(&old).await;
    whole(&soon(live.finish()).await, &text("a", &["a"], 100));
    assert_eq!((calls, scene.rounds("a").len()), (2, 2), "who was cut off does not ask the model again");
    whole(&scene.insist(0, &cut_off).await, &text("c", &["c"], 0));
    scene.cluster.kill(1).await.unwrap();
    whole(&scene.insist(0, &Turn::user("[[id=b]]").in_session("s")).await, &text("b", &["a", "b"], 0));
}

#[tokio::test]
async fn cut_off_from_the_store_a_replica_refuses_and_rejoins_as_another() {
    is_replaced_and_rejoins(|scene| scene.database.network(0).cut()).await;
}

#[tokio::test]
async fn cut_off_from_the_store_in_silence_a_replica_refuses_and_rejoins_as_another() {
    is_replaced_and_rejoins(|scene| scene.database.network(0).black_hole()).await;
}

#[tokio::test]
async fn cut_off_from_the_store_a_replica_writes_nothing_that_arrives_late() {
    is_replaced_and_rejoins(|scene| scene.database.network(0).hold()).await;
}

/// What a replica tells those who watch.
async fn told(scene: &Scene, path: &str) -> (u16, String) {
    let url = format!("{}{path}", scene.cluster.metrics_url(0).unwrap());
    let answer = soon(reqwest::get(url)).await.unwrap();
    (answer.status().as_u16(), soon(answer.text()).await.unwrap())
}

#[tokio::test]
async fn cut_off_from_the_store_a_replica_tells_what_it_knows_and_what_it_does_not() {
    let scene = Scene::with(1, json!({"leaseSeconds": 2, "metricsPort": 0})).await;
    assert_eq!(told(&scene, "/internal/autoscale").await.0, 200);
    scene.database.network(0).black_hole();
    until(async || (told(&scene, "/internal/autoscale").await.0 == 503).then_some(())).await;
    let asked = Instant::now();
    let (status, metrics) = told(&scene, "/metrics").await;
    assert!(asked.elapsed() < IN_TIME, "it took {:?}", asked.elapsed());
    let has = |line: &str| metrics.lines().any(|other| other == line);
    assert!(status == 200 && has("regrow_lanes_ready NaN") && has("regrow_slots NaN"), "{metrics}");
    assert!(has("regrow_runs_running 0"), "{metrics}");
    scene.ready(0, false).await;
    assert!(told(&scene, "/metrics").await.1.contains("\nregrow_ready 0\n"));
    scene.database.network(0).pass();
    until(async || (told(&scene, "/internal/autoscale").await.0 == 200).then_some(())).await;
    assert!(told(&scene, "/metrics").await.1.contains("\nregrow_lanes_ready 0\n"));
}
