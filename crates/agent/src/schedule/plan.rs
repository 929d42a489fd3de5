//! What becomes of a tick. However many were missed, one firing follows at most: never a burst.

use super::{Invalid, Job, Missed};

/// A tick that is later than this was missed: somebody should have fired it, and all replicas were away.
const LATE_MS: i64 = 30_000;

/// How soon a tick that met a full session is tried again.
const AGAIN_MS: i64 = 30_000;

/// What becomes of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// It is fired; otherwise it is left out.
    pub fire: bool,
    /// The next tick after it.
    pub next: Option<i64>,
    /// The next tick if it meets a full session.
    pub if_full: Option<i64>,
}

/// Decides what becomes of the tick that is due at `due_at`, at `now`. Whatever it plans is later than both.
pub fn plan(job: &Job, due_at: i64, now: i64) -> Result<Plan, Invalid> {
    let next = job.schedule.next_after(due_at.max(now))?;
    let again = due_at.max(now).saturating_add(AGAIN_MS);
    Ok(match job.missed {
        Missed::Once => Plan { fire: true, next, if_full: Some(next.map_or(again, |next| next.min(again))) },
        Missed::Skip => Plan { fire: now.saturating_sub(due_at) <= LATE_MS, next, if_full: next },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::{Payload, Timing};

    const HOUR: i64 = 3_600_000;

    fn job(schedule: Timing, missed: Missed) -> Job {
        Job {
            name: "test".to_owned(),
            agent_id: "main".to_owned(),
            enabled: true,
            delete_after_run: false,
            created_at_ms: 0,
            updated_at_ms: 0,
            schedule,
            session_target: "isolated".to_owned(),
            payload: Payload::AgentTurn { message: "hello".to_owned() },
            missed,
        }
    }

    fn hourly(missed: Missed) -> Job {
        job(Timing::Every { every_ms: HOUR, anchor_ms: 0 }, missed)
    }

    #[test]
    fn a_tick_in_time_is_fired_and_the_next_one_planned() {
        for missed in [Missed::Once, Missed::Skip] {
            let planned = plan(&hourly(missed), HOUR, HOUR + 900).unwrap();
            assert_eq!((planned.fire, planned.next), (true, Some(2 * HOUR)), "{missed:?}");
        }
    }

    #[test]
    fn a_hundred_missed_ticks_are_one_firing_or_none() {
        let now = 101 * HOUR + 60_000;
        let once = plan(&hourly(Missed::Once), HOUR, now).unwrap();
        assert_eq!((once.fire, once.next), (true, Some(102 * HOUR)));
        let skip = plan(&hourly(Missed::Skip), HOUR, now).unwrap();
        assert_eq!((skip.fire, skip.next), (false, Some(102 * HOUR)));
    }

    #[test]
    fn a_full_session_is_tried_again_soon_or_at_the_next_time() {
        let once = plan(&hourly(Missed::Once), HOUR, HOUR).unwrap();
        assert_eq!(once.if_full, Some(HOUR + AGAIN_MS));
        assert_eq!(plan(&hourly(Missed::Skip), HOUR, HOUR).unwrap().if_full, Some(2 * HOUR));
        let at = Timing::At { at: "1970-01-01T01:00:00Z".to_owned() };
        let once = plan(&job(at.clone(), Missed::Once), HOUR, HOUR).unwrap();
        assert_eq!(once, Plan { fire: true, next: None, if_full: Some(HOUR + AGAIN_MS) });
        let skip = plan(&job(at, Missed::Skip), HOUR, HOUR).unwrap();
        assert_eq!(skip, Plan { fire: true, next: None, if_full: None });
    }

    proptest! {
        /// Replicas that come and go, and a session that is full at times: each tick is met once, in order, and two
        /// firings are never closer than the interval, except for the one that makes up for what was missed.
        #[test]
        fn never_a_burst(
            every in 1_000_i64..100_000,
            steps in prop::collection::vec((0_i64..500_000, any::<bool>()), 1..60),
            skip: bool,
        ) {
            let missed = if skip { Missed::Skip } else { Missed::Once };
            let job = job(Timing::Every { every_ms: every, anchor_ms: 0 }, missed);
            let (mut due, mut now, mut fired) = (every, 0, Vec::new());
            for (passes, full) in steps {
                now += passes;
                let mut at_once = 0;
                while due <= now {
                    let planned = plan(&job, due, now).unwrap();
                    at_once += 1;
                    if planned.fire && !full {
                        fired.push(due);
                    }
                    let next = if planned.fire && full { planned.if_full } else { planned.next };
                    prop_assert!(next.unwrap() > due.max(now));
                    due = next.unwrap();
                }
                prop_assert!(at_once <= 1, "one look fires at most once");
            }
            prop_assert!(fired.is_sorted_by(|a, b| a < b));
        }
    }
}
