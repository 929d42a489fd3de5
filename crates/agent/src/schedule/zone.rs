//! Time zones by their IANA names.

use jiff::tz::TimeZone;

use super::Invalid;

/// The time zone of this name, such as `Europe/Berlin`.
pub fn zone(name: &str) -> Result<TimeZone, Invalid> {
    TimeZone::get(name).map_err(|_| {
        Invalid(format!("there is no time zone `{name}`; give an IANA name such as Europe/Berlin or UTC"))
    })
}
