//! Circuit breakers, one per model: a model that keeps failing is passed over for a while if another one can answer.
//!
//! Only models that are failing have an entry, so a healthy catalogue holds nothing. A failing model is given one call
//! after each pause; its outcome closes the circuit or opens it again. Breakers are advice: losing one costs a call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open a circuit.
const THRESHOLD: u32 = 5;

/// How long a circuit stays open, before jitter.
const PAUSE: Duration = Duration::from_secs(10);

/// The most models with an entry (names come from requests, so they are not bounded by the configuration). When full,
/// failures of further models are not counted.
const MAX_ENTRIES: usize = 1024;

/// The breakers of all models.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    failing: Mutex<HashMap<String, Breaker>>,
}

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breakers {
    /// Whether `model` may be called. The first one who asks after the pause may; the others go on waiting for what it
    /// learns, at most for another pause.
    pub(crate) fn admits(&self, model: &str, now: Instant) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Breaker { open_until: Some(until), .. }) = failing.get_mut(model) else { return true };
        let over = *until <= now;
        if over {
            *until = now + jittered();
        }
        over
    }

    /// `model` failed.
    pub(crate) fn failed(&self, model: &str, now: Instant) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.len() >= MAX_ENTRIES && !failing.contains_key(model) {
            return;
        }
        let breaker = failing.entry(model.to_owned()).or_default();
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= THRESHOLD {
            breaker.open_until = Some(now + jittered());
        }
    }

    /// `model` answered.
    pub(crate) fn succeeded(&self, model: &str) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.remove(model);
    }
}

/// The pause, with up to a fifth more, so that replicas do not return at the same moment.
fn jittered() -> Duration {
    PAUSE + PAUSE.mul_f64(fastrand::f64() / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(breakers: &Breakers, failures: u32, now: Instant) {
        (0..failures).for_each(|_| breakers.failed("p/m", now));
    }

    #[test]
    fn opens_after_failures_in_a_row_and_admits_one_probe_after_the_pause() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        broken(&breakers, THRESHOLD - 1, start);
        assert!(breakers.admits("p/m", start));
        broken(&breakers, 1, start);
        assert!(!breakers.admits("p/m", start));
        assert!(breakers.admits("p/other", start));

        let later = start + PAUSE * 2;
        assert!(breakers.admits("p/m", later), "the probe");
        assert!(!breakers.admits("p/m", later), "only one probe");
        broken(&breakers, 1, later);
        assert!(!breakers.admits("p/m", later), "the probe failed");
    }

    #[test]
    fn an_answer_closes_the_circuit_and_forgets_the_failures() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        broken(&breakers, THRESHOLD, now);
        breakers.succeeded("p/m");
        assert!(breakers.admits("p/m", now));
        broken(&breakers, THRESHOLD - 1, now);
        assert!(breakers.admits("p/m", now));
        breakers.succeeded("p/m");
        assert!(breakers.failing.lock().unwrap().is_empty());
    }

    #[test]
    fn holds_a_bounded_number_of_models() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        (0..MAX_ENTRIES + 10).for_each(|n| breakers.failed(&format!("p/{n}"), now));
        assert_eq!(breakers.failing.lock().unwrap().len(), MAX_ENTRIES);
    }
}
