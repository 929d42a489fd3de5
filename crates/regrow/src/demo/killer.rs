//! Kills replicas, one every second or two, starts them again, and measures every takeover.
//!
//! Dice choose the victim, whatever it does at the time: one that drives no run still streams replies of the others. Only
//! a replica with very few runs is spared. A run whose replicas die again and again while they do little else is given up
//! as the cause of it, and rightly so; to hunt the last runs from replica to replica would show just that.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use fastrand::Rng;
use regrow_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::progress::Progress;
use super::replicas::Replicas;
use super::takeover;

/// The time between two kills, and between a kill and the start of the next replica, in milliseconds.
const NEXT_KILL_MS: Range<u64> = 1_000..2_000;
const RESTART_MS: Range<u64> = 300..700;

/// The pause between two looks at who drives what.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A replica that drives this many runs is spared.
const SPARED: Range<u32> = 1..3;

/// Who kills.
pub(super) struct Killer<'a> {
    pub(super) replicas: &'a mut Replicas,
    pub(super) store: Arc<dyn Store>,
    pub(super) progress: Arc<Progress>,
    pub(super) rng: Rng,
}

impl Killer<'_> {
    /// Kills until `over` is true. Afterwards all replicas live, and every takeover has been measured.
    pub(super) async fn run(mut self, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut takeovers = JoinSet::new();
        let mut next_kill = Instant::now() + self.millis(NEXT_KILL_MS);
        let mut restart: Option<(usize, Instant)> = None;
        while !*over.borrow() {
            let runs = self.look().await;
            if let Some((place, _)) = restart.filter(|(_, at)| *at <= Instant::now()) {
                self.replicas.spawn(place, &self.progress).await?;
                restart = None;
            }
            if next_kill <= Instant::now() && restart.is_none() {
                next_kill = Instant::now() + self.millis(NEXT_KILL_MS);
                let place = self.rng.usize(..runs.len());
                if !SPARED.contains(&runs[place]) {
                    takeovers.spawn(self.kill(place, runs[place]).await?);
                    restart = Some((place, Instant::now() + self.millis(RESTART_MS)));
                }
            }
            // That it is over is seen at the head of the loop.
            let _ = tokio::time::timeout(LOOK_EVERY, over.changed()).await;
        }
        if let Some((place, _)) = restart {
            self.replicas.spawn(place, &self.progress).await?;
        }
        while let Some(watched) = takeovers.join_next().await {
            watched.context("a takeover was not measured")??;
        }
        self.look().await;
        Ok(())
    }

    fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(range))
    }

    /// Notes how many runs each replica drives.
    async fn look(&self) -> Vec<u32> {
        let runs = self.replicas.count_runs(&*self.store).await;
        self.progress.update(|seen| {
            for (place, runs) in seen.replicas.iter_mut().zip(&runs).filter(|(place, _)| place.up) {
                place.runs = *runs;
            }
        });
        runs
    }

    /// Kills a replica; the result is to be awaited and measures the takeovers of what it drove.
    async fn kill(
        &mut self,
        place: usize,
        runs: u32,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + use<>> {
        let victim = self.replicas.id(place).context("the replica is not running")?;
        let killed = Instant::now();
        // The first is polled first, so the signal is sent before the store is asked: what it then says that the victim
        // drives was driven until its death. Waiting for the process to be gone comes after, because takeovers do not.
        let (gone, orphans) = tokio::join!(
            biased;
            self.replicas.kill(place),
            takeover::driven_by(&*self.store, victim),
        );
        gone?;
        let orphans = orphans?;
        self.progress.update(|seen| {
            seen.kills += 1;
            (seen.replicas[place].up, seen.replicas[place].runs) = (false, runs);
        });
        let (store, progress) = (Arc::clone(&self.store), Arc::clone(&self.progress));
        Ok(async move {
            let note = |time| progress.update(|seen| seen.takeovers.push(time));
            takeover::watch(&*store, orphans, killed, note).await
        })
    }
}
