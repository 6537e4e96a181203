//! HAProxy's units: times (`50s`, `1m`, `500`, which is milliseconds), counts, and how halb writes
//! them.

use std::time::Duration;

use halb_config::units::DurationText;

/// Reads a time; a bare number is in milliseconds. None: HAProxy would refuse it.
pub(super) fn time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let microseconds = match unit {
        "us" => number,
        "ms" | "" => number.checked_mul(1_000)?,
        "s" => number.checked_mul(1_000_000)?,
        "m" => number.checked_mul(60_000_000)?,
        "h" => number.checked_mul(3_600_000_000)?,
        "d" => number.checked_mul(86_400_000_000)?,
        _ => return None,
    };
    Some(Duration::from_micros(microseconds))
}

/// Reads a number.
pub(super) fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// A duration as halb's file has it, brought into the range that a key takes.
pub(super) fn written(duration: Duration, shortest: Duration, longest: Duration) -> String {
    DurationText(duration.clamp(shortest, longest)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_haproxys_units() {
        let ms = Duration::from_millis;
        let cases = [
            ("500", Some(ms(500))),
            ("2s", Some(ms(2000))),
            ("10m", Some(ms(600_000))),
            ("24h", Some(ms(86_400_000))),
            ("1d", Some(ms(86_400_000))),
            ("1500us", Some(Duration::from_micros(1500))),
            ("0", Some(ms(0))),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("1m30s", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(written(ms(90_000), ms(10), ms(3_600_000)), "1m30s");
        assert_eq!(written(ms(1), ms(10), ms(3_600_000)), "10ms");
    }
}
