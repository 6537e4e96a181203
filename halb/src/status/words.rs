//! Figures as people read them: durations, sizes, counts, and text that came from the network.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A span of time in one or two units: `<1 ms`, `3 ms`, `12 s`, `3 min 5 s`, `3 h 12 min`, `5 d 2 h`.
#[must_use]
pub fn span(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    if seconds.is_nan() || seconds < 0.0 {
        return "0 s".to_owned();
    }
    // What doesn't fit is hundreds of billions of years.
    let span = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let whole = span.as_secs();
    if whole == 0 {
        return match span.as_millis() {
            0 => "<1 ms".to_owned(),
            millis => format!("{millis} ms"),
        };
    }
    match whole {
        0..MINUTE => format!("{whole} s"),
        MINUTE..HOUR => two(whole / MINUTE, "min", whole % MINUTE, "s"),
        HOUR..DAY => two(whole / HOUR, "h", whole % HOUR / MINUTE, "min"),
        DAY.. => two(whole / DAY, "d", whole % DAY / HOUR, "h"),
    }
}

/// A short span of time with what matters of its fraction: `0.1 ms`, `36.1 ms`, `609 ms`, `3.61 s`;
/// from a minute on as [`span`].
#[must_use]
pub fn exact(seconds: f64) -> String {
    if seconds.is_nan() || seconds <= 0.0 {
        return "0 s".to_owned();
    }
    let text = match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1000.0),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 59.995 => format!("{s:.2} s"),
        s => return span(s),
    };
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}")
}

/// A moment as people write it, to the second, in UTC.
#[must_use]
pub fn utc(time: SystemTime) -> String {
    // Years that no clock shows are told as the last one that can be written.
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, last)).to_string()
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// A count with its thousands apart: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 connection`, `2 connections`.
#[must_use]
pub fn things(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in decimal units: `999 B`, `1.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Whole tenths, so that 999,999 B is 1.0 MB at worst one unit late, never "1000.0 kB".
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// Text from outside made fit for one line of a terminal: control and non-ASCII characters (whose
/// width nobody knows) become `?`.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// At most `width` characters; what was cut shows as `…`.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        clipped.push('…');
    }
    clipped
}

/// Breaks text at blanks into lines of at most `width` characters; the second and further lines
/// begin with `indent` blanks. Words longer than a line are cut apart.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let indent = indent.min(width.saturating_sub(1));
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let blank = usize::from(used > indent || (used > 0 && !out.contains('\n')));
            if used + blank + rest.len() <= width {
                out.push_str(&" ".repeat(blank));
                out.extend(rest.iter());
                used += blank + rest.len();
                break;
            }
            if blank == 0 {
                let head = width.saturating_sub(used).max(1);
                out.extend(rest.drain(..head.min(rest.len())));
            }
            let _ = write!(out, "\n{}", " ".repeat(indent));
            used = indent;
        }
    }
    out
}

#[cfg(test)]
mod tests;
