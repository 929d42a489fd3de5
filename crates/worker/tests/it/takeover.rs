//! Runs that move from one replica to another: what is done is not done again.

use regrow_tools::Class;

use crate::probe::Probe;
use crate::scene::{Scene, answer, assert_done};

#[tokio::test]
async fn a_queue_behind_a_run_moves_with_it_and_keeps_its_order() {
    let scene = Scene::start().await;
    let probe = Probe::waiting("probe", Class::Keyed);
    let first = scene.replica(&[&probe]).await;
    let mut tickets = vec![first.send("s", "[[id=a tool=probe]]").await];
    probe.called(1).await;
    for id in ["b", "c"] {
        tickets.push(first.send("s", &format!("[[id={id}]]")).await);
    }
    first.lose_life();
    let second = scene.replica(&[&probe]).await;
    probe.called(2).await;
    // The first may not have heard yet that it is fenced, and take one.
    probe.release(2);
    assert_done(&second.ended(&tickets[0]).await, &(answer(&["a"]) + " result=probe-worked"));
    assert_done(&second.ended(&tickets[1]).await, &answer(&["a", "b"]));
    assert_done(&second.ended(&tickets[2]).await, &answer(&["a", "b", "c"]));
    assert_eq!(["a", "b", "c"].map(|id| scene.rounds(id)), [vec![0, 1], vec![0], vec![0]]);
}

#[tokio::test]
async fn what_a_replica_remembers_of_a_session_is_not_used_after_others_wrote_to_it() {
    let scene = Scene::start().await;
    let first = scene.replica(&[]).await;
    let second = scene.replica(&[]).await;
    for (n, replica) in [&first, &second, &second, &first, &second].into_iter().enumerate() {
        let all = ["a", "b", "c", "d", "e"];
        let reply = replica.ask("s", &format!("[[id={}]]", all[n])).await;
        assert_done(&reply, &answer(&all[..=n]));
    }
}
