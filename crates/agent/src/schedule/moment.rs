//! Moments as people write them: ISO 8601 with or without an offset, or how long from now.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Invalid, parse_duration};

/// Reads a moment (milliseconds since 1970). What has no offset is meant in `zone`; a duration such as `20m` counts from
/// `now`.
pub fn parse_moment(text: &str, zone: &TimeZone, now: i64) -> Result<i64, Invalid> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        // In a gap it is as much later as the clock is put forward; of two times with one name it is the first.
        let zoned = civil.to_zoned(zone.clone()).map_err(|_| invalid(text))?;
        return Ok(zoned.timestamp().as_millisecond());
    }
    let from_now = parse_duration(text).map_err(|_| invalid(text))?;
    now.checked_add(from_now)
        .filter(|at| Timestamp::from_millisecond(*at).is_ok())
        .ok_or_else(|| invalid(text))
}

fn invalid(text: &str) -> Invalid {
    Invalid(format!(
        "`{text}` is not a time; write for example 2030-01-31T09:00, 2030-01-31T09:00:00+01:00, or 20m for in twenty \
         minutes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn reads_what_people_write() {
        let berlin = zone("Europe/Berlin").unwrap();
        for (text, want) in [
            ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00Z"),
            ("2030-01-31T09:00:00.250+01:00", "2030-01-31T08:00:00.250Z"),
            ("2030-01-31T09:00", "2030-01-31T08:00:00Z"),
            ("2030-01-31 09:00:30", "2030-01-31T08:00:30Z"),
            ("2030-07-01", "2030-06-30T22:00:00Z"),
            // There is no 02:30 on this day, and two of them on that.
            ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        ] {
            let want: Timestamp = want.parse().unwrap();
            assert_eq!(parse_moment(text, &berlin, NOW), Ok(want.as_millisecond()), "{text}");
        }
        assert_eq!(parse_moment("20m", &berlin, NOW), Ok(NOW + 1_200_000));
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "soon", "2030-13-01", "09:00", "2030-01-31T25:00", "9223372036854775807", "-1m"] {
            assert!(parse_moment(text, &TimeZone::UTC, NOW).is_err(), "{text:?}");
        }
    }
}
