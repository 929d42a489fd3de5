//! The view that autoscalers read: what it promises, and that it says what the store says.

use regrow_store::Store;

use crate::conformance::harness::Harness;
use crate::conformance::scene::{accept, joined, message};
use crate::harness::PostgresHarness;

/// What the view says: ready, running, slots, replicas, seconds of the oldest, load.
async fn look(harness: &PostgresHarness) -> (i64, i64, i64, i64, f64, f64) {
    let sql = "SELECT ready, running, slots, replicas, oldest_ready_seconds, load FROM regrow.autoscale_v1";
    let row = harness.client.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
}

#[tokio::test]
async fn the_view_says_what_the_store_says() {
    let harness = PostgresHarness::open().await;
    let store = regrow_store::postgres::PostgresStore::open(&harness.options("a")).await.unwrap();
    assert_eq!(look(&harness).await, (0, 0, 0, 0, 0.0, 0.0));
    for name in ["a", "b", "c"] {
        accept(&store, message(name)).await;
    }
    let (ready, running, slots, replicas, oldest, load) = look(&harness).await;
    assert_eq!((ready, running, slots, replicas), (3, 0, 0, 0));
    assert!(oldest > 0.0);
    assert!((load - 3.0).abs() < 1e-9, "without a replica, what waits asks for some: {load}");

    let [one, two] = [joined(&store).await, joined(&store).await];
    assert_eq!(store.claim(one, 1).await.unwrap().len(), 1);
    let (ready, running, slots, replicas, _, load) = look(&harness).await;
    let said = store.load().await.unwrap();
    assert_eq!((ready, running), (i64::try_from(said.ready).unwrap(), i64::try_from(said.running).unwrap()));
    assert_eq!((ready, running, replicas), (2, 1, 2));
    let each: u32 = store.list_replicas().await.unwrap().iter().map(|replica| replica.slots).sum();
    assert_eq!(slots, i64::from(each));
    assert!((load - 3.0 * 2.0 / f64::from(each)).abs() < 1e-9, "{load}");

    store.drain(two).await.unwrap();
    let (_, _, slots, replicas, ..) = look(&harness).await;
    assert_eq!((slots, replicas), (i64::from(each / 2), 1), "who leaves does not count");
}
