//! Configuration and secrets that change while replicas serve: taken as a whole or not at all, and no stream notices.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use regrow_chaos::client::{Client, Turn};
use regrow_testbed::postgres::Database;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::expected;
use crate::metrics::metrics;
use crate::scene::{Scene, soon, until};

const APPLIED: &str = r#"regrow_config_reloads_total{outcome="applied"}"#;
const REFUSED: &str = r#"regrow_config_reloads_total{outcome="refused"}"#;

/// A Secret as Kubernetes mounts one: files are links through `..data`, which is a link to the present version.
struct Mounted {
    directory: tempfile::TempDir,
    versions: usize,
}

impl Mounted {
    fn new(name: &str, secret: &str) -> Self {
        let mut mounted = Self { directory: tempfile::tempdir().unwrap(), versions: 0 };
        mounted.exchange(name, secret);
        symlink(Path::new("..data").join(name), mounted.path(name)).unwrap();
        mounted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A reference to a secret in it.
    fn reference(&self, name: &str) -> Value {
        json!({"source": "file", "id": self.path(name)})
    }

    fn exchange(&mut self, name: &str, secret: &str) {
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.path(&version)).unwrap();
        let file = self.path(&version).join(name);
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        symlink(&version, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }
}

async fn start(extra: Value) -> Scene {
    Scene::of(|options| {
        let mut extra_config = json!({"regrow": {"metricsPort": 0}});
        extra_config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        regrow_chaos::cluster::Options { extra_config, ..options }
    })
    .await
}

fn config_path(scene: &Scene) -> PathBuf {
    scene.cluster.directory().join("openclaw.json")
}

/// Puts another file in the place of the configuration.
fn write(scene: &Scene, text: &str) {
    let aside = scene.cluster.directory().join("openclaw.json.new");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, config_path(scene)).unwrap();
}

/// Changes the configuration; returns the text of before.
fn edit(scene: &Scene, change: impl FnOnce(&mut Value)) -> String {
    let before = fs::read_to_string(config_path(scene)).unwrap();
    let mut config = serde_json::from_str(&before).unwrap();
    change(&mut config);
    write(scene, &format!("{config:#}"));
    before
}

/// Waits until a metric has a value.
async fn until_metric(scene: &Scene, name: &str, value: f64) {
    until(async || (metrics(scene, 0).await[name] == value).then_some(())).await;
}

fn lines_with(scene: &Scene, words: &str) -> usize {
    scene.cluster.logs().lines().filter(|line| line.contains(words)).count()
}

async fn knows(scene: &Scene, agent: &str) -> bool {
    scene.client(0).get(&format!("/v1/models/openclaw%2F{agent}")).await.unwrap().0 == 200
}

#[tokio::test]
async fn an_exchanged_token_is_asked_for_and_streams_go_on() {
    let mut secret = Mounted::new("gateway-token", "regrow-chaos-token\n");
    let scene =
        start(json!({"gateway": {"auth": {"mode": "token", "token": secret.reference("gateway-token")},
        "http": {"endpoints": {"chatCompletions": {"enabled": true}}}}}))
        .await;
    let old = scene.client(0);
    let new = Client::new(scene.cluster.base_url(0).unwrap(), "another-token").unwrap();
    let mut live = scene.open(0, &Turn::user("[[id=a tokens=120 delay_ms=50]]").streamed()).await;
    assert!(soon(live.read_text(5)).await);
    assert_eq!(new.get("/v1/models").await.unwrap().0, 401);

    secret.exchange("gateway-token", "another-token\n");
    until(async || (new.get("/v1/models").await.unwrap().0 == 200).then_some(())).await;
    assert_eq!(
        old.get("/v1/models").await.unwrap().0,
        401,
        "the old token is refused from the same moment on"
    );
    assert!(!live.so_far().complete, "the stream should still be under way: the test is too slow to tell");
    expected::whole(&soon(live.finish()).await, &expected::text("a", &["a"], 120));
    assert_eq!(lines_with(&scene, "another-token"), 0, "secrets are not logged");
}

