//! Durations as people write them: `90s`, `10m`, `1h30m`, `1d`, or plain milliseconds.

use super::Invalid;

/// Units and their milliseconds. `ms` comes before `m`, which is its beginning.
const UNITS: [(&str, i64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Reads a duration in milliseconds; it is greater than zero.
pub fn parse_duration(text: &str) -> Result<i64, Invalid> {
    let invalid = || Invalid(format!("`{text}` is not a duration; write for example 30s, 10m, 1h30m or 1d"));
    let lower = text.trim().to_ascii_lowercase();
    let mut rest = lower.as_str();
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return rest.parse().ok().filter(|ms| *ms > 0).ok_or_else(invalid);
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().map_err(|_| invalid())?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = rest[digits..].split_at(letters);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        total = count.checked_mul(*ms).and_then(|ms| total.checked_add(ms)).ok_or_else(invalid)?;
        rest = after;
    }
    if total > 0 { Ok(total) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, want) in [
            ("1500", 1_500),
            ("250ms", 250),
            ("30s", 30_000),
            (" 10M ", 600_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", "0", "0s", "-5m", "m", "10x", "10m5", "1.5h", "99999999999999999999d", "1h é"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
