//! Tool calls that are cut off: what is repeated, what is not, and what the model is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use regrow_agent::{Entry, ToolOutcome};
use regrow_protocol::Message;
use regrow_tools::Class;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Scene, answer, assert_done};

/// What an answer repeats of the result of a call that nobody knows anything about.
const UNKNOWN: &str = "result=The outcome of this call is unknown";

/// The results in a log, with their calls.
fn results(log: &[Entry]) -> Vec<(&str, ToolOutcome, bool)> {
    let result = |entry| match entry {
        &Entry::ToolResult { message: Message::Tool { ref call_id, is_error, .. }, outcome } => {
            Some((call_id.as_str(), outcome, is_error))
        }
        _ => None,
    };
    log.iter().filter_map(result).collect()
}

fn finals(log: &[Entry]) -> usize {
    log.iter().filter(|entry| matches!(entry, Entry::Final(_))).count()
}

#[tokio::test]
async fn a_call_that_is_cut_off_is_repeated_with_its_key_if_that_is_declared_harmless() {
    for class in [Class::Pure, Class::Keyed] {
        let scene = Scene::start().await;
        let probe = Probe::waiting("probe", class);
        let first = scene.replica(&[&probe]).await;
        let ticket = first.send("s", "[[id=a tool=probe]]").await;
        probe.called(1).await;

        first.lose_life();
        let second = scene.replica(&[&probe]).await;
        probe.called(2).await;
        // One for each call: the first may not have learned yet that it is nobody's.
        probe.release(2);
        assert_done(&second.ended(&ticket).await, &(answer(&["a"]) + " result=probe-worked"));

        let calls = probe.calls();
        assert_eq!(calls.len(), 2, "{class:?}");
        assert_eq!(calls[0].key, calls[1].key, "{class:?}: every attempt has the same key");
        assert_eq!((calls[0].rerun, calls[1].rerun), (false, true), "{class:?}: only the second is a rerun");
        assert_eq!(
            scene.rounds("a"),
            [0, 1],
            "{class:?}: the answer that asked for the tool was not repeated"
        );
    }
}

#[tokio::test]
async fn an_unsafe_call_that_is_cut_off_is_never_repeated_and_the_model_is_told() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Unsafe);
    let first = scene.replica(&[&probe]).await;
    let ticket = first.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;

    first.lose_life();
    let second = scene.replica(&[&probe]).await;
    let reply = second.ended(&ticket).await;
    assert!(reply.text.contains(UNKNOWN), "{}", reply.text);
    assert_eq!(probe.calls().len(), 1);
    assert_eq!(results(&scene.log("s").await), [("call_a_0_0", ToolOutcome::Unknown, true)]);
    assert_eq!(scene.rounds("a"), [0, 1]);
}

#[tokio::test]
async fn a_replica_that_does_not_know_that_it_is_dead_writes_nothing() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Unsafe);
    let zombie = scene.replica(&[&probe]).await;
    let ticket = zombie.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;

    // Its heartbeats stop, it cannot look for the dead, and so it does not learn that it is one of them.
    zombie.store.always(Intent::Reap, Fault::Refused);
    zombie.store.always(Intent::Heartbeat, Fault::Refused);
    let second = scene.replica(&[&probe]).await;
    let reply = second.ended(&ticket).await;
    let written = scene.log("s").await;

    // The call ends only now, at a replica that still drives the run.
    let appends = zombie.store.count(Intent::Append);
    probe.release(1);
    zombie.store.reached(Intent::Append, appends + 1).await;
    zombie.store.heal();
    let next = zombie.insist("s", "key", "[[id=b]]").await;
    assert_done(&zombie.ended(&next).await, &answer(&["a", "b"]));

    let log = scene.log("s").await;
    assert_eq!(log[..written.len()], written);
    assert_eq!(finals(&log), 2);
    assert_eq!(results(&log), [("call_a_0_0", ToolOutcome::Unknown, true)]);
    assert_eq!(*zombie.ended(&ticket).await, *reply);
    assert_eq!(probe.calls().len(), 1);
}

