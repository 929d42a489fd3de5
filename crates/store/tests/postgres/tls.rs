//! TLS to a server with a certificate of an authority that no machine knows.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use regrow_store::postgres::{Options, PostgresStore};
use regrow_store::{Error, Store};
use regrow_testbed::postgres::{Database, Server};

use crate::conformance::scene::joined;

/// A server with a certificate for 127.0.0.1, and the authority's own as a file.
struct Scene {
    database: Database,
    _server: Server,
    directory: tempfile::TempDir,
}

impl Scene {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = authority.self_signed(&authority_key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), own.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        let mut server = Server::start().await.unwrap();
        server.offer_tls(&certificate.pem(), &key.serialize_pem()).await.unwrap();
        Self { database: server.create_database().await.unwrap(), _server: server, directory }
    }

    fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Opens the store with these options in its URL.
    async fn open_with(&self, options: &str) -> Result<PostgresStore, Error> {
        PostgresStore::open(&Options::parse(&format!("{}?{options}", self.database.url()), None)?).await
    }

    /// Whether each connection of an application is encrypted.
    async fn are_encrypted(&self, application: &str) -> Vec<bool> {
        let sql =
            "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE application_name = $1";
        let client = self.database.connect().await.unwrap();
        client.query(sql, &[&application]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[track_caller]
fn refused(opened: Result<PostgresStore, Error>, says: &[&str]) {
    let error = opened.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    for words in says {
        assert!(error.to_string().contains(words), "`{words}` is missing in: {error}");
    }
}

fn with_authority(path: &Path, rest: &str) -> String {
    format!("sslrootcert={}&{rest}", path.display())
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_named_is_trusted() {
    let scene = Scene::open().await;
    for mode in ["sslmode=require", "sslmode=verify-full", "sslmode=require&channel_binding=require"] {
        let options = with_authority(&scene.authority(), &format!("{mode}&application_name=a"));
        let store = scene.open_with(&options).await.unwrap();
        joined(&store).await;
        assert!(store.load().await.is_ok());
        let encrypted = scene.are_encrypted("a").await;
        assert!(encrypted.len() >= 2 && encrypted.iter().all(|ssl| *ssl), "{mode}: {encrypted:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_with_advice() {
    let scene = Scene::open().await;
    refused(scene.open_with("sslmode=require").await, &["not trusted", "sslrootcert=FILE"]);
    // Whoever names an authority wants it to be checked.
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("other.pem");
    let key = KeyPair::generate().unwrap();
    std::fs::write(&path, CertificateParams::default().self_signed(&key).unwrap().pem()).unwrap();
    refused(scene.open_with(&with_authority(&path, "sslmode=require")).await, &["not trusted"]);
    refused(scene.open_with(&with_authority(&path, "sslmode=prefer")).await, &["not trusted"]);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let scene = Scene::open().await;
    let url = scene.database.url().replace("127.0.0.1", "localhost");
    let url = format!("{url}?{}", with_authority(&scene.authority(), "sslmode=require"));
    let opened = PostgresStore::open(&Options::parse(&url, None).unwrap()).await;
    refused(opened, &["certificate", "localhost", "name"]);
}

#[tokio::test]
async fn without_a_wish_the_connection_is_encrypted_and_nobody_is_verified() {
    let scene = Scene::open().await;
    for (mode, wanted) in [("sslmode=prefer", true), ("", true), ("sslmode=disable", false)] {
        let store = scene.open_with(&format!("{mode}&application_name=b")).await.unwrap();
        joined(&store).await;
        let encrypted = scene.are_encrypted("b").await;
        assert!(encrypted.len() >= 2 && encrypted.iter().all(|ssl| *ssl == wanted), "{mode}: {encrypted:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_if_it_is_required() {
    let database = Database::create().await.unwrap();
    let url = format!("{}?sslmode=require", database.url());
    let opened = PostgresStore::open(&Options::parse(&url, None).unwrap()).await;
    refused(opened, &["does not offer TLS", "sslmode=disable"]);
}
