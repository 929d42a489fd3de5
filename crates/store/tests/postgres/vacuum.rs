//! A long analytical query keeps every dead row version from being removed. The queue must not become slow by that.

use std::time::{Duration, Instant};

use regrow_protocol::ReplicaId;
use regrow_store::Store;
use regrow_store::postgres::{CONNECTION_SETTINGS, PostgresStore, STATEMENTS};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::conformance::harness::Harness;
use crate::conformance::scene::{accept, end, joined, message, step};
use crate::harness::{PostgresHarness, until};

/// Turns whose time is taken.
const SAMPLES: usize = 150;

/// The row versions that 100 turns of each of 200 sessions leave, made without the store's round trips.
const TURNS: &str = "DO $$ BEGIN FOR turn IN 1..100 LOOP
    UPDATE regrow.lanes SET state = 1, inbox_head = inbox_head + 1, ready_at = clock_timestamp();
    UPDATE regrow.lanes SET state = 2, replica = 'REPLICA', epoch = epoch + 1, attempt = 1;
    UPDATE regrow.lanes SET log_head = log_head + 1, attempt = 0;
    UPDATE regrow.lanes SET state = 0, replica = NULL, inbox_done = inbox_head, ready_at = clock_timestamp();
    END LOOP; END $$";

const SESSIONS: &str = "INSERT INTO regrow.lanes (session, key, state)
    SELECT md5(n::text)::uuid, 'agent:main:' || n, 0 FROM generate_series(1, 200) n";

/// A message of an idle session, from its acceptance to its end.
async fn turn(store: &PostgresStore, replica: ReplicaId, n: usize) {
    accept(store, message(&format!("s{}", n % 20))).await;
    let mut claimed = until(async || store.claim(replica, 1).await.unwrap().pop()).await;
    store.append(&mut claimed, &[step("step")], None).await.unwrap();
    store.finish(&claimed, &end(false)).await.unwrap();
}

/// The usual time of a turn, and of what a replica does all the time.
async fn times(store: &PostgresStore, replica: ReplicaId) -> [Duration; 2] {
    let (mut turns, mut looks) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        let begun = Instant::now();
        turn(store, replica, n).await;
        turns.push(begun.elapsed());
        let begun = Instant::now();
        assert!(store.reap().await.unwrap().replicas.is_empty());
        looks.push(begun.elapsed());
    }
    [turns, looks].map(|mut times| {
        times.sort();
        times[SAMPLES / 2]
    })
}

/// The pages that a claim reads which looks at what became ready within the last second.
async fn pages_of_a_claim(client: &Client, replica: ReplicaId) -> u32 {
    let (_, sql) = STATEMENTS.iter().find(|(name, _)| *name == "claim::CLAIM").unwrap();
    client.batch_execute(&format!("PREPARE claim AS {sql}")).await.unwrap();
    let explain = format!(
        "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE claim('{replica}', 1, '{{}}', now() - interval '1 s')"
    );
    let lines = client.simple_query(&explain).await.unwrap();
    client.batch_execute("DEALLOCATE claim").await.unwrap();
    let first = lines.iter().find_map(|line| match line {
        SimpleQueryMessage::Row(row) => {
            row.get(0)?.trim().strip_prefix("Buffers: shared hit=")?.split(' ').next()
        }
        _ => None,
    });
    first.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_query_does_not_make_the_queue_slow() {
    let harness = PostgresHarness::open().await;
    let store = PostgresStore::open(&harness.options("vacuum")).await.unwrap();
    let replica = joined(&store).await;
    harness.client.batch_execute(SESSIONS).await.unwrap();
    let (analyst, observer) = (harness.connect().await, harness.connect().await);
    observer.batch_execute(CONNECTION_SETTINGS).await.unwrap();
    let long = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM regrow.lanes";
    analyst.batch_execute(long).await.unwrap();
    times(&store, replica).await;
    let (before, pages) = (times(&store, replica).await, pages_of_a_claim(&observer, replica).await);

    harness.client.batch_execute(&TURNS.replace("REPLICA", &replica.to_string())).await.unwrap();
    times(&store, replica).await;
    // What became ready within the last second is looked at, and all of that second has to pass.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pages_after = pages_of_a_claim(&observer, replica).await;
    let after = times(&store, replica).await;
    analyst.batch_execute("COMMIT").await.unwrap();
    eprintln!("{before:?} and {pages} pages before, {after:?} and {pages_after} after");
    assert!(pages_after <= pages * 3);
    // Looking is rare and cheap beside turns; reading all versions each time would be neither.
    assert!(after[0] <= before[0] * 3 && after[1] <= before[1] * 3);
}
