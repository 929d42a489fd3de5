//! A door that is open, the authorities of both sides, and those who knock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regrow_external_metrics::{Api, Authority as Source, Ending, Figures, Identity, Options, Trust, serve};
use regrow_protocol::{ReplicaId, RunId};
use regrow_store::sqlite::{self, SqliteStore};
use regrow_store::{Accept, Replica, Store};
use reqwest::{Certificate, Client, ClientBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::certificates::{Authority, Pair};

pub(crate) use regrow_testbed::{soon, until};

/// The longest that a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the door looks at its files again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The name of the front proxy.
pub(crate) const NAME: &str = "front-proxy-client";

/// The API's root.
pub(crate) const ROOT: &str = "/apis/external.metrics.k8s.io/v1beta1";

pub(crate) struct Scene {
    url: String,
    /// Signs the door's certificate.
    pub(crate) own: Authority,
    /// Signs the front proxy's.
    pub(crate) front: Authority,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) figures: Arc<Figures>,
    pub(crate) ending: Ending,
    pub(crate) served: tokio::task::JoinHandle<()>,
}

impl Scene {
    /// A door without a store that knows the front proxy from a file.
    pub(crate) async fn open() -> Self {
        Self::trusting(|directory| Source::File {
            path: directory.join("front.pem"),
            names: vec![NAME.to_owned(), "another".to_owned()],
        })
        .await
    }

    /// A door over a store.
    pub(crate) async fn over(store: Arc<dyn Store>) -> Self {
        let scene = Self::open().await;
        scene.figures.open(async || Ok::<_, String>(Arc::clone(&store))).await;
        scene
    }

    /// A door without a store that knows the front proxy from somewhere, by the time that this returns.
    pub(crate) async fn trusting(source: impl FnOnce(&Path) -> Source) -> Self {
        let scene = Self::distrusting(source).await;
        until(async || scene.is_ready().await.then_some(())).await;
        scene
    }

    /// A door that does not know the front proxy yet.
    pub(crate) async fn distrusting(source: impl FnOnce(&Path) -> Source) -> Self {
        let (own, front) = (Authority::new("own"), Authority::new("front"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write_pair(path, &own.server());
        std::fs::write(path.join("front.pem"), &front.pem).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let figures = Arc::new(Figures::default());
        let options = Options {
            listener,
            identity: Arc::new(Identity::read(path.join("tls.crt"), path.join("tls.key")).unwrap()),
            trust: Arc::new(Trust::new(source(path))),
            api: Api {
                namespace: "agents".to_owned(),
                labels: [("release".to_owned(), "blue".to_owned())].into(),
                figures: Arc::clone(&figures),
            },
            look_every: LOOK_EVERY,
        };
        let ending = Ending::default();
        let serving = serve(options, ending.clone());
        let served = tokio::spawn(async { serving.await.unwrap() });
        Self { url, own, front, directory, figures, ending, served }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Somebody who knows the door, and shows this certificate.
    pub(crate) fn client(&self, shows: Option<&Pair>) -> Client {
        self.client_of(&self.own, shows)
    }

    /// Somebody who takes the door's certificate from this authority only.
    pub(crate) fn client_of(&self, authority: &Authority, shows: Option<&Pair>) -> Client {
        knows(authority, shows).build().unwrap()
    }

    /// The API server, which may want to be something more.
    pub(crate) fn builder(&self) -> ClientBuilder {
        knows(&self.own, Some(&self.front.client(NAME)))
    }

    /// The API server.
    pub(crate) fn front_proxy(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// What is answered at a path, to whoever shows this certificate.
    pub(crate) async fn get(&self, shows: Option<&Pair>, path: &str) -> (u16, Value) {
        read(self.client(shows).get(self.url(path)).send().await.unwrap()).await
    }

    /// What the API server is answered.
    pub(crate) async fn ask(&self, path: &str) -> (u16, Value) {
        self.get(Some(&self.front.client(NAME)), path).await
    }

    /// A metric's value, as text; nothing if there is none.
    pub(crate) async fn value(&self, metric: &str) -> Option<String> {
        let (status, list) = self.ask(&format!("{ROOT}/namespaces/agents/{metric}")).await;
        assert_eq!(status, 200, "{list}");
        list["items"].get(0).map(|item| item["value"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.client(None).get(self.url("/readyz")).send().await.unwrap();
        answer.status() == 200
    }
}

fn knows(authority: &Authority, shows: Option<&Pair>) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let builder = Client::builder().no_proxy().tls_certs_only([root]).timeout(PATIENCE);
    let shown = shows.map(|Pair { certificate, key }| format!("{certificate}{key}"));
    match shown {
        Some(pem) => builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()),
        None => builder,
    }
}

pub(crate) fn write_pair(directory: &Path, pair: &Pair) {
    std::fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
    std::fs::write(directory.join("tls.key"), &pair.key).unwrap();
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

/// A refusal as Kubernetes' clients read it; returns what it says.
#[track_caller]
pub(crate) fn refused((status, object): (u16, Value), code: u16, reason: &str) -> String {
    assert_eq!((status, object["code"].as_u64()), (code, Some(code.into())), "{object}");
    for (key, wanted) in [("kind", "Status"), ("apiVersion", "v1"), ("status", "Failure"), ("reason", reason)]
    {
        assert_eq!(object[key], wanted, "{object}");
    }
    object["message"].as_str().unwrap().to_owned()
}

/// A store in a file.
pub(crate) fn sqlite(directory: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&sqlite::Options::new(directory.join("store.sqlite"))).unwrap())
}

/// Adds a replica with so many slots.
pub(crate) async fn join(store: &dyn Store, slots: u32) -> ReplicaId {
    let id = ReplicaId::new();
    let (address, version) = ("127.0.0.1:1".to_owned(), "1".to_owned());
    store.join(&Replica { id, address, version, slots, lease: Duration::from_secs(3_600) }).await.unwrap();
    id
}

/// A message in a session of its own, that a replica runs or that waits.
pub(crate) async fn accept(store: &dyn Store, session: &str, claim_for: Option<ReplicaId>) {
    let message = Accept {
        session: format!("agent:main:{session}").parse().unwrap(),
        message: RunId::new(),
        dedupe: None,
        fingerprint: 0,
        body: b"question".to_vec(),
        cap: 10,
        claim_for,
    };
    store.accept(message).await.unwrap();
}
