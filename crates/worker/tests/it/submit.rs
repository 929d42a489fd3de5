//! Handing messages in: each refusal, and senders that go away in the middle.

use std::sync::Arc;
use std::time::Duration;

use regrow_protocol::SessionId;
use regrow_tools::Class;
use regrow_worker::{Submission, SubmitError};
use tokio::sync::Semaphore;

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, answer, assert_done, key_of, keyed, message, soon};

async fn kept(replica: &Replica) -> usize {
    replica.store.sound().list_runs(None, 100).await.unwrap().len()
}

#[tokio::test]
async fn a_key_names_one_message_of_a_session() {
    let scene = Scene::start().await;
    let [one, two] = [scene.replica(&[]).await, scene.replica(&[]).await];
    let first = soon(one.submit(keyed("s", "k", "[[id=a]]"))).await.unwrap();
    for replica in [&one, &two] {
        let again = soon(replica.submit(keyed("s", "k", "[[id=a]]"))).await.unwrap();
        assert_eq!((again.run, again.duplicate), (first.run, true));
        let other = Submission { fingerprint: 1, ..keyed("s", "k", "[[id=other]]") };
        assert!(matches!(soon(replica.submit(other)).await, Err(SubmitError::KeyReused)));
    }
    let elsewhere = soon(two.submit(keyed("t", "k", "[[id=b]]"))).await.unwrap();
    assert!(!elsewhere.duplicate && elsewhere.run != first.run);
    assert_done(&two.ended(&first).await, &answer(&["a"]));
    assert_done(&one.ended(&elsewhere).await, &answer(&["b"]));
    assert_eq!(["a", "b", "other"].map(|id| scene.model.count(id)), [1, 1, 0]);
}

#[tokio::test]
async fn an_agent_must_exist() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    let refused = replica.submit(message("agent:nobody:s", "hello")).await;
    assert!(matches!(&refused, Err(SubmitError::UnknownAgent(name)) if name == "nobody"), "{refused:?}");
    assert_eq!(kept(&replica).await, 0);
}

#[tokio::test]
async fn a_session_has_a_bounded_queue() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica_with(&[&probe], |plan| plan.settings.max_queued = 2).await;
    let tickets = [replica.send("s", "[[id=a tool=probe]]").await, replica.send("s", "[[id=b]]").await];
    let refused = soon(replica.submit(message("s", "[[id=c]]"))).await;
    let Err(SubmitError::QueueFull { waiting: 2, retry_after }) = refused else { panic!("{refused:?}") };
    assert!(retry_after >= Duration::from_secs(1));
    replica.send("other", "[[id=o]]").await;
    probe.release(1);
    for ticket in &tickets {
        replica.ended(ticket).await;
    }
    assert_done(&replica.ask("s", "[[id=c]]").await, &answer(&["a", "b", "c"]));
}

#[tokio::test]
async fn all_replicas_together_have_a_bounded_queue() {
    let scene = Scene::start().await;
    let door = || scene.replica_with(&[], |plan| (plan.options.runs, plan.settings.max_ready) = (false, 2));
    let first = door().await;
    let tickets = [first.insist("s", "k", "[[id=a]]").await, first.send("t", "[[id=b]]").await];
    // One that has not looked at the load before.
    let second = door().await;
    let refused = soon(second.submit(message("u", "[[id=c]]"))).await;
    let Err(SubmitError::Overloaded { retry_after }) = refused else { panic!("{refused:?}") };
    assert!(retry_after >= Duration::from_secs(1));
    let refused = soon(second.submit(keyed("u", "new", "[[id=c]]"))).await;
    assert!(matches!(refused, Err(SubmitError::Overloaded { .. })), "{refused:?}");
    assert_eq!(kept(&second).await, 2);
    assert!(second.store.sound().find_session(SessionId::of(&key_of("u"))).await.unwrap().is_none());
    // What was accepted is not refused when its sender comes back.
    let again = soon(second.submit(keyed("s", "k", "[[id=a]]"))).await.unwrap();
    assert_eq!((again.run, again.duplicate), (tickets[0].run, true));
    let _running = scene.replica(&[]).await;
    for (ticket, id) in tickets.iter().zip(["a", "b"]) {
        assert_done(&first.ended(ticket).await, &answer(&[id]));
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_and_keeps_nothing() {
    for intent in [Intent::Load, Intent::Accept] {
        let scene = Scene::start().await;
        let replica = scene.replica_with(&[], |plan| plan.options.slots = 1).await;
        replica.store.next(intent, vec![Fault::Refused; 3]);
        for _ in 0..3 {
            let refused = soon(replica.submit(message("s", "[[id=a]]"))).await;
            let Err(SubmitError::Unavailable { retry_after }) = refused else { panic!("{refused:?}") };
            assert!(retry_after >= Duration::from_secs(1));
        }
        assert_eq!(kept(&replica).await, 0);
        // No slot was lost on the way.
        assert_done(&replica.ask("s", "[[id=b]]").await, &answer(&["b"]));
    }
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_nothing_half_done() {
    for (intent, accepted) in [(Intent::Load, false), (Intent::Accept, true)] {
        let scene = Scene::start().await;
        let replica = scene.replica_with(&[], |plan| plan.options.slots = 1).await;
        let gate = Arc::new(Semaphore::new(0));
        replica.store.next(intent, [Fault::Held(Arc::clone(&gate))]);
        let worker = replica.worker.clone();
        let sender = tokio::spawn(async move { worker.submit(keyed("s", "k", "[[id=a]]")).await });
        replica.store.reached(intent, 1).await;
        sender.abort();
        assert!(soon(sender).await.unwrap_err().is_cancelled());
        gate.add_permits(1);

        let ticket = soon(replica.submit(keyed("s", "k", "[[id=a]]"))).await.unwrap();
        assert_eq!(ticket.duplicate, accepted, "{intent:?}");
        assert_done(&replica.ended(&ticket).await, &answer(&["a"]));
        assert_eq!(scene.model.count("a"), 1);
        assert_done(&replica.ask("t", "[[id=b]]").await, &answer(&["b"]));
        assert_eq!(replica.store.count(Intent::Disown), 0, "the lease reached the run");
    }
}
