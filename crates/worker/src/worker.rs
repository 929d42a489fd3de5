//! The handle through which the rest of the program uses this crate, and what its parts share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use regrow_agent::Reply;
use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId};
use regrow_providers::Models;
use regrow_store::{Error, Store};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::cache::Transcripts;
use crate::commits::Commits;
use crate::lease::Life;
use crate::live::Board;
use crate::prompt::Prompts;
use crate::submit::{Admission, Refusals};
use crate::{
    Cursor, Follow, InForce, Options, Settings, Submission, SubmitError, Ticket, claimer, drain, follow,
    membership, peer, retention, schedule, submit,
};

/// Whether this replica can accept and commit work now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It has not joined yet.
    Starting,
    /// It can.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
    /// It is handing its sessions over and will exit.
    Draining,
}

/// What a replica does and could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Runs that it drives.
    pub driven: usize,
    /// Runs that it could drive beside them.
    pub free: usize,
}

/// A replica's worker. Clones share it.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

/// What the parts of a worker share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) present: InForce<Present>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) commits: Commits,
    pub(crate) peers: reqwest::Client,
    pub(crate) board: Arc<Board>,
    pub(crate) transcripts: Transcripts,
    pub(crate) admission: Admission,
    pub(crate) refusals: Refusals,
    /// One permit per run that may be driven.
    pub(crate) slots: Arc<Semaphore>,
    /// What running messages may weigh.
    pub(crate) budget: Budget,
    /// Sessions whose lease this process holds.
    pub(crate) held: Mutex<HashMap<SessionId, Held>>,
    pub(crate) life: RwLock<Arc<Life>>,
    pub(crate) phase: watch::Sender<Phase>,
    /// A heartbeat is wanted now.
    pub(crate) beat: Notify,
    /// A session may be ready.
    pub(crate) ready: Notify,
    pub(crate) tasks: TaskTracker,
}

/// The settings in force, and what was made of them.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) settings: Settings,
    pub(crate) prompts: Prompts,
}

impl Present {
    fn new(settings: Settings) -> Self {
        Self { settings, prompts: Prompts::default() }
    }
}

/// Where a worker is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Serving; the store is reachable, or this is why not.
    Serving(Result<(), String>),
    /// Not ready any more, and otherwise as before: those who send work here are to notice first.
    Withdrawn,
    /// Takes nothing new.
    Draining,
    /// Hands over what still runs.
    HandingOver,
}

/// A session that is driven now.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) epoch: Epoch,
    pub(crate) run: RunId,
    pub(crate) since: std::time::Instant,
    /// Somebody wants the run to stop.
    pub(crate) abort: CancellationToken,
    /// The lease is gone.
    pub(crate) fenced: CancellationToken,
}

impl Inner {
    /// The present life.
    pub(crate) fn life(&self) -> Arc<Life> {
        Arc::clone(&self.life.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Draining | Phase::HandingOver)
    }

    pub(crate) fn hold(&self, session: SessionId, held: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(session, held);
    }

