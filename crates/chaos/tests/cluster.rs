//! The cluster's hold on its processes, with a stand-in program that keeps the contract of `regrow serve`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use regrow_chaos::cluster::{Cluster, Options};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Becomes ready as `regrow serve` does, ends with 7 on SIGTERM, and otherwise stays. It waits on a pipe that nobody
/// writes to, because a child process would outlive its SIGKILL.
const PROGRAM: &str = r#"#!/bin/sh
trap 'exit 7' TERM
echo "arguments: $*"
mkfifo "$REGROW_READY_FILE.pipe"
exec 3<>"$REGROW_READY_FILE.pipe"
echo "{\"address\":\"127.0.0.1:1\",\"replica\":\"replica-$$\",\"pid\":$$}" > "$REGROW_READY_FILE.new"
mv "$REGROW_READY_FILE.new" "$REGROW_READY_FILE"
read -r line <&3
"#;

fn program(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("regrow");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (directory, path)
}

async fn start(replicas: usize) -> (TempDir, Cluster) {
    let (directory, binary) = program(PROGRAM);
    let options = Options {
        replicas,
        extra_config: json!({"regrow": {"slots": 3}}),
        ..Options::new(binary, "http://127.0.0.1:9/v1")
    };
    (directory, Cluster::start(options).await.unwrap())
}

fn is_alive(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}

/// The state letter of a process: `S` sleeps, `T` is stopped.
fn state(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().take(1).collect()
}

fn config(directory: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join("openclaw.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn starts_replicas_over_one_configuration_and_store() {
    let (_program, cluster) = start(2).await;
    assert_eq!(cluster.base_url(1).unwrap(), "http://127.0.0.1:1/v1");
    assert_eq!(cluster.replica_id(0).unwrap(), format!("replica-{}", cluster.pid(0).unwrap()));
    assert_ne!(cluster.pid(0).unwrap(), cluster.pid(1).unwrap());
    assert!(cluster.started_in(0).unwrap().as_nanos() > 0);

    let config = config(cluster.directory());
    assert_eq!(config["gateway"]["auth"]["token"], cluster.token());
    assert_eq!(config["regrow"]["slots"], 3);
    let root = cluster.directory().display();
    let arguments = format!(
        "arguments: serve --config {root}/openclaw.json --state-dir {root}/state \
         --store sqlite:{root}/state/regrow.sqlite --port 0\n"
    );
    assert_eq!(cluster.logs(), format!("--- replica-0.0.log\n{arguments}--- replica-1.0.log\n{arguments}"));
}

#[tokio::test]
async fn kills_pauses_restarts_and_terminates_one_by_one() {
    let (_program, mut cluster) = start(2).await;
    let (first, second) = (cluster.pid(0).unwrap(), cluster.pid(1).unwrap());

    cluster.pause(1).unwrap();
    assert_eq!(state(second), "T");
    cluster.resume(1).unwrap();

    cluster.kill(0).await.unwrap();
    assert!(!is_alive(first) && is_alive(second));
    assert!(cluster.base_url(0).is_err() && cluster.pause(0).is_err());

    cluster.restart(0).await.unwrap();
    assert_ne!(cluster.pid(0).unwrap(), first);
    assert_eq!(cluster.terminate(0).await.unwrap(), Some(7));
    assert!(cluster.pid(0).is_err());
    cluster.kill(0).await.unwrap();
}

#[tokio::test]
async fn dropping_a_cluster_leaves_no_process_and_no_directory() {
    let (_program, cluster) = start(2).await;
    let (running, paused) = (cluster.pid(0).unwrap(), cluster.pid(1).unwrap());
    cluster.pause(1).unwrap();
    let directory = cluster.directory().to_owned();
    drop(cluster);
    assert!(!is_alive(running) && !is_alive(paused) && !directory.exists());
}

#[tokio::test]
async fn a_replica_that_cannot_start_shows_its_log() {
    let (_program, binary) = program("#!/bin/sh\necho 'no such store' >&2\nexit 3\n");
    let error = Cluster::start(Options::new(binary, "http://127.0.0.1:9/v1")).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("exit status: 3") && text.contains("no such store"), "{text}");
}
