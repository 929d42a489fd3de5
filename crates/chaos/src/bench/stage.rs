//! Where a part is measured: one or more replicas on a store of their own, beside a model server of their own; or the
//! gateway that is running, whatever it has done before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::place::Replicas;
use super::process::{self, Usage};
use super::{Options, Target};
use crate::client::{Client, Reply, Turn};
use crate::load::{self, Limit, Sessions};
use crate::model_server::Server;

/// What is asked where nothing else is said.
pub(super) const QUESTION: &str = "How are you today?";

/// How many turns warm a gateway up at once.
const WARMING: usize = 8;

/// Why a figure of a process is absent.
pub(super) const NO_PROCESS: &str = "the process is not known: no --pid was given";

/// Why a figure that is a difference is absent.
pub(super) const NO_MODEL: &str = "the model cannot be asked directly: no --model-url was given";

/// Why a part is absent.
pub(super) const NOT_STARTED: &str = "a running gateway is neither started nor ended by the benchmark";

/// A gateway, however it came to be.
pub(super) struct Stage {
    /// The replicas; of a running gateway, its one address.
    pub(super) gateways: Vec<Client>,
    /// The model itself.
    pub(super) model: Option<Client>,
    /// The processes of the replicas, as far as they are known.
    pub(super) pids: Vec<u32>,
    model_name: String,
    /// New for each stage, so that sessions are.
    prefix: String,
    /// Held for their end: the processes go with the stage.
    _started: Option<(Replicas, Server)>,
}

impl Stage {
    /// Starts so many replicas, or takes the gateway that is running.
    pub(super) async fn open(target: &Target, replicas: usize) -> Result<Self> {
        Self::open_with(target, replicas, json!({})).await
    }

    /// The same, with configuration that replicas that are started have besides their usual one.
    async fn open_with(target: &Target, replicas: usize, extra_config: Value) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let prefix = format!("bench-{}", now.as_micros());
        let started = match target {
            Target::Started(started) => started,
            Target::Running { base_url, token, model, model_url, pid } => {
                return Ok(Self {
                    gateways: vec![Client::new(base_url, token)?],
                    model: model_url.as_ref().map(|url| Client::new(url, "")).transpose()?,
                    pids: Vec::from_iter(*pid),
                    model_name: model.clone(),
                    prefix,
                    _started: None,
                });
            }
        };
        let server = Server::start().await?;
        let running = started.place.start(&started.binary, replicas, &server, extra_config).await?;
        let cluster = &running.cluster;
        Ok(Self {
            gateways: (0..replicas).map(|index| cluster.client(index)).collect::<Result<_>>()?,
            model: Some(Client::new(server.base_url(), "")?),
            pids: (0..replicas).map(|index| cluster.pid(index)).collect::<Result<_>>()?,
            model_name: "openclaw".to_owned(),
            prefix,
            _started: Some((running, server)),
        })
    }

    /// The same, after some turns, so that nothing that happens once is measured.
    pub(super) async fn warm(options: &Options, replicas: usize) -> Result<Self> {
        Self::warm_with(options, replicas, json!({})).await
    }

    /// The same, with configuration that replicas that are started have besides their usual one.
    pub(super) async fn warm_with(options: &Options, replicas: usize, extra_config: Value) -> Result<Self> {
        let stage = Self::open_with(&options.target, replicas, extra_config).await?;
        let sessions = stage.distinct("warm-up", 1);
        let limit = Limit::Turns(options.scale.warm_up * replicas);
        let load =
            stage.load(sessions, WARMING.max(replicas), limit, stage.turn(QUESTION).streamed()).await?;
        ensure!(load.failures() == 0, "in the warm-up, {}", load.describe_failures());
        Ok(stage)
    }

    /// A turn of this text for the gateway's model.
    pub(super) fn turn(&self, text: &str) -> Turn {
        Turn { model: self.model_name.clone(), ..Turn::user(text) }
    }

    /// A session key that no other stage has.
    pub(super) fn session(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A session for each sender, and a new one after so many turns.
    pub(super) fn distinct(&self, name: &str, turns: usize) -> Sessions {
        Sessions::Distinct { prefix: self.session(name), turns }
    }

    /// The first replica.
    pub(super) fn gateway(&self) -> &Client {
        &self.gateways[0]
    }

    /// A closed loop over all replicas.
    pub(super) async fn load(
        &self,
        sessions: Sessions,
        concurrency: usize,
        limit: Limit,
        turn: Turn,
    ) -> Result<load::Report> {
        let clients = self.gateways.clone();
        load::run(load::Options { clients, concurrency, sessions, limit, turn }).await
    }

    /// Resident memory of the first process in MB, if it is known.
    pub(super) fn resident_mb(&self) -> Result<Option<f64>> {
        self.pids.first().map(|pid| process::resident_mb(*pid)).transpose()
    }

    /// The most memory of the first process in MB, if it is known.
    pub(super) fn peak_mb(&self) -> Result<Option<f64>> {
        self.pids.first().map(|pid| process::peak_mb(*pid)).transpose()
    }

    /// Begins a new peak. For a process of another user it stays the old one, which is too high rather than too low.
    pub(super) fn forget_peak(&self) {
        self.pids.first().map(|pid| process::forget_peak(*pid).ok());
    }

    /// Processor time of each process so far.
    pub(super) fn usage(&self) -> Result<Vec<Usage>> {
        self.pids.iter().map(|pid| Usage::of(*pid)).collect()
    }

    /// Processor time of each process since an earlier look.
    pub(super) fn used_since(&self, earlier: &[Usage]) -> Result<Vec<Duration>> {
        Ok(self.usage()?.iter().zip(earlier).map(|(now, then)| now.since(then)).collect())
    }
}

/// Sends a turn that must be answered in whole.
pub(super) async fn answered(client: &Client, turn: &Turn) -> Result<Reply> {
    let reply = client.send(turn).await?;
    ensure!(reply.is_ok(), "a turn failed with {}: {:?} {:?}", reply.status, reply.error, reply.broken);
    Ok(reply)
}
