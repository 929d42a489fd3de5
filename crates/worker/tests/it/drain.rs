//! Leaving: what runs may finish, what does not finish is handed over at its last step, and the store forgets.

use std::time::Duration;

use regrow_agent::Ending;
use regrow_tools::Class;
use regrow_worker::{Cursor, Readiness, SubmitError};

use crate::faulty::{Fault, Intent};
use crate::probe::Probe;
use crate::scene::{Replica, Scene, Told, answer, assert_done, message, read, soon, tell};

/// Starts to drain in the background; returns when the store was told.
async fn begin(replica: &Replica) -> tokio::task::JoinHandle<()> {
    let worker = replica.worker.clone();
    let draining = tokio::spawn(async move { worker.drain().await });
    replica.store.reached(Intent::Drain, 1).await;
    draining
}

async fn alive(replica: &Replica) -> usize {
    replica.store.sound().list_replicas().await.unwrap().len()
}

#[tokio::test]
async fn who_is_about_to_leave_says_so_and_goes_on() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    replica.withdraw();
    assert_eq!(replica.readiness(), Readiness::Draining);
    assert_done(&replica.ask("s", "[[id=a]]").await, &answer(&["a"]));
    assert_eq!(alive(&replica).await, 1);
    soon(begin(&replica).await).await.unwrap();
    assert_eq!(alive(&replica).await, 0);
}

#[tokio::test]
async fn running_work_finishes_and_nothing_new_is_taken() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Unsafe);
    let replica = scene.replica(&[&probe]).await;
    let running = replica.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let waiting = replica.send("s", "[[id=b]]").await;

    let draining = begin(&replica).await;
    assert_eq!(replica.readiness(), Readiness::Draining);
    assert!(matches!(replica.submit(message("t", "[[id=c]]")).await, Err(SubmitError::Draining)));
    probe.release(1);
    soon(draining).await.unwrap();
    assert_eq!(alive(&replica).await, 0);
    assert_eq!(replica.readiness(), Readiness::Draining);
    assert_done(&replica.ended(&running).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_eq!(replica.reply(&waiting).await.unwrap(), None, "what waited is left for others");

    let next = scene.replica(&[&probe]).await;
    assert_done(&next.ended(&waiting).await, &answer(&["a", "b"]));
    assert_eq!(probe.calls().len(), 1);
}

#[tokio::test]
async fn work_that_does_not_finish_is_handed_over_without_being_repeated() {
    for forgetful in [false, true] {
        let scene = Scene::start().await;
        let quick = Probe::answering("quick", Class::Unsafe);
        let slow = Probe::waiting("slow", Class::Keyed);
        let tools = [&quick, &slow];
        let leaving = scene.replica_with(&tools, |plan| plan.options.drain = Duration::ZERO).await;
        // One that is in the middle of a tool, one that is in the middle of an answer.
        let tool = leaving.send("s", "[[id=a tool=slow]]").await;
        let text = leaving.send("t", "[[id=b hang=1 after=2]]").await;
        let done = leaving.ask("u", "[[id=c tool=quick]]").await;
        assert_eq!(done.ending, Ending::Done);
        slow.called(1).await;
        soon(scene.model.wait_for("b", 2)).await;
        if forgetful {
            leaving.store.always(Intent::Release, Fault::Refused);
        }
        soon(leaving.drain()).await;
        assert_eq!(alive(&leaving).await, 0);
        let load = leaving.store.sound().load().await.unwrap();
        assert_eq!((load.ready, load.running), (2, 0));

        let next = scene.replica(&tools).await;
        slow.called(2).await;
        slow.release(1);
        assert_done(&next.ended(&tool).await, &(answer(&["a"]) + " result=slow-worked"));
        assert_done(&next.ended(&text).await, &answer(&["b"]));
        assert_eq!((scene.rounds("a"), scene.rounds("b")), (vec![0, 1], vec![0, 0]));
        let keys: Vec<String> = slow.calls().into_iter().map(|call| call.key).collect();
        assert_eq!(keys[0], keys[1]);
        assert_eq!(quick.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_follower_at_the_replica_that_leaves_sees_the_end_from_the_next_one() {
    let scene = Scene::start().await;
    let leaving = scene.replica_with(&[], |plan| plan.options.drain = Duration::ZERO).await;
    let ticket = leaving.send("s", "[[id=a tokens=8 hang=1 after=4]]").await;
    let mut follow = leaving.follow(&ticket, Cursor::START);
    let said = read(&mut follow, 1).await;
    soon(leaving.drain()).await;
    let _next = scene.replica(&[]).await;
    let Told::Ended(rest, reply) = tell(&mut follow).await else { panic!("the same text is no divergence") };
    assert_eq!(said + &rest, reply.text);
}

#[tokio::test]
async fn an_idle_replica_leaves_at_once_even_if_the_store_does_not_listen() {
    for intent in [Intent::Drain, Intent::Leave] {
        let scene = Scene::start().await;
        let replica = scene.replica(&[]).await;
        replica.store.always(intent, Fault::Refused);
        soon(replica.drain()).await;
        assert!(matches!(replica.submit(message("s", "[[id=a]]")).await, Err(SubmitError::Draining)));
        // Who could not say good-bye is missed.
        let other = scene.replica(&[]).await;
        soon(async {
            while alive(&other).await > 1 {
                other.store.more(Intent::Reap, 1).await;
            }
        })
        .await;
    }
}
