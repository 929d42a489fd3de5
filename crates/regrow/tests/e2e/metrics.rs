//! What replicas tell those who watch: counts of their own, and the same load from each of them.

use std::collections::{HashMap, HashSet};

use regrow_chaos::client::Turn;
use serde_json::{Value, json};

use crate::expected;
use crate::scene::{Scene, Shared, soon, until};

/// A reply that takes 30 times 25 ms.
const SLOW: &str = "[[id=a tokens=30 delay_ms=25]]";

/// More than one claim can take, so that there is room for what is accepted meanwhile, and it is driven where it came to.
const SLOTS: u32 = 20;

/// Seconds after which a replica is gone that nobody has found to be; the default.
const LEASE: f64 = 5.0;

async fn start(shared: Shared) -> Scene {
    Scene::over(shared, 2, json!({"regrow": {"metricsPort": 0, "slots": SLOTS}})).await
}

async fn get(scene: &Scene, replica: usize, path: &str) -> (u16, String) {
    let url = format!("{}{path}", scene.cluster.metrics_url(replica).unwrap());
    let answer = soon(reqwest::get(url)).await.unwrap();
    (answer.status().as_u16(), soon(answer.text()).await.unwrap())
}

/// The samples by name and labels.
pub(crate) async fn metrics(scene: &Scene, replica: usize) -> HashMap<String, f64> {
    let (status, text) = get(scene, replica, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

async fn load(scene: &Scene, replica: usize) -> Value {
    let (status, text) = get(scene, replica, "/internal/autoscale").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn what_has_not_happened_yet_is_zero() {
    let scene = start(Shared::File).await;
    let told = metrics(&scene, 0).await;
    for name in [
        "regrow_accepted_total",
        r#"regrow_refused_total{reason="queue_full"}"#,
        r#"regrow_runs_ended_total{status="failed"}"#,
        "regrow_takeovers_total",
        r#"regrow_takeover_seconds_count{cause="crashed"}"#,
        r#"regrow_takeover_seconds_count{cause="silent"}"#,
        r#"regrow_takeover_seconds_count{cause="handed_over"}"#,
        r#"regrow_takeover_seconds_count{cause="left"}"#,
        "regrow_fenced_total",
        r#"regrow_store_errors_total{intent="accept"}"#,
        r#"regrow_store_seconds_count{intent="finish"}"#,
        r#"regrow_model_calls_total{outcome="rate_limited",provider="fake"}"#,
        r#"regrow_tokens_total{direction="output"}"#,
        r#"regrow_config_reloads_total{outcome="applied"}"#,
        r#"regrow_config_reloads_total{outcome="refused"}"#,
        "regrow_config_refused",
        "regrow_config_restart_keys",
        "regrow_lanes_ready",
        "regrow_runs_running",
        "regrow_draining",
    ] {
        assert_eq!(told.get(name), Some(&0.0), "{name}");
    }
    assert_eq!((told["regrow_ready"], told["regrow_slots_free"]), (1.0, SLOTS.into()));
    assert_eq!((told["regrow_slots"], told["regrow_replicas"]), (f64::from(2 * SLOTS), 2.0));
    assert!(told["process_resident_memory_bytes"] > 1e6);
    assert!(told.contains_key("regrow_event_loop_lag_seconds"));
    assert_eq!(get(&scene, 0, "/v1/models").await.0, 404, "this door leads nowhere else");
    let main = scene.client(0).get("/metrics").await.unwrap();
    assert_eq!(main.0, 404, "the public door does not tell");
}

/// What operators are given must not ask for what nobody tells.
#[tokio::test]
async fn alerts_and_dashboard_ask_for_what_is_told() {
    let scene = start(Shared::File).await;
    let told = metrics(&scene, 0).await;
    let names: HashSet<&str> = told.keys().filter_map(|sample| sample.split('{').next()).collect();
    let files = concat!(
        include_str!("../../../../deploy/helm/regrow/files/alerts.yaml"),
        include_str!("../../../../deploy/helm/regrow/files/dashboard.json"),
    );
    let asked = files.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let asked: HashSet<&str> =
        asked.filter(|word| word.starts_with("regrow_") || word.starts_with("process_")).collect();
    assert!(asked.len() > 20, "{asked:?}");
    assert_eq!(asked.difference(&names).collect::<Vec<_>>(), Vec::<&&str>::new());
}

async fn count_a_takeover(shared: Shared) {
    let mut scene = start(shared).await;
    let turn = Turn::user(SLOW).once("key");
    let lost = scene.ask_later(0, &turn);
    scene.model_at("a", 5).await;
    let [here, there] = [load(&scene, 0).await, load(&scene, 1).await];
    assert_eq!(here["running"], 1);
    assert_eq!(here, there, "the load is that of all");
    assert_eq!(
        (&here["slots"], &here["replicas"], &here["ready"]),
        (&json!(2 * SLOTS), &json!(2), &json!(0))
    );
    assert!((here["load"].as_f64().unwrap() - 1.0 / f64::from(SLOTS)).abs() < 1e-9, "{here}");
    assert_eq!(metrics(&scene, 0).await["regrow_runs_running"], 1.0);

    scene.kill(0).await;
    assert!(soon(lost).await.unwrap().is_err());
    let reply = scene.ask(1, &turn).await;
    expected::whole(&reply, &expected::text("a", &["a"], 30));
    let told = metrics(&scene, 1).await;
    for (name, wanted) in [
        ("regrow_takeovers_total", 1.0),
        (r#"regrow_takeover_seconds_count{cause="crashed"}"#, 1.0),
        (r#"regrow_takeover_seconds_count{cause="silent"}"#, 0.0),
        ("regrow_replicas_lost_total", 1.0),
        ("regrow_runs_resumed_total", 1.0),
        ("regrow_duplicates_total", 1.0),
        ("regrow_accepted_total", 0.0),
        (r#"regrow_runs_ended_total{status="done"}"#, 1.0),
        (r#"regrow_store_seconds_count{intent="finish"}"#, 1.0),
        (r#"regrow_model_calls_total{outcome="ok",provider="fake"}"#, 1.0),
        ("regrow_model_call_seconds_count", 1.0),
    ] {
        assert_eq!(told[name], wanted, "{name}");
    }
    let stood_still = told[r#"regrow_takeover_seconds_sum{cause="crashed"}"#];
    assert!(stood_still > 0.0 && stood_still < LEASE, "{stood_still}");
    until(async || (load(&scene, 1).await["running"] == 0).then_some(())).await;
    assert_eq!(load(&scene, 1).await["replicas"], 1);
}

#[tokio::test]
async fn a_takeover_is_counted() {
    count_a_takeover(Shared::File).await;
}

#[tokio::test]
async fn a_takeover_on_postgres_is_counted() {
    count_a_takeover(Shared::Postgres).await;
}

async fn count_a_hand_over(shared: Shared) {
    let config = json!({"regrow": {"metricsPort": 0, "slots": SLOTS, "drainSeconds": 0}});
    let mut scene = Scene::over(shared, 2, config).await;
    let turn = Turn::user(SLOW).once("key");
    let lost = scene.ask_later(0, &turn);
    scene.model_at("a", 5).await;
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    drop(soon(lost).await.unwrap());
    expected::whole(&scene.ask(1, &turn).await, &expected::text("a", &["a"], 30));
    let told = metrics(&scene, 1).await;
    for (cause, wanted) in [("handed_over", 1.0), ("crashed", 0.0), ("silent", 0.0), ("left", 0.0)] {
        assert_eq!(told[&format!(r#"regrow_takeover_seconds_count{{cause="{cause}"}}"#)], wanted, "{cause}");
    }
    let stood_still = told[r#"regrow_takeover_seconds_sum{cause="handed_over"}"#];
    assert!(stood_still < LEASE, "{stood_still}");
}

#[tokio::test]
async fn a_hand_over_is_counted() {
    count_a_hand_over(Shared::File).await;
}

#[tokio::test]
async fn a_hand_over_on_postgres_is_counted() {
    count_a_hand_over(Shared::Postgres).await;
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let scene = Scene::over(Shared::File, 1, json!({"regrow": {"metricsPort": 0, "maxQueued": 1}})).await;
    let live = scene.open(0, &Turn::user(SLOW).streamed().in_session("s")).await;
    let refused = scene.ask(0, &Turn::user("[[id=b]]").in_session("s")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(metrics(&scene, 0).await[r#"regrow_refused_total{reason="queue_full"}"#], 1.0);
    assert!(soon(live.finish()).await.is_ok());
}
