//! Giving leases up: at a drain, and where the grant never reached its owner.

use regrow_protocol::Epoch;
use regrow_store::{Accept, Accepted, Beat, OwnedLane};

use super::harness::Harness;
use super::scene::{Scene, assert_fenced, claim, end, id, keyed, step};

pub(crate) async fn releasing_hands_the_run_over_and_fences<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let (other, heir) = scene.elsewhere().await;
    let mut claimed = scene.begin("a", replica).await;
    scene.store.append(&mut claimed, &[step("one")], None).await.unwrap();
    scene.store.release(&claimed).await.unwrap();
    let before = scene.picture("a").await;
    assert_fenced(&scene.store.release(&claimed).await);
    assert_fenced(&scene.store.append(&mut claimed, &[step("two")], None).await);
    assert_fenced(&scene.store.finish(&claimed, &end(true)).await);
    assert_eq!(scene.picture("a").await, before);
    let next = claim(&*other, heir).await;
    assert_eq!((next.run, next.head()), (claimed.run, 1));
    assert!(next.epoch() > claimed.epoch());
}

pub(crate) async fn releasing_is_not_an_attempt<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut claimed = scene.begin("a", replica).await;
    for _ in 0..4 {
        assert_eq!(claimed.attempt, 1);
        scene.store.release(&claimed).await.unwrap();
        claimed = claim(&*scene.store, replica).await;
    }
}

/// The replica is the same and the log is the same: the epoch alone tells the old lease from the new one.
pub(crate) async fn a_lease_that_was_given_back_stays_fenced<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let mut old = scene.begin("a", replica).await;
    scene.store.release(&old).await.unwrap();
    let new = claim(&*scene.store, replica).await;
    let before = scene.picture("a").await;
    assert_fenced(&scene.store.append(&mut old, &[step("one")], None).await);
    assert_fenced(&scene.store.finish(&old, &end(false)).await);
    assert_fenced(&scene.store.release(&old).await);
    assert_eq!(scene.picture("a").await, before);
    scene.store.finish(&new, &end(false)).await.unwrap();
}

pub(crate) async fn a_lease_whose_grant_was_lost_is_found_and_disowned<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let replica = scene.replica().await;
    let question = Accept { claim_for: Some(replica), ..keyed("a", "key") };
    // The answer, and the lease in it, never arrive.
    drop(scene.store.accept(question.clone()).await.unwrap());
    let again = scene.store.accept(question.clone()).await.unwrap();
    assert!(matches!(again, Accepted::Duplicate { message, .. } if message == question.message));
    let Beat::Alive { lanes } = scene.store.heartbeat(replica).await.unwrap() else { panic!("gone") };
    let [OwnedLane { session, epoch, run, abort: false }] = lanes[..] else { panic!("{lanes:?}") };
    assert_eq!((session, run), (id("a"), question.message));
    assert_eq!(scene.store.disown(replica, &[(session, epoch)]).await.unwrap(), 1);
    assert_eq!(claim(&*scene.store, replica).await.run, question.message);
}

pub(crate) async fn disowning_needs_the_owner_and_the_epoch<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    let [a, b] = [scene.begin("a", replica).await, scene.begin("b", replica).await];
    let before = [scene.picture("a").await, scene.picture("b").await];
    for (replica, session, epoch) in [
        (replica, a.session(), Epoch(a.epoch().0 - 1)),
        (replica, a.session(), b.epoch()),
        (replica, id("missing"), a.epoch()),
        (other, a.session(), a.epoch()),
    ] {
        assert_eq!(scene.store.disown(replica, &[(session, epoch)]).await.unwrap(), 0);
    }
    assert_eq!(scene.store.disown(replica, &[]).await.unwrap(), 0);
    assert_eq!([scene.picture("a").await, scene.picture("b").await], before);
    let both = [(a.session(), a.epoch()), (b.session(), b.epoch())];
    assert_eq!(scene.store.disown(replica, &both).await.unwrap(), 2);
    assert_eq!(scene.store.disown(replica, &both).await.unwrap(), 0);
}
