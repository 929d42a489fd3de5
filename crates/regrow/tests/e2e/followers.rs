//! Who follows a run on a replica that does not drive it sees it live, and keeps it when its replica dies.

use regrow_chaos::client::Turn;
use regrow_chaos::model_server::State;

use crate::expected;
use crate::scene::{Scene, soon};

#[tokio::test]
async fn a_follower_elsewhere_sees_the_stream_live_and_keeps_it_over_a_death() {
    let mut scene = Scene::start(2).await;
    let text = expected::text("a", &["a"], 40);
    let turn = Turn::user("[[id=a tokens=40 delay_ms=25]]").streamed().once("key");
    let _driven = scene.open(0, &turn).await;
    let mut follower = scene.open(1, &turn).await;
    assert!(soon(follower.read_text(20)).await);
    assert_eq!(scene.model.calls()[0].state, State::Open, "text arrives while it is being made");
    assert!(follower.so_far().text.len() < text.len());
    assert_eq!(follower.so_far().header("x-regrow-duplicate"), Some("true"));

    scene.kill(0).await;
    let reply = soon(follower.finish()).await;
    expected::whole(&reply, &text);
    assert_eq!(scene.rounds("a"), [0, 0]);
}

#[tokio::test]
async fn followers_everywhere_get_the_same_bytes() {
    let scene = Scene::start(3).await;
    let text = expected::text("a", &["a"], 20);
    let turn = Turn::user("[[id=a tokens=20 delay_ms=20]]").streamed().once("key");
    let mut followers = Vec::new();
    for replica in [0, 1, 2, 1, 0] {
        followers.push(scene.open(replica, &turn).await);
    }
    for follower in followers {
        expected::whole(&soon(follower.finish()).await, &text);
    }
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn a_follower_of_a_waiting_message_sees_it_start_elsewhere() {
    let scene = Scene::start(2).await;
    let first = Turn::user("[[id=a tokens=20 delay_ms=20]]").streamed().in_session("s");
    let second = Turn::user("[[id=b tokens=30 delay_ms=20]]").streamed().in_session("s").once("key");
    let running = scene.open(0, &first).await;
    let mut waiting = scene.open(1, &second).await;
    assert!(soon(waiting.read_text(12)).await);
    assert_eq!(scene.model.calls()[1].state, State::Open, "text arrives while it is being made");
    expected::whole(&soon(waiting.finish()).await, &expected::text("b", &["a", "b"], 30));
    expected::whole(&soon(running.finish()).await, &expected::text("a", &["a"], 20));
}
