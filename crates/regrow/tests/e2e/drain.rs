//! SIGTERM: not ready at once, nothing new, running work finished or handed over, exit code 0.

use std::time::{Duration, Instant};

use regrow_chaos::client::{Client, Turn};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::expected;
use crate::scene::{Scene, soon, until};
use crate::stream::Stream;

/// How soon a replica that is told to stop must say that it is not ready.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn start(replicas: usize, drain_seconds: u32) -> Scene {
    Scene::with(replicas, json!({"regrow": {"drainSeconds": drain_seconds}})).await
}

/// Waits until the replica is not ready, and returns why.
async fn not_ready(client: &Client) -> Value {
    let asked = Instant::now();
    let body = until(async || {
        // An idle connection may be closed just when it is to be used again.
        let (status, body) = client.get("/readyz").await.ok()?;
        (status != 200).then_some(body)
    })
    .await;
    assert!(asked.elapsed() < AT_ONCE, "it took {:?}", asked.elapsed());
    body
}

#[tokio::test]
async fn what_has_begun_is_finished_and_nothing_is_begun() {
    let mut scene = start(2, 20).await;
    let text = expected::text("a", &["a"], 80);
    // Without a key nobody could ask for it again.
    let live = scene.open(0, &Turn::user("[[id=a tokens=80 delay_ms=25]]").streamed()).await;
    scene.model_at("a", 1).await;
    let client = scene.client(0);
    let (code, (), reply) = soon(async {
        let probe = async {
            assert_eq!(not_ready(&client).await["failing"], json!(["draining"]));
            assert_eq!(client.get("/healthz").await.unwrap().0, 200, "it lives as long as it works");
            let refused = client.send(&Turn::user("[[id=b]]")).await.unwrap();
            expected::refused(&refused, 503, "gateway_unavailable");
            assert!(refused.header("retry-after").is_some());
        };
        tokio::join!(scene.cluster.terminate(0), probe, live.finish())
    })
    .await;
    assert_eq!(code.unwrap(), Some(0));
    expected::whole(&reply, &text);
    assert_eq!((scene.rounds("a"), scene.rounds("b")), (vec![0], vec![]));
    expected::whole(&scene.ask(1, &Turn::user("[[id=c]]")).await, &expected::text("c", &["c"], 0));
}

#[tokio::test]
async fn what_outlasts_the_drain_goes_on_elsewhere() {
    let mut scene = start(2, 1).await;
    let text = r#"[[id=a tokens=80 delay_ms=25 tool=write args={"path":"note","content":"hello"}]]"#;
    let turn = Turn::user(text).once("key");
    let mut cut = Stream::open(&scene, 0, &turn, None).await;
    cut.read_text(12).await;
    let (code, ()) = soon(async { tokio::join!(scene.cluster.terminate(0), cut.finish()) }).await;
    assert_eq!(code.unwrap(), Some(0));
    assert!(!cut.done);
    assert_eq!(cut.error.as_ref().unwrap()["code"], "replica_draining");

    let mut rest = Stream::open(&scene, 1, &turn, cut.last_id.as_deref()).await;
    rest.finish().await;
    let whole = scene.ask(1, &turn).await;
    assert!(whole.is_ok() && rest.done, "{whole:?}");
    assert_eq!(format!("{}{}", cut.text, rest.text), whole.text);
    assert_eq!(scene.rounds("a"), [0, 1, 1], "the finished step is not repeated");
    assert_eq!(scene.ends(whole.run_id().unwrap()).await, 1);
}

#[tokio::test]
async fn a_whole_reply_that_outlasts_the_drain_is_promised_and_kept() {
    let mut scene = start(2, 0).await;
    let (keyed, bare) =
        (Turn::user("[[id=a tokens=40 delay_ms=25]]").once("key"), "[[id=b tokens=40 delay_ms=25]]");
    let lost = [scene.ask_later(0, &keyed), scene.ask_later(0, &Turn::user(bare))];
    for id in ["a", "b"] {
        scene.model_at(id, 1).await;
    }
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    let mut told = Vec::new();
    for lost in lost {
        told.push(soon(lost).await.unwrap().unwrap());
    }
    for (reply, retry, final_word) in [(&told[0], Some("1"), None), (&told[1], None, Some("false"))] {
        expected::refused(reply, 503, "replica_draining");
        assert_eq!((reply.header("retry-after"), reply.header("x-should-retry")), (retry, final_word));
    }
    expected::whole(&scene.ask(1, &keyed).await, &expected::text("a", &["a"], 40));
    assert_eq!(scene.ended(told[1].run_id().unwrap()).await, "done");
}

#[tokio::test]
async fn the_last_replica_leaves_its_work_to_the_next_start() {
    let mut scene = start(1, 0).await;
    let first = Turn::user("[[id=a tokens=120 delay_ms=25]]").streamed().in_session("s").once("first");
    let second = Turn::user("[[id=b]]").streamed().in_session("s").once("second");
    let live = [scene.open(0, &first).await, scene.open(0, &second).await];
    scene.model_at("a", 2).await;
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    for live in live {
        let cut = soon(live.finish()).await;
        assert_eq!((cut.complete, expected::code(&cut)), (false, Some("replica_draining")));
    }
    scene.cluster.restart(0).await.unwrap();
    expected::whole(&scene.ask(0, &second).await, &expected::text("b", &["a", "b"], 0));
    expected::whole(&scene.ask(0, &first).await, &expected::text("a", &["a"], 120));
}

#[tokio::test]
async fn an_idle_replica_leaves_at_once() {
    let mut scene = start(2, 60).await;
    let asked = Instant::now();
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    expected::whole(&scene.ask(1, &Turn::user("[[id=a]]")).await, &expected::text("a", &["a"], 0));
}

/// A second request to stop in the middle of a reply, once the first has been heard: the rest comes from elsewhere.
async fn stop_at_once(config: Value) {
    let mut scene = Scene::with(2, config).await;
    let turn = Turn::user("[[id=a tokens=80 delay_ms=25]]").streamed().once("key");
    let mut cut = scene.open(0, &turn).await;
    assert!(soon(cut.read_text(12)).await);
    let pid = Pid::from_raw(scene.cluster.pid(0).unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    not_ready(&scene.client(0)).await;
    let asked = Instant::now();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(soon(scene.cluster.await_exit(0)).await.unwrap(), Some(130));
    assert!(asked.elapsed() < AT_ONCE, "it took {:?}", asked.elapsed());
    let cut = soon(cut.finish()).await;
    assert!(!cut.complete, "{cut:?}");
    let whole = scene.ask(1, &turn).await;
    expected::whole(&whole, &expected::text("a", &["a"], 80));
    assert!(whole.text.starts_with(&cut.text), "{cut:?}");
    assert_eq!((scene.rounds("a"), scene.ends(whole.run_id().unwrap()).await), (vec![0, 0], 1));
}

#[tokio::test]
async fn a_second_signal_ends_the_notice() {
    stop_at_once(json!({"regrow": {"noticeSeconds": 60}})).await;
}

#[tokio::test]
async fn a_second_signal_ends_the_drain() {
    stop_at_once(json!({"regrow": {"drainSeconds": 60}})).await;
}
