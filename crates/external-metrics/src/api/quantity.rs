//! Numbers as Kubernetes writes them.

/// What is lost when numbers are added up in binary, in thousandths; far less than anything that is measured here.
const NOISE: f64 = 1e-6;

/// A number that is not negative, to the thousandth: `2`, `1500m`. Rounded up, as Kubernetes itself rounds, so that
/// little work is not none.
pub(super) fn quantity(number: f64) -> String {
    // Out of range, the cast saturates; what is no number is 0.
    let thousandths = (number * 1000.0 - NOISE).ceil() as u64;
    match thousandths % 1000 {
        0 => (thousandths / 1000).to_string(),
        _ => format!("{thousandths}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_or_thousandths_rounded_up() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1.5, "1500m"),
            (0.8, "800m"),
            (0.1 + 0.2, "300m"),
            (1.0 / 4096.0, "1m"),
            (2.0001, "2001m"),
            (1234.0, "1234"),
            (86_400.25, "86400250m"),
            (f64::NAN, "0"),
            (-1.0, "0"),
        ] {
            assert_eq!(quantity(number), text, "{number}");
        }
    }
}
