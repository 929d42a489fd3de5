//! Named leases: one holder at a time, and a larger epoch for each next one.

use std::sync::Arc;
use std::time::Duration;

use regrow_protocol::{Epoch, ReplicaId};
use regrow_store::Store;

use super::harness::Harness;
use super::scene::Scene;

/// Longer than any test: a lease runs out only where a test says so.
const TTL: Duration = Duration::from_secs(600);

async fn hold(store: &dyn Store, replica: ReplicaId) -> Option<Epoch> {
    store.hold("name", replica, TTL).await.unwrap()
}

async fn taken(store: &dyn Store, replica: ReplicaId) -> Epoch {
    hold(store, replica).await.expect("a lease that nobody holds is taken")
}

pub(crate) async fn one_replica_holds_a_lease_at_a_time<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let mut last = Epoch(0);
    for _ in 0..5 {
        let mut tries = Vec::new();
        for _ in 0..4 {
            let (store, replica) = scene.elsewhere().await;
            for _ in 0..8 {
                let store = Arc::clone(&store);
                tries.push(tokio::spawn(async move { (replica, hold(&*store, replica).await) }));
            }
        }
        let mut holders = Vec::new();
        for attempt in tries {
            let (replica, epoch) = attempt.await.unwrap();
            holders.extend(epoch.map(|epoch| (replica, epoch)));
        }
        // All tries of the one that got it, and nobody else's.
        let first = holders[0];
        assert_eq!(holders, [first; 8]);
        assert!(first.1 > last, "{first:?} after {last}");
        last = first.1;
        scene.store.let_go("name", first.0).await.unwrap();
    }
}

pub(crate) async fn renewing_keeps_the_epoch<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    let epoch = taken(&*scene.store, replica).await;
    for _ in 0..4 {
        scene.harness.age(TTL / 2).await;
        assert_eq!(hold(&*scene.store, other).await, None);
        assert_eq!(hold(&*scene.store, replica).await, Some(epoch));
    }
}

pub(crate) async fn another_name_is_another_lease<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    taken(&*scene.store, replica).await;
    assert!(scene.store.hold("another", other, TTL).await.unwrap().is_some());
    scene.store.let_go("another", replica).await.unwrap();
    assert_eq!(scene.store.hold("another", replica, TTL).await.unwrap(), None, "it was not this one's");
}

pub(crate) async fn a_lease_that_has_run_out_passes_on<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    let first = taken(&*scene.store, replica).await;
    scene.harness.age(TTL).await;
    let second = taken(&*scene.store, other).await;
    assert_eq!(hold(&*scene.store, replica).await, None, "it slept too long");
    scene.harness.age(TTL).await;
    let third = taken(&*scene.store, other).await;
    assert!(first < second && second < third, "one that has ended is not renewed: {first} {second} {third}");
}

pub(crate) async fn a_lease_of_a_replica_that_is_removed_passes_on<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let heir = scene.replica().await;
    let (_process, lapsed) = scene.elsewhere().await;
    let first = taken(&*scene.store, lapsed).await;
    scene.store.hold("long", lapsed, 1_000 * super::scene::LEASE).await.unwrap().unwrap();
    scene.outlive(lapsed).await;
    let second = taken(&*scene.store, heir).await;
    assert!(scene.store.hold("long", heir, TTL).await.unwrap().is_some());
    assert_eq!(hold(&*scene.store, lapsed).await, None);

    scene.store.leave(heir).await.unwrap();
    let (process, crashed) = scene.elsewhere().await;
    let third = taken(&*scene.store, crashed).await;
    let last = scene.replica().await;
    scene.harness.crash(process).await;
    scene.store.reap().await.unwrap();
    let fourth = taken(&*scene.store, last).await;
    assert!([first, second, third, fourth].is_sorted_by(|a, b| a < b));
}

pub(crate) async fn a_lease_that_is_let_go_passes_on<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [replica, other] = [scene.replica().await, scene.replica().await];
    let first = taken(&*scene.store, replica).await;
    scene.store.let_go("name", other).await.unwrap();
    assert_eq!(hold(&*scene.store, replica).await, Some(first), "only its holder lets it go");
    for _ in 0..2 {
        scene.store.let_go("name", replica).await.unwrap();
    }
    assert!(taken(&*scene.store, other).await > first);
}

pub(crate) async fn a_replica_that_is_not_known_holds_nothing<H: Harness>() {
    let scene = Scene::<H>::open().await;
    let [left, living] = [scene.replica().await, scene.replica().await];
    let lapsed = scene.replica().await;
    scene.store.leave(left).await.unwrap();
    scene.harness.lapse(lapsed).await;
    for replica in [left, lapsed, ReplicaId::new()] {
        assert_eq!(hold(&*scene.store, replica).await, None);
    }
    taken(&*scene.store, living).await;
}
