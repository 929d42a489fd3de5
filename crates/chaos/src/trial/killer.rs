//! The killer: kills and pauses replicas, from outside or by fail-points that it arms them with, starts the dead again and
//! leaves it to others to let the paused go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, ensure};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::progress::count;
use super::{Trial, lives};
use crate::cluster::{Cluster, ProcessState};
use crate::faulty::FAIL_POINTS;

/// The pause between two looks at the replicas.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The pause between two harms from outside, in milliseconds.
const PACE: std::ops::Range<u64> = 60..350;

/// Starts of a replica that may fail until the trial does.
const STARTS: usize = 5;

/// Does harm to the replicas of a trial.
pub(super) struct Killer {
    trial: Arc<Trial>,
    cluster: Cluster,
    env: Vec<(String, String)>,
    random: Rng,
    /// Replicas are still armed with fail-points.
    arming: bool,
    /// When the next harm from outside is due.
    next: Instant,
}

impl Killer {
    pub(super) fn new(trial: &Arc<Trial>, cluster: Cluster, env: Vec<(String, String)>) -> Result<Self> {
        let killer = Self {
            random: Rng::with_seed(trial.options.seed),
            next: Instant::now() + Duration::from_millis(PACE.end),
            trial: Arc::clone(trial),
            cluster,
            env,
            arming: !trial.options.boundaries.is_empty(),
        };
        (0..killer.cluster.size()).try_for_each(|index| killer.watch(index))?;
        Ok(killer)
    }

    /// Does all the harm that is asked for, and makes sure that all replicas run in the end.
    pub(super) async fn work(&mut self) -> Result<()> {
        while self.kills_left() + self.pauses_left() > 0
            || self.trial.scene.pauses.load(Ordering::Relaxed) > 0
        {
            for index in 0..self.cluster.size() {
                if self.cluster.state(index)? == ProcessState::Gone {
                    self.killed(index).await?;
                }
            }
            if self.next <= Instant::now() {
                self.harm().await?;
                self.next = Instant::now() + Duration::from_millis(self.random.u64(PACE));
            }
            sleep(LOOK_EVERY).await;
        }
        if std::mem::take(&mut self.arming) {
            // Whoever may still be armed starts once more, without.
            for index in 0..self.cluster.size() {
                self.kill(index).await?;
            }
        }
        Ok(())
    }

    /// The ends of the replicas' logs.
    pub(super) fn logs(&self) -> String {
        self.cluster.logs()
    }

    /// Harms a replica from outside.
    async fn harm(&mut self) -> Result<()> {
        let (kills, pauses) = (self.kills_left(), self.pauses_left());
        let upright: Vec<usize> = (0..self.cluster.size())
            .filter(|index| self.cluster.state(*index).is_ok_and(|state| state == ProcessState::Running))
            .collect();
        // Somebody must be left to take over.
        if upright.len() < 2 || kills + pauses == 0 {
            return Ok(());
        }
        let index = upright[self.random.usize(..upright.len())];
        if self.random.usize(..kills + pauses) < kills {
            return self.kill(index).await;
        }
        if self.trial.scene.pauses.load(Ordering::Relaxed) == 0 {
            // What watches the replica notices, and lets it go on.
            self.cluster.pause(index)?;
        }
        Ok(())
    }

    fn kills_left(&self) -> usize {
        self.trial.options.kills.saturating_sub(self.trial.scene.progress.kills.load(Ordering::Relaxed))
    }

    fn pauses_left(&self) -> usize {
        self.trial.options.pauses.saturating_sub(self.trial.scene.progress.pauses.load(Ordering::Relaxed))
    }

    async fn kill(&mut self, index: usize) -> Result<()> {
        self.cluster.kill(index).await?;
        self.killed(index).await
    }

    /// A replica is dead: it is started again.
    async fn killed(&mut self, index: usize) -> Result<()> {
        count(&self.trial.scene.progress.kills);
        let fail_point = self.fail_point();
        let env = self.env.iter().cloned().chain(fail_point.map(|point| (FAIL_POINTS.to_owned(), point)));
        self.cluster.set_env(env.collect());
        let mut failures = 0;
        // It met its fail-point before it was ready, or gave up waiting for a replica that stands still in the middle of a
        // transaction. Whoever supervises replicas starts it again.
        while let Err(error) = self.start_again(index).await {
            failures += 1;
            ensure!(failures < STARTS, error);
            self.cluster.set_env(self.env.clone());
        }
        self.trial.scene.open_doors(&self.cluster)
    }

    /// Starts a replica. It is watched before it is ready, because it can claim sessions, stand still and end by then.
    async fn start_again(&mut self, index: usize) -> Result<()> {
        self.cluster.replace(index).await?;
        self.watch(index)?;
        self.cluster.await_ready(index).await
    }

    fn watch(&self, index: usize) -> Result<()> {
        tokio::spawn(lives::watch(Arc::clone(&self.trial.scene), index, self.cluster.pid(index)?));
        Ok(())
    }

    /// What the next process is armed with: nothing now and then.
    fn fail_point(&mut self) -> Option<String> {
        if !self.arming || self.random.u8(..4) == 0 {
            return None;
        }
        let boundaries = self.trial.options.boundaries;
        let (boundary, most) = boundaries[self.random.usize(..boundaries.len())];
        let by_chance = if self.pauses_left() > 0 && self.random.bool() { "stop" } else { "kill" };
        let (boundary, effect) = boundary.split_once('=').unwrap_or((boundary, by_chance));
        Some(format!("{boundary}#{}={effect}", self.random.u32(1..=most)))
    }
}
