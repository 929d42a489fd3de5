//! The replicas: child processes of this very program over one store. They are killed and started again by their places;
//! the balancer learns only where the next one of a place listens. None outlives the demonstration, however that ends.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use regrow_protocol::ReplicaId;
use regrow_store::Store;
use serde_json::json;
use tokio::time::timeout;

use super::balancer::Addresses;
use super::progress::{Place, Progress};
use crate::cli::Common;
use crate::replica_process::{Launch, ReplicaProcess};

/// How many.
pub(super) const REPLICAS: usize = 3;

/// Milliseconds between two words of the demo model: replies last a second or two, so that a kill meets many of them.
pub(super) const PACE_MS: u32 = 25;

/// How long a replica may take to start, and to end when it is asked to.
const START_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(5);

/// The replicas by their places.
#[derive(Debug)]
pub(super) struct Replicas {
    launch: Launch,
    addresses: Addresses,
    places: Vec<Held>,
}

/// What stands at a place.
#[derive(Debug, Default)]
struct Held {
    process: Option<ReplicaProcess>,
    id: Option<ReplicaId>,
    lives: usize,
}

/// Writes the configuration of the replicas, and says with which options a command would see their state.
pub(super) fn configure(directory: &Path) -> anyhow::Result<Common> {
    let config = json!({
        "agents": {"defaults": {"workspace": directory.join("workspace"), "skipBootstrap": true}},
        "regrow": {"demoPaceMs": PACE_MS, "drainSeconds": 1},
    });
    let path = directory.join("openclaw.json");
    std::fs::write(&path, format!("{config:#}\n")).context("cannot write the configuration")?;
    let store = format!("sqlite:{}", directory.join("state/regrow.db").display());
    let state_dir = Some(directory.join("state"));
    Ok(Common { config: Some(path), state_dir, store: Some(store), store_password_file: None })
}

impl Replicas {
    /// Places for replicas of this program, empty as yet.
    pub(super) fn new(directory: &Path, common: Common, addresses: Addresses) -> anyhow::Result<Self> {
        let launch = Launch {
            program: std::env::current_exe().context("cannot tell where this program is")?,
            config: common.config.unwrap_or_default(),
            state_dir: common.state_dir.unwrap_or_default(),
            store: common.store.unwrap_or_default(),
            log_dir: directory.to_owned(),
            env: Vec::new(),
        };
        let places = std::iter::repeat_with(Held::default).take(REPLICAS).collect();
        Ok(Self { launch, addresses, places })
    }

    /// Starts all of them.
    pub(super) async fn start(&mut self, progress: &Progress) -> anyhow::Result<()> {
        progress.update(|seen| seen.replicas = vec![Place::default(); REPLICAS]);
        for place in 0..REPLICAS {
            self.spawn(place, progress).await?;
        }
        Ok(())
    }

    /// Starts a replica at a place and waits until it serves.
    pub(super) async fn spawn(&mut self, place: usize, progress: &Progress) -> anyhow::Result<()> {
        let held = &mut self.places[place];
        held.lives += 1;
        let process =
            held.process.insert(self.launch.spawn(&format!("replica-{}.{}", place + 1, held.lives))?);
        match timeout(START_WITHIN, process.await_ready()).await {
            Ok(ready) => ready.with_context(|| format!("a replica did not start\n{}", process.log()))?,
            Err(_) => bail!("a replica was not ready after {START_WITHIN:?}\n{}", process.log()),
        }
        let ready = process.ready()?;
        self.addresses.set(place, ready.address.parse().context("the replica's address")?);
        held.id = Some(ready.replica.parse().context("the replica's id")?);
        progress.update(|seen| seen.replicas[place] = Place { up: true, lives: held.lives, runs: 0 });
        Ok(())
    }

    /// The id of the replica at a place, if it lives.
    pub(super) fn id(&self, place: usize) -> Option<ReplicaId> {
        let held = self.places.get(place)?;
        held.id.filter(|_| held.process.is_some())
    }

    /// Kills (SIGKILL) the replica at a place. The signal is sent when this is first polled; this ends when the process
    /// is gone.
    pub(super) async fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        match self.places[place].process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// How many runs each place drives, by the store.
    pub(super) async fn count_runs(&self, store: &dyn Store) -> Vec<u32> {
        // A look that fails is made again soon.
        let known = store.list_replicas().await.unwrap_or_default();
        let runs = |place| {
            let id = self.id(place)?;
            known.iter().find(|replica| replica.id == id).map(|replica| replica.running)
        };
        (0..self.places.len()).map(|place| runs(place).unwrap_or(0)).collect()
    }

    /// Ends all of them in order, and by force what does not end.
    pub(super) async fn end(mut self) {
        for process in self.places.iter_mut().filter_map(|held| held.process.as_mut()) {
            process.release();
        }
        for process in self.places.iter_mut().filter_map(|held| held.process.as_mut()) {
            let _ = timeout(END_WITHIN, process.exited()).await;
        }
    }
}
