//! A store whose answers get lost, or that refuses for a while, at each call of a turn: nothing runs twice, and nothing
//! is stuck.

use std::sync::Arc;
use std::time::Duration;

use regrow_agent::Entry;
use regrow_tools::Class;
use regrow_worker::SubmitError;
use tokio::sync::Semaphore;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Scene, answer, assert_done, keyed, soon};

#[tokio::test]
async fn a_turn_survives_each_of_its_writes_going_wrong() {
    for intent in [Intent::Append, Intent::Finish] {
        for fault in [Fault::Lost, Fault::Refused] {
            let scene = Scene::start().await;
            let probe = Probe::answering("probe", Class::Unsafe);
            let replica = scene.replica(&[&probe]).await;
            let faults = [fault.clone(), Fault::Pass, fault.clone(), fault.clone()];
            replica.store.next(intent, faults);
            for n in 0..3 {
                let id = format!("m{n}");
                let reply = replica.ask("s", &format!("[[id={id} tool=probe]]")).await;
                assert!(reply.text.ends_with(" result=probe-worked"), "{intent:?} {fault:?}: {}", reply.text);
                assert_eq!(scene.rounds(&id), [0, 1], "{intent:?} {fault:?}");
            }
            assert_eq!(probe.calls().len(), 3, "{intent:?} {fault:?}");
            // Per turn: the message, the answer, the intent, the result, the end.
            assert_eq!(scene.log("s").await.len(), 15, "{intent:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn the_next_run_of_a_kept_lease_survives_the_loss_of_the_answer_that_kept_it() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica(&[&probe]).await;
    let first = replica.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let second = replica.send("s", "[[id=b]]").await;
    replica.store.next(Intent::Finish, [Fault::Lost]);
    probe.release(1);
    assert_done(&replica.ended(&first).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_done(&replica.ended(&second).await, &answer(&["a", "b"]));
    assert_eq!(scene.rounds("b"), [0]);
    assert_eq!(replica.store.count(Intent::Disown), 0, "the repeated finish returned the lease");
}

#[tokio::test]
async fn an_end_that_was_committed_stays_the_end_when_its_writer_gives_up() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    replica.store.next(Intent::Finish, [Fault::Lost, Fault::Unusable]);
    let first = replica.send("s", "[[id=a]]").await;
    assert_done(&replica.ended(&first).await, &answer(&["a"]));
    assert_eq!(replica.store.count(Intent::Finish), 3, "it was tried again, and then ended as failed");
    assert_done(&replica.ask("s", "[[id=b]]").await, &answer(&["a", "b"]));
    let ends = scene.log("s").await.into_iter().filter(|entry| matches!(entry, Entry::Final(_))).count();
    assert_eq!(ends, 2);
}

#[tokio::test]
async fn an_acceptance_whose_answer_is_lost_is_found_again_and_driven_within_two_beats() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    replica.store.next(Intent::Accept, [Fault::Lost]);
    let lost = soon(replica.submit(keyed("s", "k", "[[id=a]]"))).await;
    assert!(matches!(lost, Err(SubmitError::Unavailable { .. })), "{lost:?}");

    let beats = replica.store.count(Intent::Heartbeat);
    let ticket = soon(replica.submit(keyed("s", "k", "[[id=a]]"))).await.unwrap();
    assert!(ticket.duplicate);
    replica.store.reached(Intent::Disown, 1).await;
    // The beat that was under way, and the two that saw the lease.
    assert!(replica.store.count(Intent::Heartbeat) <= beats + 3);
    assert_done(&replica.ended(&ticket).await, &answer(&["a"]));
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_claimed_again() {
    let scene = Scene::start().await;
    let door = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let replica = scene.replica(&[]).await;
    replica.store.always(Intent::Claim, Fault::Lost);
    let ticket = door.send("s", "[[id=a]]").await;
    // Claims that find nothing are lost as well; the lease is one of them when the audit gives it up.
    replica.store.reached(Intent::Disown, 1).await;
    replica.store.heal();
    assert_done(&door.ended(&ticket).await, &answer(&["a"]));
    assert_eq!(scene.rounds("a"), [0]);
}

#[tokio::test]
async fn a_lease_on_its_way_is_not_given_up_because_beats_follow_each_other_quickly() {
    let scene = Scene::start().await;
    let replica = scene.replica_with(&[], |plan| plan.options.lease = Duration::from_secs(60)).await;
    let gate = Arc::new(Semaphore::new(0));
    replica.store.next(Intent::Accept, [Fault::Held(Arc::clone(&gate))]);
    let worker = replica.worker.clone();
    let submitted = tokio::spawn(async move { worker.submit(keyed("s", "k", "[[id=a]]")).await });
    replica.store.reached(Intent::Accept, 1).await;
    let door = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    replica.store.reached(Intent::Heartbeat, 1).await;
    for n in 0..4 {
        // The wish to abort a run makes replicas beat at once.
        let unwanted = door.send(&format!("other{n}"), &format!("[[id=unwanted{n} hang]]")).await;
        soon(scene.model.wait_for(&format!("unwanted{n}"), 0)).await;
        let beats = replica.store.count(Intent::Heartbeat);
        door.abort(unwanted.run).await.unwrap();
        replica.store.reached(Intent::Heartbeat, beats + 1).await;
    }
    assert_eq!(replica.store.count(Intent::Disown), 0);
    gate.add_permits(1);
    let ticket = soon(submitted).await.unwrap().unwrap();
    assert_done(&replica.ended(&ticket).await, &answer(&["a"]));
    assert_eq!(scene.rounds("a"), [0]);
}
