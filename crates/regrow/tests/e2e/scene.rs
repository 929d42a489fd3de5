//! A cluster with a scripted model, and what a test does with them. Whatever is awaited here has a limit, so that a
//! promise that is broken by silence is a failed test with its logs, not a hanging one.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use regrow_chaos::client::{Client, Error, Live, Reply, Turn};
use regrow_chaos::cluster::{Cluster, Options};
use regrow_chaos::model_server::Server;
use regrow_store::Store;
use regrow_store::postgres::{self, PostgresStore};
use regrow_store::sqlite::{self, SqliteStore};
use regrow_testbed::postgres::{Client as Sql, Database};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

pub(crate) use regrow_testbed::{soon, until};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_regrow");

/// A running cluster and its model.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) model: Server,
    /// The URL of what the replicas share.
    store: String,
    /// It lives as long as this.
    database: Option<Database>,
}

/// What the replicas of a test share.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shared {
    File,
    Postgres,
}

/// What a command of the program did.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    /// So many replicas with the kit's configuration.
    pub(crate) async fn start(replicas: usize) -> Self {
        Self::with(replicas, json!({})).await
    }

    /// So many replicas with this configuration over the kit's.
    pub(crate) async fn with(replicas: usize, extra_config: Value) -> Self {
        Self::of(|options| Options { replicas, extra_config, ..options }).await
    }

    /// The same over one store or the other.
    pub(crate) async fn over(shared: Shared, replicas: usize, extra_config: Value) -> Self {
        let database = match shared {
            Shared::File => None,
            Shared::Postgres => Some(Database::create().await.unwrap()),
        };
        let store = database.as_ref().map(Database::url);
        let scene = Self::of(|options| Options { replicas, extra_config, store, ..options }).await;
        Self { database, ..scene }
    }

    /// A cluster with options of its own.
    pub(crate) async fn of(adapt: impl FnOnce(Options) -> Options) -> Self {
        let model = Server::start().await.unwrap();
        let options = adapt(Options::new(PROGRAM.into(), model.base_url()));
        let named = options.store.clone();
        let cluster = Cluster::start(options).await.unwrap();
        let file = || format!("sqlite:{}", cluster.directory().join("state/regrow.sqlite").display());
        let store = named.unwrap_or_else(file);
        Self { cluster, model, store, database: None }
    }

    pub(crate) fn client(&self, replica: usize) -> Client {
        self.cluster.client(replica).unwrap()
    }

    /// Sends a turn and reads the answer to its end.
    pub(crate) async fn ask(&self, replica: usize, turn: &Turn) -> Reply {
        soon(self.client(replica).send(turn)).await.unwrap()
    }

    /// Sends a turn in the background.
    pub(crate) fn ask_later(&self, replica: usize, turn: &Turn) -> JoinHandle<Result<Reply, Error>> {
        let (client, turn) = (self.client(replica), turn.clone());
        tokio::spawn(async move { client.send(&turn).await })
    }

    /// Sends a turn; when this returns, it was accepted or refused.
    pub(crate) async fn open(&self, replica: usize, turn: &Turn) -> Live {
        soon(self.client(replica).open(turn)).await.unwrap()
    }

    pub(crate) async fn kill(&mut self, replica: usize) {
        soon(self.cluster.kill(replica)).await.unwrap();
    }

    /// Waits until the model has streamed so many tokens for a message; 0 waits until it is asked.
    pub(crate) async fn model_at(&self, id: &str, tokens: usize) {
        soon(self.model.wait_for(id, tokens)).await;
    }

    /// Of each model call for a message, after how many tool rounds it came.
    pub(crate) fn rounds(&self, id: &str) -> Vec<usize> {
        let calls = self.model.calls();
        calls.iter().filter(|call| call.id.as_deref() == Some(id)).map(|call| call.rounds).collect()
    }

    /// A file of the agent's workspace.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.cluster.directory().join("workspace").join(name)
    }

    /// The URL of the store.
    pub(crate) fn store_url(&self) -> &str {
        &self.store
    }

    /// The store, seen from a process that is no replica.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        match self.store.strip_prefix("sqlite:") {
            Some(file) => Arc::new(SqliteStore::open(&sqlite::Options::new(file)).unwrap()),
            None => {
                let options = postgres::Options::parse(&self.store, None).unwrap();
                Arc::new(PostgresStore::open(&options).await.unwrap())
            }
        }
    }

    /// A connection to the PostgreSQL that replicas share.
    pub(crate) async fn sql(&self) -> Sql {
        self.database.as_ref().unwrap().connect().await.unwrap()
    }

    /// Runs a command of the program on the cluster's configuration and store.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let root = self.cluster.directory();
        let (config, state) = (root.join("openclaw.json"), root.join("state"));
        let own = ["--config".as_ref(), config.as_os_str(), "--state-dir".as_ref(), state.as_os_str()];
        let all =
            arguments.iter().map(OsStr::new).chain(own).chain(["--store".as_ref(), self.store.as_ref()]);
        run(all).await
    }

    /// What `regrow runs show` says of a run: the run first, then its entries.
    pub(crate) async fn shown(&self, run: &str) -> Vec<Value> {
        let shown = self.command(&["runs", "show", run, "--json"]).await;
        assert_eq!(shown.code, Some(0), "{shown:?}");
        shown.json()
    }

    /// Waits until a run has ended, and returns how.
    pub(crate) async fn ended(&self, run: &str) -> String {
        until(async || {
            let state = self.shown(run).await[0]["state"].as_str().unwrap().to_owned();
            (!matches!(state.as_str(), "queued" | "running")).then_some(state)
        })
        .await
    }

    /// How many ends a run has in its log.
    pub(crate) async fn ends(&self, run: &str) -> usize {
        self.shown(run).await.iter().filter(|line| line["entry"]["kind"] == "final").count()
    }
}

impl Output {
    /// The lines of standard output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs the program to its end, without the variables that would point it somewhere else.
pub(crate) async fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for name in [
        "OPENCLAW_CONFIG_PATH",
        "REGROW_STATE_DIR",
        "REGROW_STORE_PASSWORD_FILE",
        "REGROW_URL",
        "OPENCLAW_GATEWAY_TOKEN",
        "KUBERNETES_SERVICE_HOST",
    ] {
        command.env_remove(name);
    }
    let output = soon(command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}
