//! Whose file it is, and at which version.

use regrow_store::sqlite::{SCHEMA_VERSION, SqliteStore, version};
use regrow_store::{Error, Store};
use rusqlite::Connection;

use crate::harness::SqliteHarness;

/// Opening must fail for good and leave every byte as it is.
#[track_caller]
fn assert_refused(harness: &SqliteHarness, why: &str) {
    let before = std::fs::read(harness.path()).unwrap();
    for error in [SqliteStore::open(&harness.options()).unwrap_err(), version(&harness.path()).unwrap_err()] {
        assert!(matches!(&error, Error::Unusable(text) if text.contains(why)), "{error:?}");
        assert!(!error.is_retryable());
    }
    assert_eq!(std::fs::read(harness.path()).unwrap(), before, "the file was changed");
}

#[tokio::test]
async fn a_newer_version_is_refused_untouched() {
    let harness = SqliteHarness::new();
    drop(SqliteStore::open(&harness.options()).unwrap());
    let connection = harness.connection();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    drop(connection);
    assert_refused(&harness, "newer");
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_untouched() {
    let harness = SqliteHarness::new();
    let connection = harness.connection();
    connection.execute_batch("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('x')").unwrap();
    drop(connection);
    assert_refused(&harness, "another program");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_untouched() {
    let harness = SqliteHarness::new();
    std::fs::write(harness.path(), "dear diary, ".repeat(100)).unwrap();
    assert_refused(&harness, "not a database");
}

#[tokio::test]
async fn version_changes_nothing() {
    let harness = SqliteHarness::new();
    assert_eq!(version(&harness.path()).unwrap(), None);
    assert!(!harness.path().exists(), "asking must not create the file");
    drop(SqliteStore::open(&harness.options()).unwrap());
    assert_eq!(version(&harness.path()).unwrap(), Some(SCHEMA_VERSION));
    let empty = harness.path().with_extension("empty");
    drop(Connection::open(&empty).unwrap());
    std::fs::write(&empty, "").unwrap();
    assert_eq!(version(&empty).unwrap(), Some(0));
    assert_eq!(std::fs::read(&empty).unwrap(), b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_migrate_at_once() {
    for _ in 0..8 {
        let harness = SqliteHarness::new();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let options = harness.options();
                tokio::task::spawn_blocking(move || SqliteStore::open(&options).unwrap())
            })
            .collect();
        let mut secrets = Vec::new();
        for task in tasks {
            secrets.push(task.await.unwrap().cluster_secret().to_owned());
        }
        assert!(secrets.iter().all(|secret| *secret == secrets[0]), "one store has one secret");
        assert_eq!(version(&harness.path()).unwrap(), Some(SCHEMA_VERSION));
    }
}

#[tokio::test]
async fn only_the_owner_can_read_the_directory() {
    use std::os::unix::fs::PermissionsExt;
    let harness = SqliteHarness::new();
    let mut options = harness.options();
    options.path = harness.path().with_file_name("new").join("deeper").join("store.db");
    drop(SqliteStore::open(&options).unwrap());
    let mode = std::fs::metadata(options.path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
