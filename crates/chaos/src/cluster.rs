//! A cluster of real replicas: child processes of one `regrow` program over one store and one state directory, which
//! can be killed, paused, drained and restarted one by one.
//!
//! Everything lives in a temporary directory. Dropping the cluster kills its processes, by their process ids, before
//! the directory goes; when a test panics, the ends of all logs are printed first.

mod config;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use regrow::replica_process::{Launch, ReplicaProcess, logs};

pub use regrow::replica_process::ProcessState;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::client::Client;

/// The longest time for a replica to start, and the longest for one to exit after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(60);

/// What cluster to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many replicas.
    pub replicas: usize,
    /// The `regrow` program.
    pub binary: PathBuf,
    /// The base URL of the model server, with `/v1`.
    pub model_base_url: String,
    /// Configuration merged over the kit's own, key by key.
    pub extra_config: Value,
    /// The store's URL; SQLite in the state directory if none.
    pub store: Option<String>,
    /// Each replica's own way to the store, in place of one URL for all.
    pub ways: Vec<String>,
    /// Further environment variables of the replicas.
    pub env: Vec<(String, String)>,
}

impl Options {
    /// One replica of `binary` with SQLite.
    pub fn new(binary: PathBuf, model_base_url: impl Into<String>) -> Self {
        let model_base_url = model_base_url.into();
        Self {
            replicas: 1,
            binary,
            model_base_url,
            extra_config: json!({}),
            store: None,
            ways: Vec::new(),
            env: Vec::new(),
        }
    }
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    launch: Launch,
    ways: Vec<String>,
    slots: Vec<Slot>,
    token: String,
    /// Declared last: the directory goes after the processes.
    directory: TempDir,
}

/// The place of one replica: a process, or what is left after one.
#[derive(Debug, Default)]
struct Slot {
    process: Option<ReplicaProcess>,
    /// How many processes this place has had; it names the log files.
    lives: usize,
}

impl Cluster {
    /// Starts all replicas at once and waits until each serves. The error holds the end of the failed one's log.
    pub async fn start(options: Options) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("regrow-cluster-").tempdir()?;
        let token = "regrow-chaos-token".to_owned();
        let launch = config::prepare(directory.path(), &options, &token)?;
        let mut cluster = Self { launch, ways: options.ways, slots: Vec::new(), token, directory };
        cluster.slots.resize_with(options.replicas, Slot::default);
        for index in 0..options.replicas {
            cluster.spawn(index)?;
        }
        for index in 0..options.replicas {
            cluster.await_ready(index).await?;
        }
        Ok(cluster)
    }

    /// Kills the replica with SIGKILL and reaps it. Nothing happens if it is not running.
    pub async fn kill(&mut self, index: usize) -> Result<()> {
        if let Some(mut process) = self.slots[index].process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Stops the replica in its tracks (SIGSTOP), as a paused virtual machine would; it stands
    /// still when this returns.
    pub fn pause(&self, index: usize) -> Result<()> {
        self.process(index)?.pause()
    }

    /// Lets a paused replica go on (SIGCONT).
    pub fn resume(&self, index: usize) -> Result<()> {
        self.process(index)?.resume()
    }

    /// Asks the replica to drain and exit (SIGTERM), waits until it has, and returns its exit code; `None` if a signal
    /// ended it.
    pub async fn terminate(&mut self, index: usize) -> Result<Option<i32>> {
        let mut process = self.slots[index].process.take().context("the replica is not running")?;
        process.terminate()?;
        match timeout(PATIENCE, process.exited()).await {
            Ok(status) => Ok(status?.code()),
            Err(_) => bail!("replica {index} did not exit within {PATIENCE:?}\n{}", process.log()),
        }
    }

    /// Starts the replica again, after killing it if it runs. Its address is a new one.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        self.replace(index).await?;
        self.await_ready(index).await
    }

    /// Starts the replica again, after killing it if it runs, and does not wait until it serves.
    pub async fn replace(&mut self, index: usize) -> Result<()> {
        self.kill(index).await?;
        self.spawn(index)
    }

    /// Whether the replica's process runs; it may have ended or stopped by itself.
    pub fn state(&self, index: usize) -> Result<ProcessState> {
        self.slots[index].process.as_ref().map_or(Ok(ProcessState::Gone), ReplicaProcess::state)
    }

    /// From now on, replicas are started with these variables besides their usual ones.
    pub fn set_env(&mut self, env: Vec<(String, String)>) {
        self.launch.env = env;
    }

    /// Waits until the replica exits by itself and returns its exit code.
    pub async fn await_exit(&mut self, index: usize) -> Result<Option<i32>> {
        let process = self.slots[index].process.as_mut().context("the replica is not running")?;
        let status = process.exited().await?;
        self.slots[index].process = None;
        Ok(status.code())
    }

    /// How many replicas the cluster has, running or not.
    pub fn size(&self) -> usize {
        self.slots.len()
    }

    /// The base URL of a running replica, with `/v1`.
    pub fn base_url(&self, index: usize) -> Result<String> {
        Ok(format!("http://{}/v1", self.process(index)?.ready()?.address))
    }

    /// Where a running replica serves those who watch.
    pub fn metrics_url(&self, index: usize) -> Result<String> {
        let metrics = self.process(index)?.ready()?.metrics.as_ref();
        Ok(format!("http://{}", metrics.context("the replica has no door for metrics")?))
    }

    /// The replica's id, new at each start.
    pub fn replica_id(&self, index: usize) -> Result<&str> {
        Ok(&self.process(index)?.ready()?.replica)
    }

    /// The process id of a running replica.
    pub fn pid(&self, index: usize) -> Result<u32> {
        Ok(self.process(index)?.pid())
    }

    /// How long the replica took from spawning to serving.
    pub fn started_in(&self, index: usize) -> Result<Duration> {
        Ok(self.process(index)?.ready()?.after)
    }

    /// A client of the replica.
    pub fn client(&self, index: usize) -> Result<Client> {
        Ok(Client::new(self.base_url(index)?, self.token())?)
    }

    /// The token that all replicas accept.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The directory that holds the configuration, the state and the logs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The ends of the logs of all lives of all replicas.
    pub fn logs(&self) -> String {
        logs::ends_in(self.directory.path())
    }

    fn spawn(&mut self, index: usize) -> Result<()> {
        let slot = &mut self.slots[index];
        let mut launch = self.launch.clone();
        if let Some(way) = self.ways.get(index) {
            launch.store.clone_from(way);
        }
        slot.process = Some(launch.spawn(&format!("replica-{index}.{}", slot.lives))?);
        slot.lives += 1;
        Ok(())
    }

    /// Waits until the replica serves. The error holds the end of its log.
    pub async fn await_ready(&mut self, index: usize) -> Result<()> {
        let process = self.slots[index].process.as_mut().context("the replica is not running")?;
        let begun = Instant::now();
        match timeout(PATIENCE, process.await_ready()).await {
            Ok(ready) => ready.with_context(|| format!("replica {index} did not start\n{}", process.log())),
            Err(_) => bail!("replica {index} was not ready after {:?}\n{}", begun.elapsed(), process.log()),
        }
    }

    fn process(&self, index: usize) -> Result<&ReplicaProcess> {
        self.slots[index].process.as_ref().with_context(|| format!("replica {index} is not running"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}
