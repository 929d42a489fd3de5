//! Starts that meet trouble which passes.

use std::time::Duration;

use regrow_store::postgres::{Options, PostgresStore};
use regrow_testbed::proxy::Proxy;

use crate::conformance::basics;
use crate::conformance::harness::Harness;
use crate::harness::{PostgresHarness, until};

/// Holds migrations off.
const HOLD: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('regrow schema', 0))";

/// Those who wait for that.
const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn a_start_whose_connection_breaks_in_the_middle_begins_again() {
    let harness = PostgresHarness::open().await;
    let holder = harness.connect().await;
    holder.batch_execute(HOLD).await.unwrap();
    let proxy = Proxy::start(harness.socket()).await.unwrap();
    let mut options = Options::parse(&harness.url_at_port(proxy.port()), None).unwrap();
    options.start_patience = Duration::from_secs(30);
    let opening = tokio::spawn(async move { PostgresStore::open(&options).await });
    until(async || {
        let waiting: i64 = harness.client.query_one(WAITING, &[]).await.unwrap().get(0);
        (waiting > 0).then_some(())
    })
    .await;
    proxy.cut();
    until(async || (proxy.connections() == 0).then_some(())).await;
    proxy.pass();
    holder.batch_execute("ROLLBACK").await.unwrap();
    let store = opening.await.unwrap().unwrap();
    basics::go_through(&store, "a").await;
}
