//! A store that is not there yet, and one that goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regrow_store::Store;
use regrow_store::postgres::{Options, PostgresStore};
use regrow_testbed::postgres::Server;

use crate::scene::{ROOT, Scene, accept, join, refused, soon, sqlite, until};

const VALUE: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/agents/regrow_lanes_ready";

#[tokio::test]
async fn before_the_store_is_open_values_are_refused_and_say_why() {
    let scene = Scene::open().await;
    assert!(refused(scene.ask(VALUE).await, 503, "ServiceUnavailable").contains("not open yet"));
    let (there, directory) = (AtomicBool::new(false), tempfile::tempdir().unwrap());
    let store = sqlite(directory.path());
    let open = async || {
        if there.load(Ordering::Relaxed) { Ok(Arc::clone(&store)) } else { Err("the reason") }
    };
    let refusal = async || refused(scene.ask(VALUE).await, 503, "ServiceUnavailable");
    let meanwhile = async {
        until(async || refusal().await.contains("the reason").then_some(())).await;
        assert_eq!(scene.ask(ROOT).await.0, 200, "discovery goes on");
        assert!(scene.is_ready().await);
        there.store(true, Ordering::Relaxed);
    };
    soon(async { tokio::join!(scene.figures.open(open), meanwhile) }).await;
    assert_eq!(scene.value("regrow_lanes_ready").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let mut server = Server::start().await.unwrap();
    let database = server.create_database().await.unwrap();
    let options = Options::parse(&database.url(), None).unwrap();
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&options).await.unwrap());
    join(&*store, 4).await;
    accept(&*store, "a", None).await;
    let scene = Scene::over(store).await;
    assert_eq!(scene.value("regrow_lanes_ready").await.as_deref(), Some("1"));
    server.stop().await.unwrap();
    let says = until(async || {
        let answer = scene.ask(VALUE).await;
        (answer.0 != 200).then(|| refused(answer, 503, "ServiceUnavailable"))
    })
    .await;
    assert!(says.contains("the load is unknown"), "{says}");
    assert_eq!(scene.ask(ROOT).await.0, 200, "discovery goes on");
    server.restart().await.unwrap();
    until(async || (scene.ask(VALUE).await.0 == 200).then_some(())).await;
    assert_eq!(scene.value("regrow_lanes_ready").await.as_deref(), Some("1"));
}
