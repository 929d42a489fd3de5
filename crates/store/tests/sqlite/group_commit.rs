//! One transaction for many intents: what fails alone must fail alone.

use std::sync::Arc;

use futures_util::FutureExt;
use regrow_store::sqlite::SqliteStore;
use regrow_store::{Accept, Accepted, Store};

use crate::conformance::scene::{accept, id, message};
use crate::harness::SqliteHarness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_intent_does_not_fail_its_neighbours() {
    let harness = SqliteHarness::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&harness.options()).unwrap());
    let taken = message("first");
    accept(&*store, taken.clone()).await;
    // While another process writes, intents gather behind the first one and share the next transaction.
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = Vec::new();
    for n in 0..60 {
        // A message id is unique over all sessions: the database itself refuses the second.
        let bad = n % 20 == 10;
        let good = message("second");
        let intent = if bad { Accept { message: taken.message, ..good } } else { good };
        let store = Arc::clone(&store);
        tasks.push((bad, tokio::spawn(async move { store.accept(intent).await })));
    }
    tokio::task::yield_now().await;
    blocker.execute_batch("COMMIT").unwrap();
    for (bad, task) in tasks {
        let answer = task.await.unwrap();
        assert_eq!(matches!(answer, Ok(Accepted::New { .. })), !bad, "{answer:?}");
    }
    let session = store.find_session(id("second")).await.unwrap().unwrap();
    assert_eq!((session.messages, session.waiting), (57, 57));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_whose_caller_has_gone_is_done_or_not_done() {
    let harness = SqliteHarness::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&harness.options()).unwrap());
    let blocker = harness.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let question = message("a");
    let mut call = store.accept(question.clone());
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    blocker.execute_batch("COMMIT").unwrap();
    // Whichever it was, asking again leads to the one message.
    let again = store.accept(question.clone()).await.unwrap();
    assert!(matches!(again, Accepted::New { seq: 1, .. } | Accepted::Duplicate { seq: 1, .. }), "{again:?}");
    assert_eq!(store.find_session(id("a")).await.unwrap().unwrap().messages, 1);
}
