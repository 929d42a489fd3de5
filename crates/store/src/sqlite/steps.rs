//! Steps of the machine's clock (set by hand or by NTP, or advanced while the machine slept), and stalls, in which nobody
//! could write.
//!
//! After a step forward every lease seems to have run out, though every replica lives. So for a while after one, leases
//! count as valid: whoever lives renews meanwhile. A stall excuses for a while those leases that ran out since it began,
//! and no others: where every write is slow, a replica that hangs is still found out. A dead process is noticed by its
//! lock all the same.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Clock;

/// A difference between the clocks that is a step rather than their drift.
const STEP: i64 = 500;

/// The most stalls that are remembered; those of long ago go first.
const STALLS: usize = 64;

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
    /// The monotonic time of the last step.
    stepped: Option<i64>,
    /// Oldest first; only the last one may go on.
    stalls: VecDeque<Stall>,
}

#[derive(Debug, Clone, Copy)]
struct Stall {
    /// The store's time when it began.
    began: i64,
    /// The monotonic time when it was seen last.
    seen: i64,
    is_over: bool,
}

/// The time, and what makes leases seem to have run out.
pub(super) struct Look {
    /// The store's time.
    pub(super) now: i64,
    /// How long ago its clock made a step forward.
    stepped: Option<Duration>,
    /// When stalls began, by the store's clock, and how long ago they were over.
    stalls: Vec<(i64, Duration)>,
}

impl Look {
    /// Leases that ran out at this time or before are over; nothing if none is. After a step or a stall, whoever lives has
    /// `time` to renew.
    pub(super) fn over_until(&self, time: Duration) -> Option<i64> {
        if self.stepped.is_some_and(|ago| ago < time) {
            return None;
        }
        let excused = self.stalls.iter().filter(|(_, ago)| *ago < time).map(|(began, _)| began - 1);
        Some(excused.fold(self.now, i64::min))
    }
}

impl Steps {
    pub(super) fn new(clock: Clock, monotonic: Clock) -> Self {
        Self { clock, monotonic, seen: Mutex::default() }
    }

    /// Nobody could write, and so renew a lease, since `began` (the store's time), and nobody can now.
    pub(super) fn stalled(&self, began: i64) {
        let steady = (self.monotonic)();
        let mut seen = self.seen();
        match seen.stalls.back_mut().filter(|stall| !stall.is_over) {
            Some(stall) => stall.seen = steady,
            None => seen.stalls.push_back(Stall { began, seen: steady, is_over: false }),
        }
        if seen.stalls.len() > STALLS {
            seen.stalls.pop_front();
        }
    }

    /// Somebody could write: a stall is over.
    pub(super) fn wrote(&self) {
        let steady = (self.monotonic)();
        if let Some(stall) = self.seen().stalls.back_mut().filter(|stall| !stall.is_over) {
            (stall.seen, stall.is_over) = (steady, true);
        }
    }

    /// The time, and what was seen so far.
    pub(super) fn look(&self) -> Look {
        let (now, steady) = ((self.clock)(), (self.monotonic)());
        let mut seen = self.seen();
        if let Some((clock, monotonic)) = seen.last.replace((now, steady))
            && (now - clock) - (steady - monotonic) > STEP
        {
            tracing::warn!("the clock was set forward; no lease counts as expired for a while");
            seen.stepped = Some(steady);
        }
        let ago = |at: i64| Duration::from_millis((steady - at).max(0).unsigned_abs());
        let stalls = seen.stalls.iter().map(|stall| (stall.began, ago(stall.seen))).collect();
        Look { now, stepped: seen.stepped.map(ago), stalls }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// Watches clocks that pass as they are told to, by the wall and steadily.
    fn steps() -> (Steps, impl Fn(i64, i64)) {
        let clocks = Arc::new([AtomicI64::new(1_000_000), AtomicI64::new(0)]);
        let read = |index: usize| -> Clock {
            let clocks = Arc::clone(&clocks);
            Arc::new(move || clocks[index].load(Ordering::Relaxed))
        };
        let steps = Steps::new(read(0), read(1));
        let pass = move |wall: i64, steady: i64| {
            clocks[0].fetch_add(wall, Ordering::Relaxed);
            clocks[1].fetch_add(steady, Ordering::Relaxed);
        };
        (steps, pass)
    }

    const TIME: Duration = Duration::from_secs(1);

    #[test]
    fn a_step_is_told_from_the_passing_of_time() {
        let (steps, pass) = steps();
        assert_eq!(steps.look().over_until(TIME), Some(1_000_000));
        pass(60_000, 60_000);
        assert_eq!(steps.look().over_until(TIME), Some(1_060_000), "a pause of the process is no step");
        pass(6_000, 10);
        assert_eq!(steps.look().over_until(TIME), None);
        pass(1_000, 1_000);
        assert_eq!(steps.look().over_until(TIME), Some(1_067_000));
    }

    #[test]
    fn a_stall_excuses_what_ran_out_since_it_began() {
        let (steps, pass) = steps();
        let over_until = || steps.look().over_until(TIME);
        for (since, wanted) in [(0, 999_999), (20_000, 999_999)] {
            pass(since, since);
            steps.stalled(1_000_000 + since);
            assert_eq!(over_until(), Some(wanted), "it goes on");
        }
        steps.wrote();
        pass(900, 900);
        steps.wrote();
        assert_eq!(over_until(), Some(999_999), "those who live have time to renew");
        steps.stalled(1_020_900);
        assert_eq!(over_until(), Some(999_999), "whatever happens meanwhile");
        pass(100, 100);
        assert_eq!(over_until(), Some(1_020_899), "but no longer");
        pass(900, 900);
        assert_eq!(over_until(), Some(1_021_900));
    }
}
