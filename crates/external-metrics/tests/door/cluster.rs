//! The front proxy as the cluster's API server publishes it.

use regrow_external_metrics::{Authority as Source, Cluster};

use crate::api_server::ApiServer;
use crate::certificates::Authority;
use crate::scene::{NAME, ROOT, Scene, refused, until};

/// An API server with a service account, and a door that asks it.
struct Published {
    server: ApiServer,
    account: tempfile::TempDir,
    scene: Scene,
}

impl Published {
    async fn open() -> Self {
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("token"), "first\n").unwrap();
        let server = ApiServer::start(&Authority::new("cluster"), account.path()).await;
        let cluster = Cluster { url: server.url.clone(), account: account.path().to_owned() };
        let scene = Scene::distrusting(|_| Source::Cluster { cluster, names: vec![] }).await;
        Self { server, account, scene }
    }

    /// Waits until values are refused for this reason.
    async fn refused_for(&self, reason: &str) {
        until(async || {
            let says = refused(self.scene.ask(ROOT).await, 503, "ServiceUnavailable");
            says.contains(reason).then_some(())
        })
        .await;
        assert!(!self.scene.is_ready().await);
    }

    async fn ready(&self) {
        until(async || self.scene.is_ready().await.then_some(())).await;
    }
}

#[tokio::test]
async fn the_front_proxy_is_read_from_the_cluster_and_read_again() {
    let published = Published::open().await;
    let Published { server, scene, .. } = &published;
    published.refused_for("no aggregation layer").await;
    server.publish(&scene.front, &[NAME]);
    published.ready().await;
    assert_eq!(scene.ask(ROOT).await.0, 200);
    refused(scene.get(Some(&scene.front.client("user")), ROOT).await, 403, "Forbidden");

    let next = Authority::new("next");
    server.publish(&next, &[]);
    let anybody = next.client("anybody");
    until(async || (scene.get(Some(&anybody), ROOT).await.0 == 200).then_some(())).await;
    refused(scene.ask(ROOT).await, 401, "Unauthorized");
}

#[tokio::test]
async fn a_token_that_is_exchanged_is_read_anew() {
    let published = Published::open().await;
    let Published { server, scene, account } = &published;
    server.publish(&scene.front, &[NAME]);
    server.take_only("second");
    published.refused_for("extension-apiserver-authentication-reader").await;
    std::fs::write(account.path().join("token"), "second").unwrap();
    published.ready().await;

    // What was read stays in force while it cannot be read.
    server.take_only("third");
    let next = Authority::new("next");
    server.publish(&next, &[NAME]);
    assert_eq!(scene.ask(ROOT).await.0, 200);
    std::fs::write(account.path().join("token"), "third").unwrap();
    until(async || (scene.get(Some(&next.client(NAME)), ROOT).await.0 == 200).then_some(())).await;
}

#[tokio::test]
async fn an_api_server_that_is_not_the_clusters_is_not_believed() {
    let published = Published::open().await;
    let Published { server, scene, account } = &published;
    published.refused_for("no aggregation layer").await;
    std::fs::write(account.path().join("ca.crt"), Authority::new("cluster").pem).unwrap();
    server.publish(&scene.front, &[NAME]);
    published.refused_for("certificate").await;
    std::fs::remove_file(account.path().join("token")).unwrap();
    published.refused_for("mount the token of a service account").await;
}
