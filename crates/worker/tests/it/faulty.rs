//! A store that loses answers, refuses, holds back or panics when a test says so, and counts what it is asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use regrow_protocol::{Epoch, ReplicaId, RunId, Seq, SessionId};
use regrow_store::sqlite::SqliteStore;
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Error, Finish, Finished, Hint, Load, LogEntry, NewEntry,
    Reaped, Replica, ReplicaView, Reset, RunView, SessionView, Store, WriteError,
};
use tokio::sync::{Semaphore, broadcast, watch};

/// A method of the store that a test can aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Intent {
    Join,
    Accept,
    Claim,
    Append,
    Finish,
    Release,
    Heartbeat,
    Disown,
    Drain,
    Leave,
    Reap,
    Abort,
    FindRun,
    ReadLog,
    Load,
}

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
    /// A heartbeat is told that the replica is unknown.
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

/// The store under a plan.
pub(crate) struct Faulty {
    inner: SqliteStore,
    plan: Mutex<Plan>,
    seen: watch::Sender<HashMap<Intent, usize>>,
}

impl Faulty {
    pub(crate) fn new(inner: SqliteStore) -> Self {
        Self { inner, plan: Mutex::default(), seen: watch::Sender::default() }
    }

    /// The store without faults.
    pub(crate) fn sound(&self) -> &SqliteStore {
        &self.inner
    }

    /// This goes well again.
    pub(crate) fn mend(&self, intent: Intent) {
        self.plan.lock().unwrap().always.remove(&intent);
    }

    /// The next calls of `intent` meet these faults.
    pub(crate) fn next(&self, intent: Intent, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap().next.entry(intent).or_default().extend(faults);
    }

    /// All calls of `intent` meet this fault until [`Self::heal`].
    pub(crate) fn always(&self, intent: Intent, fault: Fault) {
        self.plan.lock().unwrap().always.insert(intent, fault);
    }

    /// Every call fails or loses its answer with this probability until [`Self::heal`].
    pub(crate) fn by_chance(&self, seed: u64, probability: f64) {
        self.plan.lock().unwrap().chance = Some((fastrand::Rng::with_seed(seed), probability));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        *self.plan.lock().unwrap() = Plan::default();
    }

    /// How often this was asked.
    pub(crate) fn count(&self, intent: Intent) -> usize {
        self.seen.borrow().get(&intent).copied().unwrap_or(0)
    }

    /// Waits until this was asked so many times more than now.
    pub(crate) async fn more(&self, intent: Intent, times: usize) {
        let goal = self.count(intent) + times;
        self.reached(intent, goal).await;
    }

    /// Waits until this was asked so many times.
    pub(crate) async fn reached(&self, intent: Intent, times: usize) {
        let mut seen = self.seen.subscribe();
        let reached = seen.wait_for(|seen| seen.get(&intent).copied().unwrap_or(0) >= times);
        let late = format!("{intent:?} was not asked {times} times");
        tokio::time::timeout(crate::scene::PATIENCE, reached).await.expect(&late).unwrap();
    }

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

    async fn meet<T, E: From<Error>>(
        &self,
        intent: Intent,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.fault(intent) {
            Fault::Pass => work.await,
            Fault::Refused => Err(unavailable().into()),
            Fault::Lost => {
                drop(work.await);
                Err(unavailable().into())
            }
            Fault::Held(gate) => {
                let answer = work.await;
                gate.acquire().await.unwrap().forget();
                answer
            }
            Fault::Unusable => Err(Error::Unusable("as the test said".to_owned()).into()),
            Fault::Panic => panic!("as the test said"),
            Fault::Gone => panic!("only a heartbeat can be told so"),
        }
    }
}

fn unavailable() -> Error {
    Error::Unavailable("as the test said".to_owned())
}

#[async_trait]
impl Store for Faulty {
    async fn join(&self, replica: &Replica) -> Result<(), Error> {
        self.meet(Intent::Join, self.inner.join(replica)).await
    }

    async fn accept(&self, message: Accept) -> Result<Accepted, Error> {
        self.meet(Intent::Accept, self.inner.accept(message)).await
    }

    async fn claim(&self, replica: ReplicaId, most: usize) -> Result<Vec<Claimed>, Error> {
        self.meet(Intent::Claim, self.inner.claim(replica, most)).await
    }

    async fn append(
        &self,
        claimed: &mut Claimed,
        entries: &[NewEntry],
        context_base: Option<Seq>,
    ) -> Result<Control, WriteError> {
        // Who loses the answer does not learn of the new head either.
        let mut advanced = claimed.clone();
        let work = self.inner.append(&mut advanced, entries, context_base);
        let control = self.meet(Intent::Append, work).await?;
        *claimed = advanced;
        Ok(control)
    }

    async fn finish(&self, claimed: &Claimed, finish: &Finish) -> Result<Finished, WriteError> {
        self.meet(Intent::Finish, self.inner.finish(claimed, finish)).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), WriteError> {
        self.meet(Intent::Release, self.inner.release(claimed)).await
    }

    async fn heartbeat(&self, replica: ReplicaId) -> Result<Beat, Error> {
        let gone = {
            let mut plan = self.plan.lock().unwrap();
            let next = plan.next.get_mut(&Intent::Heartbeat);
            next.filter(|next| matches!(next.front(), Some(Fault::Gone))).and_then(VecDeque::pop_front)
        };
        if gone.is_some() {
            self.seen.send_modify(|seen| *seen.entry(Intent::Heartbeat).or_default() += 1);
            return Ok(Beat::Gone);
        }
        self.meet(Intent::Heartbeat, self.inner.heartbeat(replica)).await
    }

    async fn disown(&self, replica: ReplicaId, leases: &[(SessionId, Epoch)]) -> Result<u64, Error> {
        self.meet(Intent::Disown, self.inner.disown(replica, leases)).await
    }

    async fn drain(&self, replica: ReplicaId) -> Result<(), Error> {
        self.meet(Intent::Drain, self.inner.drain(replica)).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        self.meet(Intent::Leave, self.inner.leave(replica)).await
    }

    async fn reap(&self) -> Result<Reaped, Error> {
        self.meet(Intent::Reap, self.inner.reap()).await
    }

    async fn abort(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.meet(Intent::Abort, self.inner.abort(run)).await
    }

    async fn reset(&self, session: SessionId) -> Result<Reset, Error> {
        self.inner.reset(session).await
    }

    async fn find_run(&self, run: RunId) -> Result<Option<RunView>, Error> {
        self.meet(Intent::FindRun, self.inner.find_run(run)).await
    }

    async fn read_log(&self, session: SessionId, after: Seq, limit: usize) -> Result<Vec<LogEntry>, Error> {
        self.meet(Intent::ReadLog, self.inner.read_log(session, after, limit)).await
    }

    async fn list_sessions(&self, limit: usize) -> Result<Vec<SessionView>, Error> {
        self.inner.list_sessions(limit).await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, Error> {
        self.inner.find_session(session).await
    }

    async fn list_runs(&self, session: Option<SessionId>, limit: usize) -> Result<Vec<RunView>, Error> {
        self.inner.list_runs(session, limit).await
    }

    async fn list_replicas(&self) -> Result<Vec<ReplicaView>, Error> {
        self.inner.list_replicas().await
    }

    async fn load(&self) -> Result<Load, Error> {
        self.meet(Intent::Load, self.inner.load()).await
    }

    fn cluster_secret(&self) -> &str {
        self.inner.cluster_secret()
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.inner.hints()
    }
}
