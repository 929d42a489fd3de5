//! What the store finds about its file.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use regrow_store::sqlite::{SCHEMA_VERSION, SqliteStore};
use regrow_store::{Examination, Finding, Level, Liveness, Store};

use crate::harness::SqliteHarness;

fn finding<'a>(seen: &'a Examination, subject: &str) -> &'a Finding {
    seen.findings.iter().find(|finding| finding.subject == subject).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_new_store_is_in_order() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let seen = store.examine(true).await.unwrap();
    assert_eq!((seen.back_end, seen.schema), ("SQLite", SCHEMA_VERSION));
    assert!(seen.free.is_some_and(|free| free > 0));
    for subject in ["journal", "write-ahead log", "permissions", "contents"] {
        assert_eq!(finding(&seen, subject).level, Level::Ok, "{seen:?}");
    }
    assert!(!store.is_shared_across_machines());
    let quick = store.examine(false).await.unwrap();
    assert!(quick.findings.iter().all(|finding| finding.subject != "contents"));
}

#[tokio::test]
async fn what_others_can_read_is_named() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    set_mode(&harness.path(), 0o640);
    let seen = store.examine(false).await.unwrap();
    let found = finding(&seen, "permissions");
    assert_eq!(found.level, Level::Warning);
    assert_eq!(found.advice, format!("chmod go-rwx {}", harness.path().display()));
}

#[tokio::test]
async fn damage_is_a_problem_when_everything_is_read() {
    let harness = SqliteHarness::new();
    drop(SqliteStore::open(&harness.options()).unwrap());
    let connection = harness.connection();
    // A table that no replica reads yet.
    let sql = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema
        WHERE name = 'schedules'";
    let offset: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    connection.pragma_query(None, "wal_checkpoint", |_| Ok(())).unwrap();
    drop(connection);
    let file = std::fs::OpenOptions::new().write(true).open(harness.path()).unwrap();
    file.write_all_at(&[0xff; 64], u64::try_from(offset).unwrap()).unwrap();
    drop(file);
    let store = SqliteStore::open(&harness.options()).unwrap();
    assert!(store.examine(false).await.is_ok());
    assert_eq!(finding(&store.examine(true).await.unwrap(), "contents").level, Level::Problem);
}

#[tokio::test]
async fn a_replica_whose_lock_is_gone_is_known_by_its_heartbeat() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let replica = crate::conformance::scene::joined(&store).await;
    let mut lock = harness.path().into_os_string();
    lock.push(format!(".replicas/{replica}.lock"));
    assert_eq!(store.list_replicas().await.unwrap()[0].liveness, Liveness::Lock);
    std::fs::remove_file(lock).unwrap();
    assert_eq!(store.list_replicas().await.unwrap()[0].liveness, Liveness::Heartbeat);
}
