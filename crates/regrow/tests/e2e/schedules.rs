//! Schedules on real replicas: each tick is one run, whichever replica fires it and whichever is killed.

use std::collections::HashSet;

use regrow_protocol::{RunId, SessionId, SessionKey};
use regrow_store::{Accept, Accepted, Store};
use serde_json::{Value, json};

use crate::scene::{Output, Scene, Shared, until};

/// Adds a schedule and returns it as it is shown.
async fn add(scene: &Scene, options: &[&str]) -> Value {
    let all: Vec<&str> = ["cron", "add", "--json"].iter().chain(options).copied().collect();
    let added = scene.command(&all).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    added.json().remove(0)
}

fn text<'a>(shown: &'a Value, name: &str) -> &'a str {
    shown[name].as_str().unwrap()
}

/// The run of a tick, by its key; nothing is written.
async fn run_of_tick(store: &dyn Store, session: &SessionKey, id: &str, due_at: i64) -> Option<RunId> {
    let question = Accept {
        session: session.clone(),
        message: RunId::new(),
        dedupe: Some(format!("schedule:{id}:{due_at}")),
        fingerprint: 0,
        body: Vec::new(),
        cap: 0,
        claim_for: None,
    };
    match store.accept(question).await.unwrap() {
        Accepted::Duplicate { message, .. } => Some(message),
        _ => None,
    }
}

async fn tick_while_replicas_are_killed(shared: Shared) {
    let mut scene = Scene::over(shared, 3, json!({})).await;
    let shown = add(&scene, &["--name", "tick", "--every", "1s", "--message", "[[id=tick]]"]).await;
    let (id, session) = (text(&shown, "id"), text(&shown, "sessionKey").parse::<SessionKey>().unwrap());
    let first = shown["state"]["nextRunAtMs"].as_i64().unwrap();
    let store = scene.store().await;
    let runs = async || {
        let runs = store.list_runs(Some(SessionId::of(&session)), 1_000).await.unwrap();
        runs.iter().map(|view| view.run).collect::<Vec<_>>()
    };
    let at_least = async |count: usize| until(async || (runs().await.len() >= count).then_some(())).await;
    at_least(2).await;
    for killed in [0, 1] {
        scene.kill(killed).await;
        let before = runs().await.len();
        at_least(before + 3).await;
    }
    let disabled = scene.command(&["cron", "disable", "tick"]).await;
    assert_eq!(disabled.code, Some(0), "{disabled:?}");

    let (runs, mut of_ticks) = (runs().await, HashSet::new());
    let last = store.due_schedules(0).await.unwrap().now;
    for tick in (first..=last).step_by(1_000) {
        of_ticks.extend(run_of_tick(&*store, &session, id, tick).await);
    }
    assert_eq!(of_ticks, runs.iter().copied().collect(), "each run is that of one tick");
    for run in &runs {
        assert_eq!(
            (scene.ended(&run.to_string()).await, scene.ends(&run.to_string()).await),
            ("done".to_owned(), 1)
        );
    }
}

#[tokio::test]
async fn each_tick_is_one_run_while_replicas_are_killed() {
    tick_while_replicas_are_killed(Shared::File).await;
}

#[tokio::test]
async fn each_tick_is_one_run_while_replicas_on_postgres_are_killed() {
    tick_while_replicas_are_killed(Shared::Postgres).await;
}

#[tokio::test]
async fn a_schedule_is_made_run_and_removed_from_the_command_line() {
    let scene = Scene::start(1).await;
    let daily =
        ["--cron", "30 6 * * *", "--tz", "Asia/Kathmandu", "--message", "[[id=a]]", "--session", "main"];
    let shown = add(&scene, &[&["--name", "daily"], &daily[..]].concat()).await;
    assert_eq!((text(&shown, "sessionKey"), text(&shown, "status")), ("agent:main:main", "idle"));
    let list = async || -> Output { scene.command(&["cron", "list"]).await };
    assert!(list().await.out.contains(" 06:30:00 Asia/Kathmandu"), "{:?}", list().await);

    let fired = scene.command(&["cron", "run", "daily"]).await;
    assert_eq!(fired.code, Some(0), "{fired:?}");
    let run = fired.out.split_whitespace().next().unwrap();
    assert_eq!(scene.ended(run).await, "done");
    let listed = scene.command(&["cron", "list", "--json"]).await.json().remove(0);
    assert_eq!((text(&listed, "status"), text(&listed["state"], "lastRunId")), ("ok", run));
    assert_eq!(listed["state"]["nextRunAtMs"], shown["state"]["nextRunAtMs"], "its plan stays as it is");

    for (command, status) in [("disable", "disabled"), ("enable", "ok")] {
        assert_eq!(scene.command(&["cron", command, text(&shown, "id")]).await.code, Some(0));
        let listed = scene.command(&["cron", "list", "--json"]).await.json().remove(0);
        assert_eq!(text(&listed, "status"), status);
        assert_eq!(listed["state"]["nextRunAtMs"].is_i64(), command == "enable");
    }
    add(&scene, &[&["--name", "daily"], &daily[..]].concat()).await;
    let unclear = scene.command(&["cron", "remove", "daily"]).await;
    assert!(unclear.code == Some(1) && unclear.err.contains("2 schedules"), "{unclear:?}");
    assert_eq!(scene.command(&["cron", "remove", text(&shown, "id")]).await.code, Some(0));
    assert_eq!(scene.command(&["cron", "remove", "daily"]).await.code, Some(0));
    assert!(scene.command(&["cron", "list", "--json"]).await.out.is_empty());
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_with_the_place_and_the_reason() {
    let scene = Scene::start(1).await;
    for (options, code, reason) in [
        (&["--cron", "0 25 * * *"][..], 1, "  0 25 * * *\n    ^^ column 3"),
        (&["--cron", "0 9 * *"], 1, "has 4 fields"),
        (&["--cron", "0 0 30 2 *"], 1, "in the future"),
        (&["--cron", "0 9 * * *", "--tz", "Mars/Base"], 1, "no time zone `Mars/Base`"),
        (&["--every", "999ms"], 1, "the least is 1s"),
        (&["--at", "2001-01-01"], 1, "in the future"),
        (&["--at", "tomorrow"], 1, "is not a time"),
        (&["--every", "1m", "--agent", "nobody"], 1, "no agent `nobody`"),
        (&["--every", "1m", "--session", "cron:x"], 1, "is reserved"),
        (&["--every", "1m", "--tz", "UTC"], 2, "cannot be used with"),
        (&["--every", "1m", "--at", "20m"], 2, "cannot be used with"),
        (&[], 2, "--at <TIME>"),
    ] {
        let named = ["cron", "add", "--name", "n", "--message", "m"];
        let refused = scene.command(&[&named, options].concat()).await;
        assert!(refused.code == Some(code) && refused.err.contains(reason), "{options:?}: {refused:?}");
    }
    assert!(scene.command(&["cron", "list", "--json"]).await.out.is_empty());
}
