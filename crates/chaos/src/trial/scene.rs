//! What those who act in a trial share: the model, the doors of the replicas, and what was written down so far.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use super::progress::Progress;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::faulty::WITNESS;
use crate::history::{Harm, Probe};
use crate::model_server::Server;

/// The lease of replicas under trial, in seconds, on SQLite: the shortest that there is.
const SHORT_LEASE: u64 = 1;

/// The same on PostgreSQL: there, heartbeats go through three more processes, which share the machine with all others.
const LONG_LEASE: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) model: Server,
    /// Where the replicas are; the clients change when one is started again.
    pub(crate) clients: watch::Sender<Vec<Client>>,
    /// The lease of the replicas.
    pub(crate) lease: Duration,
    /// How long a message may take before its sender gives up.
    pub(crate) patience: Duration,
    pub(crate) progress: Progress,
    /// Replicas that stand still.
    pub(crate) pauses: AtomicUsize,
    harms: Mutex<Vec<Harm>>,
    probes: Mutex<Vec<Probe>>,
}

impl Scene {
    pub(crate) fn new(model: Server, on_postgres: bool, patience: Duration) -> Self {
        Self {
            model,
            lease: Duration::from_secs(if on_postgres { LONG_LEASE } else { SHORT_LEASE }),
            clients: watch::Sender::default(),
            patience,
            progress: Progress::default(),
            pauses: AtomicUsize::new(0),
            harms: Mutex::default(),
            probes: Mutex::default(),
        }
    }

    /// The variable that lets the tools of a replica tell the model server what they do.
    pub(crate) fn witness(&self) -> (String, String) {
        (WITNESS.to_owned(), self.model.base_url().replace("/v1", "/__effects"))
    }

    /// Tells the senders where the replicas are now.
    pub(crate) fn open_doors(&self, cluster: &Cluster) -> Result<()> {
        let clients: Result<Vec<Client>> = (0..cluster.size()).map(|index| cluster.client(index)).collect();
        self.clients.send_replace(clients?);
        Ok(())
    }

    /// Writes down what was done to a replica.
    pub(crate) fn note(&self, harm: Harm) {
        self.harms.lock().unwrap_or_else(PoisonError::into_inner).push(harm);
    }

    /// Writes down what a replica that was cut off said.
    pub(crate) fn probe(&self, probe: Probe) {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).push(probe);
    }

    /// What replicas that were cut off have said so far.
    pub(crate) fn probes(&self) -> Vec<Probe> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The door of a replica, which changes when it is started again.
    pub(crate) fn client(&self, replica: usize) -> Client {
        self.clients.borrow()[replica].clone()
    }

    /// What was done to replicas so far.
    pub(crate) fn harms(&self) -> Vec<Harm> {
        self.harms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
