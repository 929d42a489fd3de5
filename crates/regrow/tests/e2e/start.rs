//! Starts that cannot work end with 78, and with words that help.

use std::fs;
use std::net::TcpListener;

use crate::scene::{Output, run};

/// The exit code that tells service managers not to try again.
const UNUSABLE: i32 = 78;

/// Starts a replica on a state directory of its own, with this configuration if there is one.
async fn start(config: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("openclaw.json");
    fs::write(&path, config).unwrap();
    let own = ["--config", path.to_str().unwrap(), "--state-dir", directory.path().to_str().unwrap()];
    run(["serve"].iter().chain(arguments).chain(&own)).await
}

fn unusable(output: &Output, says: &[&str]) {
    assert_eq!(output.code, Some(UNUSABLE), "{output:?}");
    for words in says {
        assert!(output.err.contains(words), "`{words}` is missing in:\n{}", output.err);
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = start("{}", &["--port", &port.to_string()]).await;
    unusable(&output, &["in use", &format!("--port {}", port.wrapping_add(1))]);
}

#[tokio::test]
async fn all_problems_of_a_configuration_are_said_at_once() {
    let config = "{\n  gateway: { prot: 1, bind: 'lam' },\n  models: { providers: { p: { models: [] } } },\n  zzz: 1,\n}";
    let output = start(config, &["--port", "0"]).await;
    unusable(&output, &["gateway.prot", "`port`", "gateway.bind", "models.providers.p", "zzz", ":4:"]);
}

#[tokio::test]
async fn what_would_be_open_to_everybody_does_not_start() {
    let output = start("{ gateway: { auth: { mode: 'none' } } }", &["--port", "0", "--bind", "lan"]).await;
    unusable(&output, &["gateway.auth"]);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    let letter =
        "Dear reader, this is not a database, and it is long enough to be mistaken for one.\n".repeat(20);
    fs::write(&path, &letter).unwrap();
    let output = start("{}", &["--port", "0", "--store", &format!("sqlite:{}", path.display())]).await;
    unusable(&output, &["letter.txt"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn a_new_store_is_made_once_by_those_who_come_together() {
    for _ in 0..8 {
        let directory = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", directory.path().join("new.sqlite").display());
        let arguments = ["migrate", "--store", &store, "--state-dir", directory.path().to_str().unwrap()];
        let (first, second, third) = tokio::join!(run(arguments), run(arguments), run(arguments));
        for output in [first, second, third] {
            assert_eq!(output.code, Some(0), "{output:?}");
        }
    }
}
