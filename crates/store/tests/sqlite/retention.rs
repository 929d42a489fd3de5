//! Retention over a file: of an older release, and without looking at the same sessions again and again.

use std::time::Duration;

use regrow_store::sqlite::SqliteStore;
use regrow_store::{Pruned, Retention, Store};

use crate::conformance::harness::Harness;
use crate::conformance::scene::{LEASE, accept, claim, end, id, joined, message, step};
use crate::harness::SqliteHarness;

const POLICY: Retention = Retention { keys: Duration::ZERO, sessions: None, history: Some(Duration::ZERO) };

/// As a file was before anything was deleted.
const FIRST_SCHEMA: &str = include_str!("../../src/sqlite/migrations/0001_init.sql");

#[tokio::test]
async fn what_stays_is_not_looked_at_again() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = joined(&store).await;
    for name in ["a", "b", "c"] {
        for _ in 0..2 {
            accept(&store, message(name)).await;
            let mut claimed = claim(&store, replica).await;
            // The newest run's context begins within it, so that its record keeps entries that are of no use.
            let base = Some(claimed.head() + 1);
            store.append(&mut claimed, &[step("one"), step("two")], base).await.unwrap();
            store.finish(&claimed, &end(false)).await.unwrap();
        }
    }
    let policy = Retention { keys: LEASE, history: Some(LEASE), ..POLICY };
    harness.age(2 * LEASE).await;
    let gone = store.prune(&policy, 100).await.unwrap();
    assert_eq!(gone, Pruned { runs: 3, entries: 9, ..Pruned::default() });
    // A look would use up the one thing that may be done.
    assert_eq!(store.prune(&policy, 1).await.unwrap(), Pruned::default());
    harness.age(LEASE / 2).await;
    assert_eq!(store.prune(&policy, 1).await.unwrap(), Pruned::default());
}

#[tokio::test]
async fn what_an_older_release_has_kept_goes_too() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = joined(&store).await;
    for _ in 0..3 {
        accept(&store, message("a")).await;
        let mut claimed = claim(&store, replica).await;
        let base = Some(claimed.head());
        store.append(&mut claimed, &[step("one")], base).await.unwrap();
        store.finish(&claimed, &end(false)).await.unwrap();
    }
    drop(store);
    back_to_the_first_schema(&harness);
    let store = SqliteStore::open(&harness.options()).unwrap();
    harness.age(LEASE).await;
    let gone = store.prune(&POLICY, 100).await.unwrap();
    assert_eq!(gone, Pruned { runs: 2, entries: 4, ..Pruned::default() });
    assert_eq!(store.find_session(id("a")).await.unwrap().unwrap().log_head, 6);
}

/// Copies everything into a file of the first schema, which takes the place of the harness's.
fn back_to_the_first_schema(harness: &SqliteHarness) {
    let first = harness.path().with_extension("first");
    let connection = rusqlite::Connection::open(&first).unwrap();
    connection.execute_batch(FIRST_SCHEMA).unwrap();
    connection.execute("ATTACH ?1 AS later", [harness.path().to_str().unwrap()]).unwrap();
    connection.execute_batch("DELETE FROM meta").unwrap();
    for table in ["meta", "replicas", "lanes", "inbox", "log", "runs"] {
        let sql = "SELECT group_concat(name) FROM pragma_table_info(?1, 'main')";
        let columns: String = connection.query_row(sql, [table], |r| r.get(0)).unwrap();
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM later.{table}");
        connection.execute_batch(&copy).unwrap();
    }
    let application: i64 = connection.query_row("PRAGMA later.application_id", [], |r| r.get(0)).unwrap();
    connection.pragma_update(Some("main"), "application_id", application).unwrap();
    connection.pragma_update(Some("main"), "user_version", 1).unwrap();
    drop(connection);
    for suffix in ["-wal", "-shm"] {
        let mut aside = harness.path().into_os_string();
        aside.push(suffix);
        let _ = std::fs::remove_file(aside);
    }
    std::fs::rename(first, harness.path()).unwrap();
}
