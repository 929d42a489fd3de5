//! Whether writes get through: what accepts messages and drives runs is watched, and tried while nothing else tells.
//!
//! A heartbeat that succeeds does not say that a message could be committed. In PostgreSQL it has connections of its own and
//! changes one row; in a full file there may be room for it and for nothing else. So a write that has failed, or that waits
//! for long while none succeeds, makes the replica not ready until one succeeds: one of a message, or a trial, which comes
//! without any traffic. One success tells more than many failures, since those may be about one session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use regrow_store::{Accepted, Error, WriteError};

use crate::worker::Inner;

/// How long writes may wait without any success before one is tried.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// How long they may wait before the replica says that it is not ready.
const STUCK_AFTER: Duration = Duration::from_secs(4);

/// How often it is looked whether something must be tried.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The pause between two trials, and how long one may take.
const TRY_EVERY: Duration = Duration::from_millis(500);
const TRY_WITHIN: Duration = Duration::from_secs(5);

/// The writes of a replica.
#[derive(Debug, Default)]
pub(crate) struct Commits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Writes that have no answer yet.
    waiting: usize,
    /// Since when a write is wanted and none has succeeded.
    since: Option<Instant>,
    /// The last write failed, for this reason.
    failed: Option<String>,
}

/// What the answer to a write says about the others.
pub(crate) trait Outcome {
    /// `Ok(true)`: something was committed. `Ok(false)`: there was nothing to commit. The error is the store's.
    fn outcome(&self) -> Result<bool, &Error>;
}

impl Outcome for Result<Accepted, Error> {
    fn outcome(&self) -> Result<bool, &Error> {
        self.as_ref().map(|accepted| matches!(accepted, Accepted::New { .. }))
    }
}

impl<T> Outcome for Result<T, WriteError> {
    fn outcome(&self) -> Result<bool, &Error> {
        match self {
            Ok(_) => Ok(true),
            Err(WriteError::Fenced) => Ok(false),
            Err(WriteError::Store(error)) => Err(error),
        }
    }
}

impl Commits {
    /// Carries a write out and learns from its answer.
    pub(crate) async fn learn<T: Outcome>(&self, write: impl Future<Output = T>) -> T {
        let waiting = Waiting::new(self);
        let answer = write.await;
        waiting.end(answer.outcome());
        answer
    }

    /// Why nothing can be committed now, as far as it is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.state();
        let is_stuck = state.since.is_some_and(|since| since.elapsed() >= STUCK_AFTER);
        let stuck = || "writes wait for the store, and none is committed".to_owned();
        state.failed.clone().or_else(|| is_stuck.then(stuck))
    }

    fn is_suspect(&self) -> bool {
        let state = self.state();
        state.failed.is_some() || state.since.is_some_and(|since| since.elapsed() >= SUSPECT_AFTER)
    }

    fn succeeded(&self) {
        self.state().succeeded();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn succeeded(&mut self) {
        self.failed = None;
        self.since = (self.waiting > 0).then(Instant::now);
    }

    /// One wait is over, whatever came of it.
    fn leave(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 && self.failed.is_none() {
            self.since = None;
        }
    }
}

/// A write that has no answer yet. Its caller may go away.
struct Waiting<'a>(&'a Commits);

impl<'a> Waiting<'a> {
    fn new(commits: &'a Commits) -> Self {
        let mut state = commits.state();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Self(commits)
    }

    fn end(self, outcome: Result<bool, &Error>) {
        match outcome {
            Ok(true) => self.0.succeeded(),
            // What the store refuses for good was asked wrongly; it works.
            Err(error) if error.is_retryable() => self.0.state().failed = Some(error.to_string()),
            Ok(false) | Err(_) => {}
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().leave();
    }
}

/// Tries for as long as there is reason to.
pub(crate) async fn try_when_suspect(worker: Weak<Inner>) {
    let mut is_known = false;
    while let Some(worker) = worker.upgrade() {
        let is_suspect = worker.commits.is_suspect();
        if is_suspect {
            try_one(&worker).await;
        }
        let trouble = worker.commits.trouble();
        if trouble.is_some() != is_known {
            is_known = trouble.is_some();
            match trouble {
                Some(why) => tracing::error!(%why, "work cannot be committed; not ready"),
                None => tracing::info!("work can be committed again"),
            }
        }
        drop(worker);
        tokio::time::sleep(if is_suspect { TRY_EVERY } else { LOOK_EVERY }).await;
    }
}

async fn try_one(worker: &Arc<Inner>) {
    match tokio::time::timeout(TRY_WITHIN, worker.store.try_commit()).await {
        Ok(Ok(())) => worker.commits.succeeded(),
        Ok(Err(error)) => tracing::debug!(%error, "a trial was not committed"),
        Err(_) => tracing::debug!("a trial has no answer"),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn unavailable() -> Result<(), WriteError> {
        Err(Error::Unavailable("full".to_owned()).into())
    }

    #[tokio::test]
    async fn a_failure_counts_until_something_is_committed() {
        let commits = Commits::default();
        assert_eq!(commits.trouble(), None);
        let _ = commits.learn(async { unavailable() }).await;
        assert_eq!(commits.trouble().unwrap(), "the store is unavailable: full");
        let _ = commits.learn(async { Err::<(), _>(WriteError::Fenced) }).await;
        assert!(commits.trouble().is_some(), "nothing was written");
        let _ = commits.learn(async { Ok::<_, WriteError>(()) }).await;
        assert_eq!((commits.trouble(), commits.is_suspect()), (None, false));
        let refused = Error::Unusable("wrong".to_owned());
        let _ = commits.learn(async { Err::<(), _>(WriteError::Store(refused)) }).await;
        assert_eq!(commits.trouble(), None, "the store is not to blame");
    }

    #[tokio::test]
    async fn waiting_counts_since_the_last_success() {
        let commits = Commits::default();
        let mut write = Box::pin(commits.learn(std::future::pending::<Result<(), WriteError>>()));
        assert!(write.as_mut().now_or_never().is_none() && !commits.is_suspect());
        let age = |age: Duration| commits.state().since = Instant::now().checked_sub(age);
        age(SUSPECT_AFTER);
        assert!(commits.is_suspect() && commits.trouble().is_none());
        age(STUCK_AFTER);
        assert!(commits.trouble().is_some());
        commits.succeeded();
        assert!(!commits.is_suspect() && commits.state().since.is_some(), "it waits again from now on");
        drop(write);
        assert!(commits.state().since.is_none(), "nobody wants anything any more");
    }
}
