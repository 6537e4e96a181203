//! Values with units: durations (`"250ms"`, `"1m30s"`) and rates (`"500/s"`).

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A unit of time: its sign and its length in milliseconds.
type TimeUnit = (&'static str, u64);

/// Units of time, largest first.
const TIME_UNITS: [TimeUnit; 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Longest duration that can be written. No timer of halb is meant to outlast a year, and deadlines
/// made of it can't overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a text is no value with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing is written.
    #[error("it is empty")]
    Empty,
    /// A number without a unit.
    #[error("'{0}' has no unit")]
    NoUnit(String),
    /// Letters that are no unit.
    #[error("'{0}' is no unit; there are {known}", known = known_units())]
    UnknownUnit(String),
    /// A unit, or something else, where a number belongs.
    #[error("a number belongs before '{0}'")]
    NoNumber(String),
    /// A fraction, a sign, a space.
    #[error("'{0}' doesn't belong here; numbers are whole, without sign, space or separator")]
    Stray(char),
    /// `30s1m`, `1s1s`.
    #[error("'{0}' stands after a unit that isn't larger; the order is d, h, m, s, ms")]
    Order(&'static str),
    /// Beyond [`DURATION_MAX`], or more events in a second than a 32-bit number holds.
    #[error("it is too large")]
    TooLarge,
    /// A rate that isn't `NUMBER/s`.
    #[error("a rate is a number of events in a second")]
    NotPerSecond,
    /// `0/s`.
    #[error("a rate of nothing would stop everything")]
    ZeroRate,
}

fn known_units() -> String {
    TIME_UNITS.iter().rev().map(|(sign, _)| *sign).collect::<Vec<_>>().join(", ")
}

/// Reads a duration: whole numbers with a unit, larger units first, such as `"2s"` or `"1m30s"`.
///
/// # Errors
/// Why it isn't one.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut last_length = u64::MAX;
    if rest.is_empty() {
        return Err(UnitError::Empty);
    }
    while !rest.is_empty() {
        let (number, after_number) = split_while(rest, |c| c.is_ascii_digit());
        let (unit, after_unit) = split_while(after_number, char::is_alphabetic);
        let (sign, length) = match (number, unit, after_number.chars().next()) {
            ("", "", Some(stray)) => return Err(UnitError::Stray(stray)),
            ("", unit, _) => return Err(UnitError::NoNumber(unit.to_owned())),
            (_, "", Some(stray)) => return Err(UnitError::Stray(stray)),
            (number, "", None) => return Err(UnitError::NoUnit(number.to_owned())),
            (_, unit, _) => time_unit(unit)?,
        };
        if length >= last_length {
            return Err(UnitError::Order(sign));
        }
        let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
        let part_ms = number.checked_mul(length).ok_or(UnitError::TooLarge)?;
        total_ms = total_ms.checked_add(part_ms).ok_or(UnitError::TooLarge)?;
        last_length = length;
        rest = after_unit;
    }
    let total = Duration::from_millis(total_ms);
    if total > DURATION_MAX { Err(UnitError::TooLarge) } else { Ok(total) }
}

fn time_unit(sign: &str) -> Result<TimeUnit, UnitError> {
    let found = TIME_UNITS.into_iter().find(|(known, _)| *known == sign);
    found.ok_or_else(|| UnitError::UnknownUnit(sign.to_owned()))
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// What the author of a refused duration probably meant, if that can be told: `"5"` is `"5s"`,
/// `"1.5s"` is `"1500ms"`, `"2 sec"` is `"2s"`.
#[must_use]
pub fn guess_duration(text: &str) -> Option<String> {
    let compact: String =
        text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let (number, unit) = split_while(&compact, |c| c.is_ascii_digit() || c == '.');
    let (sign, length) = match unit {
        "ms" | "msec" | "msecs" | "milliseconds" | "millisecond" => ("ms", 1_u32),
        "" | "s" | "sec" | "secs" | "second" | "seconds" => ("s", 1_000),
        "m" | "min" | "mins" | "minute" | "minutes" => ("m", 60_000),
        "h" | "hr" | "hrs" | "hour" | "hours" => ("h", 3_600_000),
        "d" | "day" | "days" => ("d", 86_400_000),
        _ => return None,
    };
    let guess = if number.contains('.') {
        let seconds = number.parse::<f64>().ok()? * f64::from(length) / 1000.0;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        let whole_ms = Duration::from_millis(u64::try_from(duration.as_millis()).ok()?);
        DurationText(whole_ms).to_string()
    } else {
        format!("{number}{sign}")
    };
    parse_duration(&guess).ok().map(|_| guess)
}

/// A duration as the file has it: `1m30s`, `250ms`, `0s`. Parts of a millisecond are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (sign, length) in TIME_UNITS {
            let length = u128::from(length);
            if rest >= length {
                write!(f, "{}{sign}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

/// Reads a rate, `"500/s"`: events in a second, at least one.
///
/// # Errors
/// Why it isn't one.
pub fn parse_rate(text: &str) -> Result<NonZeroU32, UnitError> {
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let number = text.strip_suffix("/s").ok_or(UnitError::NotPerSecond)?;
    if let Some(stray) = number.chars().find(|c| !c.is_ascii_digit()) {
        return Err(UnitError::Stray(stray));
    }
    if number.is_empty() {
        return Err(UnitError::NoNumber("/s".to_owned()));
    }
    let number: u32 = number.parse().map_err(|_| UnitError::TooLarge)?;
    NonZeroU32::new(number).ok_or(UnitError::ZeroRate)
}

#[cfg(test)]
mod tests;
