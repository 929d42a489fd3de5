//! SIGKILL of the replica that drives a run, at every point that can be aimed at from outside.

use regrow_chaos::client::Turn;

use crate::expected;
use crate::scene::{Scene, soon};
use crate::stream::Stream;

/// A reply that takes 30 times 25 ms.
const SLOW: &str = "[[id=a tokens=30 delay_ms=25]]";

fn slow_text() -> String {
    expected::text("a", &["a"], 30)
}

#[tokio::test]
async fn a_whole_reply_is_there_for_who_asks_again_elsewhere() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user(SLOW).once("key");
    let lost = scene.ask_later(0, &turn);
    scene.model_at("a", 5).await;
    scene.kill(0).await;
    assert!(soon(lost).await.unwrap().is_err(), "nothing of a whole reply is sent before its end");

    let reply = scene.ask(1, &turn).await;
    expected::whole(&reply, &slow_text());
    let again = scene.ask(1, &turn).await;
    assert_eq!((again.id, again.text, again.usage), (reply.id, reply.text, reply.usage));
    assert_eq!(scene.rounds("a"), [0, 0], "one call was cut off, one was made in its place");
}

#[tokio::test]
async fn a_stream_is_there_again_for_who_asks_elsewhere_with_the_same_id() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user(SLOW).streamed().once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    scene.kill(0).await;
    let lost = soon(live.finish()).await;
    assert!(!lost.complete && slow_text().starts_with(&lost.text), "{lost:?}");

    let reply = scene.ask(1, &turn).await;
    expected::whole(&reply, &slow_text());
    assert_eq!((&reply.id, reply.run_id()), (&lost.id, lost.run_id()));
    assert_eq!(scene.ends(reply.run_id().unwrap()).await, 1);
}

#[tokio::test]
async fn a_stream_goes_on_behind_its_last_event() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user(SLOW).once("key");
    let mut lost = Stream::open(&scene, 0, &turn, None).await;
    lost.read_text(25).await;
    scene.kill(0).await;
    lost.finish().await;
    assert!(!lost.done && lost.has_role);

    let mut rest = Stream::open(&scene, 1, &turn, lost.last_id.as_deref()).await;
    rest.finish().await;
    assert!(rest.done && rest.error.is_none() && !rest.has_role, "{:?}", rest.error);
    assert_eq!(format!("{}{}", lost.text, rest.text), slow_text());
    assert_eq!((rest.completion, rest.finish_reason.as_deref()), (lost.completion, Some("stop")));

    let mut nothing = Stream::open(&scene, 1, &turn, rest.last_id.as_deref()).await;
    nothing.finish().await;
    assert!(nothing.done && nothing.text.is_empty() && nothing.finish_reason.is_none());
}

#[tokio::test]
async fn finished_steps_are_not_repeated() {
    let mut scene = Scene::start(2).await;
    let text = r#"[[id=a tokens=30 delay_ms=25 tool=write args={"path":"note","content":"hello"}]]"#;
    let turn = Turn::user(text).streamed().once("key");
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    // Were the tool called again, the file would come back.
    std::fs::remove_file(scene.file("note")).unwrap();
    scene.kill(0).await;
    let reply = scene.ask(1, &turn).await;
    assert!(reply.is_ok() && reply.text.ends_with(" w30"), "{reply:?}");
    assert_eq!(scene.rounds("a"), [0, 1, 1], "only the call that was cut off is made again");
    assert!(!scene.file("note").exists());
}

#[tokio::test]
async fn a_run_without_a_token_yet_goes_on() {
    let mut scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a first_ms=400]]").once("key");
    let lost = scene.ask_later(0, &turn);
    scene.model_at("a", 0).await;
    scene.kill(0).await;
    assert!(soon(lost).await.unwrap().is_err());
    expected::whole(&scene.ask(1, &turn).await, &expected::text("a", &["a"], 0));
}

#[tokio::test]
async fn a_message_that_waits_behind_a_run_is_answered_behind_it() {
    let mut scene = Scene::start(2).await;
    let first = Turn::user(SLOW).streamed().in_session("s").once("first");
    let second = Turn::user("[[id=b]]").streamed().in_session("s").once("second");
    let _running = scene.open(0, &first).await;
    scene.model_at("a", 2).await;
    let _waiting = scene.open(0, &second).await;
    scene.kill(0).await;
    expected::whole(&scene.ask(1, &second).await, &expected::text("b", &["a", "b"], 0));
    expected::whole(&scene.ask(1, &first).await, &slow_text());
    assert_eq!(scene.rounds("b"), [0]);
}

#[tokio::test]
async fn a_run_whose_replicas_are_all_gone_is_finished_by_the_next_one() {
    let mut scene = Scene::start(2).await;
    let turns =
        [0, 1].map(|n| Turn::user(format!("[[id=m{n} tokens=20 delay_ms=25]]")).once(format!("k{n}")));
    let lost = [0, 1].map(|n| scene.ask_later(n, &turns[n]));
    for id in ["m0", "m1"] {
        scene.model_at(id, 3).await;
    }
    scene.kill(0).await;
    scene.kill(1).await;
    for lost in lost {
        assert!(soon(lost).await.unwrap().is_err());
    }
    scene.cluster.restart(0).await.unwrap();
    for (turn, id) in turns.iter().zip(["m0", "m1"]) {
        expected::whole(&scene.ask(0, turn).await, &expected::text(id, &[id], 20));
    }
}

#[tokio::test]
async fn a_run_without_a_key_is_finished_too_and_found_by_its_id() {
    let mut scene = Scene::start(2).await;
    let mut live = scene.open(0, &Turn::user(SLOW).streamed()).await;
    assert!(soon(live.read_text(1)).await);
    let id = live.so_far().id.clone().unwrap();
    scene.kill(0).await;
    let (status, body) = soon(scene.client(1).get(&format!("/v1/chat/completions/{id}"))).await.unwrap();
    assert_eq!((status, body["choices"][0]["message"]["content"].as_str()), (200, Some(&*slow_text())));
}

#[tokio::test]
async fn a_run_that_ends_its_replica_each_time_is_given_up_visibly() {
    let mut scene = Scene::start(1).await;
    let turn = Turn::user("[[id=a hang]]").once("key").in_session("s");
    let mut lost = Vec::new();
    for attempt in 1..=3 {
        lost.push(scene.ask_later(0, &turn));
        soon(scene.model.wait_until(|calls| calls.len() == attempt)).await;
        scene.cluster.restart(0).await.unwrap();
    }
    let reply = scene.ask(0, &turn).await;
    expected::refused(&reply, 500, "run_crashed");
    assert_eq!(scene.ended(reply.run_id().unwrap()).await, "failed");
    assert_eq!(scene.rounds("a").len(), 3);
    let next = scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await;
    expected::whole(&next, &expected::text("b", &["a", "b"], 0));
}
