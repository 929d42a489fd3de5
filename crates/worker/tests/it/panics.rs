//! Defects: one ends as few things as possible, and what it ends is visible.

use std::sync::Arc;
use std::time::Duration;

use regrow_agent::{Ending, Entry, FailureKind, Reply};
use regrow_protocol::{ReplicaId, RunId};
use regrow_store::{Accept, Accepted, Replica};
use regrow_tools::Class;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Scene, answer, assert_done, key_of, message};

#[track_caller]
fn assert_failed(reply: &Arc<Reply>, reason: FailureKind) {
    let Ending::Failed(failure) = &reply.ending else { panic!("{:?}", reply.ending) };
    assert_eq!(failure.reason, reason, "{}", failure.message);
}

#[tokio::test]
async fn a_tool_that_panics_is_a_result_for_the_model() {
    let scene = Scene::start().await;
    let (broken, fine) = (Probe::panicking("broken"), Probe::answering("fine", Class::Pure));
    let replica = scene.replica(&[&broken, &fine]).await;
    let reply = replica.ask("s", "[[id=a tool=broken tool=fine]]").await;
    let text = " result=The tool failed by an internal error. result=fine-worked";
    assert_done(&reply, &(answer(&["a"]) + text));
    assert_eq!(broken.calls().len(), 1);
}

#[tokio::test]
async fn a_run_that_panics_fails_visibly_and_others_go_on() {
    for at in [Intent::Append, Intent::Finish] {
        let scene = Scene::start().await;
        let probe = Probe::waiting("probe", Class::Pure);
        let replica = scene.replica(&[&probe]).await;
        let other = replica.send("other", "[[id=o tool=probe]]").await;
        probe.called(1).await;

        replica.store.next(at, [Fault::Panic]);
        let text = if at == Intent::Append { "[[id=a tool=probe]]" } else { "[[id=a]]" };
        assert_failed(&replica.ask("s", text).await, FailureKind::Internal);
        assert!(matches!(scene.log("s").await[..], [Entry::User { .. }, Entry::Final(_)]), "{at:?}");

        assert_done(&replica.ask("s", "[[id=b]]").await, &answer(&["a", "b"]));
        probe.release(1);
        assert_done(&replica.ended(&other).await, &(answer(&["o"]) + " result=probe-worked"));
    }
}

#[tokio::test]
async fn a_run_that_cannot_even_be_ended_is_tried_again() {
    let scene = Scene::start().await;
    let replica = scene.replica_with(&[], |plan| plan.options.slots = 1).await;
    replica.store.next(Intent::Finish, [Fault::Panic, Fault::Panic]);
    assert_done(&replica.ask("s", "[[id=a]]").await, &answer(&["a"]));
    assert_done(&replica.ask("other", "[[id=o]]").await, &answer(&["o"]));
}

#[tokio::test]
async fn what_a_failed_run_did_not_read_is_there_for_the_next_one() {
    for fault in [Fault::Panic, Fault::Unusable] {
        let scene = Scene::start().await;
        let first = scene.replica(&[]).await;
        assert_done(&first.ask("s", "[[id=a]]").await, &answer(&["a"]));
        first.drain().await;
        let second = scene.replica(&[]).await;
        second.store.next(Intent::ReadLog, [fault]);
        let ticket = second.send("s", "[[id=b]]").await;
        // The fault is meant for the run, so whoever reads the reply waits for it to be spent.
        second.store.reached(Intent::ReadLog, 1).await;
        assert_failed(&second.ended(&ticket).await, FailureKind::Internal);
        assert_done(&second.ask("s", "[[id=c]]").await, &answer(&["a", "b", "c"]));
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_does_not_record_the_message_again() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let first = scene.replica(&[&probe]).await;
    let ticket = first.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let second = scene.replica(&[&probe]).await;
    second.store.next(Intent::ReadLog, [Fault::Unusable]);
    first.lose_life();
    second.store.reached(Intent::ReadLog, 1).await;
    assert_failed(&second.ended(&ticket).await, FailureKind::Internal);
    let log = scene.log("s").await;
    assert_eq!(log.iter().filter(|entry| matches!(entry, Entry::User { .. })).count(), 1, "{log:?}");
}

#[tokio::test]
async fn a_run_that_made_no_progress_three_times_is_given_up() {
    let scene = Scene::start().await;
    let store = scene.store();
    let store = store.sound();
    let accept = Accept {
        session: key_of("s"),
        message: RunId::new(),
        dedupe: None,
        fingerprint: 0,
        body: serde_json::to_vec(&message("s", "[[id=a]]").inbound).unwrap(),
        cap: 9,
        claim_for: None,
    };
    let run = accept.message;
    assert!(matches!(store.accept(accept).await.unwrap(), Accepted::New { .. }));
    for _ in 0..3 {
        let lease = Duration::from_secs(60);
        let id = ReplicaId::new();
        let mortal = Replica { id, address: String::new(), version: String::new(), slots: 1, lease };
        store.join(&mortal).await.unwrap();
        assert_eq!(store.claim(id, 1).await.unwrap().len(), 1);
        store.leave(id).await.unwrap();
    }

    let replica = scene.replica(&[]).await;
    let ticket = replica.ticket(run).await.unwrap().unwrap();
    assert_failed(&replica.ended(&ticket).await, FailureKind::Crashed);
    assert_eq!(scene.model.count("a"), 0, "it is given up without another attempt");
    assert_done(&replica.ask("s", "[[id=b]]").await, &answer(&["a", "b"]));
}
