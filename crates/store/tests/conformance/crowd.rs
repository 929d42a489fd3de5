//! Many replicas at once against the real thing, killed in the middle of whatever they do, with zombies among them; then
//! quiet, and the promises are checked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use regrow_faults::Mutant;
use regrow_protocol::{EntryKind, ReplicaId, RunId};
use regrow_store::{Accept, Accepted, Claimed, Error, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::harness::Harness;
use super::history::{History, Violation};
use super::quiesce::{audit, drive, observe, quiesce};
use super::scene::{entry, joined, keyed, message};
use super::script::{CAP, SESSIONS};

/// Replicas that act at the same time.
const REPLICAS: usize = 4;

/// Calls between one misfortune and the next.
const PACE: usize = 25;

/// A model thinks for less than so many milliseconds: time to be killed in, or to be overtaken.
const THOUGHT: u64 = 4;

/// Zombies' leases that are kept; the oldest are forgotten.
const GRAVES: usize = 32;

/// Of these, the ones that still write: the log has hardly gone on without them.
const FRESH: usize = 3;

pub(crate) async fn replicas_that_are_killed_break_nothing<H: Harness>() {
    for seed in 1..=H::CROWDS {
        let found = run::<H>(None, seed, 40).await;
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

/// What the replicas of one crowd share.
#[derive(Default)]
struct Shared {
    history: History,
    /// Leases of replicas that were killed: whoever finds one may try to write with it.
    graves: Mutex<Vec<Claimed>>,
    calls: watch::Sender<usize>,
}

impl Shared {
    fn bury(&self, claimed: Claimed) {
        let mut graves = self.graves.lock().unwrap_or_else(PoisonError::into_inner);
        if graves.len() == GRAVES {
            graves.remove(0);
        }
        graves.push(claimed);
    }

    fn count(&self) {
        self.calls.send_modify(|calls| *calls += 1);
    }

    fn grave(&self, pick: usize) -> Option<Claimed> {
        let graves = self.graves.lock().unwrap_or_else(PoisonError::into_inner);
        graves.iter().rev().take(FRESH).nth(pick % FRESH).cloned()
    }
}

/// One replica: its process, its task, and what others must know to kill it.
struct Member {
    store: Arc<dyn Store>,
    task: JoinHandle<()>,
    life: Arc<Life>,
}

/// What a replica has in its hands.
#[derive(Default)]
struct Life {
    replica: Mutex<Option<ReplicaId>>,
    lease: Mutex<Option<Claimed>>,
}

impl Life {
    fn hold(&self, claimed: Option<&Claimed>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = claimed.cloned();
    }

    fn is(&self, replica: ReplicaId) {
        *self.replica.lock().unwrap_or_else(PoisonError::into_inner) = Some(replica);
    }
}

impl Member {
    fn start(store: Arc<dyn Store>, shared: &Arc<Shared>, random: Rng) -> Self {
        let life = Arc::new(Life::default());
        let mut actor =
            Actor { store: Arc::clone(&store), shared: Arc::clone(shared), life: Arc::clone(&life), random };
        let task = tokio::spawn(async move {
            // A replica that is gone comes back under a new id.
            while let Ok(()) = actor.live().await.inspect_err(|error| {
                actor.shared.history.saw(Violation::Diverged(error.to_string()));
            }) {}
        });
        Self { store, task, life }
    }

    /// Stops in the middle of a call, and leaves its lease to the zombies.
    async fn kill(self, shared: &Shared) -> (Arc<dyn Store>, Option<ReplicaId>) {
        self.task.abort();
        drop(self.task.await);
        let lease = self.life.lease.lock().unwrap_or_else(PoisonError::into_inner).take();
        lease.into_iter().for_each(|claimed| shared.bury(claimed));
        (self.store, *self.life.replica.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs a crowd through so many misfortunes and returns what was wrong.
pub(crate) async fn run<H: Harness>(mutant: Option<Mutant>, seed: u64, misfortunes: usize) -> Vec<Violation> {
    let mut random = Rng::with_seed(seed);
    let harness = H::open().await;
    let open = async || match mutant {
        Some(mutant) => mutant.over(harness.replica_handle().await),
        None => harness.replica_handle().await,
    };
    let shared = Arc::new(Shared::default());
    let mut members = Vec::new();
    for _ in 0..REPLICAS {
        members.push(Member::start(open().await, &shared, random.fork()));
    }
    let mut calls = shared.calls.subscribe();
    for _ in 0..misfortunes {
        let enough = *calls.borrow_and_update() + PACE;
        // A broken store may stand still.
        drop(timeout(Duration::from_secs(2), calls.wait_for(|calls| *calls >= enough)).await);
        let at = random.usize(..REPLICAS);
        if random.u8(..3) == 0 {
            // It goes on, and does not know that it is late.
            let replica = *members[at].life.replica.lock().unwrap_or_else(PoisonError::into_inner);
            lapse(&harness, replica).await;
            continue;
        }
        let (store, replica) = members.swap_remove(at).kill(&shared).await;
        let store = if random.bool() {
            harness.crash(store).await;
            open().await
        } else {
            lapse(&harness, replica).await;
            store
        };
        members.push(Member::start(store, &shared, random.fork()));
    }
    for member in members {
        member.kill(&shared).await;
    }
    let observer = open().await;
    quiesce(&harness, &observer, &shared.history).await;
    shared.history.check(&observe(&*observer).await)
}

async fn lapse<H: Harness>(harness: &H, replica: Option<ReplicaId>) {
    if let Some(replica) = replica {
        harness.lapse(replica).await;
    }
}

/// What a task does as a replica.
struct Actor {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    life: Arc<Life>,
    random: Rng,
}

impl Actor {
    /// Lives under one id until the store says that it is gone.
    async fn live(&mut self) -> Result<(), Error> {
        let replica = joined(&*self.store).await;
        self.life.is(replica);
        loop {
            self.shared.count();
            match self.random.u8(..10) {
                0..=2 => self.ask(replica).await?,
                3..=4 => {
                    for claimed in self.store.claim(replica, 2).await? {
                        self.work(claimed).await;
                    }
                }
                5 => drop(self.store.reap().await?),
                6..=8 => self.haunt().await,
                _ => self.look().await?,
            }
            if !audit(&*self.store, replica).await? {
                return Ok(());
            }
        }
    }

    /// A client asks, often with a key that it has used before.
    async fn ask(&mut self, replica: ReplicaId) -> Result<(), Error> {
        let session = SESSIONS[self.random.usize(..SESSIONS.len())];
        let question = match self.random.u8(..40) {
            0..10 => message(session),
            key => keyed(session, &key.to_string()),
        };
        let asked = Accept { cap: 4 * CAP, claim_for: self.random.bool().then_some(replica), ..question };
        let answer = self.store.accept(asked.clone()).await?;
        self.shared.history.answered(&asked, &answer);
        if let Accepted::New { claimed: Some(claimed), .. } = answer {
            self.work(*claimed).await;
        }
        Ok(())
    }

    /// Drives runs until there are no more, or another replica has taken over.
    async fn work(&mut self, claimed: Claimed) {
        let mut next = Some(claimed);
        while let Some(mut claimed) = next {
            self.life.hold(Some(&claimed));
            self.shared.history.granted(claimed.session(), claimed.epoch());
            self.shared.count();
            tokio::time::sleep(Duration::from_millis(self.random.u64(..THOUGHT))).await;
            let hold = |claimed: &Claimed| self.life.hold(Some(claimed));
            next = drive(&*self.store, &self.shared.history, &mut claimed, hold).await.ok().flatten();
        }
        self.life.hold(None);
    }

    /// A zombie wakes up and writes. As long as nobody has taken over, it may.
    async fn haunt(&mut self) {
        let Some(mut claimed) = self.shared.grave(self.random.usize(..)) else { return };
        let (head, batch) = (claimed.head(), [entry(EntryKind::Assistant, &RunId::new().to_string())]);
        let superseded = self.shared.history.is_superseded(claimed.session(), claimed.epoch());
        if self.store.append(&mut claimed, &batch, None).await.is_ok() {
            self.shared.history.wrote(claimed.session(), head, &batch);
            if superseded {
                self.shared.history.saw(Violation::Unfenced(claimed.session(), claimed.epoch()));
            }
        }
    }

    /// A client asks for the state of a run that was acknowledged.
    async fn look(&mut self) -> Result<(), Error> {
        if let Some(run) = self.shared.history.some_run(self.random.usize(..))
            && self.store.find_run(run).await?.is_none()
        {
            self.shared.history.saw(Violation::Lost(run));
        }
        Ok(())
    }
}
