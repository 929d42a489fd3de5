//! Hints between processes: they arrive without anybody polling.

use std::time::Duration;

use regrow_store::sqlite::SqliteStore;
use regrow_store::{Hint, Store};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::conformance::scene::{accept, claim, end, id, joined, message};
use crate::harness::SqliteHarness;

async fn await_hint(hints: &mut Receiver<Hint>, want: Hint) {
    let arrival = async { while hints.recv().await.unwrap() != want {} };
    timeout(Duration::from_secs(10), arrival).await.unwrap_or_else(|_| panic!("{want:?} did not arrive"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_reach_other_processes() {
    let harness = SqliteHarness::new();
    let [sender, receiver] = [(); 2].map(|()| SqliteStore::open(&harness.options()).unwrap());
    let replica = joined(&receiver).await;
    let mut hints = receiver.hints();
    accept(&sender, message("a")).await;
    await_hint(&mut hints, Hint::Ready).await;
    let claimed = claim(&receiver, replica).await;
    sender.abort(claimed.run).await.unwrap();
    await_hint(&mut hints, Hint::Abort(id("a"))).await;
    sender.finish(&claimed, &end(false)).await.unwrap();
    await_hint(&mut hints, Hint::Session(id("a"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_reach_the_own_process() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&harness.options()).unwrap();
    let mut hints = store.hints();
    accept(&store, message("a")).await;
    await_hint(&mut hints, Hint::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_the_dead_are_removed_and_disturb_nobody() {
    let harness = SqliteHarness::new();
    let sender = SqliteStore::open(&harness.options()).unwrap();
    let peers = harness.path().with_file_name("store.db.replicas");
    let stale = peers.join(format!("{}.sock", regrow_protocol::ReplicaId::new()));
    drop(std::os::unix::net::UnixDatagram::bind(&stale).unwrap());
    std::fs::write(stale.with_extension("lock"), "").unwrap();
    let receiver = SqliteStore::open(&harness.options()).unwrap();
    joined(&receiver).await;
    let mut hints = receiver.hints();
    accept(&sender, message("a")).await;
    await_hint(&mut hints, Hint::Ready).await;
    sender.reap().await.unwrap();
    assert!(!stale.exists() && !stale.with_extension("lock").exists());
}
