//! A process that stands still in the middle of a transaction: one of a replica is ended when its lease is over, any
//! other is left alone.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regrow_protocol::ReplicaId;
use regrow_store::sqlite::{Options, SqliteStore};
use regrow_store::{Replica, Store};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::conformance::scene::joined;
use crate::harness::SqliteHarness;

/// Names the store to the process that stands still, and says whether it is to be a replica of it.
const PATH: &str = "REGROW_TEST_STORE";
const JOINS: &str = "REGROW_TEST_JOINS";

/// Runs out while the others wait.
const LEASE: Duration = Duration::from_millis(500);

async fn join(store: &SqliteStore) -> ReplicaId {
    let (id, address, version) = (ReplicaId::new(), String::new(), String::new());
    store.join(&Replica { id, address, version, slots: 1, lease: LEASE }).await.unwrap();
    id
}

/// What the process that stands still does. The tests start it; by itself it is none.
#[tokio::test]
async fn a_holder() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let store = SqliteStore::open(&Options::new(&path)).unwrap();
    if std::env::var_os(JOINS).is_some() {
        join(&store).await;
    }
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    println!("it holds");
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts a process that holds the write lock, and stops it.
fn standing_still(path: &Path, joins: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "stopped::a_holder", "--nocapture"]).env(PATH, path);
    if joins {
        command.env(JOINS, "1");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("it holds")));
    kill_process(pid(&child), Signal::STOP).unwrap();
    child
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stands_still_is_ended_when_its_lease_is_over() {
    let harness = SqliteHarness::new();
    let store = SqliteStore::open(&Options::new(harness.path())).unwrap();
    let living = joined(&store).await;
    let mut child = standing_still(&harness.path(), true);
    // On a busy machine one beat may have to give up.
    while store.heartbeat(living).await.is_err() {}
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    assert_eq!(store.reap().await.unwrap().replicas.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_left_alone_whatever_is_written_of_it() {
    let harness = SqliteHarness::new();
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&Options::new(harness.path())).unwrap());
    let (living, peer) = (joined(&store).await, join(&peers).await);
    let mut child = standing_still(&harness.path(), false);
    // In a process namespace of its own the peer may have the same number.
    let lock = harness.path().with_file_name(format!("store.db.replicas/{peer}.lock"));
    std::fs::write(lock, child.id().to_string()).unwrap();
    store.heartbeat(living).await.unwrap_err();
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    store.heartbeat(living).await.unwrap();
}
