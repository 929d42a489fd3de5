//! A load generator with a closed loop (so many clients, each sending its next turn when the last one is answered) and
//! an open one (turns at a constant rate, answered or not; see [`arrivals`]).
//!
//! It counts everything, also what failed: a turn is `ok` only if a whole answer came back.

pub mod arrivals;
mod latency;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Client, Turn};
pub use latency::Latency;
use report::Outcome;
pub use report::Report;

/// The longest wait for one answer, after which a turn counts as unanswered; people give up sooner.
const PATIENCE: Duration = Duration::from_secs(120);

/// What load to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateways; the workers are spread over them.
    pub clients: Vec<Client>,
    /// How many turns are under way at any time.
    pub concurrency: usize,
    /// Which sessions the turns belong to.
    pub sessions: Sessions,
    /// When to stop.
    pub limit: Limit,
    /// What each turn is like; its session is set by `sessions`.
    pub turn: Turn,
}

/// Which sessions the turns of a load belong to.
#[derive(Debug, Clone)]
pub enum Sessions {
    /// None is named: each request stands alone.
    Unnamed,
    /// All workers share so few sessions that their turns must queue.
    Shared {
        /// What the keys begin with.
        prefix: String,
        /// How many sessions there are.
        count: usize,
    },
    /// Each worker has its own, and begins another one after so many turns, so that a history's length does not depend
    /// on the speed.
    Distinct {
        /// What the keys begin with; it must be new for each load.
        prefix: String,
        /// Turns in one session.
        turns: usize,
    },
}

/// When a load stops; turns under way are finished.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After so many turns in all.
    Turns(usize),
    /// After this time.
    Elapsed(Duration),
}

/// Makes the load and reports. The error is a bad option or a worker's panic, never a failed turn.
pub async fn run(options: Options) -> Result<Report> {
    ensure!(!options.clients.is_empty(), "a load needs a gateway");
    let options = Arc::new(options);
    let begun = Instant::now();
    let taken = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..options.concurrency {
        workers.spawn(work(Arc::clone(&options), worker, begun, Arc::clone(&taken)));
    }
    let mut report = Report::default();
    while let Some(part) = workers.join_next().await {
        report.merge(part?);
    }
    report.elapsed = begun.elapsed();
    Ok(report)
}

/// One worker: sends turn after turn until the limit.
async fn work(options: Arc<Options>, worker: usize, begun: Instant, taken: Arc<AtomicUsize>) -> Report {
    let client = &options.clients[worker % options.clients.len()];
    let mut turn = options.turn.clone();
    let mut report = Report::default();
    for number in 0.. {
        let go_on = match options.limit {
            Limit::Turns(turns) => taken.fetch_add(1, Ordering::Relaxed) < turns,
            Limit::Elapsed(time) => begun.elapsed() < time,
        };
        if !go_on {
            break;
        }
        turn.session = session(&options.sessions, worker, number);
        report.note(send(client, &turn).await, Duration::ZERO);
    }
    report
}

async fn send(client: &Client, turn: &Turn) -> Outcome {
    match timeout(PATIENCE, client.send(turn)).await {
        Ok(outcome) => outcome.map_err(|error| format!("{:#}", anyhow::Error::from(error))),
        Err(_) => Err(format!("no whole answer within {PATIENCE:?}")),
    }
}

fn session(sessions: &Sessions, worker: usize, number: usize) -> Option<String> {
    match sessions {
        Sessions::Unnamed => None,
        Sessions::Shared { prefix, count } => Some(format!("{prefix}-{}", worker % (*count).max(1))),
        Sessions::Distinct { prefix, turns } => {
            Some(format!("{prefix}-{worker}-{}", number / (*turns).max(1)))
        }
    }
}