#[tokio::test]
async fn an_invalid_configuration_is_refused_as_a_whole() {
    let scene = start(json!({})).await;
    let before = edit(&scene, |config| {
        config["agents"]["entries"] = json!({"new": {}});
        config["gateway"]["prot"] = json!(1);
        config["regrow"]["maxQueued"] = json!(0);
    });
    until_metric(&scene, REFUSED, 1.0).await;
    let logs = scene.cluster.logs();
    let refusal = logs.lines().find(|line| line.contains("stays in force")).unwrap();
    for place in ["gateway.prot", "did you mean", "regrow.maxQueued", "openclaw.json:"] {
        assert!(refusal.contains(place), "{place}: {refusal}");
    }
    assert!(!knows(&scene, "new").await, "nothing of it is in force");
    assert_eq!(metrics(&scene, 0).await["regrow_config_refused"], 1.0);
    expected::whole(&scene.ask(0, &Turn::user("[[id=a]]")).await, &expected::text("a", &["a"], 0));

    write(&scene, &before[..before.len() / 2]);
    until_metric(&scene, REFUSED, 2.0).await;
    fs::remove_file(config_path(&scene)).unwrap();
    until_metric(&scene, REFUSED, 3.0).await;
    write(&scene, &before);
    until_metric(&scene, "regrow_config_refused", 0.0).await;
    assert_eq!(soon(scene.client(0).get("/readyz")).await.unwrap().0, 200);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_once_and_the_rest_is_in_force() {
    let scene = start(json!({})).await;
    edit(&scene, |config| {
        config["agents"]["entries"] = json!({"main": {}, "one": {}});
        config["gateway"]["port"] = json!(1);
        config["regrow"]["slots"] = json!(3);
    });
    until(async || knows(&scene, "one").await.then_some(())).await;
    edit(&scene, |config| config["agents"]["entries"]["two"] = json!({}));
    until(async || knows(&scene, "two").await.then_some(())).await;
    until_metric(&scene, APPLIED, 2.0).await;
    assert_eq!(lines_with(&scene, "needs a restart"), 2, "{}", scene.cluster.logs());
    for key in ["gateway.port", "regrow.slots"] {
        assert_eq!(lines_with(&scene, &format!("\"key\":\"{key}\"")), 1, "{key}");
    }
    let told = metrics(&scene, 0).await;
    assert_eq!((told["regrow_config_restart_keys"], told["regrow_slots_free"]), (2.0, 4096.0));
    let turn = Turn { model: "openclaw/two".to_owned(), ..Turn::user("[[id=a]]") };
    expected::whole(&scene.ask(0, &turn).await, &expected::text("a", &["a"], 0));
}

/// The door stays open to other machines until a restart, so the token must stay as well.
#[tokio::test]
async fn the_token_is_not_given_up_while_others_can_connect() {
    let extra_config = json!({"gateway": {"bind": "lan"}, "regrow": {"metricsPort": 0}});
    // An empty variable counts as none.
    let env = vec![("REGROW_BIND".to_owned(), String::new())];
    let scene = Scene::of(|options| regrow_chaos::cluster::Options { extra_config, env, ..options }).await;
    edit(&scene, |config| {
        config["gateway"]["bind"] = json!("loopback");
        config["gateway"]["auth"] = json!({"mode": "none"});
    });
    until_metric(&scene, REFUSED, 1.0).await;
    let stranger = Client::new(scene.cluster.base_url(0).unwrap(), "guess").unwrap();
    assert_eq!(stranger.get("/v1/models").await.unwrap().0, 401);
}

#[tokio::test]
async fn sighup_asks_for_a_look_at_once() {
    let scene = start(json!({})).await;
    let pid = Pid::from_raw(scene.cluster.pid(0).unwrap().try_into().unwrap()).unwrap();
    for looks in [1.0, 2.0] {
        // Nothing has changed, so it is nothing else that makes it look.
        kill_process(pid, Signal::HUP).unwrap();
        until_metric(&scene, APPLIED, looks).await;
    }
    assert_eq!(lines_with(&scene, "DEBUG"), 0);
    edit(&scene, |config| config["logging"] = json!({"level": "debug"}));
    kill_process(pid, Signal::HUP).unwrap();
    until(async || (lines_with(&scene, "logging.level") > 0).then_some(())).await;
    // It has nothing important to say of this one.
    kill_process(pid, Signal::HUP).unwrap();
    until(async || (lines_with(&scene, "DEBUG") > 0).then_some(())).await;
}

/// A model that tells with which key it was asked.
async fn start_model(told: UnboundedSender<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &told).await;
        }
    });
    address
}

