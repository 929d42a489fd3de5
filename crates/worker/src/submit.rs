//! Handing a message in: accepted once, or refused with a reason and a time to come back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use regrow_agent::Inbound;
use regrow_protocol::{RunId, SessionId, SessionKey};
use regrow_store::{Accept, Accepted, Error, Load};

use crate::drive;
use crate::worker::{Inner, Phase};

/// How long a look at the load of all replicas is believed.
const LOAD_FOR: Duration = Duration::from_millis(250);

/// The shortest time after which coming back may help.
const SOON: Duration = Duration::from_secs(1);

/// The longest.
const BACK_OFF: Duration = Duration::from_secs(30);

/// A message for a session.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The session.
    pub session: SessionKey,
    /// The sender's idempotency key, unique within the session.
    pub key: Option<String>,
    /// A digest of what is asked: the same key with another digest is refused.
    pub fingerprint: u64,
    /// The message.
    pub inbound: Inbound,
}

/// The promise of an answer: the message is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The run that answers it.
    pub run: RunId,
    /// Its session.
    pub session: SessionId,
    /// The digest of what was asked.
    pub fingerprint: u64,
    /// The message had been accepted before, by this or another replica.
    pub duplicate: bool,
}

/// Why a message was not accepted. Nothing of it was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// The idempotency key belongs to another message of this session.
    #[error("this idempotency key was used for a different request")]
    KeyReused,
    /// No such agent is configured.
    #[error("there is no agent `{0}`")]
    UnknownAgent(String),
    /// The session has as many messages as it may have.
    #[error("{waiting} messages of this session are waiting already")]
    QueueFull {
        /// How many wait or run.
        waiting: u32,
        /// When room is likely.
        retry_after: Duration,
    },
    /// All replicas together have as much to do as they may have.
    #[error("the gateway is at its capacity")]
    Overloaded {
        /// When room is likely.
        retry_after: Duration,
    },
    /// This replica is about to stop.
    #[error("this replica is shutting down")]
    Draining,
    /// The store cannot commit now.
    #[error("the store is unavailable")]
    Unavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

impl SubmitError {
    /// All reasons.
    pub const REASONS: [&'static str; 6] =
        ["key_reused", "unknown_agent", "queue_full", "overloaded", "draining", "store_unavailable"];

    /// The reason in one word, one of [`REASONS`](Self::REASONS).
    pub fn reason(&self) -> &'static str {
        Self::REASONS[self.place()]
    }

    fn place(&self) -> usize {
        match self {
            Self::KeyReused => 0,
            Self::UnknownAgent(_) => 1,
            Self::QueueFull { .. } => 2,
            Self::Overloaded { .. } => 3,
            Self::Draining => 4,
            Self::Unavailable { .. } => 5,
        }
    }
}

/// How often this replica has refused a message, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; SubmitError::REASONS.len()]);

impl Refusals {
    fn count(&self, error: &SubmitError) {
        self.0[error.place()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        SubmitError::REASONS.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// Whether there is room for more, over all replicas; looked up at most every [`LOAD_FOR`].
#[derive(Debug, Default)]
pub(crate) struct Admission {
    load: Mutex<Option<(Instant, Load)>>,
}

/// Accepts a message. The acceptance goes on even if the caller goes away in the middle of it.
pub(crate) async fn submit(worker: &Arc<Inner>, submission: Submission) -> Result<Ticket, SubmitError> {
    hand_in(worker, submission).await.inspect_err(|error| worker.refusals.count(error))
}

async fn hand_in(worker: &Arc<Inner>, submission: Submission) -> Result<Ticket, SubmitError> {
    if worker.is_draining() {
        return Err(SubmitError::Draining);
    }
    if !worker.present.get().settings.agents.contains_key(submission.session.agent()) {
        return Err(SubmitError::UnknownAgent(submission.session.agent().to_owned()));
    }
    // Who has been cut off for so long that its lease may be gone says so at once, instead of after a while.
    if let Phase::Serving(Err(why)) = &*worker.phase.borrow()
        && !worker.life().is_trusted()
    {
        return Err(unavailable(&Error::Unavailable(why.clone())));
    }
    let overload = match overload(worker).await? {
        // Nobody can have sent it before.
        Some(overload) if submission.key.is_none() => return Err(overload),
        overload => overload,
    };
    let shared = Arc::clone(worker);
    let task = worker.tasks.spawn(async move { accept(&shared, submission, overload).await });
    task.await.unwrap_or(Err(SubmitError::Unavailable { retry_after: SOON }))
}

/// Why nothing new is accepted at present, if so.
async fn overload(worker: &Inner) -> Result<Option<SubmitError>, SubmitError> {
    let known = *worker.admission.load.lock().unwrap_or_else(PoisonError::into_inner);
    let load = match known {
        Some((at, load)) if at.elapsed() < LOAD_FOR => load,
        _ => {
            let load = worker.store.load().await.map_err(|e| unavailable(&e))?;
            *worker.admission.load.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), load));
            load
        }
    };
    let retry_after = jittered(load.oldest_ready.min(BACK_OFF));
    Ok((load.ready >= worker.present.get().settings.max_ready)
        .then_some(SubmitError::Overloaded { retry_after }))
}

/// Hands the message to the store. Under `overload` only one that was accepted before is recognised.
async fn accept(
    worker: &Arc<Inner>,
    submission: Submission,
    overload: Option<SubmitError>,
) -> Result<Ticket, SubmitError> {
    let body = serde_json::to_vec(&submission.inbound).map_err(|error| {
        tracing::error!(%error, "a message cannot be written as JSON");
        SubmitError::Unavailable { retry_after: SOON }
    })?;
    let life = worker.life();
    // A replica that has room runs what it accepts, so that the usual message waits for nobody.
    let slot = Arc::clone(&worker.slots).try_acquire_owned().ok();
    let slot = slot.filter(|_| worker.options.runs && life.is_trusted() && worker.budget.has_room());
    let run = RunId::new();
    let session = SessionId::of(&submission.session);
    let fingerprint = submission.fingerprint;
    let message = Accept {
        session: submission.session,
        message: run,
        dedupe: submission.key,
        fingerprint,
        body,
        cap: if overload.is_some() { 0 } else { worker.present.get().settings.max_queued },
        claim_for: slot.as_ref().map(|_| life.replica),
    };
    match worker.commits.learn(worker.store.accept(message)).await.map_err(|e| unavailable(&e))? {
        Accepted::New { claimed, .. } => {
            if let Some((claimed, slot)) = claimed.zip(slot) {
                drive::start(worker, life, *claimed, Some(submission.inbound), slot);
            }
            Ok(Ticket { run, session, fingerprint, duplicate: false })
        }
        Accepted::Duplicate { fingerprint: other, .. } if other != fingerprint => Err(SubmitError::KeyReused),
        Accepted::Duplicate { message, .. } => {
            Ok(Ticket { run: message, session, fingerprint, duplicate: true })
        }
        Accepted::Full { waiting } => {
            Err(overload.unwrap_or(SubmitError::QueueFull { waiting, retry_after: jittered(SOON) }))
        }
    }
}

fn unavailable(error: &Error) -> SubmitError {
    tracing::warn!(%error, "a message was not accepted");
    SubmitError::Unavailable { retry_after: jittered(SOON) }
}

/// Spreads those who come back.
fn jittered(duration: Duration) -> Duration {
    duration.max(SOON).mul_f64(1.0 + fastrand::f64())
}
