//! When a schedule is due.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cron::Cron;
use super::{Invalid, zone};

/// The shortest interval of a repeated schedule. Replicas look for what is due about every second.
pub const MIN_EVERY_MS: i64 = 1_000;

/// The times of a schedule, in OpenClaw's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Timing {
    /// Once.
    At {
        /// ISO 8601, with an offset.
        at: String,
    },
    /// At a fixed interval, counted from an anchor, so that it does not drift.
    Every {
        /// The interval.
        every_ms: i64,
        /// A time that would be one of its times.
        anchor_ms: i64,
    },
    /// By the calendar.
    Cron {
        /// The cron expression.
        expr: String,
        /// The IANA time zone in which it is meant; UTC if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tz: Option<String>,
    },
}

impl Timing {
    /// The first time after `after`; nothing if there is none any more. It is always later than `after`.
    pub fn next_after(&self, after: i64) -> Result<Option<i64>, Invalid> {
        match self {
            Self::At { at } => {
                let at: Timestamp = at
                    .parse()
                    .map_err(|_| Invalid(format!("`{at}` is not an ISO 8601 time with an offset")))?;
                Ok(Some(at.as_millisecond()).filter(|at| *at > after))
            }
            Self::Every { every_ms, anchor_ms } => next_interval(*every_ms, *anchor_ms, after),
            Self::Cron { expr, tz } => {
                Cron::parse(expr, zone(tz.as_deref().unwrap_or("UTC"))?)?.next_after(after)
            }
        }
    }

    /// It may come more than once.
    pub fn repeats(&self) -> bool {
        !matches!(self, Self::At { .. })
    }
}

/// The first time on the grid after `after`.
fn next_interval(every: i64, anchor: i64, after: i64) -> Result<Option<i64>, Invalid> {
    if every < MIN_EVERY_MS {
        return Err(Invalid(format!("an interval is at least {MIN_EVERY_MS} ms, not {every} ms")));
    }
    if after < anchor {
        return Ok(Some(anchor));
    }
    let since = after.checked_sub(anchor);
    let next = since.and_then(|since| after.checked_add(every - since % every));
    Ok(next.filter(|next| Timestamp::from_millisecond(*next).is_ok()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_writes_the_json_of_openclaw() {
        for (json, timing) in [
            (
                r#"{"kind":"at","at":"2030-01-31T09:00:00Z"}"#,
                Timing::At { at: "2030-01-31T09:00:00Z".to_owned() },
            ),
            (
                r#"{"kind":"every","everyMs":60000,"anchorMs":5}"#,
                Timing::Every { every_ms: 60_000, anchor_ms: 5 },
            ),
            (
                r#"{"kind":"cron","expr":"0 9 * * *","tz":"UTC"}"#,
                Timing::Cron { expr: "0 9 * * *".to_owned(), tz: Some("UTC".to_owned()) },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Timing>(json).unwrap(), timing);
            assert_eq!(serde_json::to_string(&timing).unwrap(), json);
        }
        assert!(serde_json::from_str::<Timing>(r#"{"kind":"stream","command":["a"]}"#).is_err());
    }

    #[test]
    fn once_is_once() {
        let at = Timing::At { at: "1970-01-01T00:00:01Z".to_owned() };
        assert_eq!(
            [0, 999, 1_000, 1_001].map(|after| at.next_after(after).unwrap()),
            [Some(1_000), Some(1_000), None, None]
        );
    }

    #[test]
    fn an_interval_keeps_to_its_anchor() {
        let every = Timing::Every { every_ms: 1_000, anchor_ms: 250 };
        for (after, next) in [(0, 250), (249, 250), (250, 1_250), (1_300, 2_250), (86_400_000, 86_400_250)] {
            assert_eq!(every.next_after(after), Ok(Some(next)), "{after}");
        }
        assert!(Timing::Every { every_ms: 999, anchor_ms: 0 }.next_after(0).is_err());
        assert_eq!(Timing::Every { every_ms: i64::MAX, anchor_ms: 0 }.next_after(1), Ok(None));
    }

    fn any_timing() -> impl Strategy<Value = Timing> {
        let moment = -10_000_000_000_i64..4_000_000_000_000;
        let fields =
            ["* * * * *", "*/7 * * * * *", "30 2 * * *", "0 0 29 2 *", "0 9 * * 1-5", "15 1,2,3 L * *"];
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
        prop_oneof![
            (MIN_EVERY_MS..100_000_000_000, moment)
                .prop_map(|(every_ms, anchor_ms)| Timing::Every { every_ms, anchor_ms }),
            (prop::sample::select(fields.to_vec()), prop::sample::select(zones.to_vec()))
                .prop_map(|(expr, tz)| Timing::Cron { expr: expr.to_owned(), tz: Some(tz.to_owned()) }),
        ]
    }

    proptest! {
        /// The next time is later, it is the same for whoever asks before it, and so no time is left out.
        #[test]
        fn the_next_time_is_later_and_the_first(
            timing in any_timing(),
            after in 0_i64..4_000_000_000_000,
            part in 0.0..1.0_f64,
        ) {
            let next = timing.next_after(after).unwrap().unwrap();
            prop_assert!(next > after);
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some time between")]
            let between = after + ((next - 1 - after) as f64 * part) as i64;
            prop_assert_eq!(timing.next_after(between).unwrap(), Some(next));
            prop_assert!(timing.next_after(next).unwrap().unwrap() > next);
        }
    }
}
