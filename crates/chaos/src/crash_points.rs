//! Crash points: every boundary of the protocol's fault table, met by everything that can go wrong there, under every kind
//! of run. Each case is a small cluster of its own, whose history is judged like that of a trial.

mod case;
mod list;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use regrow_testbed::postgres::Address;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use case::{Case, Script};
pub use list::{all, deaths, short};

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What was wrong; nothing if all is well.
    pub wrong: Vec<String>,
    /// The ends of the replicas' logs.
    pub logs: String,
}

/// Runs the cases, so many at a time, and calls `on_end` with each outcome as it comes. `program` is `regrow-faulty`. Each
/// case has a database of its own on `server`, or an SQLite file if there is none.
pub async fn run(
    program: &Path,
    server: Option<&Address>,
    cases: Vec<Case>,
    at_once: usize,
    mut on_end: impl FnMut(&Outcome),
) -> Result<()> {
    let room = Arc::new(Semaphore::new(at_once.max(1)));
    let mut running = JoinSet::new();
    for case in cases {
        let (room, program, server) = (Arc::clone(&room), program.to_owned(), server.cloned());
        running.spawn(async move {
            let _permit = room.acquire_owned().await?;
            Ok::<_, anyhow::Error>(case::play(&program, server.as_ref(), case).await)
        });
    }
    while let Some(outcome) = running.join_next().await {
        on_end(&outcome??);
    }
    Ok(())
}
