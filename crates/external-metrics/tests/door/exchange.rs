//! Certificates that are exchanged while it serves.

use crate::certificates::Authority;
use crate::scene::{NAME, ROOT, Scene, refused, until, write_pair};

#[tokio::test]
async fn another_certificate_of_this_side_is_in_force_without_a_restart() {
    let scene = Scene::open().await;
    let next = Authority::new("next");
    write_pair(scene.directory.path(), &next.server());
    let client = || scene.client_of(&next, None);
    until(async || client().get(scene.url("/healthz")).send().await.ok()).await;
    let before = scene.client(None).get(scene.url("/healthz")).send().await;
    assert!(before.is_err(), "the certificate from before is not shown any more");
}

#[tokio::test]
async fn another_authority_of_the_front_proxy_counts_for_connections_that_are_open() {
    let scene = Scene::open().await;
    let open = scene.front_proxy();
    let ask = async || open.get(scene.url(ROOT)).send().await.unwrap().status().as_u16();
    assert_eq!(ask().await, 200);
    let next = Authority::new("next");
    std::fs::write(scene.path("front.pem"), &next.pem).unwrap();
    until(async || (ask().await == 401).then_some(())).await;
    assert_eq!(scene.get(Some(&next.client(NAME)), ROOT).await.0, 200);

    // What cannot be used changes nothing; both may be in force for a while.
    std::fs::write(scene.path("front.pem"), "rubbish").unwrap();
    assert_eq!(scene.get(Some(&next.client(NAME)), ROOT).await.0, 200);
    std::fs::write(scene.path("front.pem"), format!("{}{}", scene.front.pem, next.pem)).unwrap();
    until(async || (ask().await == 200).then_some(())).await;
    assert_eq!(scene.get(Some(&next.client(NAME)), ROOT).await.0, 200);
    refused(scene.get(Some(&Authority::new("other").client(NAME)), ROOT).await, 401, "Unauthorized");
}
