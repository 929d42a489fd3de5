//! How long to wait before the next attempt, or that there is none: a pure function of what is known.

use std::time::Duration;

use crate::Retry;

/// The longest `Retry-After` that is waited for; a provider that asks for more is asked again sooner than it likes,
/// rather than holding a user for minutes.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What is known after a failed attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setback {
    /// Attempts made with this model, at least 1.
    pub(crate) attempts: u32,
    /// Time since the start of the call, over all models.
    pub(crate) elapsed: Duration,
    /// The provider's own wish.
    pub(crate) retry_after: Option<Duration>,
    /// Another model can be asked instead.
    pub(crate) alternative: bool,
}

/// The pause before the next attempt with the same model; none if it is not to be tried again. `chance` is a random
/// number from 0 to 1.
pub(crate) fn pause(retry: &Retry, setback: Setback, chance: f64) -> Option<Duration> {
    if setback.attempts >= retry.attempts {
        return None;
    }
    let left = retry.budget.checked_sub(setback.elapsed)?;
    let pause = match setback.retry_after {
        // With an alternative at hand, a long wait is taken at its word and not waited for.
        Some(wish) if setback.alternative && wish > left => return None,
        // Never less than the wish, and a little more, so that those who were refused together do not return together.
        Some(wish) => wish.min(MAX_RETRY_AFTER).mul_f64(1.0 + chance / 10.0),
        None => {
            let half = grown(retry, setback.attempts) / 2;
            half + half.mul_f64(chance)
        }
    };
    (pause <= left).then_some(pause)
}

/// The base delay, doubled for each attempt after the first.
fn grown(retry: &Retry, attempts: u32) -> Duration {
    let factor = 2u32.saturating_pow(attempts.saturating_sub(1));
    retry.base_delay.saturating_mul(factor).min(retry.max_delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn setback(attempts: u32, elapsed: u64, retry_after: Option<u64>, alternative: bool) -> Setback {
        Setback { attempts, elapsed: secs(elapsed), retry_after: retry_after.map(secs), alternative }
    }

    #[test]
    fn pauses_grow_within_bounds_and_end() {
        let retry = Retry { attempts: 9, ..Retry::default() };
        for (attempts, chance, want) in [
            (1, 0.0, Some(Duration::from_millis(250))),
            (1, 1.0, Some(Duration::from_millis(500))),
            (3, 1.0, Some(secs(2))),
            (8, 1.0, Some(secs(30))),
            (9, 1.0, None),
        ] {
            assert_eq!(pause(&retry, setback(attempts, 0, None, false), chance), want, "attempt {attempts}");
        }
        assert_eq!(pause(&retry, setback(8, 61, None, false), 1.0), None, "30 s do not fit into the budget");
        assert_eq!(pause(&retry, setback(1, 91, None, false), 0.0), None, "the budget is spent");
    }

    #[test]
    fn the_providers_wish_is_honoured_capped_or_avoided() {
        let retry = Retry::default();
        for (wish, elapsed, alternative, want) in [
            (7, 0, false, Some(secs(7))),
            (7, 0, true, Some(secs(7))),
            (600, 0, false, Some(secs(60))),
            (600, 0, true, None),
            (7, 85, true, None),
            (7, 85, false, None),
        ] {
            let got = pause(&retry, setback(1, elapsed, Some(wish), alternative), 0.0);
            assert_eq!(got, want, "wish {wish}, elapsed {elapsed}, alternative {alternative}");
        }
    }
}
