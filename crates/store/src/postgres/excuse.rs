//! When leases only seem to be over: this replica was cut off from the server, as others may have been, or the server's clock
//! was set, as when another server has taken its place.
//!
//! Whoever lives renews its lease within a heartbeat, so leases count as valid for a while after any of these. A crash is
//! noticed by its lock all the same.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A difference between the clocks that is a step rather than their drift.
const STEP: Duration = Duration::from_millis(500);

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Excuse {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The server's clock and this process's at the last look.
    last: Option<(SystemTime, Instant)>,
    /// When the store last answered a heartbeat.
    beat: Option<Instant>,
    /// When an absence or a step was noticed last.
    excused: Option<Instant>,
}

impl Excuse {
    /// The store has answered a heartbeat. A long silence before it was an absence.
    pub(super) fn beat(&self, lease: Duration) {
        self.beat_at(Instant::now(), lease);
    }

    fn beat_at(&self, now: Instant, lease: Duration) {
        let mut seen = self.seen();
        if seen.beat.is_some_and(|last| now.duration_since(last) > lease / 2) {
            seen.excused = Some(now);
        }
        seen.beat = Some(now);
    }

    /// Leases that seem to be over may not be. `now` is the server's time, `longest` the longest lease of all replicas.
    pub(super) fn excuses(&self, now: SystemTime, longest: Duration) -> bool {
        self.excuses_at(Instant::now(), now, longest)
    }

    fn excuses_at(&self, at: Instant, now: SystemTime, longest: Duration) -> bool {
        let mut seen = self.seen();
        if let Some((clock, monotonic)) = seen.last.replace((now, at)) {
            let passed = now.duration_since(clock).unwrap_or_default();
            if passed > at.duration_since(monotonic) + STEP {
                tracing::warn!("the store's clock was set forward; no lease counts as expired for a while");
                seen.excused = Some(at);
            }
        }
        seen.excused.is_some_and(|since| at.duration_since(since) < longest / 2)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(4);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_was_set_forward_excuses_for_a_while() {
        let (excuse, at, start) = (Excuse::default(), Instant::now(), SystemTime::now());
        let after = |seconds, set| {
            let passed = seconds * SECOND;
            excuse.excuses_at(at + passed, start + passed + set, LEASE)
        };
        assert!(!after(0, Duration::ZERO));
        assert!(!after(60, Duration::ZERO), "a pause of this process is no step");
        assert!(after(61, 5 * SECOND));
        assert!(after(62, 5 * SECOND));
        assert!(!after(63, 5 * SECOND));
    }

    #[test]
    fn who_was_away_excuses_others_for_a_while() {
        let (excuse, at, start) = (Excuse::default(), Instant::now(), SystemTime::now());
        let excuses = |seconds| excuse.excuses_at(at + seconds * SECOND, start + seconds * SECOND, LEASE);
        excuse.beat_at(at, LEASE);
        excuse.beat_at(at + SECOND, LEASE);
        assert!(!excuses(1));
        excuse.beat_at(at + 9 * SECOND, LEASE);
        assert!(excuses(10));
        assert!(!excuses(11));
    }
}
