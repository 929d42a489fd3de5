//! Who runs when: bounded by slots, and fair between sessions.

use regrow_tools::Class;

use crate::faulty::Intent;
use crate::probe::Probe;
use crate::scene::Scene;

/// A session has at most this many runs before others get a turn.
const IN_A_ROW: usize = 4;

#[tokio::test]
async fn a_long_queue_does_not_starve_other_sessions() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |plan| plan.options.slots = 1).await;
    let mut tickets = vec![replica.send("hog", "[[id=h0 tool=probe]]").await];
    probe.called(1).await;
    for n in 1..=10 {
        tickets.push(replica.send("hog", &format!("[[id=h{n}]]")).await);
    }
    for id in ["x", "y"] {
        tickets.push(replica.send(id, &format!("[[id={id}]]")).await);
    }
    probe.release(1);
    for ticket in &tickets {
        replica.ended(ticket).await;
    }
    let calls = scene.model.calls();
    let order: Vec<&str> =
        calls.iter().filter(|call| call.rounds == 0).filter_map(|call| call.id.as_deref()).collect();
    let place = |id: &str| order.iter().position(|other| *other == id).unwrap();
    assert_eq!((place("x"), place("y")), (IN_A_ROW, IN_A_ROW + 1), "{order:?}");
    let hogs: Vec<usize> = (0..=10).map(|n| place(&format!("h{n}"))).collect();
    assert!(hogs.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn slots_bound_what_runs_at_once() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |plan| plan.options.slots = 2).await;
    let mut tickets = Vec::new();
    for n in 0..6 {
        tickets.push(replica.send(&format!("s{n}"), &format!("[[id=m{n} tool=probe]]")).await);
    }
    probe.called(2).await;
    replica.store.more(Intent::Heartbeat, 2).await;
    assert_eq!(probe.calls().len(), 2);
    probe.release(6);
    for ticket in &tickets {
        replica.ended(ticket).await;
    }
    assert_eq!((probe.calls().len(), probe.peak()), (6, 2));
}