#[tokio::test]
async fn the_result_of_an_unsafe_call_is_recorded_before_the_next_one_starts() {
    let scene = Scene::start().await;
    let quick = Probe::answering("quick", Class::Unsafe);
    let slow = Probe::waiting("slow", Class::Unsafe);
    let first = scene.replica(&[&quick, &slow]).await;
    let ticket = first.send("s", "[[id=a tool=quick tool=slow]]").await;
    slow.called(1).await;
    assert_eq!(results(&scene.log("s").await), [("call_a_0_0", ToolOutcome::Completed, false)]);

    first.lose_life();
    let second = scene.replica(&[&quick, &slow]).await;
    let reply = second.ended(&ticket).await;
    assert!(reply.text.contains("result=quick-worked") && reply.text.contains(UNKNOWN), "{}", reply.text);
    assert_eq!((quick.calls().len(), slow.calls().len()), (1, 1));
    let outcomes = [ToolOutcome::Completed, ToolOutcome::Unknown];
    assert_eq!(results(&scene.log("s").await).iter().map(|r| r.1).collect::<Vec<_>>(), outcomes);
}

#[tokio::test]
async fn an_unsafe_call_waits_for_the_harmless_ones_and_each_has_its_own_key() {
    let scene = Scene::start().await;
    let pure = Probe::waiting("pure", Class::Pure);
    let sharp = Probe::answering("sharp", Class::Unsafe);
    let replica = scene.replica(&[&pure, &sharp]).await;
    let ticket = replica.send("s", "[[id=a tool=sharp tool=pure tool=pure]]").await;
    pure.called(2).await;
    assert_eq!(sharp.calls(), [], "nothing unsafe starts while the results of others are not recorded");
    pure.release(2);
    let text = answer(&["a"]) + " result=pure-worked result=pure-worked result=sharp-worked";
    assert_done(&replica.ended(&ticket).await, &text);
    let mut keys: Vec<String> = pure.calls().into_iter().chain(sharp.calls()).map(|call| call.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

/// A model that calls the probe in its first two answers, and gives both calls the same id.
async fn counting_from_the_start(answers: &AtomicUsize) -> Json<Value> {
    let call = json!({"id": "call_0", "type": "function", "function": {"name": "probe", "arguments": "{}"}});
    let (message, reason) = match answers.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls"),
        _ => (json!({"role": "assistant", "content": "done"}), "stop"),
    };
    Json(json!({"choices": [{"index": 0, "message": message, "finish_reason": reason}]}))
}

#[tokio::test]
async fn calls_of_two_answers_have_two_keys_even_if_the_model_gives_them_one_id() {
    let answers = Arc::new(AtomicUsize::new(0));
    let answer = move || async move { counting_from_the_start(&answers).await };
    let router = Router::new().route("/v1/chat/completions", post(answer));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let scene = Scene::start().await;
    let probe = Probe::answering("probe", Class::Keyed);
    let replica = scene.replica_of(&base_url, &[&probe]).await;
    assert_done(&replica.ask("s", "hello").await, "done");
    let calls = probe.calls();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].key, calls[1].key);
}

#[tokio::test]
async fn a_call_is_no_rerun_only_because_the_run_was_claimed_before() {
    let scene = Scene::start().await;
    let probe = Probe::answering("probe", Class::Keyed);
    let first = scene.replica(&[&probe]).await;
    let ticket = first.send("s", "[[id=a tool=probe hang=1]]").await;
    scene.model.wait_for("a", 0).await;
    first.lose_life();
    let second = scene.replica(&[&probe]).await;
    assert_done(&second.ended(&ticket).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_eq!(probe.calls().iter().map(|call| call.rerun).collect::<Vec<_>>(), [false]);
}
