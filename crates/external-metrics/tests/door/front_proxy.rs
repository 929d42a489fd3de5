//! Who is let in.

use reqwest::Version;

use crate::certificates::Authority;
use crate::scene::{NAME, ROOT, Scene, refused};

#[tokio::test]
async fn the_front_proxy_is_let_in_by_each_of_its_names() {
    let scene = Scene::open().await;
    for name in [NAME, "another"] {
        let (status, object) = scene.get(Some(&scene.front.client(name)), ROOT).await;
        assert_eq!((status, &object["kind"]), (200, &"APIResourceList".into()));
    }
}

#[tokio::test]
async fn whoever_has_no_certificate_is_refused() {
    let scene = Scene::open().await;
    for path in [ROOT, "/apis", "/openapi/v2", "/", "/healthz/", "/readyz/x"] {
        let says = refused(scene.get(None, path).await, 401, "Unauthorized");
        assert!(says.contains("a client certificate is needed"), "{path}: {says}");
    }
}

#[tokio::test]
async fn another_authority_is_refused_even_under_the_same_name() {
    let scene = Scene::open().await;
    for foreign in [Authority::new("foreign").client(NAME), Authority::new("front").client(NAME)] {
        let says = refused(scene.get(Some(&foreign), ROOT).await, 401, "Unauthorized");
        assert!(says.contains("not by the front proxy's authority"), "{says}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_refused() {
    let scene = Scene::open().await;
    for name in ["front-proxy", "front-proxy-client2", "Front-Proxy-Client", ""] {
        let says = refused(scene.get(Some(&scene.front.client(name)), ROOT).await, 403, "Forbidden");
        assert!(says.contains(&format!("`{name}`")), "{says}");
    }
}

#[tokio::test]
async fn certificates_that_are_over_or_for_servers_are_refused() {
    let scene = Scene::open().await;
    for wrong in [scene.front.expired_client(NAME), scene.front.server_named(NAME)] {
        refused(scene.get(Some(&wrong), ROOT).await, 401, "Unauthorized");
    }
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let scene = Scene::open().await;
    for (builder, version) in
        [(scene.builder(), Version::HTTP_2), (scene.builder().http1_only(), Version::HTTP_11)]
    {
        let client = builder.build().unwrap();
        let answer = client.get(scene.url(ROOT)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let head = client.head(scene.url(ROOT)).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
    }
}
