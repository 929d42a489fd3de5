//! A store that loses answers, refuses, holds back or panics when a test says so, and counts what it is asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use regrow_faults::{Afterwards, Call, Intercept, Intercepted};
use regrow_store::{Error, Layer, Store};
use tokio::sync::{Semaphore, watch};

pub(crate) use regrow_faults::Intent;

/// What goes wrong with one call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// It is not carried out.
    Refused,
    /// It is carried out, and its answer is lost.
    Lost,
    /// It is carried out, and its answer comes when there is a permit.
    Held(Arc<Semaphore>),
    /// It is not carried out, and repeating does not help.
    Unusable,
    /// It is a defect.
    Panic,
    /// A heartbeat is told that the replica is unknown: it was removed, as if it had hung.
    Gone,
}

/// What goes wrong from now on.
#[derive(Debug, Default)]
struct Plan {
    /// For the next calls, in order; they go first.
    next: HashMap<Intent, VecDeque<Fault>>,
    /// For all others.
    always: HashMap<Intent, Fault>,
    /// And for the rest, by chance.
    chance: Option<(fastrand::Rng, f64)>,
}

/// The store under a plan, as a test holds it.
pub(crate) struct Faulty {
    faults: Arc<Faults>,
    store: Arc<dyn Store>,
}

/// The plan at work.
struct Faults {
    sound: Arc<dyn Store>,
    plan: Mutex<Plan>,
    seen: watch::Sender<HashMap<Intent, usize>>,
}

impl Faulty {
    pub(crate) fn new(sound: Arc<dyn Store>) -> Self {
        let faults = Arc::new(Faults {
            sound: Arc::clone(&sound),
            plan: Mutex::default(),
            seen: watch::Sender::default(),
        });
        Self { store: Layer::store(Intercepted::new(sound, Arc::clone(&faults))), faults }
    }

    /// The store as a worker sees it.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The store without faults.
    pub(crate) fn sound(&self) -> &dyn Store {
        &*self.faults.sound
    }

    /// This goes well again.
    pub(crate) fn mend(&self, intent: Intent) {
        self.faults.plan.lock().unwrap().always.remove(&intent);
    }

    /// The next calls of `intent` meet these faults.
    pub(crate) fn next(&self, intent: Intent, faults: impl IntoIterator<Item = Fault>) {
        self.faults.plan.lock().unwrap().next.entry(intent).or_default().extend(faults);
    }

    /// All calls of `intent` meet this fault until [`Self::heal`].
    pub(crate) fn always(&self, intent: Intent, fault: Fault) {
        self.faults.plan.lock().unwrap().always.insert(intent, fault);
    }

    /// Every call fails or loses its answer with this probability until [`Self::heal`].
    pub(crate) fn by_chance(&self, seed: u64, probability: f64) {
        self.faults.plan.lock().unwrap().chance = Some((fastrand::Rng::with_seed(seed), probability));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        *self.faults.plan.lock().unwrap() = Plan::default();
    }

    /// How often this was asked.
    pub(crate) fn count(&self, intent: Intent) -> usize {
        self.faults.seen.borrow().get(&intent).copied().unwrap_or(0)
    }

    /// Waits until this was asked so many times more than now.
    pub(crate) async fn more(&self, intent: Intent, times: usize) {
        let goal = self.count(intent) + times;
        self.reached(intent, goal).await;
    }

    /// Waits until this was asked so many times.
    pub(crate) async fn reached(&self, intent: Intent, times: usize) {
        let mut seen = self.faults.seen.subscribe();
        let reached = seen.wait_for(|seen| seen.get(&intent).copied().unwrap_or(0) >= times);
        let late = format!("{intent:?} was not asked {times} times");
        tokio::time::timeout(crate::scene::PATIENCE, reached).await.expect(&late).unwrap();
    }
}

impl Faults {
    fn fault(&self, intent: Intent) -> Fault {
        self.seen.send_modify(|seen| *seen.entry(intent).or_default() += 1);
        let mut plan = self.plan.lock().unwrap();
        if let Some(fault) = plan.next.get_mut(&intent).and_then(VecDeque::pop_front) {
            return fault;
        }
        if let Some(fault) = plan.always.get(&intent) {
            return fault.clone();
        }
        let Some((random, probability)) = &mut plan.chance else { return Fault::Pass };
        match random.f64() / *probability {
            drawn if drawn < 0.5 => Fault::Lost,
            drawn if drawn < 1.0 => Fault::Refused,
            _ => Fault::Pass,
        }
    }
}

fn unavailable() -> Error {
    Error::Unavailable("as the test said".to_owned())
}

#[async_trait]
impl Intercept for Faults {
    async fn meet(&self, call: Call<'_>) -> Result<Option<Afterwards>, Error> {
        match self.fault(call.intent) {
            Fault::Pass => Ok(None),
            Fault::Refused => Err(unavailable()),
            Fault::Lost => Ok(Some(Box::pin(async { Err(unavailable()) }))),
            Fault::Held(gate) => Ok(Some(Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                Ok(())
            }))),
            Fault::Unusable => Err(Error::Unusable("as the test said".to_owned())),
            Fault::Panic => panic!("as the test said"),
            Fault::Gone => {
                let replica = call.replica.expect("only a heartbeat can be told so");
                self.sound.leave(replica).await?;
                Ok(None)
            }
        }
    }
}
