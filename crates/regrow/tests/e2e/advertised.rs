//! Live text comes from where a replica says that it is reached.

use regrow_chaos::client::Turn;
use regrow_chaos::model_server::State;

use crate::expected;
use crate::scene::{Scene, run, soon};

/// Two replicas: the first at the loopback, the second at every interface and with further variables.
async fn scene(env: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::start(2).await;
    let env = env.iter().chain(&[("REGROW_BIND", "lan")]);
    scene.cluster.set_env(env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    soon(scene.cluster.restart(1)).await.unwrap();
    scene
}

/// What the store says of the second replica's address.
async fn address(scene: &Scene) -> String {
    let id = scene.cluster.replica_id(1).unwrap();
    let replicas = scene.command(&["replicas", "--json"]).await.json();
    let found = replicas.iter().find(|replica| replica["replicaId"] == id).unwrap();
    found["address"].as_str().unwrap().to_owned()
}

/// A run on one replica is seen live on the other one.
async fn is_seen_live(scene: &Scene, id: &str, driver: usize, follower: usize) {
    let calls = scene.model.calls().len();
    let turn = Turn::user(format!("[[id={id} tokens=60 delay_ms=25]]")).streamed().once(id);
    let _driven = scene.open(driver, &turn).await;
    let mut following = scene.open(follower, &turn).await;
    assert!(soon(following.read_text(20)).await);
    assert_eq!(scene.model.calls()[calls].state, State::Open, "text arrives while it is being made");
    expected::whole(&soon(following.finish()).await, &expected::text(id, &[id], 60));
}

#[tokio::test]
async fn who_listens_everywhere_is_reached_at_the_way_out() {
    let scene = scene(&[]).await;
    let port = scene.cluster.base_url(1).unwrap().replace("/v1", "").rsplit(':').next().unwrap().to_owned();
    let address = address(&scene).await;
    assert!(!address.starts_with("0.0.0.0") && address.ends_with(&format!(":{port}")), "{address}");
    is_seen_live(&scene, "a", 1, 0).await;
    is_seen_live(&scene, "b", 0, 1).await;
}

/// On Linux all of 127.0.0.0/8 is this machine's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_says_an_address_is_reached_there() {
    let scene = scene(&[("REGROW_ADVERTISE", "127.0.0.2")]).await;
    assert!(address(&scene).await.starts_with("127.0.0.2:"));
    is_seen_live(&scene, "a", 1, 0).await;
}

/// That text came live above is the address's merit.
#[tokio::test]
async fn a_wrong_address_costs_only_the_live_text() {
    let scene = scene(&[("REGROW_ADVERTISE", "localhost:1")]).await;
    let turn = Turn::user("[[id=a tokens=60 delay_ms=25]]").streamed().once("a");
    let driven = scene.open(1, &turn).await;
    let mut following = scene.open(0, &turn).await;
    assert!(soon(following.read_text(1)).await);
    assert_eq!(scene.model.calls()[0].state, State::Completed, "no text came before the reply was committed");
    let text = expected::text("a", &["a"], 60);
    expected::whole(&soon(following.finish()).await, &text);
    expected::whole(&soon(driven.finish()).await, &text);
}

#[tokio::test]
async fn what_is_no_address_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let output = run(["serve", "--port", "0", "--advertise", "http://here", "--state-dir", state]).await;
    assert_eq!(output.code, Some(78), "{output:?}");
    assert!(output.err.contains("--advertise http://here: expected a host"), "{}", output.err);
}
