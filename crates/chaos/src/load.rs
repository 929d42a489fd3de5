//! A closed-loop load generator: so many clients, each sending its next turn when the last one is answered.
//!
//! It counts everything, also what failed: a turn is `ok` only if a whole answer came back.

mod latency;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use crate::client::{Client, Reply, Turn};
pub use latency::Latency;

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
    /// All workers share the session of this key, so that their turns must queue.
    Shared(String),
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

/// What a load met with.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Turns that were answered in whole.
    pub ok: u64,
    /// Responses by status, also those of good turns.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without any response.
    pub unanswered: u64,
    /// Responses with status 200 that broke off or held an error.
    pub broken: u64,
    /// One of the failures, as an example.
    pub example: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From request to the end of the answer, of good turns.
    pub total: Latency,
    /// From request to the first token, of good turns.
    pub first_token: Latency,
}

impl Report {
    /// Good turns per second.
    pub fn turns_per_second(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }

    /// Turns that did not go well.
    pub fn failures(&self) -> u64 {
        let answered: u64 = self.statuses.values().sum();
        answered + self.unanswered - self.ok
    }

    fn note(&mut self, outcome: Result<Reply, crate::client::Error>) {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(error) => {
                self.unanswered += 1;
                self.example = Some(format!("{:#}", anyhow::Error::from(error)));
                return;
            }
        };
        *self.statuses.entry(reply.status).or_default() += 1;
        if reply.is_ok() {
            self.ok += 1;
            self.total.record(reply.total);
            self.first_token.record(reply.first_token.unwrap_or(reply.total));
        } else {
            self.broken += u64::from(reply.status == 200);
            self.example = Some(format!("status {}: {:?} {:?}", reply.status, reply.error, reply.broken));
        }
    }

    fn merge(&mut self, other: Self) {
        self.ok += other.ok;
        self.unanswered += other.unanswered;
        self.broken += other.broken;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.example = self.example.take().or(other.example);
        self.total.merge(&other.total);
        self.first_token.merge(&other.first_token);
    }
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
        report.note(client.send(&turn).await);
    }
    report
}

fn session(sessions: &Sessions, worker: usize, number: usize) -> Option<String> {
    match sessions {
        Sessions::Unnamed => None,
        Sessions::Shared(key) => Some(key.clone()),
        Sessions::Distinct { prefix, turns } => {
            Some(format!("{prefix}-{worker}-{}", number / (*turns).max(1)))
        }
    }
}
