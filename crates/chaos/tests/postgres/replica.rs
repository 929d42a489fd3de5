//! What befalls a replica: SIGKILL, SIGTERM, SIGSTOP, and a run that is its end.

use regrow_chaos::client::Turn;
use serde_json::json;

use crate::scene::{Scene, refused, soon, text, until, whole};

/// A reply that takes 100 times 25 ms.
const SLOW: &str = "[[id=a tokens=100 delay_ms=25]]";

/// A tool that has been called, then a reply that takes its time.
const WITH_TOOL: &str = r#"[[id=a tokens=40 delay_ms=25 tool=write args={"path":"note","content":"x"}]]"#;

#[tokio::test]
async fn kill_minus_9_and_the_run_goes_on_elsewhere() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user(SLOW).streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    let follower = scene.open(1, &turn).await;
    assert!(soon(live.read_text(12)).await);
    scene.cluster.kill(0).await.unwrap();
    let lost = soon(live.finish()).await;
    assert!(!lost.complete && text("a", &["a"], 100).starts_with(&lost.text), "{lost:?}");

    let followed = soon(follower.finish()).await;
    whole(&followed, &text("a", &["a"], 100));
    let again = scene.ask(1, &turn).await;
    whole(&again, &followed.text);
    assert_eq!((again.run_id(), followed.run_id()), (lost.run_id(), lost.run_id()));
    assert_eq!(scene.rounds("a"), [0, 0], "one call was cut off, one was made in its place");
}

#[tokio::test]
async fn sigterm_hands_the_session_over_at_its_last_step() {
    let mut scene = Scene::with(2, json!({"drainSeconds": 1})).await;
    let turn = Turn::user(WITH_TOOL.replace("tokens=40", "tokens=90")).streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let client = scene.client(0);
    let (code, ()) = soon(async {
        let probe = async {
            until(async || (client.get("/readyz").await.ok()?.0 == 503).then_some(())).await;
            refused(&client.send(&Turn::user("[[id=b]]")).await.unwrap(), 503, "gateway_unavailable");
        };
        tokio::join!(scene.cluster.terminate(0), probe)
    })
    .await;
    assert_eq!(code.unwrap(), Some(0));
    let cut = soon(live.finish()).await;
    assert_eq!((cut.complete, cut.error_code()), (false, Some("replica_draining")));
    let reply = scene.ask(1, &turn).await;
    assert!(reply.is_ok() && reply.text.ends_with(" w90"), "{reply:?}");
    assert_eq!(scene.rounds("a"), [0, 1, 1], "the finished step is not repeated");
    assert_eq!(scene.rounds("b"), [0; 0]);
}

#[tokio::test]
async fn paused_beyond_its_lease_a_replica_does_no_harm_when_it_wakes() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user(WITH_TOOL).streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let old = scene.cluster.replica_id(0).unwrap().to_owned();
    scene.cluster.pause(0).unwrap();
    let reply = scene.insist(1, &turn).await;
    assert!(reply.is_ok() && reply.text.ends_with(" w40"), "{reply:?}");
    scene.cluster.resume(0).unwrap();
    whole(&soon(live.finish()).await, &reply.text);
    scene.rejoined(&old).await;
    assert_eq!(scene.rounds("a"), [0, 1, 1], "who wakes does not ask the model again");

    scene.cluster.kill(1).await.unwrap();
    whole(&scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await, &text("b", &["a", "b"], 0));
}

#[tokio::test]
async fn a_run_that_kills_its_replica_each_time_is_given_up_visibly() {
    let mut scene = Scene::start(1).await;
    let turn = Turn::user("[[id=a hang]]").in_session("s").once("key").streamed();
    for attempt in 1..=3 {
        let _lost = scene.open(0, &turn).await;
        soon(scene.model.wait_until(|calls| calls.len() == attempt)).await;
        scene.cluster.restart(0).await.unwrap();
    }
    let reply = scene.ask(0, &Turn { stream: false, ..turn }).await;
    assert_eq!((reply.status, reply.error_code()), (500, Some("run_crashed")), "{reply:?}");
    assert_eq!(scene.rounds("a").len(), 3);
    whole(&scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await, &text("b", &["a", "b"], 0));
}
