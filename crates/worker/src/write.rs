//! Guarded writes that survive a store that is away: the same write is repeated until it is known to have happened, or
//! the lease is known to be gone. Repeating is safe, because every write names the head of the log it builds on.

use std::time::Duration;

use regrow_protocol::Seq;
use regrow_store::{Claimed, Control, Finish, Finished, NewEntry, WriteError};
use tokio_util::sync::CancellationToken;

use crate::drive::Stopped;
use crate::worker::Inner;

/// The pause before a repetition: it grows from the first to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Appends entries and advances `claimed`.
pub(crate) async fn append(
    worker: &Inner,
    claimed: &mut Claimed,
    entries: &[NewEntry],
    context_base: Option<Seq>,
    fenced: &CancellationToken,
) -> Result<Control, Stopped> {
    let mut pause = PAUSE.0;
    loop {
        match worker.commits.learn(worker.store.append(claimed, entries, context_base)).await {
            Ok(control) => return Ok(control),
            Err(error) => again(error, &mut pause, fenced).await?,
        }
    }
}

/// Ends a run.
pub(crate) async fn finish(
    worker: &Inner,
    claimed: &Claimed,
    end: &Finish,
    fenced: &CancellationToken,
) -> Result<Finished, Stopped> {
    let mut pause = PAUSE.0;
    loop {
        match worker.commits.learn(worker.store.finish(claimed, end)).await {
            Ok(finished) => return Ok(finished),
            Err(error) => again(error, &mut pause, fenced).await?,
        }
    }
}

/// Waits before a write is repeated, or says why it is not.
async fn again(error: WriteError, pause: &mut Duration, fenced: &CancellationToken) -> Result<(), Stopped> {
    let error = match error {
        WriteError::Fenced => return Err(Stopped::Fenced),
        WriteError::Store(error) if !error.is_retryable() => return Err(Stopped::Broken(error.to_string())),
        WriteError::Store(error) => error,
    };
    tracing::debug!(%error, "a write is repeated");
    let rest = pause.mul_f64(0.5 + fastrand::f64());
    *pause = (*pause * 2).min(PAUSE.1);
    tokio::select! {
        () = fenced.cancelled() => Err(Stopped::Fenced),
        () = tokio::time::sleep(rest) => Ok(()),
    }
}
