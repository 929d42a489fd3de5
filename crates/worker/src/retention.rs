//! Deleting what is over and has been kept long enough: soon after the start and then about hourly, by one replica of
//! all, in small steps with pauses, so that nobody waits for it. What goes wrong is tried again in the next round.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use regrow_store::{Error, Pruned};

use crate::worker::{Inner, Phase};

/// The lease of the one that deletes.
const LEASE: &str = "retention";

/// The shortest time for which it is held. Others do not ask for it more often than they would delete.
const HELD_FOR: Duration = Duration::from_secs(60);

/// Runs and entries of one step.
const STEP: usize = 500;

/// After a step the store is left alone for so many times as long as the step took, within these bounds.
const PAUSE_PER_STEP: u32 = 9;
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// The first round comes so many times earlier than the others follow each other.
const SOONER: u32 = 60;

/// Starts to delete.
pub(crate) fn start(worker: &Arc<Inner>) {
    worker.tasks.spawn(prune_regularly(Arc::downgrade(worker)));
}

async fn prune_regularly(worker: Weak<Inner>) {
    let Some((every, mut phase)) =
        worker.upgrade().map(|worker| (worker.options.prune_every, worker.phase.subscribe()))
    else {
        return;
    };
    let mut pause = every / SOONER;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            // It ends with the worker, or when that drains.
            _ = phase.wait_for(|phase| !matches!(phase, Phase::Serving(_))) => return,
        }
        let Some(worker) = worker.upgrade() else { return };
        let mut done = Pruned::default();
        if let Err(error) = round(&worker, &mut done).await {
            tracing::debug!(%error, "what is not needed any more is deleted later");
        }
        if !done.is_empty() {
            let Pruned { runs, sessions, entries, .. } = done;
            tracing::info!(runs, sessions, entries, "deleted what was kept long enough");
        }
        pause = every;
    }
}

/// Deletes all there is to delete, if no other replica does. The lease is kept from round to round.
async fn round(worker: &Inner, done: &mut Pruned) -> Result<(), Error> {
    let (replica, ttl) = (worker.life().replica, (2 * worker.options.prune_every).max(HELD_FOR));
    let mut held: Option<Instant> = None;
    while !worker.is_draining() {
        if held.is_none_or(|since| since.elapsed() > ttl / 4) {
            if worker.store.hold(LEASE, replica, ttl).await?.is_none() {
                return Ok(());
            }
            held = Some(Instant::now());
        }
        let began = Instant::now();
        let step = worker.store.prune(&worker.present.get().settings.retention, STEP).await?;
        *done += step;
        if !step.more {
            return Ok(());
        }
        tokio::time::sleep((began.elapsed() * PAUSE_PER_STEP).clamp(PAUSE.0, PAUSE.1)).await;
    }
    Ok(())
}
