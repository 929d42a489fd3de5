//! Claiming: the oldest first, never the same session twice, and only for replicas that live and stay.

use std::collections::HashSet;
use std::sync::Arc;

use regrow_protocol::ReplicaId;

use super::harness::Harness;
use super::scene::{Scene, claim, end, id, key, step};

pub(crate) async fn the_oldest_come_first_and_at_most_so_many<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    // What a session did before gives it no better place.
    let past = scene.begin("b", replica).await;
    scene.store.finish(&past, &end(false)).await.unwrap();
    for name in ["c", "a", "d", "b"] {
        scene.queue(name).await;
    }
    // A later message does not change the place of its session.
    scene.queue("c").await;
    for want in [vec![id("c")], vec![id("a"), id("d")], vec![id("b")], vec![]] {
        let got = scene.store.claim(replica, want.len().max(1)).await.unwrap();
        assert_eq!(got.iter().map(|claimed| claimed.session()).collect::<Vec<_>>(), want);
    }
}

/// A session that was served queues again behind those that waited meanwhile; work that was begun keeps its place.
pub(crate) async fn a_session_that_was_served_waits_behind_others<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    for hand_over in ["finish", "release", "leave"] {
        let owner = scene.replica().await;
        let served = scene.begin(&format!("{hand_over} served"), owner).await;
        scene.queue(served.session_key.rest()).await;
        scene.queue(hand_over).await;
        match hand_over {
            "finish" => drop(scene.store.finish(&served, &end(false)).await.unwrap()),
            "release" => scene.store.release(&served).await.unwrap(),
            _ => scene.store.leave(owner).await.unwrap(),
        }
        let order: Vec<_> = scene.store.claim(replica, 10).await.unwrap();
        let order: Vec<_> = order.iter().map(|claimed| claimed.session()).collect();
        let mut want = [served.session(), id(hand_over)];
        if hand_over == "finish" {
            want.reverse();
        }
        assert_eq!(order, want, "{hand_over}");
    }
}

pub(crate) async fn a_replica_that_takes_nothing_gets_none<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [lapsed, draining, left] = [scene.replica().await, scene.replica().await, scene.replica().await];
    scene.queue("a").await;
    scene.harness.lapse(lapsed).await;
    scene.store.drain(draining).await.unwrap();
    scene.store.leave(left).await.unwrap();
    for replica in [lapsed, draining, left, ReplicaId::new()] {
        assert!(scene.store.claim(replica, 10).await.unwrap().is_empty());
    }
    let living = scene.replica().await;
    assert_eq!(claim(&*scene.store, living).await.attempt, 1, "refused claims leave no trace");
}

pub(crate) async fn nothing_ready_is_nothing_claimed<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    assert!(scene.store.claim(replica, 10).await.unwrap().is_empty());
    scene.queue("a").await;
    assert!(scene.store.claim(replica, 0).await.unwrap().is_empty());
    assert_eq!(scene.store.claim(replica, usize::MAX).await.unwrap().len(), 1);
}

pub(crate) async fn two_claimers_never_share_a_session<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let names: Vec<String> = (0..24).map(|n| format!("s{n}")).collect();
    for name in &names {
        scene.queue(name).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (store, replica) = scene.elsewhere().await;
        for _ in 0..4 {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move { store.claim(replica, 3).await.unwrap() }));
        }
    }
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.extend(task.await.unwrap().iter().map(|claimed| claimed.session()));
    }
    let distinct: HashSet<_> = sessions.iter().copied().collect();
    assert_eq!((sessions.len(), distinct.len()), (24, 24));
}

pub(crate) async fn a_claim_says_where_the_run_stands<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let first = scene.begin("a", replica).await;
    let second = scene.queue("a").await;
    scene.store.finish(&first, &end(false)).await.unwrap();
    let mut claimed = claim(&*scene.store, replica).await;
    assert_eq!((&claimed.session_key, claimed.run, claimed.attempt), (&key("a"), second, 1));
    assert_eq!((claimed.head(), claimed.run_base, claimed.message.seq), (1, 1, 2));
    scene.store.append(&mut claimed, &[step("one"), step("two")], None).await.unwrap();
    scene.store.release(&claimed).await.unwrap();
    let claimed = claim(&*scene.store, replica).await;
    assert_eq!((claimed.head(), claimed.run_base, claimed.run), (3, 1, second));
}
