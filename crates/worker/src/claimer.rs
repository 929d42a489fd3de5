//! Claiming ready sessions while there is room, woken by hints and by a jittered poll.

use std::sync::{Arc, Weak};
use std::time::Duration;

use regrow_store::Hint;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;

use crate::drive;
use crate::worker::Inner;

/// Sessions of one claim. More at once would load the replicas unevenly.
const BATCH: usize = 16;

/// The pause between two polls that find nothing: it grows from the first to the second.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// Starts to claim and to pass hints on.
pub(crate) fn start(worker: &Arc<Inner>) {
    worker.tasks.spawn(pass_hints(Arc::downgrade(worker), worker.store.hints()));
    if worker.options.runs {
        worker.tasks.spawn(claim_until_drained(Arc::clone(worker)));
    }
}

async fn claim_until_drained(worker: Arc<Inner>) {
    let mut phase = worker.phase.subscribe();
    let mut pause = POLL.0;
    while !worker.is_draining() {
        let found = tokio::select! {
            found = claim(&worker) => found,
            _ = phase.changed() => continue,
        };
        if found {
            pause = POLL.0;
            continue;
        }
        let rest = pause.mul_f64(0.5 + fastrand::f64());
        pause = (pause * 2).min(POLL.1);
        tokio::select! {
            () = worker.ready.notified() => pause = POLL.0,
            () = tokio::time::sleep(rest) => {}
            _ = phase.changed() => {}
        }
    }
}

/// Claims what there is room for; true if it is worth trying again at once.
async fn claim(worker: &Arc<Inner>) -> bool {
    let life = worker.life();
    let Ok(first) = Arc::clone(&worker.slots).acquire_owned().await else { return false };
    let mut permits = vec![first];
    while permits.len() < BATCH
        && let Ok(more) = Arc::clone(&worker.slots).try_acquire_owned()
    {
        permits.push(more);
    }
    permits.truncate(worker.budget.claimable(BATCH));
    if !life.is_trusted() || permits.is_empty() {
        return false;
    }
    // The claim goes on even if this future is dropped, so that no lease leaks for a drain.
    let (shared, life, most) = (Arc::clone(worker), Arc::clone(&life), permits.len());
    let task = worker.tasks.spawn(async move { take(&shared, life, permits).await });
    task.await.is_ok_and(|claimed| claimed == most)
}

async fn take(
    worker: &Arc<Inner>,
    life: Arc<crate::lease::Life>,
    permits: Vec<OwnedSemaphorePermit>,
) -> usize {
    match worker.store.claim(life.replica, permits.len()).await {
        Ok(claimed) => {
            let count = claimed.len();
            for (claimed, slot) in claimed.into_iter().zip(permits) {
                drive::start(worker, Arc::clone(&life), claimed, None, slot);
            }
            count
        }
        Err(error) => {
            tracing::debug!(%error, "cannot claim");
            0
        }
    }
}

/// Passes hints to those who wait for them. A hint that is missed costs a poll.
async fn pass_hints(worker: Weak<Inner>, mut hints: tokio::sync::broadcast::Receiver<Hint>) {
    loop {
        let hint = hints.recv().await;
        let Some(worker) = worker.upgrade() else { return };
        match hint {
            Ok(Hint::Ready) => worker.ready.notify_one(),
            Ok(Hint::Session(session)) => worker.board.moved(session),
            // Who does not drive the session has nothing to learn from a heartbeat.
            Ok(Hint::Abort(session)) if worker.drives_unaborted(session) => worker.beat.notify_one(),
            Ok(Hint::Abort(_)) => {}
            Err(RecvError::Lagged(_)) => worker.ready.notify_one(),
            Err(RecvError::Closed) => return,
        }
    }
}