async fn answer(stream: TcpStream, told: &UnboundedSender<String>) {
    let (mut stream, mut length) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if let Some(key) = line.strip_prefix("authorization: bearer ") {
            told.send(key.to_owned()).unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\n\
                data: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_next_model_call_has_the_new_key() {
    async fn ask(scene: &Scene, told: &mut UnboundedReceiver<String>) -> String {
        expected::whole(&scene.ask(0, &Turn::user("hello")).await, "yes");
        told.recv().await.unwrap()
    }
    let (sender, mut told) = unbounded_channel();
    let url = format!("http://{}/v1", start_model(sender).await);
    let mut secret = Mounted::new("key", "sk-old");
    let scene = start(
        json!({"models": {"providers": {"fake": {"baseUrl": url, "apiKey": secret.reference("key")}}}}),
    )
    .await;
    assert_eq!(ask(&scene, &mut told).await, "sk-old");
    secret.exchange("key", "sk-new");
    until_metric(&scene, APPLIED, 1.0).await;
    assert_eq!(ask(&scene, &mut told).await, "sk-new");
    assert_eq!(lines_with(&scene, "models.providers.fake.apiKey"), 1, "the key's name is logged");
    assert_eq!(lines_with(&scene, "sk-new"), 0, "the key is not");
}

#[tokio::test]
async fn what_is_not_in_force_is_told_with_what_it_takes() {
    let mut scene = start(json!({})).await;
    let diff =
        async |scene: &Scene, more: &[&str]| scene.command(&[&["config", "diff"], more].concat()).await;
    let same = diff(&scene, &[]).await;
    assert_eq!(same.code, Some(0), "{same:?}");

    let mut other: Value = serde_json::from_str(&fs::read_to_string(config_path(&scene)).unwrap()).unwrap();
    other["gateway"]["auth"]["token"] = json!("another-token");
    other["regrow"]["leaseSeconds"] = json!(9);
    let file = scene.cluster.directory().join("other.json");
    fs::write(&file, other.to_string()).unwrap();
    let told = diff(&scene, &[file.to_str().unwrap(), "--json"]).await;
    assert_eq!(told.code, Some(1), "{told:?}");
    let changes = serde_json::from_str::<Value>(&told.out).unwrap()["changes"].take();
    let change = |key: &str, effect: &str| json!({"key": key, "effect": effect});
    let expected = json!([change("gateway.auth.token", "reload"), change("regrow.leaseSeconds", "restart")]);
    assert_eq!(changes, expected);
    let in_force = fs::read_dir(scene.cluster.directory().join("state/in-force")).unwrap();
    let kept: String = in_force.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(kept.contains("gateway.auth.token") && !kept.contains("regrow-chaos-token"), "{kept}");

    edit(&scene, |config| {
        config["agents"]["entries"] = json!({"main": {}, "new": {}});
        config["regrow"]["slots"] = json!(3);
    });
    until(async || knows(&scene, "new").await.then_some(())).await;
    let late = until(async || {
        let told = diff(&scene, &[]).await;
        (!told.out.contains("agents")).then_some(told)
    })
    .await;
    assert!(late.code == Some(1) && late.out.contains("restart  regrow.slots"), "{late:?}");
    write(&scene, "{");
    assert_eq!(diff(&scene, &[]).await.code, Some(78), "it is invalid");
    fs::copy(file, config_path(&scene)).unwrap();
    scene.kill(0).await;
    let nobody = diff(&scene, &[]).await;
    assert!(nobody.code == Some(78) && nobody.err.contains("no replica runs"), "{nobody:?}");
}

#[tokio::test]
async fn a_new_password_of_the_store_is_used_by_new_connections() {
    let database = Database::create().await.unwrap();
    let admin = database.connect().await.unwrap();
    let url = database.url();
    let (_, place) = url.split_once('@').unwrap();
    let role = format!("reload_{}", std::process::id());
    let sql = format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'first'");
    admin.batch_execute(&sql).await.unwrap();
    let mut secret = Mounted::new("password", "first\n");
    let scene = Scene::of(|options| regrow_chaos::cluster::Options {
        extra_config: json!({"regrow": {"metricsPort": 0, "storePassword": secret.reference("password")}}),
        store: Some(format!("postgres://{role}@{place}")),
        ..options
    })
    .await;
    assert!(scene.ask(0, &Turn::user("[[id=before]]")).await.is_ok());
    secret.exchange("password", "second\n");
    until_metric(&scene, APPLIED, 1.0).await;
    let sql = format!("ALTER ROLE {role} PASSWORD 'second'");
    admin.batch_execute(&sql).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1";
    assert!(!admin.query(cut, &[&role]).await.unwrap().is_empty());
    let turn = Turn::user("[[id=after]]").once("after");
    until(async || scene.client(0).send(&turn).await.ok()?.is_ok().then_some(())).await;
}
