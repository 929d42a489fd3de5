//! Behind a pooler that gives each transaction any of its connections: PgBouncer, in whatever version there is.

use std::time::{Duration, Instant};

use regrow_store::postgres::{Options, PostgresStore};
use regrow_store::{Accept, Error, Replica, Store};
use regrow_testbed::postgres::Pooler;

use crate::conformance::basics;
use crate::conformance::harness::Harness;
use crate::conformance::scene::{accept, claim, joined, message, replica};
use crate::harness::{PostgresHarness, until};

/// A pooler, or nothing on a machine that has none: `cargo xtask test` installs it where it can, and says so where not.
async fn pooler(harness: &PostgresHarness, connections: usize) -> Option<Pooler> {
    if Pooler::program().is_none() {
        eprintln!("SKIPPED: PgBouncer is not installed; `sudo apt-get install pgbouncer` does it");
        return None;
    }
    Some(Pooler::start(harness.database().server(), connections).await.unwrap())
}

fn options(pooler: &Pooler, harness: &PostgresHarness) -> Options {
    Options::parse(&pooler.url(harness.name()), None).unwrap()
}

#[tokio::test]
async fn everything_works_behind_a_pooler() {
    let harness = PostgresHarness::open().await;
    let Some(pooler) = pooler(&harness, 4).await else { return };
    let options = options(&pooler, &harness);
    let store = PostgresStore::open(&options).await.unwrap();
    basics::go_through(&store, "a").await;
    // One beside the pooler shares the store.
    let beside = PostgresStore::open(&harness.options("beside")).await.unwrap();
    basics::go_through(&beside, "beside").await;
    // A second process behind it meets the connections that the first one has used.
    let other = PostgresStore::open(&options).await.unwrap();
    let (first, second) = tokio::join!(basics_of(&store, "b"), basics_of(&other, "c"));
    assert_eq!((first, second), (1, 1));
}

async fn basics_of(store: &PostgresStore, name: &str) -> i64 {
    for _ in 0..50 {
        store.list_runs(None, 10).await.unwrap();
        store.load().await.unwrap();
    }
    accept(store, message(name)).await.0
}

#[tokio::test]
async fn with_one_connection_for_everybody_it_is_slow_and_works() {
    let harness = PostgresHarness::open().await;
    let Some(pooler) = pooler(&harness, 1).await else { return };
    let store = PostgresStore::open(&options(&pooler, &harness)).await.unwrap();
    basics::go_through(&store, "a").await;
}

#[tokio::test]
async fn behind_a_pooler_a_replica_is_taken_over_by_its_lease_alone() {
    let harness = PostgresHarness::open().await;
    let Some(pooler) = pooler(&harness, 4).await else { return };
    let options = options(&pooler, &harness);
    let (dying, peer) =
        (PostgresStore::open(&options).await.unwrap(), PostgresStore::open(&options).await.unwrap());
    let lease = Duration::from_secs(3);
    let dead = Replica { lease, ..replica() };
    dying.join(&dead).await.unwrap();
    let heir = joined(&peer).await;
    let held = accept(&dying, Accept { claim_for: Some(dead.id), ..message("a") }).await.1.unwrap();
    let begun = Instant::now();
    drop(dying);
    let found =
        until(async || Some(peer.reap().await.unwrap().replicas).filter(|found| !found.is_empty())).await;
    assert_eq!(found, [dead.id]);
    assert!(begun.elapsed() > lease / 2, "after {:?}", begun.elapsed());
    assert_eq!(claim(&peer, heir).await.run, held.run);
}

/// A connection that others use too cannot be set to wait for the disk.
#[tokio::test]
async fn behind_a_pooler_a_server_that_does_not_wait_for_the_disk_is_refused() {
    let harness = PostgresHarness::open().await;
    let sql = format!("ALTER DATABASE {} SET synchronous_commit = off", harness.name());
    harness.client.batch_execute(&sql).await.unwrap();
    let Some(pooler) = pooler(&harness, 4).await else { return };
    let error = PostgresStore::open(&options(&pooler, &harness)).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable(text) if text.contains("ALTER ROLE")), "{error:?}");
    drop(PostgresStore::open(&harness.options("beside")).await.unwrap());
}
