//! A trial: conversations go on while replicas are killed and paused, and afterwards the history is judged.
//!
//! Replicas are harmed from outside at random moments; those of `regrow-faulty` also kill and stop themselves at named
//! boundaries of the protocol. A trial on a broken protocol must find it out.

mod breaker;
mod conversation;
mod killer;
mod lives;
mod machine;
mod progress;
mod report;
mod scene;
mod sender;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::cluster::{self, Cluster};
use crate::database::Database;
use crate::faulty::MUTANT;
use crate::history::History;
use crate::model_server::Server;
use breaker::Breaker;
pub use breaker::Breaks;
use killer::Killer;
pub use report::Report;

pub(crate) use lives::watch as watch_life;
pub(crate) use machine::watch as watch_machine;
pub(crate) use scene::Scene;
pub(crate) use sender::Sender;

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_secs(2);

/// What to try.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program under trial.
    pub binary: PathBuf,
    /// How many replicas there are.
    pub replicas: usize,
    /// How often one is killed.
    pub kills: usize,
    /// How often one is paused beyond its lease.
    pub pauses: usize,
    /// The store is a PostgreSQL of the trial's own, and this is done to it and the network before it; SQLite if none.
    pub postgres: Option<Breaks>,
    /// Conversations at the same time.
    pub conversations: usize,
    /// The most messages of one sender in a conversation.
    pub messages: usize,
    /// What all chance comes from. The replicas' timing is not part of it.
    pub seed: u64,
    /// The replicas are `regrow-faulty`: some end and stop themselves at one of these boundaries, each with the most times
    /// that it is passed before.
    pub boundaries: &'static [Boundary],
    /// The replicas are `regrow-faulty`, and follow this broken protocol.
    pub mutant: Option<String>,
    /// How long a message may take before it counts as lost.
    pub patience: Duration,
    /// Show progress on standard error.
    pub verbose: bool,
}

/// A boundary of the protocol, by the name of its fail-point, with `=stop` or `=kill` behind it if it is to have no other
/// effect; and the most times that it is passed before it is met.
pub type Boundary = (&'static str, u32);

/// Boundaries all over the protocol. What is passed rarely is met early in a process's life.
pub const ANYWHERE: &[Boundary] = &[
    ("accept.before", 30),
    ("accept.after", 30),
    ("claim.before", 3),
    ("claim.after", 3),
    ("answer.before", 6),
    ("answer.after", 6),
    ("result.before", 6),
    ("result.after", 6),
    ("finish.before", 30),
    ("finish.after", 30),
    ("heartbeat.after", 3),
    ("reap.after", 3),
];

impl Options {
    /// A trial of three replicas of `binary`.
    pub fn new(binary: PathBuf, kills: usize, pauses: usize) -> Self {
        Self {
            binary,
            replicas: 3,
            kills,
            pauses,
            postgres: None,
            conversations: 10,
            messages: 6,
            seed: 1,
            boundaries: &[],
            mutant: None,
            patience: Duration::from_secs(60),
            verbose: false,
        }
    }
}

/// What the parts of a trial share.
struct Trial {
    options: Options,
    scene: Arc<Scene>,
    /// No new conversations are to begin.
    enough: AtomicBool,
    /// Conversations that have begun.
    begun: AtomicUsize,
}

/// Tries, and judges. An error is a trial that could not be held; broken promises are in the report.
pub async fn run(options: Options) -> Result<Report> {
    ensure!(options.replicas > 1, "a trial takes at least two replicas: somebody must take over");
    let scene = Arc::new(Scene::new(Server::start().await?, options.postgres.is_some(), options.patience));
    let mutant = options.mutant.iter().map(|mutant| (MUTANT.to_owned(), mutant.clone()));
    let env: Vec<(String, String)> = std::iter::once(scene.witness()).chain(mutant).collect();
    let database = match options.postgres {
        Some(_) => Some(Database::start(options.replicas).await?),
        None => None,
    };
    let ways = database.as_ref().map(Database::ways).transpose()?.unwrap_or_default();
    let cluster = Cluster::start(cluster::Options {
        replicas: options.replicas,
        extra_config: json!({"regrow": {"leaseSeconds": scene.lease.as_secs()}}),
        env: env.clone(),
        ways,
        ..cluster::Options::new(options.binary.clone(), scene.model.base_url())
    })
    .await?;
    scene.open_doors(&cluster)?;
    machine::watch(&scene)?;
    let mut breaker = match (database, options.postgres) {
        (Some(database), Some(breaks)) => {
            Some(Breaker::new(&scene, database, breaks, options.replicas, options.seed).await?)
        }
        _ => None,
    };
    let (enough, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    let trial = Arc::new(Trial { options, scene, enough, begun });
    let mut conversations = JoinSet::new();
    for _ in 0..trial.options.conversations {
        conversations.spawn(conversation::until_enough(Arc::clone(&trial)));
    }
    let mut killer = Killer::new(&trial, cluster, env)?;
    let harm = async {
        let breaks = async {
            match &mut breaker {
                Some(breaker) => breaker.work().await,
                None => Ok(()),
            }
        };
        tokio::try_join!(killer.work(), breaks)
    };
    tokio::select! {
        done = harm => drop(done?),
        () = show(&trial) => {}
    }
    trial.enough.store(true, Ordering::Relaxed);
    let mut history = History::default();
    // Each sender gives up by itself; more than that takes a protocol that answers and does not end.
    let end = timeout(trial.options.patience * 3, async {
        while let Some(ended) = conversations.join_next().await {
            for conversation in ended?? {
                history.sessions.insert(conversation.session, conversation.last);
                history.asks.extend(conversation.asks);
            }
        }
        anyhow::Ok(())
    });
    let has_ended = end.await;
    if let Ok(ended) = has_ended {
        ended?;
    }
    let left = conversations.len();
    history.calls = trial.scene.model.calls();
    history.harms = trial.scene.harms();
    history.probes = trial.scene.probes();
    Ok(Report::of(&history, left, killer.logs()))
}

/// Shows progress for as long as it is polled.
async fn show(trial: &Trial) {
    let mut ticks = interval(SHOW_EVERY);
    loop {
        ticks.tick().await;
        if trial.options.verbose {
            eprintln!("{}", trial.scene.progress.line(trial.scene.model.elapsed()));
        }
    }
}
