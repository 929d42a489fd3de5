//! A client that leaves: without a key its run is aborted, with one it goes on.

use regrow_chaos::client::Turn;
use regrow_chaos::model_server::State;

use crate::expected;
use crate::scene::{Scene, soon};

const SLOW: &str = "[[id=a tokens=200 delay_ms=25]]";

/// The run that the store knows, of which there must be one.
async fn only_run(scene: &Scene) -> String {
    let runs = scene.command(&["runs", "list", "--json"]).await.json();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0]["runId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_run_that_nobody_can_ask_for_is_aborted() {
    for stream in [true, false] {
        let scene = Scene::start(1).await;
        let turn = Turn { stream, ..Turn::user(SLOW).in_session("s") };
        let asked = scene.ask_later(0, &turn);
        scene.model_at("a", 2).await;
        let run = only_run(&scene).await;
        asked.abort();
        assert_eq!(scene.ended(&run).await, "aborted");
        assert_eq!(scene.ends(&run).await, 1);
        // The model is not left talking to nobody.
        soon(scene.model.wait_until(|calls| calls[0].state == State::ClientGone)).await;
        let next = scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await;
        expected::whole(&next, &expected::text("b", &["a", "b"], 0));
    }
}

#[tokio::test]
async fn a_waiting_message_that_nobody_can_ask_for_is_aborted_before_it_costs() {
    let scene = Scene::start(1).await;
    let first = Turn::user("[[id=a tokens=30 delay_ms=25]]").streamed().in_session("s");
    let running = scene.open(0, &first).await;
    let waiting = scene.open(0, &Turn::user("[[id=b]]").streamed().in_session("s")).await;
    let run = waiting.so_far().run_id().unwrap().to_owned();
    drop(waiting);
    expected::whole(&soon(running.finish()).await, &expected::text("a", &["a"], 30));
    assert_eq!(scene.ended(&run).await, "aborted");
    assert!(scene.rounds("b").is_empty());
}

#[tokio::test]
async fn a_run_that_is_driven_elsewhere_is_aborted_there() {
    let scene = Scene::start(2).await;
    let first = Turn::user("[[id=a tokens=20 delay_ms=25]]").streamed().in_session("s");
    let running = scene.open(0, &first).await;
    let mut waiting =
        scene.open(1, &Turn::user("[[id=b tokens=400 delay_ms=25]]").streamed().in_session("s")).await;
    expected::whole(&soon(running.finish()).await, &expected::text("a", &["a"], 20));
    assert!(soon(waiting.read_text(12)).await);
    let run = waiting.so_far().run_id().unwrap().to_owned();
    drop(waiting);
    assert_eq!(scene.ended(&run).await, "aborted");
    soon(scene.model.wait_until(|calls| calls[1].state == State::ClientGone)).await;
}

#[tokio::test]
async fn a_run_with_a_key_goes_on_without_its_client() {
    for stream in [true, false] {
        let scene = Scene::start(1).await;
        let turn = Turn { stream, ..Turn::user("[[id=a tokens=30 delay_ms=20]]").once("key") };
        let asked = scene.ask_later(0, &turn);
        scene.model_at("a", 2).await;
        asked.abort();
        let run = only_run(&scene).await;
        assert_eq!(scene.ended(&run).await, "done");
        expected::whole(&scene.ask(0, &turn).await, &expected::text("a", &["a"], 30));
        assert_eq!(scene.rounds("a"), [0]);
    }
}
