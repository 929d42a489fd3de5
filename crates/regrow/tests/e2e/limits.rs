//! Runs that must end before they are done: by their limits, or because somebody says so.

use std::time::{Duration, Instant};

use regrow_chaos::client::Turn;
use regrow_chaos::model_server::State;
use serde_json::{Value, json};

use crate::expected;
use crate::scene::{Scene, soon};

/// A model that asks for tools for ever.
const LOOP: &str = "[[id=a tool=session_status rounds=1000]]";

async fn with_run_limits(limits: Value) -> Scene {
    Scene::with(1, json!({"regrow": {"run": limits}})).await
}

#[tokio::test]
async fn a_run_that_goes_in_circles_ends_at_its_limits() {
    for (limits, calls) in [(json!({"maxSteps": 3}), 3), (json!({"maxTokens": 1}), 1)] {
        let scene = with_run_limits(limits).await;
        let reply = scene.ask(0, &Turn::user(LOOP).in_session("s")).await;
        expected::refused(&reply, 500, "run_limit_reached");
        assert_eq!(scene.rounds("a").len(), calls);
        assert_eq!(scene.ended(reply.run_id().unwrap()).await, "failed");
        assert!(scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await.is_ok());
    }
}

#[tokio::test]
async fn a_run_that_takes_too_long_ends_in_the_middle_of_a_call() {
    let scene = Scene::with(1, json!({"agents": {"defaults": {"timeoutSeconds": 1}}})).await;
    let begun = Instant::now();
    let stuck = scene.ask_later(0, &Turn::user("[[id=a hang]]").in_session("s"));
    let endless = scene.ask_later(0, &Turn::user("[[id=b tokens=2000 delay_ms=20]]").streamed());
    for run in [stuck, endless] {
        let reply = soon(run).await.unwrap().unwrap();
        assert_eq!(expected::code(&reply), Some("run_limit_reached"), "{reply:?}");
        assert_eq!(scene.ended(reply.run_id().unwrap()).await, "failed");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    soon(scene.model.wait_until(|calls| calls.iter().all(|call| call.state == State::ClientGone))).await;
    assert!(scene.ask(0, &Turn::user("[[id=c]]").in_session("s")).await.is_ok());
}

#[tokio::test]
async fn a_running_run_is_aborted_from_the_command_line() {
    let scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a tokens=400 delay_ms=25]]").streamed().in_session("s").once("key");
    let mut live = scene.open(0, &turn).await;
    let follower = scene.open(1, &turn).await;
    assert!(soon(live.read_text(12)).await);
    let run = live.so_far().run_id().unwrap().to_owned();
    let aborted = scene.command(&["runs", "abort", &run]).await;
    assert_eq!(aborted.code, Some(0), "{aborted:?}");
    for live in [live, follower] {
        let reply = soon(live.finish()).await;
        assert_eq!(expected::code(&reply), Some("run_aborted"), "{reply:?}");
    }
    assert_eq!((scene.ended(&run).await.as_str(), scene.ends(&run).await), ("aborted", 1));
    soon(scene.model.wait_until(|calls| calls[0].state == State::ClientGone)).await;
    let again = scene.command(&["runs", "abort", &run]).await;
    assert!(again.code == Some(0) && again.out.contains("has ended already: aborted"), "{again:?}");
    expected::refused(&scene.ask(1, &Turn { stream: false, ..turn }).await, 409, "run_aborted");
}

#[tokio::test]
async fn a_waiting_run_is_aborted_without_a_model_call() {
    let scene = Scene::start(2).await;
    let turn = |id: &str, script: &str| Turn::user(format!("[[id={id}{script}]]")).streamed().in_session("s");
    let first = scene.open(0, &turn("a", " tokens=40 delay_ms=25")).await;
    let second = scene.open(1, &turn("b", "")).await;
    let third = scene.open(1, &turn("c", "")).await;
    let run = second.so_far().run_id().unwrap().to_owned();
    assert_eq!(scene.command(&["runs", "abort", &run]).await.code, Some(0));
    expected::whole(&soon(first.finish()).await, &expected::text("a", &["a"], 40));
    assert_eq!(expected::code(&soon(second.finish()).await), Some("run_aborted"));
    assert!(soon(third.finish()).await.is_ok());
    assert!(scene.rounds("b").is_empty());
    assert_eq!(scene.ended(&run).await, "aborted");
}

#[tokio::test]
async fn a_conversation_starts_afresh_when_it_is_told_to() {
    let scene = Scene::start(2).await;
    let turn = |id: &str, script: &str| Turn::user(format!("[[id={id}{script}]]")).streamed().in_session("s");
    for (replica, id) in [(0, "a"), (1, "b")] {
        assert!(scene.ask(replica, &turn(id, "")).await.is_ok());
    }
    let running = scene.open(0, &turn("c", " tokens=30 delay_ms=25")).await;
    let busy = scene.command(&["sessions", "reset", "s"]).await;
    assert!(busy.code == Some(1) && busy.err.contains("regrow runs abort"), "{busy:?}");
    expected::whole(&soon(running.finish()).await, &expected::text("c", &["a", "b", "c"], 30));
    let reset = scene.command(&["sessions", "reset", "s"]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    expected::whole(&scene.ask(0, &turn("d", "")).await, &expected::text("d", &["d"], 0));
    expected::whole(&scene.ask(1, &turn("e", "")).await, &expected::text("e", &["d", "e"], 0));
    let shown = scene.command(&["sessions", "show", "s", "--json"]).await.json();
    assert_eq!(shown.iter().filter(|line| line["entry"]["kind"] == "user").count(), 5, "the log keeps all");
}
