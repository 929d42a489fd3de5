//! What the API server is answered.

use serde_json::json;
use tempfile::TempDir;

use crate::scene::{ROOT, Scene, accept, join, read, refused, soon, sqlite};

/// Three sessions that wait and one that runs, on two replicas with 4 slots each and one that is leaving.
async fn busy() -> (Scene, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path());
    let first = join(&*store, 4).await;
    join(&*store, 4).await;
    let leaving = join(&*store, 4).await;
    store.drain(leaving).await.unwrap();
    accept(&*store, "running", Some(first)).await;
    for waiting in ["a", "b", "c"] {
        accept(&*store, waiting, None).await;
    }
    let load = store.load().await.unwrap();
    assert_eq!((load.ready, load.running), (3, 1));
    (Scene::over(store).await, directory)
}

#[tokio::test]
async fn figures_are_those_of_the_store() {
    let (scene, _store) = busy().await;
    for (metric, value) in [
        ("regrow_load", "1"),
        ("regrow_lanes_ready", "3"),
        ("regrow_lanes_running", "1"),
        ("regrow_slots", "8"),
        ("regrow_replicas", "2"),
    ] {
        assert_eq!(scene.value(metric).await.as_deref(), Some(value), "{metric}");
    }
    let age = scene.value("regrow_oldest_ready_seconds").await.unwrap();
    let milliseconds: u64 = age
        .strip_suffix('m')
        .map_or_else(|| age.parse::<u64>().unwrap() * 1000, |milliseconds| milliseconds.parse().unwrap());
    assert!((1..60_000).contains(&milliseconds), "{age}");
}

#[tokio::test]
async fn a_value_is_an_item_with_labels_and_a_time() {
    let (scene, _store) = busy().await;
    let (status, list) = scene.ask(&format!("{ROOT}/namespaces/agents/regrow_lanes_ready")).await;
    assert_eq!(status, 200);
    let time = &list["items"][0]["timestamp"];
    let text = time.as_str().unwrap();
    assert!(text.len() == "2026-01-02T03:04:05Z".len() && text.ends_with('Z'), "{text}");
    assert_eq!(
        list,
        json!({
            "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {},
            "items": [{
                "metricName": "regrow_lanes_ready", "metricLabels": {"release": "blue"}, "timestamp": time, "value": "3",
            }],
        })
    );
}

#[tokio::test]
async fn namespaces_and_selectors_find_what_is_there() {
    let (scene, _store) = busy().await;
    for (rest, items) in [
        ("agents/regrow_load", 1),
        ("agents/regrow_load?labelSelector=", 1),
        ("agents/regrow_load?labelSelector=release%3Dblue", 1),
        ("agents/regrow_load?labelSelector=release%20in%20%28blue%2Cgreen%29", 1),
        ("agents/regrow_load?labelSelector=release%3Dgreen", 0),
        ("agents/regrow_load?labelSelector=service%3Dregrow", 0),
        ("others/regrow_load", 0),
    ] {
        let (status, list) = scene.ask(&format!("{ROOT}/namespaces/{rest}")).await;
        assert_eq!((status, list["items"].as_array().unwrap().len()), (200, items), "{rest}: {list}");
    }
    let broken =
        scene.ask(&format!("{ROOT}/namespaces/agents/regrow_load?labelSelector=release%3D%3D%3D")).await;
    assert!(refused(broken, 400, "BadRequest").contains("label selector"));
}

#[tokio::test]
async fn discovery_names_every_metric() {
    let scene = Scene::open().await;
    let (_, groups) = scene.ask("/apis").await;
    assert_eq!((&groups["kind"], groups["groups"].as_array().unwrap().len()), (&json!("APIGroupList"), 1));
    let (_, group) = scene.ask("/apis/external.metrics.k8s.io").await;
    assert_eq!(group["preferredVersion"]["groupVersion"], "external.metrics.k8s.io/v1beta1");
    assert_eq!(group, groups["groups"][0]);
    for path in [ROOT.to_owned(), format!("{ROOT}/"), format!("{ROOT}?timeout=32s")] {
        let (status, list) = scene.ask(&path).await;
        assert_eq!(
            (status, &list["groupVersion"]),
            (200, &json!("external.metrics.k8s.io/v1beta1")),
            "{path}"
        );
        let resources = list["resources"].as_array().unwrap();
        let names: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "regrow_load",
                "regrow_oldest_ready_seconds",
                "regrow_lanes_ready",
                "regrow_lanes_running",
                "regrow_slots",
                "regrow_replicas"
            ]
        );
        assert!(resources.iter().all(|resource| resource["namespaced"] == true), "{list}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let scene = Scene::open().await;
    for path in [
        "/openapi/v2",
        "/openapi/v3",
        "/version",
        "/",
        "/apis/apps/v1",
        "/apis/external.metrics.k8s.io/v1",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/agents",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/agents/regrow_load/x",
    ] {
        refused(scene.ask(path).await, 404, "NotFound");
    }
    let unknown = scene.ask(&format!("{ROOT}/namespaces/agents/queue_length")).await;
    assert!(refused(unknown, 404, "NotFound").contains("regrow_load, regrow_oldest_ready_seconds"));
    let posted = soon(scene.front_proxy().post(scene.url(ROOT)).body("{}").send()).await.unwrap();
    refused(read(posted).await, 405, "MethodNotAllowed");
}
