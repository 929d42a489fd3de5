//! What the kubelet asks, without a certificate.

use regrow_external_metrics::Authority as Source;

use crate::scene::{ROOT, Scene, refused, soon, until};

async fn probe(scene: &Scene, path: &str) -> u16 {
    scene.client(None).get(scene.url(path)).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn probes_need_neither_a_certificate_nor_a_store() {
    let scene = Scene::open().await;
    assert_eq!((probe(&scene, "/healthz").await, probe(&scene, "/readyz").await), (200, 200));
}

#[tokio::test]
async fn it_is_not_ready_before_it_knows_the_front_proxy() {
    let scene =
        Scene::distrusting(|directory| Source::File { path: directory.join("later.pem"), names: vec![] })
            .await;
    assert_eq!((probe(&scene, "/healthz").await, probe(&scene, "/readyz").await), (200, 503));
    let says = refused(scene.ask(ROOT).await, 503, "ServiceUnavailable");
    assert!(says.contains("is not known"), "{says}");
    until(async || {
        let says = refused(scene.ask(ROOT).await, 503, "ServiceUnavailable");
        says.contains("later.pem").then_some(())
    })
    .await;
    std::fs::write(scene.path("later.pem"), &scene.front.pem).unwrap();
    until(async || (probe(&scene, "/readyz").await == 200).then_some(())).await;
    assert_eq!(scene.ask(ROOT).await.0, 200);
}

#[tokio::test]
async fn whoever_is_about_to_end_is_not_ready_and_answers() {
    let scene = Scene::open().await;
    scene.ending.notice.cancel();
    assert_eq!((probe(&scene, "/healthz").await, probe(&scene, "/readyz").await), (200, 503));
    assert_eq!(scene.ask(ROOT).await.0, 200);
    scene.ending.close.cancel();
    soon(scene.served).await.unwrap();
}
