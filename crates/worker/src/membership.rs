//! Being known to the store: heartbeats, the audit of what the store says this replica owns, and the watch for replicas
//! that have died.
//!
//! It runs on a thread and a runtime of its own, so that a busy or blocked worker does not lose its lease for being
//! slow. If the store says that this life is over, every run of it is dropped and the replica joins again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use regrow_protocol::{Epoch, ReplicaId, SessionId};
use regrow_store::{Beat, Error, OwnedLane, Replica, Store};

use crate::Options;
use crate::commits;
use crate::lease::Life;
use crate::worker::{Inner, Phase};

/// How often peers are checked for having died.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a look at the peers may take.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// A heartbeat that is asked for waits this long for others to ask for it as well.
const ASKED_FOR_AFTER: Duration = Duration::from_millis(20);

/// How long a start waits for the store.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Heartbeats per lease.
const BEATS_PER_LEASE: u32 = 4;

/// Leases that the store says this replica owns and that nobody here knows, with the beat that first said so.
type Suspects = HashMap<(SessionId, Epoch), Instant>;

/// Makes this process known under this id, which must be a new one. May be repeated if it fails.
pub(crate) async fn join(store: &dyn Store, options: &Options, id: ReplicaId) -> Result<Life, Error> {
    let sent = Instant::now();
    let replica = Replica {
        id,
        address: options.address.clone(),
        version: options.version.clone(),
        // Who drives no runs has no room for any.
        slots: if options.runs { options.slots } else { 0 },
        lease: options.lease,
    };
    store.join(&replica).await?;
    tracing::info!(replica.id = %replica.id, "joined");
    Ok(Life::new(replica.id, sent, options.lease))
}

