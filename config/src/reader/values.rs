//! Getters of single values: texts, numbers, durations, choices, paths.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::{Entry, Table};
use crate::diagnostic::Diagnostic;
use crate::keys::{self, Absent};
use crate::units::{self, DurationText};

/// What a value is, for sentences.
pub(crate) fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The diagnostic about a value of the wrong type.
pub(super) fn wrong_type(entry: &Entry<'_>, takes: &str, written: Option<String>) -> Diagnostic {
    let what = format!("'{}' takes {takes}, not {}", entry.path, noun(entry.value));
    let wrong = Diagnostic::error(place_of(entry), what);
    match written {
        Some(written) => wrong.remedy(format!("write `{written}`")),
        None => wrong,
    }
}

/// A table's span is its header or all of its braces; its name says it better.
fn place_of(entry: &Entry<'_>) -> std::ops::Range<usize> {
    match entry.value {
        DeValue::Table(_) => entry.key_span.clone(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => entry.span.clone(),
    }
}

fn integer_of(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// From here on a number without a unit may well have meant milliseconds, as HAProxy has them.
const MILLISECONDS_LIKELY: u64 = 100;

/// What the author of a refused duration probably meant, to be put between backticks.
fn guess(key: &str, text: &str) -> Option<String> {
    let guess = units::guess_duration(text)?;
    let number = text.parse::<u64>().ok().filter(|number| *number >= MILLISECONDS_LIKELY);
    let or = number.map(|number| format!("` or `{key} = \"{number}ms\""));
    Some(format!("{key} = \"{guess}\"{}", or.unwrap_or_default()))
}

impl<'a> Table<'a> {
    /// A text. Control characters are refused: no key has a use for them.
    pub(crate) fn text(&self, key: &'static str) -> Option<(&'a str, Entry<'a>)> {
        let entry = self.get(key)?.clone();
        Some((self.text_of(&entry)?, entry))
    }

    /// The text of an entry.
    pub(crate) fn text_of(&self, entry: &Entry<'a>) -> Option<&'a str> {
        let DeValue::String(text) = entry.value else {
            self.report_type(entry, "a text in quotes", self.quoted(entry));
            return None;
        };
        if text.chars().any(char::is_control) {
            self.sink.report(
                Diagnostic::error(
                    entry.span.clone(),
                    format!("'{}' holds a control character", entry.path),
                )
                .remedy("remove line breaks, tabs and the like from the text"),
            );
            return None;
        }
        Some(text)
    }

    /// The number that was written, in quotes, where any text will do.
    fn quoted(&self, entry: &Entry<'_>) -> Option<String> {
        let key = keys::find(&self.sections, entry.key);
        let any_text = key.is_none_or(|key| key.takes.starts_with("a text"));
        match entry.value {
            DeValue::Integer(number) if entry.element => Some(format!("\"{number}\"")),
            DeValue::Integer(number) if any_text => Some(format!("{} = \"{number}\"", entry.key)),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)
            | DeValue::String(_) => None,
        }
    }

    /// A whole number within a range.
    pub(crate) fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: Copy + PartialOrd + TryFrom<i64> + fmt::Display,
    {
        let entry = self.get(key)?;
        let DeValue::Integer(number) = entry.value else {
            let written = match entry.value {
                DeValue::String(text) if text.trim().parse::<i64>().is_ok() => {
                    Some(format!("{key} = {}", text.trim()))
                }
                DeValue::String(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_)
                | DeValue::Integer(_) => None,
            };
            self.report_type(entry, "an integer", written);
            return None;
        };
        let value = integer_of(number).and_then(|number| T::try_from(number).ok());
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let (min, max) = (range.start(), range.end());
            let what = format!("'{}' is out of range: {number}", entry.path);
            let wrong = Diagnostic::error(entry.span.clone(), what);
            let remedy = match integer_of(number) {
                Some(0) if self.zero_means_absent(key) => {
                    format!("leave '{key}' out for no bound, or write a number from {min} to {max}")
                }
                _ => format!("write a number from {min} to {max}"),
            };
            self.sink.report(wrong.remedy(remedy));
        }
        value
    }

    /// Elsewhere a bound of 0 often means none.
    fn zero_means_absent(&self, key: &str) -> bool {
        let key = keys::find(&self.sections, key);
        key.is_some_and(|key| matches!(key.absent, Absent::Means(m) if m.starts_with("no bound")))
    }

    /// A whole number from 1 to `max`.
    pub(crate) fn count(&self, key: &'static str, max: u32) -> Option<NonZeroU32> {
        self.number(key, 1..=max).and_then(NonZeroU32::new)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let entry = self.get(key)?;
        if let DeValue::Boolean(value) = entry.value {
            return Some(*value);
        }
        let meant = match entry.value {
            DeValue::String(text) => match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "1" | "enabled" => Some(true),
                "false" | "no" | "off" | "0" | "disabled" => Some(false),
                _ => None,
            },
            DeValue::Integer(number) => match number.as_str() {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            },
            DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)
            | DeValue::Boolean(_) => None,
        };
        self.report_type(entry, "true or false", meant.map(|value| format!("{key} = {value}")));
        None
    }

    /// Whether a key is switched off by `false`.
    pub(crate) fn is_off(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|entry| matches!(entry.value, DeValue::Boolean(false)))
    }

    /// A duration within a range.
    pub(crate) fn duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.duration_of(self.get(key)?, range, "a duration in quotes, with a unit")
    }

    /// A duration within a range, or `false` for none: `Some(None)`.
    pub(crate) fn duration_or_off(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Option<Duration>> {
        if self.is_off(key) {
            return Some(None);
        }
        self.duration_of(self.get(key)?, range, "a duration in quotes, with a unit, or false")
            .map(Some)
    }

    /// A duration within a range; `takes` says what else the key takes.
    pub(crate) fn duration_of(
        &self,
        entry: &Entry<'a>,
        range: RangeInclusive<Duration>,
        takes: &str,
    ) -> Option<Duration> {
        let key = entry.key;
        let text = match entry.value {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                self.report_type(entry, takes, guess(key, number.as_str()));
                return None;
            }
            DeValue::Float(number) => {
                self.report_type(entry, takes, guess(key, number.as_str()));
                return None;
            }
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.report_type(entry, takes, None);
                return None;
            }
        };
        let (min, max) = (DurationText(*range.start()), DurationText(*range.end()));
        match units::parse_duration(text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let what = format!("'{}' is out of range: {text}", entry.path);
                self.sink.report(
                    Diagnostic::error(entry.span.clone(), what)
                        .remedy(format!("write a duration from {min} to {max}")),
                );
                None
            }
            Err(why) => {
                let what = format!("'{}' is no duration: {why}", entry.path);
                let written = guess(key, text).map_or_else(
                    || format!("from {min} to {max}, such as `{key} = \"{}\"`", self.sample(key)),
                    |guess| format!("`{guess}`"),
                );
                let remedy = match text.as_ref() {
                    "off" | "none" | "never" | "infinite" | "0" if takes.ends_with("false") => {
                        format!("write `{key} = false`")
                    }
                    _ => format!("write {written}"),
                };
                self.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
                None
            }
        }
    }

    /// The example of a key, without its quotes.
    fn sample(&self, key: &str) -> &'static str {
        keys::find(&self.sections, key).map_or("2s", |key| key.example.trim_matches('"'))
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let (text, entry) = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words = || choices.iter().map(|(word, _)| *word);
            let all = words().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            let what = format!("'{}' can't be \"{text}\"", entry.path);
            let remedy = match keys::nearest(words(), text) {
                _ if choices.len() == 1 => format!("write {all}, or remove it"),
                Some(word) => format!("write \"{word}\" (all: {all})"),
                None => format!("write one of {all}"),
            };
            self.sink.report(Diagnostic::error(entry.span, what).remedy(remedy));
        }
        found.map(|(_, value)| *value)
    }

    /// The absolute path of a file.
    pub(crate) fn file(&self, key: &'static str) -> Option<PathBuf> {
        let (text, entry) = self.text(key)?;
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            let what = format!("'{}' is not an absolute path", entry.path);
            self.sink.report(
                Diagnostic::error(entry.span, what)
                    .consequence("a daemon has no directory of its own that it could start from")
                    .remedy(format!("write the whole path, such as \"/etc/halb/{text}\"")),
            );
            return None;
        }
        Some(path)
    }
}
