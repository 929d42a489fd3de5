//! The killer: kills and pauses replicas, from outside or by fail-points that it arms them with, starts the dead again and
//! lets the paused go on, and writes down what it did.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::progress::count;
use super::{LEASE, Trial, clients};
use crate::cluster::{Cluster, ProcessState};
use crate::faulty::FAIL_POINTS;
use crate::history::{Harm, HarmKind};

/// The pause between two looks at the replicas.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The pause between two harms from outside, in milliseconds.
const PACE: std::ops::Range<u64> = 60..350;

/// How long a pause lasts, in leases.
const BEYOND: std::ops::Range<f64> = 1.3..2.0;

/// Boundaries at which replicas end or stop themselves. What is rare comes first in a process's life.
const BOUNDARIES: [(&str, u32); 12] = [
    ("accept.before", 30),
    ("accept.after", 30),
    ("claim.before", 8),
    ("claim.after", 8),
    ("answer.before", 6),
    ("answer.after", 6),
    ("result.before", 6),
    ("result.after", 6),
    ("finish.before", 30),
    ("finish.after", 30),
    ("heartbeat.after", 3),
    ("reap.after", 3),
];

/// What is known of one replica.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// It stands still, and somebody lets it go on.
    paused: bool,
}

/// Does harm to the replicas of a trial.
pub(super) struct Killer {
    trial: Arc<Trial>,
    cluster: Cluster,
    env: Vec<(String, String)>,
    random: Rng,
    places: Vec<Place>,
    harms: Arc<Mutex<Vec<Harm>>>,
    kills: usize,
    pauses: usize,
    /// When the next harm from outside is due.
    next: Instant,
}

impl Killer {
    pub(super) fn new(trial: &Arc<Trial>, cluster: Cluster, env: Vec<(String, String)>) -> Self {
        Self {
            random: Rng::with_seed(trial.options.seed),
            places: vec![Place::default(); cluster.size()],
            harms: Arc::default(),
            kills: 0,
            pauses: 0,
            next: Instant::now() + Duration::from_millis(PACE.end),
            trial: Arc::clone(trial),
            cluster,
            env,
        }
    }

    /// Does all the harm that is asked for, and makes sure that all replicas run in the end.
    pub(super) async fn work(&mut self) -> Result<Vec<Harm>> {
        while self.kills < self.trial.options.kills || self.pauses < self.trial.options.pauses {
            for index in 0..self.cluster.size() {
                self.look_after(index).await?;
            }
            if self.next <= Instant::now() {
                self.harm().await?;
                self.next = Instant::now() + Duration::from_millis(self.random.u64(PACE));
            }
            sleep(LOOK_EVERY).await;
        }
        while self.places.iter().any(|place| place.paused) {
            for index in 0..self.cluster.size() {
                self.look_after(index).await?;
            }
            sleep(LOOK_EVERY).await;
        }
        // Whoever is still armed starts once more, without.
        for index in 0..self.cluster.size() {
            if self.trial.options.fail_points {
                self.kill(index).await?;
            }
        }
        Ok(self.harms.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The ends of the replicas' logs.
    pub(super) fn logs(&self) -> String {
        self.cluster.logs()
    }

    /// Notices what a replica did to itself.
    async fn look_after(&mut self, index: usize) -> Result<()> {
        match self.cluster.state(index)? {
            ProcessState::Gone => {
                self.killed(index).await?;
            }
            ProcessState::Stopped if !self.places[index].paused => self.paused(index)?,
            ProcessState::Running => self.places[index].paused = false,
            ProcessState::Stopped => {}
        }
        Ok(())
    }

    /// Harms a replica from outside.
    async fn harm(&mut self) -> Result<()> {
        let upright: Vec<usize> =
            (0..self.places.len()).filter(|index| !self.places[*index].paused).collect();
        let (kills, pauses) = (self.left(HarmKind::Kill), self.left(HarmKind::Pause));
        // Somebody must be left to take over.
        if upright.len() < 2 || kills + pauses == 0 {
            return Ok(());
        }
        let index = upright[self.random.usize(..upright.len())];
        if self.random.usize(..kills + pauses) < kills {
            self.kill(index).await
        } else if upright.len() == self.places.len() {
            self.cluster.pause(index)?;
            self.paused(index)
        } else {
            Ok(())
        }
    }

    fn left(&self, kind: HarmKind) -> usize {
        match kind {
            HarmKind::Kill => self.trial.options.kills.saturating_sub(self.kills),
            HarmKind::Pause => self.trial.options.pauses.saturating_sub(self.pauses),
        }
    }

    async fn kill(&mut self, index: usize) -> Result<()> {
        self.cluster.kill(index).await?;
        self.killed(index).await
    }

    /// A replica is dead: it is written down and started again.
    async fn killed(&mut self, index: usize) -> Result<()> {
        self.kills += 1;
        count(&self.trial.progress.kills);
        let now = self.trial.model.elapsed();
        // It may have ended itself a moment ago.
        let from = now.saturating_sub(LOOK_EVERY * 4);
        self.note(Harm { kind: HarmKind::Kill, from, until: now });
        let fail_point = self.fail_point();
        let env = self.env.iter().cloned().chain(fail_point.map(|point| (FAIL_POINTS.to_owned(), point)));
        self.cluster.set_env(env.collect());
        self.cluster.restart(index).await?;
        self.places[index].paused = false;
        self.trial.clients.send_replace(clients(&self.cluster)?);
        Ok(())
    }

    /// A replica stands still: it is let go on in time, whatever else happens meanwhile.
    fn paused(&mut self, index: usize) -> Result<()> {
        self.pauses += 1;
        count(&self.trial.progress.pauses);
        self.places[index].paused = true;
        let from = self.trial.model.elapsed().saturating_sub(LOOK_EVERY * 4);
        let leases = BEYOND.start + self.random.f64() * (BEYOND.end - BEYOND.start);
        let (pid, trial, harms) =
            (self.cluster.pid(index)?, Arc::clone(&self.trial), Arc::clone(&self.harms));
        // Nobody kills or reaps a replica that stands still, so the id stays its own.
        tokio::spawn(async move {
            sleep(Duration::from_secs(LEASE).mul_f64(leases)).await;
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::CONT).ok();
            }
            let until = trial.model.elapsed();
            let harm = Harm { kind: HarmKind::Pause, from, until };
            harms.lock().unwrap_or_else(PoisonError::into_inner).push(harm);
        });
        Ok(())
    }

    fn note(&self, harm: Harm) {
        self.harms.lock().unwrap_or_else(PoisonError::into_inner).push(harm);
    }

    /// What the next process is armed with: nothing half of the time.
    fn fail_point(&mut self) -> Option<String> {
        if !self.trial.options.fail_points || self.random.bool() {
            return None;
        }
        let (boundary, most) = BOUNDARIES[self.random.usize(..BOUNDARIES.len())];
        let effect = if self.left(HarmKind::Pause) > 0 && self.random.bool() { "stop" } else { "kill" };
        Some(format!("{boundary}#{}={effect}", self.random.u32(1..=most)))
    }
}
