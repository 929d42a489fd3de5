//! Accepting: once per key, in order, bounded, and claimed at once only where that is allowed.

use std::sync::Arc;

use regrow_protocol::{ReplicaId, RunId};
use regrow_store::{Accept, Accepted};

use super::harness::Harness;
use super::scene::{Scene, accept, claim, end, id, keyed, message};

/// The message and position that a duplicate leads to.
#[track_caller]
fn original(accepted: &Accepted) -> (RunId, i64, u64) {
    match accepted {
        Accepted::Duplicate { message, seq, fingerprint } => (*message, *seq, *fingerprint),
        other => panic!("not a duplicate: {other:?}"),
    }
}

pub(crate) async fn the_same_key_is_accepted_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (other, replica) = scene.elsewhere().await;
    let first = Accept { fingerprint: u64::MAX, ..keyed("a", "key") };
    let (seq, _) = accept(&*scene.store, first.clone()).await;
    let before = scene.picture("a").await;
    let again = Accept { claim_for: Some(replica), ..keyed("a", "key") };
    assert_eq!(original(&other.accept(again).await.unwrap()), (first.message, seq, u64::MAX));
    assert_eq!(scene.picture("a").await, before);
}

pub(crate) async fn fifty_at_once_with_the_same_key_are_accepted_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let handles = [Arc::clone(&scene.store), scene.harness.replica_handle().await];
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let (store, message) = (Arc::clone(&handles[n % 2]), keyed("a", "key"));
            tokio::spawn(async move { (message.message, store.accept(message).await.unwrap()) })
        })
        .collect();
    let (mut new, mut duplicates) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (run, Accepted::New { seq, .. }) => new.push((run, seq, 7)),
            (_, other) => duplicates.push(original(&other)),
        }
    }
    assert_eq!((new.len(), duplicates.len()), (1, 49));
    assert!(duplicates.iter().all(|duplicate| *duplicate == new[0]));
    assert_eq!(scene.store.find_session(id("a")).await.unwrap().unwrap().messages, 1);
}

pub(crate) async fn the_same_key_in_another_session_is_another_message<H: Harness>() {
    let scene = Scene::<H>::open().await;
    for name in ["a", "b"] {
        assert_eq!(accept(&*scene.store, keyed(name, "key")).await.0, 1);
    }
}

pub(crate) async fn with_no_room_at_all_only_duplicates_are_recognised<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let first = keyed("a", "key");
    let (seq, _) = accept(&*scene.store, first.clone()).await;
    let again = Accept { cap: 0, ..keyed("a", "key") };
    assert_eq!(original(&scene.store.accept(again).await.unwrap()), (first.message, seq, 7));
    for (name, waiting) in [("a", 1), ("new", 0)] {
        let before = scene.picture(name).await;
        let refused = scene.store.accept(Accept { cap: 0, ..message(name) }).await.unwrap();
        assert!(matches!(refused, Accepted::Full { waiting: told } if told == waiting), "{refused:?}");
        assert_eq!(scene.picture(name).await, before);
    }
}

pub(crate) async fn without_a_key_nothing_is_a_duplicate<H: Harness>() {
    let scene = Scene::<H>::open().await;
    for seq in 1..=3 {
        assert_eq!(accept(&*scene.store, message("a")).await.0, seq);
    }
}

pub(crate) async fn a_key_outlives_its_run<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let first = Accept { claim_for: Some(replica), ..keyed("a", "key") };
    let (_, claimed) = accept(&*scene.store, first.clone()).await;
    scene.store.finish(&claimed.unwrap(), &end(false)).await.unwrap();
    let later = scene.harness.replica_handle().await;
    let again = later.accept(Accept { cap: 0, ..keyed("a", "key") }).await.unwrap();
    assert_eq!(original(&again).0, first.message);
}

/// A caller whose answer was lost asks again with the same message.
pub(crate) async fn the_same_message_is_accepted_once_even_without_a_key<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let question = message("a");
    let (seq, _) = accept(&*scene.store, question.clone()).await;
    let before = scene.picture("a").await;
    let again = scene.store.accept(question.clone()).await.unwrap();
    assert_eq!(original(&again), (question.message, seq, question.fingerprint));
    assert_eq!(scene.picture("a").await, before);
}

