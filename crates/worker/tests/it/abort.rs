//! Runs that nobody wants any more: waiting, running, ended; asked at the replica that drives them or at another one.

use std::sync::Arc;

use regrow_agent::{Ending, Reply};
use regrow_chaos::model_server::State;
use regrow_protocol::RunId;
use regrow_tools::Class;
use regrow_worker::Cursor;

use crate::probe::Probe;
use crate::scene::{Scene, Told, answer, assert_done, read, soon, tell};

#[track_caller]
fn assert_aborted(reply: &Arc<Reply>, text: &str) {
    assert_eq!((&reply.ending, reply.text.as_str()), (&Ending::Aborted, text));
}

#[tokio::test]
async fn a_model_call_is_cancelled_and_what_it_said_is_kept() {
    let scene = Scene::start().await;
    let [driving, other] = [scene.replica(&[]).await, scene.replica(&[]).await];
    for (id, asked) in [("a", &driving), ("b", &other)] {
        let ticket = driving.send(id, &format!("[[id={id} tokens=9 hang after=6]]")).await;
        let mut follow = driving.follow(&ticket, Cursor::START);
        let mut said = read(&mut follow, 1).await;
        soon(scene.model.wait_for(id, 6)).await;
        said += &read(&mut follow, answer(&[id]).len() + " w6".len() - said.len()).await;
        assert_eq!(said, answer(&[id]) + " w6", "that is all there is of an answer that hangs");

        soon(asked.abort(ticket.run)).await.unwrap();
        assert_aborted(&driving.ended(&ticket).await, &said);
        assert_aborted(&other.ended(&ticket).await, &said);
        soon(scene.model.wait_until(|calls| calls.iter().all(|call| call.state == State::ClientGone))).await;
        let Told::Ended(rest, _) = tell(&mut follow).await else { panic!("diverged") };
        assert_eq!(rest, "", "the follower had all of it");
        assert_eq!(scene.rounds(id), [0]);
    }
    assert_done(&other.ask("a", "[[id=c]]").await, &answer(&["a", "c"]));
}

#[tokio::test]
async fn a_message_that_waits_is_not_answered() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Pure);
    let replica = scene.replica(&[&probe]).await;
    let first = replica.send("s", "[[id=a tool=probe]]").await;
    probe.called(1).await;
    let unwanted = replica.send("s", "[[id=b]]").await;
    let third = replica.send("s", "[[id=c]]").await;
    soon(replica.abort(unwanted.run)).await.unwrap();
    probe.release(1);
    assert_done(&replica.ended(&first).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_aborted(&replica.ended(&unwanted).await, "");
    assert_done(&replica.ended(&third).await, &answer(&["a", "b", "c"]));
    assert_eq!(scene.model.count("b"), 0);
}

#[tokio::test]
async fn a_tool_that_runs_is_not_waited_for() {
    for class in [Class::Pure, Class::Unsafe] {
        let scene = Scene::start().await;
        let probe = Probe::waiting("probe", class);
        let replica = scene.replica(&[&probe]).await;
        let ticket = replica.send("s", "[[id=a tool=probe]]").await;
        probe.called(1).await;
        soon(replica.abort(ticket.run)).await.unwrap();
        assert_aborted(&replica.ended(&ticket).await, "");
        assert_done(&replica.ask("s", "[[id=b]]").await, &answer(&["a", "b"]));
        assert_eq!((probe.calls().len(), scene.rounds("a")), (1, vec![0]), "{class:?}");
    }
}

#[tokio::test]
async fn a_run_that_has_ended_stays_as_it_is() {
    let scene = Scene::start().await;
    let replica = scene.replica(&[]).await;
    let ticket = replica.send("s", "[[id=a]]").await;
    let reply = replica.ended(&ticket).await;
    soon(replica.abort(ticket.run)).await.unwrap();
    assert_eq!(*replica.ended(&ticket).await, *reply);
    assert_eq!(replica.reply(&ticket).await.unwrap().as_ref(), Some(&*reply));
    soon(replica.abort(RunId::new())).await.unwrap();
}
