//! Cron expressions: five fields, or six with the seconds first.
//!
//! The parser says what is wrong but not where, so an expression that it refuses is tried again field by field.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};

use super::Invalid;

/// The fields of a long expression, and what stands in them; a short one has no seconds.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L, W"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT, #, L"),
];

/// A cron expression in a time zone.
pub(super) struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    pub(super) fn parse(expression: &str, zone: TimeZone) -> Result<Self, Invalid> {
        let pattern = parser().parse(expression).map_err(|error| explain(expression, &error))?;
        Ok(Self { pattern, zone })
    }

    /// The first time after `after` that matches; nothing if none ever does.
    pub(super) fn next_after(&self, after: i64) -> Result<Option<i64>, Invalid> {
        let beyond = |_| Invalid(format!("{after} is beyond the calendar"));
        let start = Timestamp::from_millisecond(after).map_err(beyond)?.to_zoned(self.zone.clone());
        match self.pattern.find_next_occurrence(&start, false) {
            Ok(next) => Ok(Some(next.timestamp().as_millisecond())),
            Err(CronError::TimeSearchLimitExceeded) => Ok(None),
            Err(error) => {
                Err(Invalid(format!("cannot tell when `{}` comes next: {error}", self.pattern.as_str())))
            }
        }
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

/// Says which part of an expression that was refused is wrong, and points at it.
fn explain(expression: &str, error: &CronError) -> Invalid {
    let fields = fields(expression);
    let names = match fields.len() {
        6 => &FIELDS[..],
        5 => &FIELDS[1..],
        count => {
            return Invalid(format!(
                "`{expression}` has {count} fields; a cron expression has five (minute, hour, day of the month, month, \
                 day of the week), or six with the second first, such as `0 9 * * 1-5`"
            ));
        }
    };
    let first = FIELDS.len() - names.len();
    for (index, ((column, field), (name, holds))) in fields.iter().zip(names).enumerate() {
        // Each item of a list by itself, so that the one that is wrong is found.
        let mut at = *column;
        for item in field.split(',') {
            if !stands_alone(first + index, item) {
                return Invalid(format!(
                    "`{item}` is wrong as the {name} of a cron expression, which holds {holds} and *, - and /\n  \
                     {expression}\n  {:at$}{} column {}",
                    "",
                    "^".repeat(item.chars().count().max(1)),
                    at + 1,
                ));
            }
            at += item.chars().count() + 1;
        }
    }
    Invalid(format!("`{expression}` is not a cron expression: {error}"))
}

/// The fields with their columns, counted in characters from 0.
fn fields(expression: &str) -> Vec<(usize, &str)> {
    let start = |field: &str| field.as_ptr() as usize - expression.as_ptr() as usize;
    expression.split_whitespace().map(|field| (expression[..start(field)].chars().count(), field)).collect()
}

/// The parser takes this item in this field if all other fields match everything.
fn stands_alone(field: usize, item: &str) -> bool {
    let mut fields = ["*"; FIELDS.len()];
    fields[field] = item;
    parser().parse(&fields.join(" ")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone;

    /// The next times of an expression after a moment, in its zone.
    #[track_caller]
    fn times(expression: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
        let zone = zone(zone_name).unwrap();
        let cron = Cron::parse(expression, zone.clone()).unwrap();
        let mut at = after.parse::<Timestamp>().unwrap().as_millisecond();
        let mut times = Vec::new();
        while times.len() < count
            && let Some(next) = cron.next_after(at).unwrap()
        {
            assert!(next > at);
            at = next;
            let zoned = Timestamp::from_millisecond(at).unwrap().to_zoned(zone.clone());
            times.push(zoned.strftime("%F %T%:z").to_string());
        }
        times
    }

    #[test]
    fn five_and_six_fields() {
        let after = "2026-01-01T08:59:59.500Z";
        assert_eq!(
            times("0 9 * * 1-5", "UTC", after, 2),
            ["2026-01-01 09:00:00+00:00", "2026-01-02 09:00:00+00:00"]
        );
        assert_eq!(
            times("*/20 59 8 * * *", "UTC", "2026-01-01T08:59:20Z", 2),
            ["2026-01-01 08:59:40+00:00", "2026-01-02 08:59:00+00:00"]
        );
        assert_eq!(times("@daily", "UTC", after, 1), ["2026-01-02 00:00:00+00:00"]);
        assert_eq!(times("0 12 L feb *", "UTC", after, 1), ["2026-02-28 12:00:00+00:00"]);
    }

    /// This is how OpenClaw's parser reads them, too.
    #[test]
    fn several_times_of_the_day_go_by_the_clock() {
        assert_eq!(
            times("30 2,14 * * *", "Europe/Berlin", "2026-03-28T22:00:00Z", 2),
            ["2026-03-29 14:30:00+02:00", "2026-03-30 02:30:00+02:00"]
        );
        assert_eq!(
            times("30 2,14 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", 3),
            ["2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00", "2026-10-25 14:30:00+01:00"]
        );
    }

    #[test]
    fn the_day_of_the_month_or_of_the_week_or_both() {
        let after = "2026-06-14T10:00:00Z";
        assert_eq!(
            times("0 9 15 * 2", "UTC", after, 2),
            ["2026-06-15 09:00:00+00:00", "2026-06-16 09:00:00+00:00"]
        );
        assert_eq!(times("0 9 15 * +2", "UTC", after, 1), ["2026-09-15 09:00:00+00:00"]);
    }

    #[test]
    fn a_leap_day_comes_in_leap_years() {
        let after = "2026-01-01T00:00:00Z";
        assert_eq!(
            times("0 0 29 2 *", "UTC", after, 2),
            ["2028-02-29 00:00:00+00:00", "2032-02-29 00:00:00+00:00"]
        );
        assert!(
            times("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1)[0].starts_with("2104"),
            "1900, 2100 have none"
        );
    }

    #[test]
    fn what_never_comes_is_nothing() {
        assert!(times("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
    }

    /// In Berlin there is no time from 02:00 to 03:00 on 29 March 2026.
    #[test]
    fn a_time_in_the_gap_comes_once_on_that_day() {
        let after = "2026-03-28T12:00:00Z";
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", after, 2),
            ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"]
        );
        assert_eq!(
            times("0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 2),
            ["2026-03-29 03:00:00+02:00", "2026-03-29 04:00:00+02:00"]
        );
    }

    /// And two hours from 02:00 to 03:00 on 25 October.
    #[test]
    fn a_time_in_the_overlap_comes_once_and_an_interval_goes_on() {
        let after = "2026-10-24T12:00:00Z";
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", after, 2),
            ["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 4),
            [
                "2026-10-25 02:00:00+02:00",
                "2026-10-25 02:30:00+02:00",
                "2026-10-25 02:00:00+01:00",
                "2026-10-25 02:30:00+01:00"
            ]
        );
    }

    #[track_caller]
    fn refusal(expression: &str) -> String {
        match Cron::parse(expression, TimeZone::UTC) {
            Ok(_) => panic!("`{expression}` was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_error_points_at_what_is_wrong() {
        for (expression, item, name, column) in [
            ("0 25 * * *", "25", "hour", 3),
            ("61 * * * *", "61", "minute", 1),
            ("0  9 * foo *", "foo", "month", 8),
            ("0 9 1,32,3 * *", "32", "day of the month", 7),
            ("99 0 9 * * *", "99", "second", 1),
            ("0 9 * * mon,xyz", "xyz", "day of the week", 13),
            ("0 9 * * é", "é", "day of the week", 9),
        ] {
            let error = refusal(expression);
            assert!(error.starts_with(&format!("`{item}` is wrong as the {name} of")), "{error}");
            assert!(error.ends_with(&format!("column {column}")), "{error}");
            let [_, shown, pointer] = error.lines().collect::<Vec<_>>()[..] else { panic!("{error}") };
            assert_eq!(shown.trim(), expression);
            assert_eq!(pointer.find('^').unwrap(), column + 1, "{error}");
        }
        for (expression, count) in [("", 0), ("* * * *", 4), ("0 0 9 * * * 2030", 7)] {
            let error = refusal(expression);
            assert!(error.contains(&format!("has {count} fields")), "{error}");
        }
    }
}