pub(crate) async fn an_idle_session_is_claimed_at_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let question = Accept { claim_for: Some(replica), ..message("a") };
    let (seq, claimed) = accept(&*scene.store, question.clone()).await;
    let claimed = claimed.unwrap();
    assert_eq!((claimed.session(), &claimed.session_key), (id("a"), &question.session));
    assert_eq!((claimed.run, claimed.attempt, claimed.head()), (question.message, 1, 0));
    assert_eq!((claimed.run_base, claimed.context_base), (0, 0));
    assert_eq!((claimed.message.id, claimed.message.seq), (question.message, seq));
    assert_eq!((&claimed.message.body, claimed.message.aborted), (&question.body, false));
    assert!(scene.store.claim(replica, 10).await.unwrap().is_empty());
    scene.store.finish(&claimed, &end(false)).await.unwrap();
}

pub(crate) async fn a_busy_session_is_not_claimed_at_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    scene.queue("ready").await;
    scene.begin("running", replica).await;
    for name in ["ready", "running"] {
        let (seq, claimed) =
            accept(&*scene.store, Accept { claim_for: Some(replica), ..message(name) }).await;
        assert_eq!((seq, claimed.is_some()), (2, false), "{name}");
    }
}

pub(crate) async fn a_replica_that_takes_nothing_does_not_claim_at_once<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [lapsed, draining, left] = [scene.replica().await, scene.replica().await, scene.replica().await];
    let living = scene.replica().await;
    scene.harness.lapse(lapsed).await;
    scene.store.drain(draining).await.unwrap();
    scene.store.leave(left).await.unwrap();
    let cases = [("lapsed", lapsed), ("draining", draining), ("left", left), ("unknown", ReplicaId::new())];
    for (name, replica) in cases {
        let question = Accept { claim_for: Some(replica), ..message(name) };
        let (_, claimed) = accept(&*scene.store, question).await;
        assert!(claimed.is_none(), "{name}");
        assert_eq!(claim(&*scene.store, living).await.session(), id(name), "{name}");
    }
}

pub(crate) async fn a_full_inbox_refuses_and_writes_nothing<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", replica).await;
    accept(&*scene.store, keyed("a", "second")).await;
    let before = scene.picture("a").await;
    let third = || Accept { cap: 2, ..keyed("a", "third") };
    let answer = scene.store.accept(third()).await.unwrap();
    assert!(matches!(answer, Accepted::Full { waiting: 2 }), "{answer:?}");
    assert_eq!(scene.picture("a").await, before);
    let second = scene.store.accept(Accept { cap: 2, ..keyed("a", "second") }).await.unwrap();
    assert_eq!(original(&second).1, 2, "a duplicate needs no room");
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    assert_eq!(accept(&*scene.store, third()).await.0, 3);
}

pub(crate) async fn order_of_acceptance_is_order_of_runs<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(scene.queue("a").await);
    }
    let mut claimed = Some(claim(&*scene.store, replica).await);
    for (seq, run) in (1..).zip(&runs) {
        let current = claimed.unwrap();
        assert_eq!((current.run, current.message.seq), (*run, seq));
        // Kept or claimed anew, the order is the same.
        let keep = seq % 2 == 0;
        let finished = scene.store.finish(&current, &end(keep)).await.unwrap();
        let next = if keep { finished.next.map(|next| *next) } else { None };
        claimed = match next {
            None => scene.store.claim(replica, 1).await.unwrap().pop(),
            next => next,
        };
    }
    assert!(claimed.is_none());
}

pub(crate) async fn many_at_once_get_positions_without_a_gap<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let handles = [Arc::clone(&scene.store), scene.harness.replica_handle().await];
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = Arc::clone(&handles[n % 2]);
            tokio::spawn(async move { accept(&*store, message("a")).await.0 })
        })
        .collect();
    let mut positions = Vec::new();
    for task in tasks {
        positions.push(task.await.unwrap());
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=40).collect::<Vec<_>>());
}
