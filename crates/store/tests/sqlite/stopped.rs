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

/// Names the store to the process that stands still, and says what it is to be of it.
const PATH: &str = "REGROW_TEST_STORE";
const ROLE: &str = "REGROW_TEST_ROLE";

/// What the process that stands still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A replica.
    Replica,
    /// A replica that the store does not know: it is about to join, or was given up and does not know yet.
    Unknown,
    /// None.
    Stranger,
}

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
    let role = std::env::var(ROLE).unwrap();
    let connection = Connection::open(&path).unwrap();
    if role != format!("{:?}", Role::Stranger) {
        let id = join(&store).await;
        if role == format!("{:?}", Role::Unknown) {
            connection.execute("DELETE FROM replicas WHERE replica = ?1", [id.as_bytes()]).unwrap();
        }
    }
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    println!("it holds");
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts a process that holds the write lock, and stops it.
fn standing_still(path: &Path, role: Role) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "stopped::a_holder", "--nocapture"]);
    command.env(PATH, path).env(ROLE, format!("{role:?}"));
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
    for role in [Role::Replica, Role::Unknown] {
        let harness = SqliteHarness::new();
        let store = SqliteStore::open(&Options::new(harness.path())).unwrap();
        let living = join(&store).await;
        let mut child = standing_still(&harness.path(), role);
        // On a busy machine a beat may have to give up.
        let beat = async { while store.heartbeat(living).await.is_err() {} };
        let through = tokio::time::timeout(Duration::from_secs(15), beat).await;
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
        assert!(through.is_ok(), "{role:?}");
        let reaped = store.reap().await.unwrap().replicas;
        assert_eq!(reaped.len(), usize::from(role == Role::Replica), "{reaped:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_left_alone_whatever_is_written_of_it() {
    let harness = SqliteHarness::new();
    let [store, peers] = [(); 2].map(|()| SqliteStore::open(&Options::new(harness.path())).unwrap());
    let (living, peer) = (joined(&store).await, join(&peers).await);
    let mut child = standing_still(&harness.path(), Role::Stranger);
    // In a process namespace of its own the peer may have the same number.
    let lock = harness.path().with_file_name(format!("store.db.replicas/{peer}.lock"));
    std::fs::write(lock, child.id().to_string()).unwrap();
    store.heartbeat(living).await.unwrap_err();
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    store.heartbeat(living).await.unwrap();
}
