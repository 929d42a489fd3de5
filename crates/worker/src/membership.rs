//! Being known to the store: heartbeats, the audit of what the store says this replica owns, and the watch for replicas
//! that have died.
//!
//! It runs on a thread and a runtime of its own, so that a busy or blocked worker does not lose its lease for being
//! slow. If the store says that this life is over, every run of it is dropped and the replica joins again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use regrow_protocol::{Epoch, ReplicaId, SessionId};
use regrow_store::{Beat, Error, OwnedLane, Replica, Store};

use crate::Options;
use crate::lease::Life;
use crate::worker::{Inner, Phase};

/// How often peers are checked for having died.
const REAP_EVERY: Duration = Duration::from_millis(100);

/// Heartbeats per lease.
const BEATS_PER_LEASE: u32 = 4;

/// Leases that the store says this replica owns and that nobody here knows, with the beat that first said so.
type Suspects = HashMap<(SessionId, Epoch), Instant>;

/// Makes this process known under a new id.
pub(crate) async fn join(store: &dyn Store, options: &Options) -> Result<Life, Error> {
    let sent = Instant::now();
    let replica = Replica {
        id: ReplicaId::new(),
        address: options.address.clone(),
        version: options.version.clone(),
        slots: options.slots,
        lease: options.lease,
    };
    store.join(&replica).await?;
    tracing::info!(replica.id = %replica.id, "joined");
    Ok(Life::new(replica.id, sent, options.lease))
}

/// Starts the thread. It ends when the worker has left the store.
pub(crate) fn start(worker: &Arc<Inner>) -> Result<(), Error> {
    let fail = |e: std::io::Error| Error::Unavailable(format!("cannot start the heartbeat: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let worker = Arc::downgrade(worker);
    let body = move || {
        runtime.block_on(async move {
            let mut suspects = Suspects::new();
            let mut next_beat = Instant::now();
            while let Some(worker) = worker.upgrade() {
                if next_beat <= Instant::now() {
                    beat(&worker, &mut suspects).await;
                    next_beat = Instant::now() + worker.options.lease / BEATS_PER_LEASE;
                }
                reap(&worker).await;
                let pause = REAP_EVERY.mul_f64(0.5 + fastrand::f64());
                if tokio::time::timeout(pause, worker.beat.notified()).await.is_ok() {
                    next_beat = Instant::now();
                }
            }
        });
    };
    std::thread::Builder::new().name("heartbeat".to_owned()).spawn(body).map(drop).map_err(fail)
}

async fn beat(worker: &Arc<Inner>, suspects: &mut Suspects) {
    let life = worker.life();
    if life.over.is_cancelled() {
        // The last attempt to join again has failed.
        return rejoin(worker, &life).await;
    }
    let sent = Instant::now();
    let patience = worker.options.lease / 2;
    let answer = tokio::time::timeout(patience, worker.store.heartbeat(life.replica)).await;
    match answer.unwrap_or_else(|_| Err(Error::Unavailable("no answer to the heartbeat".to_owned()))) {
        Ok(Beat::Alive { lanes }) => {
            life.renew(sent, worker.options.lease);
            report(worker, Ok(()));
            audit(worker, &life, sent, &lanes, suspects).await;
        }
        Ok(Beat::Gone) => rejoin(worker, &life).await,
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
async fn rejoin(worker: &Arc<Inner>, old: &Life) {
    old.over.cancel();
    if worker.is_draining() {
        return;
    }
    tracing::warn!(replica.id = %old.replica, "the lease was lost; joining again");
    let joined = async {
        worker.store.leave(old.replica).await?;
        join(&*worker.store, &worker.options).await
    };
    match joined.await {
        Ok(life) => {
            *worker.life.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(life);
            report(worker, Ok(()));
        }
        Err(error) => report(worker, Err(error.to_string())),
    }
}

async fn reap(worker: &Inner) {
    match worker.store.reap().await {
        Ok(reaped) if !reaped.replicas.is_empty() || reaped.lanes > 0 => {
            tracing::info!(replicas = ?reaped.replicas, sessions = reaped.lanes, "took over from replicas that are gone");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "cannot look for replicas that are gone"),
    }
}

/// Readiness follows the store: who cannot commit a heartbeat cannot commit a message.
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