    /// The session is driven here, and nobody has told its run to stop.
    pub(crate) fn drives_unaborted(&self, session: SessionId) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&session).is_some_and(|held| !held.abort.is_cancelled())
    }

    /// Forgets a session, if it is still held under this epoch.
    pub(crate) fn let_go(&self, session: SessionId, epoch: Epoch) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(&session).is_some_and(|h| h.epoch == epoch) {
            held.remove(&session);
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// Joins the store under a new id and starts to claim and drive runs.
    pub async fn start(options: Options, settings: Settings, store: Arc<dyn Store>) -> Result<Self, Error> {
        let peers = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(1))
            .build()
            .map_err(|e| Error::Unusable(format!("cannot make an HTTP client: {e}")))?;
        let life = membership::join_at_start(&*store, &options).await?;
        let inner = Arc::new(Inner {
            slots: Arc::new(Semaphore::new(options.slots as usize)),
            options,
            present: InForce::new(Present::new(settings)),
            budget: Budget::default(),
            store,
            commits: Commits::default(),
            peers,
            board: Arc::default(),
            transcripts: Transcripts::default(),
            admission: Admission::default(),
            refusals: Refusals::default(),
            held: Mutex::default(),
            life: RwLock::new(Arc::new(life)),
            phase: watch::Sender::new(Phase::Serving(Ok(()))),
            beat: Notify::new(),
            ready: Notify::new(),
            tasks: TaskTracker::new(),
        });
        membership::start(&inner)?;
        claimer::start(&inner);
        schedule::start(&inner);
        retention::start(&inner);
        Ok(Self { inner })
    }

    /// The models that are asked now.
    pub fn models(&self) -> Arc<Models> {
        Arc::clone(&self.inner.present.get().settings.models)
    }

    /// From now on these settings are in force.
    pub fn change(&self, settings: Settings) {
        self.inner.present.replace(Present::new(settings));
    }

    /// Accepts a message: when this has returned, the message is committed and will be answered once.
    pub async fn submit(&self, submission: Submission) -> Result<Ticket, SubmitError> {
        submit::submit(&self.inner, submission).await
    }

    /// The ticket of a run that was accepted earlier, on any replica.
    pub async fn ticket(&self, run: RunId) -> Result<Option<Ticket>, Error> {
        let view = self.inner.store.find_run(run).await?;
        Ok(view.map(|view| Ticket {
            run,
            session: view.session,
            fingerprint: view.fingerprint,
            duplicate: true,
        }))
    }

    /// The reply of a run, if it has ended; does not wait.
    pub async fn reply(&self, ticket: &Ticket) -> Result<Option<Reply>, Error> {
        match self.inner.store.find_run(ticket.run).await?.map(|view| view.state) {
            Some(regrow_store::RunState::Ended(end)) => {
                follow::read_reply(&self.inner, ticket.session, ticket.run, &end).await
            }
            _ => Ok(None),
        }
    }

    /// Follows a run from a position of its text.
    pub fn follow(&self, ticket: &Ticket, from: Cursor) -> Follow {
        Follow::new(Arc::clone(&self.inner), ticket, from)
    }

    /// Asks that a run be aborted; it ends soon, as aborted, unless it has ended already.
    pub async fn abort(&self, run: RunId) -> Result<(), Error> {
        self.inner.store.abort(run).await?;
        let held = self.inner.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().filter(|held| held.run == run).for_each(|held| held.abort.cancel());
        Ok(())
    }

    /// Whether this replica can accept and commit work now.
    pub fn readiness(&self) -> Readiness {
        match &*self.inner.phase.borrow() {
            Phase::Withdrawn | Phase::Draining | Phase::HandingOver => Readiness::Draining,
            Phase::Serving(Err(why)) => Readiness::NotReady(why.clone()),
            // Also if the heartbeat itself has stopped.
            Phase::Serving(Ok(())) if !self.inner.life().is_trusted() => {
                Readiness::NotReady("no heartbeat has reached the store lately".to_owned())
            }
            Phase::Serving(Ok(())) => {
                self.inner.commits.trouble().map_or(Readiness::Ready, Readiness::NotReady)
            }
        }
    }

    /// How many runs this replica drives now, and how many more it could.
    pub fn slots(&self) -> Slots {
        let driven = self.inner.held.lock().unwrap_or_else(PoisonError::into_inner).len();
        let free = if self.inner.options.runs { self.inner.slots.available_permits() } else { 0 };
        Slots { driven, free }
    }

    /// How often this replica has refused a message, for each of [`SubmitError::REASONS`].
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.inner.refusals.all()
    }

    /// The replica's id in its present life.
    pub fn replica(&self) -> ReplicaId {
        self.inner.life().replica
    }

    /// What a peer that asks for this run must show. It is made from the secret that the replicas of a store share, and
    /// good for this run only.
    pub fn peer_token(&self, run: RunId) -> String {
        peer::token(self.inner.store.cluster_secret(), run)
    }

    /// The live text of a run that this replica drives, for a peer: lines of JSON until the run ends here. `None` if it
    /// is not driven here.
    pub fn live_lines(&self, run: RunId) -> Option<BoxStream<'static, Bytes>> {
        self.inner.board.find(run).map(peer::lines)
    }

    /// Says from now on that it is not ready, so that load balancers look elsewhere, and still takes and does everything.
    pub fn withdraw(&self) {
        self.inner.phase.send_replace(Phase::Withdrawn);
    }

    /// Takes nothing new, lets running work finish within the drain time, hands the rest over, and leaves the store.
    pub async fn drain(&self) {
        drain::drain(&self.inner).await;
    }
}
