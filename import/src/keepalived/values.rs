//! Values as keepalived reads them.

use std::time::Duration;

/// `on`, `off` and their like; a word that stands alone is on. None: it is neither.
pub(super) fn switch(word: Option<&str>) -> Option<bool> {
    match word {
        None | Some("on" | "true" | "yes") => Some(true),
        Some("off" | "false" | "no") => Some(false),
        Some(_) => None,
    }
}

/// A whole number within limits.
pub(super) fn number(word: &str, least: i64, most: i64) -> Option<i64> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    digits.parse().ok().filter(|number| (least..=most).contains(number))
}

/// A number of at most eight bits within limits.
pub(super) fn small(word: &str, least: u8, most: u8) -> Option<u8> {
    u8::try_from(number(word, least.into(), most.into())?).ok()
}

/// Seconds, with a fraction of at most six digits that count.
pub(super) fn seconds(word: &str) -> Option<Duration> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros: u64 = micros.parse().ok()?;
    // More than a century is no time that anybody waits for.
    let within = whole <= 100 * 366 * 24 * 3600;
    within.then(|| Duration::from_secs(whole) + Duration::from_micros(micros))
}

/// As halb's file has it; what is below a millisecond is rounded up.
pub(super) fn duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (sign, length) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        // A minute and a half is written so; ninety seconds of an hour aren't.
        if ms >= length {
            text.push_str(&format!("{}{sign}", ms / length));
            ms %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_keepalived_reads_them() {
        assert_eq!(seconds("5"), Some(Duration::from_secs(5)));
        assert_eq!(seconds("0.92"), Some(Duration::from_millis(920)));
        assert_eq!(seconds("0.0000019"), Some(Duration::from_micros(1)));
        for wrong in ["", ".", "-1", "1e3", "5s", "99999999999"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(number("+5", -253, 253), Some(5));
        assert_eq!(number("300", -253, 253), None);
        assert_eq!(
            (switch(None), switch(Some("off")), switch(Some("x"))),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn durations_are_written_as_halb_reads_them() {
        for (micros, text) in [
            (0, "0s"),
            (1, "1ms"),
            (5_000_000, "5s"),
            (1_500_000, "1s500ms"),
            (90_000_000, "1m30s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }
}
