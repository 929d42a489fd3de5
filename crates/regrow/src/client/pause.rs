//! How long to wait before the next replica is asked: hardly at all at first, because one that has died is replaced by
//! one that lives; longer and longer after that, because then all of them are away.

use std::time::Duration;

/// The first pause and the longest.
const BOUNDS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

/// The pauses of one question.
#[derive(Debug)]
pub(super) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: BOUNDS.0 }
    }
}

impl Pause {
    /// The next pause, spread by a quarter so that those who lost the same replica do not come back all at once.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(BOUNDS.1);
        pause.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pause = Pause::default();
        for millis in [20, 40, 80, 160, 320, 400, 400] {
            let (spread, middle) = (pause.next(), Duration::from_millis(millis));
            assert!(spread >= middle.mul_f64(0.75) && spread <= middle.mul_f64(1.25), "{spread:?}");
        }
    }
}
