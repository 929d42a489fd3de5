//! The life of a replica: joining, heartbeats, draining, leaving.

use regrow_protocol::ReplicaId;
use regrow_store::{Accept, Beat, OwnedLane, Reaped};

use super::harness::Harness;
use super::scene::{Scene, accept, claim, end, id, message, replica, step};

/// The first answer may have been lost.
pub(crate) async fn joining_can_be_repeated<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let newcomer = replica();
    scene.store.join(&newcomer).await.unwrap();
    let claimed = scene.begin("a", newcomer.id).await;
    scene.store.join(&newcomer).await.unwrap();
    assert_eq!(scene.store.list_replicas().await.unwrap().len(), 1);
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    let (other, _) = scene.elsewhere().await;
    assert_eq!(other.reap().await.unwrap(), Reaped::default());
}

pub(crate) async fn a_heartbeat_lists_what_the_replica_owns<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    assert_eq!(scene.store.heartbeat(replica).await.unwrap(), Beat::Alive { lanes: vec![] });
    let [a, b] = [scene.begin("a", replica).await, scene.begin("b", replica).await];
    scene.begin("c", other).await;
    scene.queue("d").await;
    scene.store.abort(b.run).await.unwrap();
    let mut want = [(&a, false), (&b, true)].map(|(claimed, abort)| OwnedLane {
        session: claimed.session(),
        epoch: claimed.epoch(),
        run: claimed.run,
        abort,
    });
    want.sort_by_key(|lane| lane.session);
    let Beat::Alive { mut lanes } = scene.store.heartbeat(replica).await.unwrap() else { panic!("gone") };
    lanes.sort_by_key(|lane| lane.session);
    assert_eq!(lanes, want);
}

pub(crate) async fn a_heartbeat_of_a_replica_that_is_gone_says_so<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [reaped, left] = [scene.replica().await, scene.replica().await];
    scene.outlive(reaped).await;
    scene.store.leave(left).await.unwrap();
    for replica in [reaped, left, ReplicaId::new()] {
        assert_eq!(scene.store.heartbeat(replica).await.unwrap(), Beat::Gone);
    }
}

pub(crate) async fn a_heartbeat_renews_the_lease<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [slow, other] = [scene.replica().await, scene.replica().await];
    scene.begin("a", slow).await;
    scene.harness.lapse(slow).await;
    // It was late, but nobody has noticed yet.
    assert!(matches!(scene.store.heartbeat(slow).await.unwrap(), Beat::Alive { lanes } if lanes.len() == 1));
    assert_eq!(scene.store.reap().await.unwrap(), Reaped::default());
    assert!(scene.store.claim(other, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_draining_replica_keeps_what_it_has<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    scene.store.drain(replica).await.unwrap();
    scene.queue("b").await;
    assert!(scene.store.claim(replica, 10).await.unwrap().is_empty());
    assert!(
        matches!(scene.store.heartbeat(replica).await.unwrap(), Beat::Alive { lanes } if lanes.len() == 1)
    );
    assert_eq!(scene.store.reap().await.unwrap(), Reaped::default());
    scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    scene.store.finish(&claimed, &end(false)).await.unwrap();
    let question = Accept { claim_for: Some(replica), ..message("a") };
    assert!(accept(&*scene.store, question).await.1.is_none());
    assert!(scene.store.claim(replica, 10).await.unwrap().is_empty(), "draining lasts");
}

pub(crate) async fn what_a_leaving_replica_owned_is_ready<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let (other, heir) = scene.elsewhere().await;
    let replica = scene.replica().await;
    let claimed = scene.begin("a", replica).await;
    scene.store.leave(replica).await.unwrap();
    assert_eq!(scene.store.list_replicas().await.unwrap().len(), 1);
    let next = claim(&*other, heir).await;
    assert_eq!((next.session(), next.run), (id("a"), claimed.run));
    assert!(next.epoch() > claimed.epoch());
    scene.store.leave(replica).await.unwrap();
    assert_eq!(other.reap().await.unwrap(), Reaped::default());
}
