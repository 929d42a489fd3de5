//! A model that throttles, breaks, hangs or is not there: the run is answered anyway, or fails visibly and leaves its
//! session usable.

use regrow_chaos::client::{Reply, Turn};
use serde_json::{Value, json};

use crate::expected;
use crate::scene::{Scene, soon};

/// One replica whose provider has small time limits.
async fn start() -> Scene {
    with(json!({})).await
}

async fn with(extra: Value) -> Scene {
    let timeouts = json!({"firstByteSeconds": 1, "idleSeconds": 1, "connectSeconds": 1});
    let mut config = json!({"models": {"providers": {"fake": {"timeouts": timeouts}}}});
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    Scene::with(1, config).await
}

#[tokio::test]
async fn failures_that_pass_are_not_seen() {
    let scene = start().await;
    let cases = [
        ("throttled", "fail=1 status=429 retry_after=1"),
        ("broken", "fail=2 status=500"),
        ("cut", "cut=1 tokens=12 delay_ms=5"),
        ("cut-at-once", "cut=1 after=0 tokens=12"),
        ("silent", "hang=1"),
        ("stuck", "hang=1 after=3 tokens=12"),
    ];
    let ask = |id: &str, script: &str, stream: bool| {
        let turn = Turn { stream, ..Turn::user(format!("[[id={id} {script}]]")) };
        scene.ask_later(0, &turn)
    };
    let mut asked = Vec::new();
    for (case, script) in cases {
        for stream in [false, true] {
            let id = format!("{case}-{stream}");
            asked.push((ask(&id, script, stream), id, script));
        }
    }
    for (reply, id, script) in asked {
        let reply = soon(reply).await.unwrap().unwrap();
        let tokens = if script.contains("tokens") { 12 } else { 0 };
        expected::whole(&reply, &expected::text(&id, &[&id], tokens));
        let failures = if script.contains("fail=2") { 2 } else { 1 };
        assert_eq!(scene.rounds(&id).len(), failures + 1, "{id}");
    }
}

/// Asks a session twice: the first message fails in this way, the second is answered.
async fn fails(scene: &Scene, first: &str, status: u16, code: &str) -> Reply {
    let turn = Turn::user(first).in_session("s").once("key");
    let reply = scene.ask(0, &turn).await;
    expected::refused(&reply, status, code);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let run = reply.run_id().unwrap();
    assert_eq!((scene.ended(run).await.as_str(), scene.ends(run).await), ("failed", 1));
    let calls = scene.rounds("a").len();
    let again = scene.ask(0, &turn).await;
    assert_eq!((&again.error, again.run_id()), (&reply.error, reply.run_id()), "a failure is an answer too");
    assert_eq!(scene.rounds("a").len(), calls);
    let streamed = scene.ask(0, &turn.streamed()).await;
    assert_eq!((expected::code(&streamed), streamed.complete), (Some(code), true));
    let next = scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await;
    assert!(next.is_ok() && next.text.contains("turns=2"), "{next:?}");
    reply
}

#[tokio::test]
async fn a_failure_that_stays_is_told_after_some_attempts() {
    let scene = start().await;
    let reply = fails(&scene, "[[id=a fail=99 status=503]]", 502, "model_unavailable").await;
    let attempts = scene.rounds("a").len();
    assert!((2..=10).contains(&attempts), "{attempts} attempts: {reply:?}");
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let scene = start().await;
    fails(&scene, "[[id=a fail=99 status=401]]", 502, "model_refused").await;
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn a_failure_behind_streamed_text_is_told_as_what_it_is() {
    let scene = Scene::start(2).await;
    let turn = Turn::user("[[id=a cut=99 after=8 tokens=12 delay_ms=10]]").streamed().once("key");
    let driven = scene.open(0, &turn).await;
    let followed = scene.open(1, &turn).await;
    for live in [driven, followed] {
        let reply = soon(live.finish()).await;
        assert!(!reply.text.is_empty() && reply.complete, "{reply:?}");
        assert_eq!(expected::code(&reply), Some("model_unavailable"), "{reply:?}");
    }
}

#[tokio::test]
async fn the_fall_back_model_answers_for_one_that_is_not_there() {
    let model = json!({"primary": "gone/gone-1", "fallbacks": ["fake/fake-1"]});
    let scene = Scene::of(|options| {
        // The port is one that nobody listens on: it was free a moment ago, and none of these programs asks for it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = json!({"baseUrl": format!("http://{free}/v1"), "models": [{"id": "gone-1"}]});
        let extra_config =
            json!({"models": {"providers": {"gone": gone}}, "agents": {"defaults": {"model": model}}});
        regrow_chaos::cluster::Options { extra_config, ..options }
    })
    .await;
    expected::whole(&scene.ask(0, &Turn::user("[[id=a]]")).await, &expected::text("a", &["a"], 0));
    // By now it is known that the first model does not answer.
    expected::whole(&scene.ask(0, &Turn::user("[[id=b]]")).await, &expected::text("b", &["b"], 0));
}

#[tokio::test]
async fn the_fall_back_model_answers_for_one_that_refuses() {
    let scene = with(json!({"agents": {"defaults": {
        "model": {"primary": "fake/fake-1", "fallbacks": ["fake/fake-2"]}}}}))
    .await;
    let reply = scene.ask(0, &Turn::user("[[id=a fail=1 status=401]]")).await;
    expected::whole(&reply, &expected::text("a", &["a"], 0));
    assert_eq!(scene.rounds("a"), [0, 0]);
}
