//! How often something is looked at that may have become expensive.
//!
//! While a long transaction keeps the server from removing dead row versions, a look at all that is ready or owned reads
//! every version of the time since. Then such looks are spaced out, so that they take at most a twentieth of the time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is never too expensive.
const CHEAP: Duration = Duration::from_millis(2);

/// Looks in a row that must have been expensive: some may have met a busy machine.
const EXPENSIVE: u32 = 10;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(5);

/// The pace of one kind of look.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    expensive: u32,
    due: Option<Instant>,
}

impl Pace {
    /// It is time for a look.
    pub(super) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    /// What was passed over may be wanted now.
    pub(super) fn look_now(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).expensive = 0;
    }

    /// A look took the server so long.
    pub(super) fn took(&self, spent: Duration) {
        self.took_at(Instant::now(), spent);
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.expensive < EXPENSIVE || state.due.is_none_or(|due| now >= due)
    }

    fn took_at(&self, now: Instant, spent: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.expensive = if spent > CHEAP { state.expensive.saturating_add(1) } else { 0 };
        state.due = Some(now + (spent * 20).min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expensive_again_and_again_is_spaced_out() {
        let (pace, at) = (Pace::default(), Instant::now());
        let ms = Duration::from_millis;
        for spent in [ms(1), ms(90), ms(90), ms(1)].into_iter().chain([ms(10); EXPENSIVE as usize - 1]) {
            pace.took_at(at, spent);
            assert!(pace.is_due_at(at), "{spent:?}");
        }
        pace.took_at(at, ms(10));
        assert!(!pace.is_due_at(at + ms(199)) && pace.is_due_at(at + ms(200)));
        pace.took_at(at, Duration::from_secs(60));
        assert!(pace.is_due_at(at + LONGEST));
        pace.look_now();
        assert!(pace.is_due_at(at));
    }
}
