//! Steps of the machine's clock: set by hand or by NTP, or advanced while the machine slept.
//!
//! After a step forward every lease seems to have run out, though every replica lives. So for a while after one, leases
//! count as valid: whoever lives renews meanwhile. A dead process is noticed by its lock all the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Clock;

/// A difference between the clocks that is a step rather than their drift.
const STEP: i64 = 500;

/// Watches the store's clock beside one that is never set.
pub(super) struct Steps {
    clock: Clock,
    monotonic: Clock,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The clocks at the last look.
    last: Option<(i64, i64)>,
    /// The monotonic time of the last step or stall.
    stepped: Option<i64>,
}

impl Steps {
    pub(super) fn new(clock: Clock, monotonic: Clock) -> Self {
        Self { clock, monotonic, seen: Mutex::default() }
    }

    /// Nobody could write for a while: that counts like a step, because nobody could renew a lease.
    pub(super) fn stalled(&self) {
        let steady = (self.monotonic)();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).stepped = Some(steady);
    }

    /// The store's time, and how long ago its clock made a step forward or nobody could write,
    /// as far as it was seen.
    pub(super) fn look(&self) -> (i64, Option<Duration>) {
        let (now, steady) = ((self.clock)(), (self.monotonic)());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((clock, monotonic)) = seen.last.replace((now, steady))
            && (now - clock) - (steady - monotonic) > STEP
        {
            tracing::warn!("the clock was set forward; no lease counts as expired for a while");
            seen.stepped = Some(steady);
        }
        let since = seen.stepped.map(|at| Duration::from_millis((steady - at).max(0).unsigned_abs()));
        (now, since)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_step_is_told_from_the_passing_of_time() {
        let clocks = Arc::new([AtomicI64::new(1_000_000), AtomicI64::new(0)]);
        let read = |index: usize| -> Clock {
            let clocks = Arc::clone(&clocks);
            Arc::new(move || clocks[index].load(Ordering::Relaxed))
        };
        let pass = |wall: i64, steady: i64| {
            clocks[0].fetch_add(wall, Ordering::Relaxed);
            clocks[1].fetch_add(steady, Ordering::Relaxed);
        };
        let steps = Steps::new(read(0), read(1));
        assert_eq!(steps.look(), (1_000_000, None));
        pass(60_000, 60_000);
        assert_eq!(steps.look().1, None, "a pause of the process is no step");
        pass(6_000, 10);
        assert_eq!(steps.look().1, Some(Duration::ZERO));
        pass(1_000, 1_000);
        assert_eq!(steps.look().1, Some(Duration::from_secs(1)));
    }
}
