//! Whose file it is, and at which version.

use regrow_protocol::RunId;
use regrow_store::sqlite::{SCHEMA_VERSION, SqliteStore, version};
use regrow_store::{Error, Store};
use rusqlite::Connection;

use crate::conformance::basics;
use crate::conformance::scene::{claim, id, joined};
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
async fn a_newer_version_that_says_nothing_of_older_programs_is_refused_untouched() {
    let harness = SqliteHarness::new();
    drop(SqliteStore::open(&harness.options()).unwrap());
    let connection = harness.connection();
    connection.execute("DELETE FROM meta WHERE name = 'oldest_program'", []).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    drop(connection);
    assert_refused(&harness, "newer");
}

/// What a later migration that only adds leaves behind.
fn expand(connection: &Connection, oldest_program: i64) {
    for table in ["replicas", "lanes", "inbox", "log", "runs", "schedules", "leases"] {
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN later TEXT DEFAULT 'x'")).unwrap();
    }
    connection.execute_batch("CREATE TABLE later (name TEXT PRIMARY KEY) WITHOUT ROWID").unwrap();
    let note = "INSERT OR REPLACE INTO meta VALUES ('oldest_program', ?1)";
    connection.execute(note, [oldest_program]).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
}

#[tokio::test]
async fn a_newer_version_that_only_adds_is_used_before_and_after_it_came() {
    let harness = SqliteHarness::new();
    let running = SqliteStore::open(&harness.options()).unwrap();
    basics::go_through(&running, "before").await;
    expand(&harness.connection(), SCHEMA_VERSION);
    basics::go_through(&running, "while").await;
    let started_later = SqliteStore::open(&harness.options()).unwrap();
    basics::go_through(&started_later, "after").await;
    assert_eq!(version(&harness.path()).unwrap(), Some(SCHEMA_VERSION + 1), "nobody turns it back");
}

#[tokio::test]
async fn a_newer_version_that_needs_newer_programs_is_refused_untouched() {
    let harness = SqliteHarness::new();
    drop(SqliteStore::open(&harness.options()).unwrap());
    expand(&harness.connection(), SCHEMA_VERSION + 1);
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

/// Every file that a release ever wrote can be opened by the next one.
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_with_what_is_in_it() {
    let harness = SqliteHarness::new();
    let connection = harness.connection();
    connection.execute_batch(include_str!("../../src/sqlite/migrations/0001_init.sql")).unwrap();
    connection.pragma_update(None, "application_id", 0x5247_5257).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let session = id("old");
    let lane = "INSERT INTO lanes (session, key, state, ready_at, run, inbox_head, created_at, updated_at)
        VALUES (?1, 'agent:main:old', 1, 1, ?2, 1, 1, 1)";
    let inbox = "INSERT INTO inbox (session, seq, message, fingerprint, accepted_at, body)
        VALUES (?1, 1, ?2, 7, 1, x'68690a')";
    let run = RunId::new();
    for sql in [lane, inbox] {
        connection.execute(sql, (session.as_bytes(), run.as_bytes())).unwrap();
    }
    let secret: String = connection
        .query_row("SELECT value FROM meta WHERE name = 'cluster_secret'", [], |r| r.get(0))
        .unwrap();
    drop(connection);
    assert_eq!(version(&harness.path()).unwrap(), Some(1));

    let store = SqliteStore::open(&harness.options()).unwrap();
    assert_eq!(version(&harness.path()).unwrap(), Some(SCHEMA_VERSION));
    assert_eq!(store.cluster_secret(), secret);
    let replica = joined(&store).await;
    let claimed = claim(&store, replica).await;
    assert_eq!((claimed.run, &claimed.message.body[..]), (run, &b"hi\n"[..]));
    assert!(store.list_schedules().await.unwrap().is_empty());
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
