//! `regrow demo`: what it shows is true, and it leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, test_kill_process};
use serde_json::Value;
use tokio::process::Command;

use crate::scene::{PROGRAM, soon, until};

/// The program with these arguments, whose temporary files go into `directory`.
fn demo(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").args(arguments).env("TMPDIR", directory).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// The processes that have told that they serve.
fn replicas(directory: &Path) -> Vec<Pid> {
    let all = files(directory).into_iter().flat_map(|directory| files(&directory));
    let ready = all.filter(|path| path.extension().is_some_and(|extension| extension == "ready"));
    let pid = |path: PathBuf| {
        let ready: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Pid::from_raw(i32::try_from(ready["pid"].as_i64().unwrap()).unwrap()).unwrap()
    };
    ready.map(pid).collect()
}

#[tokio::test]
async fn replicas_die_and_every_promise_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--conversations", "24", "--seconds", "5", "--seed", "7", "--json"];
    let output = soon(demo(directory.path(), &arguments).output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert!(count("conversations") >= 6 && count("accepted") >= 3 * count("conversations"), "{report}");
    assert_eq!(count("answered"), count("accepted"), "{report}");
    for none in ["lost", "duplicated", "outOfOrder", "staleWrites", "refused"] {
        assert_eq!(count(none), 0, "{none}: {report}");
    }
    assert!(count("kills") >= 2 && count("takeovers") > 0 && count("continued") > 0, "{report}");
    assert_eq!(count("askedAgain"), 2 * count("answered"), "{report}");
    let takeover = |name: &str| report["takeoverMs"][name].as_f64().unwrap();
    assert!(takeover("p50") > 0.0 && takeover("p50") <= takeover("max"), "{report}");
    assert_eq!((report["verdict"].as_str(), report["directory"].is_null()), (Some("kept"), true));
    assert!(files(directory.path()).is_empty(), "nothing is left");
}

#[tokio::test]
async fn its_replicas_end_with_it_when_it_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo = demo(directory.path(), &[]).stderr(Stdio::null()).spawn().unwrap();
    let replicas = until(async || Some(replicas(directory.path())).filter(|found| found.len() >= 3)).await;
    assert!(replicas.iter().all(|pid| test_kill_process(*pid).is_ok()));
    soon(demo.kill()).await.unwrap();
    until(async || replicas.iter().all(|pid| test_kill_process(*pid).is_err()).then_some(())).await;
}
