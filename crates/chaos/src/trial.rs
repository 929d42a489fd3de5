//! A trial: conversations go on while replicas are killed and paused, and afterwards the history is judged.
//!
//! Replicas are harmed from outside at random moments; those of `regrow-faulty` also kill and stop themselves at named
//! boundaries of the protocol. A trial on a broken protocol must find it out.

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

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::cluster::{self, Cluster};
use crate::faulty::MUTANT;
use crate::history::History;
use crate::model_server::Server;
use killer::Killer;
pub use report::Report;

pub(crate) use lives::watch as watch_life;
pub(crate) use machine::watch as watch_machine;
pub(crate) use scene::{LEASE, Scene};
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
    let scene = Arc::new(Scene::new(Server::start().await?, options.patience));
    let mutant = options.mutant.iter().map(|mutant| (MUTANT.to_owned(), mutant.clone()));
    let env: Vec<(String, String)> = std::iter::once(scene.witness()).chain(mutant).collect();
    let cluster = Cluster::start(cluster::Options {
        replicas: options.replicas,
        extra_config: json!({"regrow": {"leaseSeconds": LEASE}}),
        env: env.clone(),
        ..cluster::Options::new(options.binary.clone(), scene.model.base_url())
    })
    .await?;
    scene.open_doors(&cluster)?;
    machine::watch(&scene)?;
    let (enough, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    let trial = Arc::new(Trial { options, scene, enough, begun });
    let mut conversations = JoinSet::new();
    for _ in 0..trial.options.conversations {
        conversations.spawn(conversation::until_enough(Arc::clone(&trial)));
    }
    let mut killer = Killer::new(&trial, cluster, env)?;
    tokio::select! {
        done = killer.work() => done?,
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
