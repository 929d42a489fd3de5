//! A replica that cannot prove that it is alive touches nothing outside; one that is told that it is dead starts anew.

use std::sync::Arc;

use regrow_tools::Class;
use regrow_worker::{Readiness, SubmitError};
use tokio::sync::Semaphore;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, answer, assert_done, message, soon};

/// Beats that take longer than the part of a lease that is trusted: there are four per lease.
const BEATS: usize = 5;

/// Its heartbeats fail, and nobody takes its sessions, until its store is healed; returns when its lease is not trusted
/// any more.
async fn cut_off(replica: &Replica) {
    replica.store.always(Intent::Reap, Fault::Refused);
    replica.store.always(Intent::Heartbeat, Fault::Refused);
    replica.store.more(Intent::Heartbeat, BEATS).await;
    let readiness = replica.readiness();
    assert!(matches!(readiness, Readiness::NotReady(_)), "{readiness:?}");
}

/// Its heartbeats work again, before anybody looks for the dead.
async fn back(replica: &Replica) {
    replica.store.mend(Intent::Heartbeat);
    replica.store.more(Intent::Heartbeat, 2).await;
    replica.store.heal();
}

#[tokio::test]
async fn no_model_is_called_under_a_lease_that_is_not_trusted() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica(&[&probe]).await;
    assert_eq!(replica.readiness(), Readiness::Ready);
    let ticket = replica.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;

    cut_off(&replica).await;
    probe.release(1);
    replica.store.reached(Intent::Append, 2).await;
    replica.store.more(Intent::Heartbeat, 2).await;
    assert_eq!(scene.rounds("a"), [0]);

    back(&replica).await;
    assert_done(&replica.ended(&ticket).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_eq!(replica.readiness(), Readiness::Ready);
    assert_eq!(scene.rounds("a"), [0, 1]);
}

#[tokio::test]
async fn no_tool_is_called_under_a_lease_that_is_not_trusted() {
    for (class, appends) in [(Class::Pure, 1), (Class::Unsafe, 2)] {
        let scene = Scene::start().await;
        let probe = Probe::answering("probe", class);
        let replica = scene.replica(&[&probe]).await;
        // The last write before the call is answered only when the lease is not trusted any more.
        let gate = Arc::new(Semaphore::new(0));
        replica.store.next(Intent::Append, vec![Fault::Pass; appends - 1]);
        replica.store.next(Intent::Append, [Fault::Held(Arc::clone(&gate))]);
        let ticket = replica.send("s", "[[id=a tool=probe]]").await;
        replica.store.reached(Intent::Append, appends).await;
        cut_off(&replica).await;
        gate.add_permits(1);
        replica.store.more(Intent::Heartbeat, 2).await;
        assert_eq!(probe.calls(), [], "{class:?}");

        back(&replica).await;
        assert_done(&replica.ended(&ticket).await, &(answer(&["a"]) + " result=probe-worked"));
        assert_eq!(probe.calls().len(), 1, "{class:?}");
    }
}

#[tokio::test]
async fn nothing_is_claimed_under_a_lease_that_is_not_trusted() {
    let scene = Scene::start().await;
    let door = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let replica = scene.replica(&[]).await;
    cut_off(&replica).await;
    let refused = soon(replica.submit(message("s", "[[id=a]]"))).await;
    assert!(matches!(refused, Err(SubmitError::Unavailable { .. })), "{refused:?}");
    let ticket = door.send("s", "[[id=a]]").await;
    replica.store.more(Intent::Heartbeat, 2).await;
    assert_eq!(scene.model.calls().len(), 0);
    let load = replica.store.sound().load().await.unwrap();
    assert_eq!((load.ready, load.running), (1, 0), "it was accepted, for whoever lives");
    back(&replica).await;
    assert_done(&replica.ended(&ticket).await, &answer(&["a"]));
}

#[tokio::test]
async fn a_life_that_is_over_drops_its_runs_and_a_new_one_goes_on_with_them() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica(&[&probe]).await;
    let old = replica.replica();
    let tickets =
        [replica.send("s", "[[id=a tool=probe]]").await, replica.send("t", "[[id=b tool=probe]]").await];
    probe.called(2).await;
    replica.store.next(Intent::Heartbeat, [Fault::Gone]);
    probe.called(4).await;
    assert_ne!(replica.replica(), old);
    probe.release(2);
    for (ticket, id) in tickets.iter().zip(["a", "b"]) {
        assert_done(&replica.ended(ticket).await, &(answer(&[id]) + " result=probe-worked"));
        assert_eq!(scene.rounds(id), [0, 1]);
    }
    let alive = replica.store.sound().list_replicas().await.unwrap();
    assert_eq!(alive.iter().map(|replica| replica.id).collect::<Vec<_>>(), [replica.replica()]);
}

#[tokio::test]
async fn joining_again_is_tried_until_it_works() {
    for intent in [Intent::Leave, Intent::Join] {
        for fault in [Fault::Refused, Fault::Lost] {
            let scene = Scene::start().await;
            let replica = scene.replica(&[]).await;
            let old = replica.replica();
            replica.store.next(intent, [fault.clone(), fault.clone()]);
            replica.store.next(Intent::Heartbeat, [Fault::Gone]);
            let ticket = replica.send("s", "[[id=a first_ms=300]]").await;
            assert_done(&replica.ended(&ticket).await, &answer(&["a"]));
            soon(replica.store.more(Intent::Heartbeat, 2)).await;
            assert_ne!(replica.replica(), old, "{intent:?} {fault:?}");
            assert_eq!(replica.readiness(), Readiness::Ready, "{intent:?} {fault:?}");
        }
    }
}
