//! More than there is room for.

use regrow_chaos::client::Turn;
use serde_json::json;
use tokio::task::JoinSet;

use crate::scene::{Scene, refused, soon, text, until, whole};

/// Messages that come at once.
const BURST: usize = 60;

/// What the cluster may have waiting, and how many runs one replica drives.
const READY: usize = 8;
const SLOTS: usize = 2;

#[tokio::test]
async fn a_burst_above_capacity_is_refused_before_it_is_accepted() {
    let scene = Scene::with(2, json!({"slots": SLOTS, "maxReady": READY, "leaseSeconds": 10})).await;
    let turn = |n: usize| Turn::user(format!("[[id=m{n} first_ms=1500]]")).once(format!("k{n}"));
    // Fills what there is, so that the burst meets a cluster that knows that it is full.
    let mut first = Vec::new();
    for n in 0..2 * SLOTS + READY {
        first.push(scene.open(n % 2, &turn(n).streamed()).await);
    }
    let mut burst = JoinSet::new();
    for n in 2 * SLOTS + READY..2 * SLOTS + READY + BURST {
        let (client, turn) = (scene.client(n % 2), turn(n));
        // A disk that stands still for some seconds is no lack of room.
        let ask = async move || Some(client.send(&turn).await.unwrap()).filter(|reply| reply.status != 503);
        burst.spawn(async move { (n, until(ask).await) });
    }
    let mut turned_away = Vec::new();
    for (n, reply) in soon(burst.join_all()).await {
        if reply.status == 429 {
            refused(&reply, 429, "overloaded");
            turned_away.push(format!("m{n}"));
        } else {
            whole(&reply, &text(&format!("m{n}"), &[&format!("m{n}")], 0));
        }
    }
    for (n, live) in first.into_iter().enumerate() {
        whole(&soon(live.finish()).await, &text(&format!("m{n}"), &[&format!("m{n}")], 0));
    }
    assert!(!turned_away.is_empty());
    assert!(turned_away.iter().all(|id| scene.rounds(id).is_empty()), "who is refused is not answered");
}
