//! The breaker: cuts replicas off from the database in all ways that a network knows, crashes the database and fails over,
//! one harm at a time, and asks replicas that are certainly cut off what they say.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use futures_util::future::OptionFuture;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::progress::count;
use super::scene::Scene;
use crate::client::{Error, Turn};
use crate::database::Database;
use crate::history::{Answer, Harm, HarmKind, Probe};

/// The pause between two harms, in milliseconds.
const PACE: std::ops::Range<u64> = 100..600;

/// How long a cut lasts, and how long answers are lost, in milliseconds.
const SHORT: std::ops::Range<u64> = 1..400;

/// How long the database is down before it is started again, in milliseconds.
const DOWN: std::ops::Range<u64> = 50..2_500;

/// How long a replica is cut off that must lose its lease, in leases: from the first to the second.
const BEYOND: (f64, f64) = (1.3, 2.5);

/// The longest that a probe waits for an answer; what is slower than replicas promise is judged, not lost.
const PROBE: Duration = Duration::from_secs(20);

/// How often a replica is asked whether it is ready again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often each kind of harm is done to the network and the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaks {
    /// All connections of one replica are reset, and new ones for a moment.
    pub cuts: usize,
    /// A replica hears nothing for longer than its lease.
    pub black_holes: usize,
    /// A replica hears nothing for longer than its lease; then everything that was sent arrives.
    pub late: usize,
    /// What a replica asks is done, and it does not get the answer.
    pub lost_answers: usize,
    /// The database crashes and is started again.
    pub store_restarts: usize,
    /// The database is gone, and its standby takes its place.
    pub fail_overs: usize,
}

impl Breaks {
    fn left(&mut self) -> [(HarmKind, &mut usize); 6] {
        [
            (HarmKind::Cut, &mut self.cuts),
            (HarmKind::BlackHole, &mut self.black_holes),
            (HarmKind::Late, &mut self.late),
            (HarmKind::LostAnswers, &mut self.lost_answers),
            (HarmKind::StoreRestart, &mut self.store_restarts),
            (HarmKind::FailOver, &mut self.fail_overs),
        ]
    }

    /// One of the harms that are left, by chance.
    fn next(&mut self, random: &mut Rng) -> Option<HarmKind> {
        let mut left = self.left();
        let all: usize = left.iter().map(|(_, left)| **left).sum();
        if all == 0 {
            return None;
        }
        let mut at = random.usize(..all);
        let (kind, left) = left.iter_mut().find(|(_, left)| {
            let is_it = at < **left;
            at = at.saturating_sub(**left);
            is_it
        })?;
        **left -= 1;
        Some(*kind)
    }
}

/// See the module.
pub(super) struct Breaker {
    scene: Arc<Scene>,
    database: Database,
    left: Breaks,
    replicas: usize,
    random: Rng,
}

impl Breaker {
    /// Breaks what is between so many replicas and their database.
    pub(super) async fn new(
        scene: &Arc<Scene>,
        mut database: Database,
        left: Breaks,
        replicas: usize,
        seed: u64,
    ) -> Result<Self> {
        if left.fail_overs > 0 {
            database.add_standby().await?;
        }
        let random = Rng::with_seed(seed ^ 0x000b_4ea4);
        Ok(Self { scene: Arc::clone(scene), database, left, replicas, random })
    }

    /// Does all the harm that is asked for; afterwards everything works, and every replica has become ready again.
    pub(super) async fn work(&mut self) -> Result<()> {
        while let Some(kind) = self.left.next(&mut self.random) {
            sleep(Duration::from_millis(self.random.u64(PACE))).await;
            match kind {
                HarmKind::StoreRestart | HarmKind::FailOver => self.take_away(kind).await?,
                _ => self.cut_off(kind).await,
            }
            count(&self.scene.progress.breaks);
        }
        Ok(())
    }