/// Makes this process known when it starts, and waits a while for a store that others hold: a replica that comes in the
/// middle of a burst must not give up at once.
pub(crate) async fn join_at_start(store: &dyn Store, options: &Options) -> Result<Life, Error> {
    let (begun, id) = (Instant::now(), ReplicaId::new());
    loop {
        match join(store, options, id).await {
            Err(error) if error.is_retryable() && begun.elapsed() < START_WITHIN => {
                tracing::warn!(%error, "cannot join yet");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            joined => return joined,
        }
    }
}

/// Starts the thread. It ends when the worker has left the store.
pub(crate) fn start(worker: &Arc<Inner>) -> Result<(), Error> {
    let fail = |e: std::io::Error| Error::Unavailable(format!("cannot start the heartbeat: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let worker = Arc::downgrade(worker);
    let body = move || {
        runtime.block_on(async move {
            tokio::join!(
                keep_alive(worker.clone()),
                watch_peers(worker.clone()),
                commits::try_when_suspect(worker)
            );
        });
    };
    std::thread::Builder::new().name("heartbeat".to_owned()).spawn(body).map(drop).map_err(fail)
}

/// Sends heartbeats: regularly, and soon after one was asked for.
async fn keep_alive(worker: Weak<Inner>) {
    let mut records = Records { suspects: Suspects::new(), candidate: ReplicaId::new() };
    let mut next = Instant::now();
    while let Some(worker) = worker.upgrade() {
        if next <= Instant::now() {
            beat(&worker, &mut records).await;
            next = Instant::now() + worker.options.lease / BEATS_PER_LEASE;
        }
        // Not longer, so that a worker that nobody needs any more is let go of.
        let pause = next.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
        if tokio::time::timeout(pause, worker.beat.notified()).await.is_ok() {
            next = next.min(Instant::now() + ASKED_FOR_AFTER);
        }
    }
}

/// Looks for replicas that have died. After a stall of its own, a replica renews its lease first: others may only seem to
/// be gone.
async fn watch_peers(worker: Weak<Inner>) {
    while let Some(worker) = worker.upgrade() {
        if worker.life().is_trusted() {
            reap(&worker).await;
        }
        tokio::time::sleep(LOOK_EVERY.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// What is remembered from one beat to the next.
struct Records {
    suspects: Suspects,
    /// The id of the next life. It is kept until joining under it has worked, so that failures leave nothing behind.
    candidate: ReplicaId,
}

async fn beat(worker: &Arc<Inner>, records: &mut Records) {
    let life = worker.life();
    if life.over.is_cancelled() {
        // The last attempt to join again has failed.
        return rejoin(worker, &life, &mut records.candidate).await;
    }
    let sent = Instant::now();
    let patience = worker.options.lease / 2;
    let answer = tokio::time::timeout(patience, worker.store.heartbeat(life.replica)).await;
    match answer.unwrap_or_else(|_| Err(Error::Unavailable("no answer to the heartbeat".to_owned()))) {
        Ok(Beat::Alive { lanes }) => {
            life.renew(sent, worker.options.lease);
            report(worker, Ok(()));
            audit(worker, &life, sent, &lanes, &mut records.suspects).await;
        }
        Ok(Beat::Gone) => rejoin(worker, &life, &mut records.candidate).await,
        Err(error) => report(worker, Err(error.to_string())),
    }
}

/// Compares what the store says this replica owns with what it drives.
async fn audit(worker: &Inner, life: &Life, sent: Instant, lanes: &[OwnedLane], suspects: &mut Suspects) {
    let held = worker.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for lane in lanes.iter().filter(|lane| lane.abort) {
        if let Some(held) = held.get(&lane.session).filter(|held| held.run == lane.run) {
            held.abort.cancel();
        }
    }
    let owned: HashSet<(SessionId, Epoch)> = lanes.iter().map(|lane| (lane.session, lane.epoch)).collect();
    for (session, held) in held.iter().filter(|(_, held)| held.since < sent) {
        if !owned.contains(&(*session, held.epoch)) {
            held.fenced.cancel();
        }
    }
    // A lease may be on its way to this process just now; one that is still unknown a beat later never came. Beats that
    // somebody asked for may follow each other quickly, so it is time that counts.
    let unknown = owned
        .into_iter()
        .filter(|(session, epoch)| held.get(session).is_none_or(|h| h.epoch != *epoch))
        .map(|lease| (lease, suspects.get(&lease).copied().unwrap_or(sent)));
    *suspects = unknown.collect();
    let overdue = worker.options.lease / (2 * BEATS_PER_LEASE);
    let leaked = suspects.iter().filter(|(_, first)| sent.duration_since(**first) >= overdue);
    let leaked: Vec<_> = leaked.map(|(lease, _)| *lease).collect();
    if !leaked.is_empty() {
        match worker.store.disown(life.replica, &leaked).await {
            Ok(count) => tracing::warn!(count, "gave up leases that never reached this replica"),
            Err(error) => tracing::debug!(%error, "leaked leases are given up at a later beat"),
        }
    }
}

/// The store does not know this life: everything under it belongs to others.
async fn rejoin(worker: &Arc<Inner>, old: &Life, candidate: &mut ReplicaId) {
    old.over.cancel();
    if worker.is_draining() {
        return;
    }
    tracing::warn!(replica.id = %old.replica, "the lease was lost; joining again");
    let joined = async {
        worker.store.leave(old.replica).await?;
        join(&*worker.store, &worker.options, *candidate).await
    };
    match joined.await {
        Ok(life) => {
            *candidate = ReplicaId::new();
            *worker.life.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(life);
            report(worker, Ok(()));
        }
        Err(error) => report(worker, Err(error.to_string())),
    }
}

async fn reap(worker: &Inner) {
    let look = tokio::time::timeout(LOOK_WITHIN, worker.store.reap()).await;
    match look.unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".to_owned()))) {
        Ok(reaped) if !reaped.replicas.is_empty() || reaped.lanes > 0 => {
            tracing::info!(replicas = ?reaped.replicas, sessions = reaped.lanes, "took over from replicas that are gone");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "cannot look for replicas that are gone"),
    }
}

/// Readiness follows the store: who cannot commit a heartbeat cannot commit a message. The reverse is not true, and
/// [`commits`] looks after that.
fn report(worker: &Inner, state: Result<(), String>) {
    worker.phase.send_if_modified(|phase| match phase {
        Phase::Serving(present) if *present != state => {
            match &state {
                Ok(()) => tracing::info!("the store is back"),
                Err(error) => tracing::error!(%error, "the store cannot commit; not ready"),
            }
            *present = state;
            true
        }
        _ => false,
    });
}
