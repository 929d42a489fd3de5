//! Leaving without losing: nothing new is taken, running work finishes within its time or is handed over at its last
//! journaled step, and the store forgets this replica.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::worker::{Inner, Phase};

/// How long handing over may take; what is not handed over is taken over by others.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

/// Drains this replica; afterwards it owns nothing.
pub(crate) async fn drain(worker: &Arc<Inner>) {
    worker.phase.send_replace(Phase::Draining);
    let life = worker.life();
    if let Err(error) = worker.store.drain(life.replica).await {
        tracing::warn!(%error, "the store was not told of the drain");
    }
    worker.tasks.close();
    let running = worker.held.lock().unwrap_or_else(PoisonError::into_inner).len();
    tracing::info!(running, seconds = worker.options.drain.as_secs(), "draining");
    if tokio::time::timeout(worker.options.drain, idle(worker)).await.is_err() {
        worker.phase.send_replace(Phase::HandingOver);
        if tokio::time::timeout(HAND_OVER_WITHIN, idle(worker)).await.is_err() {
            tracing::warn!("some sessions were not handed over; others will take them over");
        }
    }
    life.over.cancel();
    match tokio::time::timeout(HAND_OVER_WITHIN, worker.store.leave(life.replica)).await {
        Ok(Ok(())) => tracing::info!("left"),
        _ => tracing::warn!("the store was not told that this replica leaves; others will notice"),
    }
}

/// Waits until no session is driven.
async fn idle(worker: &Inner) {
    // All slots are free exactly when nothing is driven.
    let all = worker.options.slots;
    drop(worker.slots.acquire_many(all).await);
}
