//! What is wrong is said, with what to do about it, and nothing is changed by looking.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use regrow_store::sqlite::SCHEMA_VERSION;
use serde_json::Value;

use crate::scene::{Output, Scene, run};

/// The exit code for what starting again does not help against.
const UNUSABLE: i32 = 78;

/// The level of a check, and what was found.
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["check"] == name).expect(name);
    (found["level"].as_str().unwrap(), found["found"].as_str().unwrap())
}

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.out).expect(&output.err)
}

/// The doctor on a state directory of its own.
async fn alone(config: &str, arguments: &[&str]) -> (tempfile::TempDir, Output) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("openclaw.json");
    fs::write(&path, config).unwrap();
    let own = ["--config", path.to_str().unwrap(), "--state-dir", directory.path().to_str().unwrap()];
    let output = run(["doctor"].iter().chain(arguments).chain(&own)).await;
    (directory, output)
}

#[tokio::test]
async fn a_cluster_in_order_has_no_problem() {
    let scene = Scene::start(2).await;
    let config = scene.cluster.directory().join("openclaw.json");
    for (mode, want) in [(0o644, "warning"), (0o600, "ok")] {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let output = scene.command(&["doctor", "--json"]).await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(check(&report(&output), "secrets").0, want);
    }
    let output = scene.command(&["doctor", "--json", "--deep"]).await;
    let seen = report(&output);
    assert_eq!(output.code, Some(0), "{output:?}");
    for name in ["configuration", "store", "contents", "permissions", "clock", "replicas", "backlog", "peers"]
    {
        assert_eq!(check(&seen, name).0, "ok", "{seen:#}");
    }
    assert_eq!(check(&seen, "model"), ("ok", "fake/fake-1; its provider answers"));
    let store = &seen["store"];
    assert_eq!((store["backEnd"].as_str(), store["schema"].as_i64()), (Some("SQLite"), Some(SCHEMA_VERSION)));
    for kind in ["reads", "commits"] {
        let (median, worst) = (&store[kind]["medianMs"], &store[kind]["worstMs"]);
        assert!(0.0 < median.as_f64().unwrap() && median.as_f64() <= worst.as_f64(), "{store}");
    }
    let mut ids: Vec<&str> = store["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| seen["replicaId"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut living = [0, 1].map(|index| scene.cluster.replica_id(index).unwrap());
    living.sort_unstable();
    assert_eq!(ids, living);
    assert_eq!(scene.command(&["replicas", "--json"]).await.json().len(), 2, "the doctor has left");
    let table = scene.command(&["doctor"]).await;
    assert!(table.code == Some(0) && table.out.contains("2 alive"), "{table:?}");
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_a_problem_among_other_findings() {
    let letter = tempfile::NamedTempFile::new().unwrap();
    let text = "This is a letter and no database, and long enough to be taken for one.\n".repeat(20);
    fs::write(letter.path(), &text).unwrap();
    let below = letter.path().join("regrow.db");
    for (path, says) in [(letter.path(), "not a database"), (&*below, "not a directory")] {
        let store = format!("sqlite:{}", path.display());
        let (_directory, output) = alone("{}", &["--json", "--store", &store]).await;
        assert_eq!(output.code, Some(UNUSABLE), "{output:?}");
        let seen = report(&output);
        let (level, found) = check(&seen, "store");
        assert!(level == "problem" && found.contains(says), "{seen:#}");
        assert_eq!((check(&seen, "configuration").0, &seen["store"]), ("ok", &Value::Null));
    }
    assert_eq!(fs::read_to_string(letter.path()).unwrap(), text);
    let store = format!("sqlite:{}", letter.path().display());
    let (_directory, output) = alone("{}", &["--store", &store]).await;
    assert!(output.code == Some(UNUSABLE) && output.out.contains("1 to correct"), "{output:?}");
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_not_made() {
    let (directory, output) = alone("{}", &["--json"]).await;
    let seen = report(&output);
    assert_eq!((output.code, check(&seen, "store").0), (Some(0), "warning"), "{seen:#}");
    assert_eq!(check(&seen, "model"), ("ok", "demo/demo, built in"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "only the configuration is there");
}

#[tokio::test]
async fn a_configuration_with_problems_is_one_itself() {
    let (_directory, output) = alone("{ zzz: 1 }", &["--json"]).await;
    let seen = report(&output);
    let (level, found) = check(&seen, "configuration");
    assert_eq!((output.code, level), (Some(UNUSABLE), "problem"), "{seen:#}");
    assert!(found.contains("zzz") && seen["level"] == "problem", "{seen:#}");
}
