//! A file that cannot be used for a while, or at all: the caller can tell, and the store works again when it can.

use std::time::Duration;

use futures_util::FutureExt;
use regrow_store::sqlite::SqliteStore;
use regrow_store::{Accept, Accepted, Error, Store};

use crate::conformance::scene::{accept, id, keyed, message};
use crate::harness::SqliteHarness;

#[tokio::test]
async fn a_place_that_cannot_hold_the_file_is_unavailable() {
    let harness = SqliteHarness::new();
    let occupied = harness.path().with_file_name("occupied");
    std::fs::write(&occupied, "a file").unwrap();
    let directory = harness.path().with_file_name("directory.db");
    std::fs::create_dir(&directory).unwrap();
    for path in [occupied.join("store.db"), "/proc/regrow/store.db".into(), directory] {
        let mut options = harness.options();
        options.path = path.clone();
        let error = SqliteStore::open(&options).unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains(&*path.parent().unwrap().to_string_lossy()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_holds_the_file_makes_others_unavailable_and_is_outlived() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    accept(&store, keyed("a", "first")).await;
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = keyed("a", "second");
    let error = store.accept(refused.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("holds the database")), "{error:?}");
    // Readers need no writer.
    assert_eq!(store.find_session(id("a")).await.unwrap().unwrap().messages, 1);
    blocker.execute_batch("COMMIT").unwrap();
    assert_eq!(accept(&store, Accept { cap: 2, ..refused }).await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_waited_too_long_is_refused_and_not_done() {
    let harness = SqliteHarness::new();
    let mut options = harness.options();
    options.patience = Duration::from_millis(20);
    let store = SqliteStore::open(&options).unwrap();
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The passing of time is what is tested: the thread takes the first intent and waits for the file with it; the
    // second stays in the queue for longer than it may.
    let mut first = store.accept(message("first"));
    assert!((&mut first).now_or_never().is_none());
    tokio::time::sleep(10 * options.patience).await;
    let mut second = store.accept(message("second"));
    assert!((&mut second).now_or_never().is_none());
    tokio::time::sleep(10 * options.patience).await;
    blocker.execute_batch("COMMIT").unwrap();
    let answer = second.await;
    assert!(matches!(&answer, Err(Error::Unavailable(why)) if why.contains("busy")), "{answer:?}");
    assert!(matches!(first.await.unwrap(), Accepted::New { seq: 1, .. }));
    assert_eq!(store.find_session(id("second")).await.unwrap(), None);
}