    /// Breaks the network of one replica and heals it.
    async fn cut_off(&mut self, kind: HarmKind) {
        let replica = self.random.usize(..self.replicas);
        let is_long = matches!(kind, HarmKind::BlackHole | HarmKind::Late);
        let lasts = if is_long {
            self.scene.lease.mul_f64(BEYOND.0 + self.random.f64() * (BEYOND.1 - BEYOND.0))
        } else {
            Duration::from_millis(self.random.u64(SHORT))
        };
        let network = self.database.network(replica);
        let (from, end) = (self.scene.model.elapsed(), Instant::now() + lasts);
        match kind {
            HarmKind::Cut => network.cut(),
            HarmKind::BlackHole => network.black_hole(),
            HarmKind::Late => network.hold(),
            _ => network.lose_answers(),
        }
        let early = is_long.then(|| {
            let scene = Arc::clone(&self.scene);
            tokio::spawn(async move { ask_to_accept(&scene, replica, true).await })
        });
        if is_long {
            // From now on it cannot have a lease.
            sleep(self.scene.lease).await;
            let later = timeout_at(end, ask_ready(&self.scene, replica)).await;
            later.into_iter().for_each(|probe| self.scene.probe(probe));
            let later = timeout_at(end, ask_to_accept(&self.scene, replica, false)).await;
            later.into_iter().for_each(|probe| self.scene.probe(probe));
        }
        sleep_until(end).await;
        network.pass();
        // Whoever has lost its lease may trust it until it notices.
        self.scene.note(Harm {
            kind,
            replica: Some(replica),
            from,
            until: self.scene.model.elapsed() + self.scene.lease,
        });
        if let Some(Ok(probe)) = OptionFuture::from(early).await {
            self.scene.probe(probe);
        }
        self.scene.probe(returned(&self.scene, replica).await);
    }

    /// The database goes away, for all, and comes back.
    async fn take_away(&mut self, kind: HarmKind) -> Result<()> {
        let from = self.scene.model.elapsed();
        self.database.crash().await?;
        let end = Instant::now() + Duration::from_millis(self.random.u64(DOWN));
        let replica = self.random.usize(..self.replicas);
        let asked = timeout_at(end, ask_to_accept(&self.scene, replica, false)).await;
        asked.into_iter().for_each(|probe| self.scene.probe(probe));
        sleep_until(end).await;
        if kind == HarmKind::FailOver {
            self.database.promote().await?;
        } else {
            self.database.restart().await?;
        }
        // Whoever does not find it in time loses its lease, and may trust it for another one.
        self.scene.note(Harm {
            kind,
            replica: None,
            from,
            until: self.scene.model.elapsed() + self.scene.lease * 2,
        });
        for replica in 0..self.replicas {
            self.scene.probe(returned(&self.scene, replica).await);
        }
        if kind == HarmKind::FailOver && self.left.fail_overs > 0 {
            self.database.add_standby().await?;
        }
        Ok(())
    }
}

/// Asks a replica whether it is ready.
async fn ask_ready(scene: &Scene, replica: usize) -> Probe {
    let (client, asked) = (scene.client(replica), scene.model.elapsed());
    let answer = match timeout(PROBE, client.get("/readyz")).await {
        Ok(Ok((503, _))) => Answer::Refused,
        Ok(Ok((status, _))) => Answer::Other(status),
        Ok(Err(error)) => lost(&error),
        Err(_) => Answer::Lost,
    };
    Probe { replica, what: "/readyz", asked, answered: scene.model.elapsed(), answer }
}

/// Asks a replica to accept a message that nobody else sends. `early`, it may be healed before the answer.
async fn ask_to_accept(scene: &Scene, replica: usize, early: bool) -> Probe {
    let (client, asked) = (scene.client(replica), scene.model.elapsed());
    let turn = Turn::user("[[]]").once(format!("probe-{}-{replica}", asked.as_micros())).streamed();
    let answer = match timeout(PROBE, client.open(&turn)).await {
        Ok(Ok(live)) => match (live.so_far().status, live.so_far().header("retry-after")) {
            (503, Some(_)) => Answer::Refused,
            (200, _) if early => Answer::Returned,
            (status, _) => Answer::Other(status),
        },
        Ok(Err(error)) => lost(&error),
        Err(_) => Answer::Lost,
    };
    Probe { replica, what: "a message", asked, answered: scene.model.elapsed(), answer }
}

fn lost(error: &Error) -> Answer {
    if error.is_connect() { Answer::Nobody } else { Answer::Lost }
}

/// Waits until a replica is ready again, whichever process it is.
async fn returned(scene: &Scene, replica: usize) -> Probe {
    let asked = scene.model.elapsed();
    let is_ready = timeout(scene.patience, async {
        while !scene.client(replica).get("/readyz").await.is_ok_and(|(status, _)| status == 200) {
            sleep(LOOK_EVERY).await;
        }
    });
    let answer = if is_ready.await.is_ok() { Answer::Returned } else { Answer::Lost };
    Probe { replica, what: "the return", asked, answered: scene.model.elapsed(), answer }
}
