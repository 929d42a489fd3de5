//! How far a trial is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counters that grow while a trial goes on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(super) kills: AtomicUsize,
    pub(super) pauses: AtomicUsize,
    pub(super) breaks: AtomicUsize,
    pub(super) sent: AtomicUsize,
    pub(super) answered: AtomicUsize,
    pub(super) repeated: AtomicUsize,
}

impl Progress {
    /// One line for people.
    pub(super) fn line(&self, elapsed: Duration) -> String {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        format!(
            "{:>5} s  {:>4} kills  {:>4} pauses  {:>4} breaks  {:>6} messages  {:>6} answered  {:>6} requests sent again",
            elapsed.as_secs(),
            read(&self.kills),
            read(&self.pauses),
            read(&self.breaks),
            read(&self.sent),
            read(&self.answered),
            read(&self.repeated),
        )
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
