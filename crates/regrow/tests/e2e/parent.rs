//! A replica and the process that started it.

use std::path::Path;

use regrow::replica_process::{Launch, ReplicaProcess};

use crate::scene::{PROGRAM, soon};

async fn start(directory: &Path) -> ReplicaProcess {
    let config = directory.join("openclaw.json");
    std::fs::write(&config, "{}").unwrap();
    let launch = Launch {
        program: PROGRAM.into(),
        config,
        state_dir: directory.to_owned(),
        store: format!("sqlite:{}", directory.join("regrow.db").display()),
        log_dir: directory.to_owned(),
        env: Vec::new(),
    };
    let mut replica = launch.spawn("replica").unwrap();
    soon(replica.await_ready()).await.unwrap();
    replica
}

#[tokio::test]
async fn a_replica_ends_in_order_when_its_parent_lets_go_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut replica = start(directory.path()).await;
    replica.release();
    assert_eq!(soon(replica.exited()).await.unwrap().code(), Some(0), "{}", replica.log());
}

#[tokio::test]
async fn letting_go_of_a_replica_that_ends_does_not_hurry_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut replica = start(directory.path()).await;
    replica.terminate().unwrap();
    replica.release();
    assert_eq!(soon(replica.exited()).await.unwrap().code(), Some(0), "{}", replica.log());
}
