//! The load of a cluster as Kubernetes' autoscalers read it: from a process that is no replica.

use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use regrow_chaos::client::Turn;
use reqwest::{Certificate, Client, Identity};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::scene::{Output, PROGRAM, Scene, run, soon, until};

const VALUES: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/agents";

/// A process that serves external metrics, and the API server that asks it.
struct Served {
    child: Child,
    url: String,
    api_server: Client,
}

/// Writes what a server needs, and makes a client that it lets in; one authority is enough for both sides.
fn certificates(directory: &Path) -> Client {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap().pem();
    for (name, text) in [("ca.pem", &root), ("tls.crt", &own), ("tls.key", &key.serialize_pem())] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let identity = Identity::from_pem(format!("{own}{}", key.serialize_pem()).as_bytes()).unwrap();
    let root = Certificate::from_pem(root.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([root]).identity(identity).build().unwrap()
}

fn arguments(directory: &Path, store: &str) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let words = ["external-metrics", "--port", "0", "--namespace", "agents", "--store", store];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    for (option, name) in [
        ("--tls-cert", "tls.crt"),
        ("--tls-key", "tls.key"),
        ("--requestheader-client-ca", "ca.pem"),
        ("--state-dir", "state"),
    ] {
        words.extend([option.to_owned(), file(name)]);
    }
    words
}

impl Served {
    async fn start(directory: &Path, store: &str) -> Self {
        let api_server = certificates(directory);
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments(directory, store))
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.env_remove("OPENCLAW_CONFIG_PATH").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        let url = line.rsplit(' ').next().unwrap().to_owned();
        assert!(line.contains("namespace agents") && url.starts_with("https://127.0.0.1:"), "{line}");
        let served = Self { child, url, api_server };
        until(async || (served.get("/readyz").await.0 == 200).then_some(())).await;
        served
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = soon(self.api_server.get(format!("{}{path}", self.url)).send()).await.unwrap();
        (answer.status().as_u16(), soon(answer.text()).await.unwrap())
    }

    /// A metric's value, or why there is none.
    async fn value(&self, metric: &str) -> Result<String, String> {
        let (status, text) = self.get(&format!("{VALUES}/{metric}")).await;
        let object: Value = serde_json::from_str(&text).unwrap();
        let said = if status == 200 { &object["items"][0]["value"] } else { &object["message"] };
        let said = said.as_str().unwrap().to_owned();
        if status == 200 { Ok(said) } else { Err(said) }
    }
}

#[tokio::test]
async fn the_load_of_all_replicas_is_served_by_none_of_them() {
    let scene = Scene::start(2).await;
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::start(directory.path(), scene.store_url()).await;
    until(async || served.value("regrow_replicas").await.ok().filter(|value| value == "2")).await;
    let later = scene.ask_later(0, &Turn::user("[[id=a tokens=400 delay_ms=25]]"));
    scene.model_at("a", 1).await;
    until(async || served.value("regrow_lanes_running").await.ok().filter(|value| value == "1")).await;
    assert_eq!(served.value("regrow_lanes_ready").await.as_deref(), Ok("0"));
    assert_eq!(served.value("regrow_load").await.as_deref(), Ok("1m"), "little is not none");
    let replicas = scene.command(&["replicas", "--json"]).await.json();
    assert_eq!(replicas.len(), 2, "who serves metrics is no replica: {replicas:?}");
    later.abort();

    let pid = Pid::from_raw(served.child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(soon(served.child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_waited_for_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("later.sqlite");
    let store = format!("sqlite:{}", file.display());
    let served = Served::start(directory.path(), &store).await;
    let why =
        until(async || served.value("regrow_load").await.err().filter(|why| !why.contains("not open yet")))
            .await;
    assert!(why.contains("there is no store yet"), "{why}");
    assert!(!file.exists() && !directory.path().join("state").exists());
    let state = directory.path().join("migrator");
    let made = run(["migrate", "--store", &store, "--state-dir", state.to_str().unwrap()]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    until(async || served.value("regrow_load").await.ok().filter(|value| value == "0")).await;
}

fn unusable(output: &Output, says: &str) {
    assert!(output.code == Some(78) && output.err.contains(says), "`{says}` is missing in: {output:?}");
}

#[tokio::test]
async fn what_cannot_be_served_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let all = arguments(directory.path(), "sqlite:x");
    let without = |option: &str| {
        let at = all.iter().position(|word| word == option).unwrap();
        run([&all[..at], &all[at + 2..]].concat())
    };
    unusable(&without("--requestheader-client-ca").await, "--requestheader-client-ca FILE");
    assert_eq!(without("--tls-cert").await.code, Some(2));
    unusable(&run(arguments(directory.path(), "redis://x")).await, "redis");
    unusable(&run([all.clone(), vec!["--bind".to_owned(), "lam".to_owned()]].concat()).await, "--bind lam");
    std::fs::write(directory.path().join("tls.key"), "rubbish").unwrap();
    unusable(&run(&all).await, "--tls-key");
}
