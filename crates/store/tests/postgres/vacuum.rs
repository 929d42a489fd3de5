//! A long analytical query keeps every dead row version from being removed. The queue must not become slow by that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_protocol::ReplicaId;
use regrow_store::postgres::{CONNECTION_SETTINGS, PostgresStore, STATEMENTS};
use regrow_store::Store;
use tokio_postgres::Client;

use crate::conformance::harness::Harness;
use crate::conformance::scene::{accept, end, joined, message, step};
use crate::harness::PostgresHarness;

const SESSIONS: usize = 200;
const TURNS: usize = 20_000;
/// Turns at once.
const TASKS: usize = 20;
/// Turns whose time is taken.
const SAMPLES: usize = 200;

/// Accepts a message, claims its session, writes a step and ends the run.
async fn turn(store: &PostgresStore, replica: ReplicaId, n: usize) {
    accept(store, message(&format!("s{}", n % SESSIONS))).await;
    loop {
        let claimed = store.claim(replica, 1).await.unwrap();
        for mut claimed in claimed {
            store.append(&mut claimed, &[step("step")], None).await.unwrap();
            store.finish(&claimed, &end(false)).await.unwrap();
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn median(store: &PostgresStore, replica: ReplicaId) -> Duration {
    let mut times = Vec::new();
    for n in 0..SAMPLES {
        let begun = Instant::now();
        turn(store, replica, n).await;
        times.push(begun.elapsed());
    }
    times.sort();
    times[SAMPLES / 2]
}

async fn buffers(client: &Client, name: &str) -> String {
    let (_, sql) = STATEMENTS.iter().find(|(n, _)| *n == name).unwrap();
    client.batch_execute(&format!("PREPARE x AS {sql}")).await.unwrap();
    let args = match name {
        "claim::CLAIM" => "((SELECT replica FROM regrow.replicas LIMIT 1), 1, '{}')",
        "heartbeat::BEAT" => "((SELECT replica FROM regrow.replicas LIMIT 1))",
        _ => "",
    };
    client.batch_execute("BEGIN").await.unwrap();
    let lines = client.simple_query(&format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE x{args}")).await.unwrap();
    client.batch_execute("ROLLBACK; DEALLOCATE x").await.unwrap();
    let text = lines.iter().filter_map(|line| match line {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    text.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_query_does_not_make_the_queue_slow() {
    let harness = PostgresHarness::open().await;
    let store = Arc::new(PostgresStore::open(&harness.options("vacuum")).await.unwrap());
    let replica = joined(&*store).await;
    for n in 0..SESSIONS {
        turn(&store, replica, n).await;
    }
    let analyst = harness.connect().await;
    let long = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM regrow.lanes";
    analyst.batch_execute(long).await.unwrap();
    let before = median(&store, replica).await;
    let client = harness.connect().await;
    client.batch_execute(CONNECTION_SETTINGS).await.unwrap();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..TURNS / TASKS {
                    turn(&store, replica, task + n * TASKS).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    eprintln!("load {:?}", begun.elapsed());
    let after = median(&store, replica).await;
    eprintln!("before {before:?} after {after:?}");
    for name in ["claim::CLAIM", "heartbeat::BEAT", "reap::TIMES", "views::LOAD"] {
        eprintln!("{name}\n{}", buffers(&client, name).await);
    }
    analyst.batch_execute("COMMIT").await.unwrap();
    assert!(after < before * 3, "{before:?} {after:?}");
}
