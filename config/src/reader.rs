//! Reads tables of a parsed file key by key. Whatever is wrong goes to the sink and reading goes
//! on, so that one pass finds every problem.
//!
//! A getter returns `None` both for a key that isn't there and for one that is wrong; the wrong one
//! has been reported, so a default may stand in for either.

mod addresses;
mod values;

use std::fmt;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Span};
use crate::keys::{self, Section};
use crate::sink::Sink;

pub(super) use values::noun;

/// A key with its value, or an element of an array.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// The key; an element of an array has the key of the array.
    pub(super) key: &'a str,
    /// Where the key stands; of an element, where all of it stands.
    pub(super) key_span: Span,
    /// The value.
    pub(super) value: &'a DeValue<'a>,
    /// Where the value stands.
    pub(super) span: Span,
    /// The key with the names of the tables around it: `backend.masters.check`.
    pub(super) path: String,
    /// It is an element of an array.
    pub(super) element: bool,
}

/// A table with its known keys.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) sink: &'a Sink,
    /// Its name with those of the tables around it; empty for the top level.
    pub(super) path: String,
    /// Where its name stands.
    pub(super) key_span: Span,
    entries: Vec<Entry<'a>>,
    sections: Vec<&'static Section>,
    /// Keys that an unknown one was probably meant to be: they aren't called missing as well.
    meant: Vec<&'static str>,
    /// It holds a key that looks like half of a name with a dot.
    split_name: bool,
}

/// Most entries of a table or an array. Each frontend, server and prefix costs memory or time for
/// every connection; a thousand is beyond what one host serves.
pub(super) const ENTRIES_MAX: usize = 1024;

impl<'a> Table<'a> {
    /// The top level of a file, whose unknown keys are its reader's business.
    pub(super) fn top(sink: &'a Sink, table: &'a DeTable<'a>) -> Self {
        Self::read(sink, String::new(), 0..0, table, &[&keys::ROOT])
    }

    /// A table of known keys; unknown ones are reported.
    pub(super) fn open(
        sink: &'a Sink,
        entry: &Entry<'a>,
        sections: &[&'static Section],
    ) -> Option<Self> {
        let DeValue::Table(table) = entry.value else {
            sink.report(values::wrong_type(entry, "a table", sections_example(entry)));
            return None;
        };
        let mut opened =
            Self::read(sink, entry.path.clone(), entry.key_span.clone(), table, sections);
        opened.report_unknown_keys();
        Some(opened)
    }

    fn read(
        sink: &'a Sink,
        path: String,
        key_span: Span,
        table: &'a DeTable<'a>,
        sections: &[&'static Section],
    ) -> Self {
        let entries = entries_of(table, &path);
        let (sections, meant, split_name) = (sections.to_vec(), Vec::new(), false);
        Self { sink, path, key_span, entries, sections, meant, split_name }
    }

    /// All entries, in the order of the file.
    pub(super) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry<'a>> {
        debug_assert!(keys::find(&self.sections, key).is_some(), "'{key}' is in no key table");
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether a key is written, rightly or wrongly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The entry of a key that must be there; `consequence` says why.
    pub(super) fn require(&self, key: &'static str, consequence: &str) -> Option<&Entry<'a>> {
        let entry = self.get(key);
        if entry.is_none() && !self.split_name && !self.meant.contains(&key) {
            let example = keys::find(&self.sections, key).map_or("", |key| key.example);
            let missing = Diagnostic::error(
                self.key_span.clone(),
                format!("{} has no '{key}'", described(&self.path)),
            );
            self.sink.report_absence(
                missing
                    .consequence(consequence)
                    .remedy(format!("add, for instance, `{key} = {example}`")),
            );
        }
        entry
    }

    /// The table under a key.
    pub(super) fn table(&self, key: &'static str, sections: &[&'static Section]) -> Option<Self> {
        Self::open(self.sink, self.get(key)?, sections)
    }

    /// Tables by name under a key: `[frontend.NAME]`.
    pub(super) fn named_tables(&self, key: &'static str) -> Vec<Entry<'a>> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        let DeValue::Table(table) = entry.value else {
            self.sink.report(
                Diagnostic::error(
                    entry.key_span.clone(),
                    format!("'{key}' takes tables by name, not {}", noun(entry.value)),
                )
                .remedy(format!("write `[{key}.NAME]` on a line of its own, and its keys below")),
            );
            return Vec::new();
        };
        let entries = entries_of(table, key);
        let (named, stray): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| matches!(entry.value, DeValue::Table(_)));
        if let Some(first) = stray.first() {
            self.sink.report(
                Diagnostic::error(
                    first.key_span.clone(),
                    format!("'{}' stands in [{key}], which has no name", first.key),
                )
                .consequence(format!("logs, metrics and commands need a name for each {key}"))
                .remedy(format!("write `[{key}.NAME]` instead of `[{key}]`")),
            );
        }
        self.bounded(entry, named)
    }

    /// The entries of a table whose keys are names: servers, headers. None, where it isn't a table.
    pub(super) fn entries_by_name(&self, entry: &Entry<'a>) -> Vec<Entry<'a>> {
        match entry.value {
            DeValue::Table(table) => self.bounded(entry, entries_of(table, &entry.path)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => Vec::new(),
        }
    }

    /// The elements of an array.
    pub(super) fn list(&self, key: &'static str) -> Option<Vec<Entry<'a>>> {
        let entry = self.get(key)?;
        let DeValue::Array(array) = entry.value else {
            let of_texts =
                keys::find(&self.sections, key).is_some_and(|key| key.example.starts_with("[\""));
            let written = match entry.value {
                DeValue::String(text) if of_texts => Some(format!("{key} = [\"{text}\"]")),
                DeValue::Integer(number) if of_texts => Some(format!("{key} = [{number}]")),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => None,
            };
            self.report_type(entry, "an array", written);
            return None;
        };
        let elements = array.iter().map(|element| Entry {
            element: true,
            key: entry.key,
            key_span: element.span(),
            value: element.get_ref(),
            span: element.span(),
            path: entry.path.clone(),
        });
        Some(self.bounded(entry, elements.collect()))
    }

    fn bounded(&self, whole: &Entry<'a>, mut entries: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
        if entries.len() > ENTRIES_MAX {
            self.sink.report(
                Diagnostic::error(
                    entries[ENTRIES_MAX].key_span.clone(),
                    format!("'{}' has more than {ENTRIES_MAX} entries", whole.path),
                )
                .remedy(format!("use at most {ENTRIES_MAX}; wider prefixes may help")),
            );
            entries.truncate(ENTRIES_MAX);
        }
        entries
    }

    /// Reports a value of the wrong type; `written` is what it should be, if that can be told.
    pub(super) fn report_type(&self, entry: &Entry<'_>, takes: &str, written: Option<String>) {
        let example = || {
            let key = keys::find(&self.sections, entry.key)?;
            Some(format!("{} = {}", key.name, key.example))
        };
        self.sink.report(values::wrong_type(entry, takes, written.or_else(example)));
    }

    fn report_unknown_keys(&mut self) {
        for entry in &self.entries {
            if keys::find(&self.sections, entry.key).is_some() {
                continue;
            }
            let meant = keys::nearest_key(&self.sections, entry.key);
            let meant = meant.filter(|_| keys::habit(&self.sections, entry.key).is_none());
            let is_table = matches!(entry.value, DeValue::Table(_));
            self.split_name |= is_table && meant.is_none();
            self.meant.extend(meant.map(|key| key.name));
            self.sink.report(unknown_key(entry, &self.path, &self.sections));
        }
    }
}

fn sections_example(entry: &Entry<'_>) -> Option<String> {
    let key = keys::SECTIONS.iter().flat_map(|s| s.keys).find(|key| key.name == entry.key)?;
    Some(format!("{} = {}", key.name, key.example))
}

/// Entries in the order of the file; the parser puts a table that is reopened to the end.
fn entries_of<'a>(table: &'a DeTable<'a>, path: &str) -> Vec<Entry<'a>> {
    let entry = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| Entry {
        element: false,
        key: key.get_ref(),
        key_span: key.span(),
        value: value.get_ref(),
        span: value.span(),
        path: joined(path, key.get_ref()),
    };
    let mut entries: Vec<_> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

/// Reports a key that no table of `sections` knows.
pub(super) fn unknown_key(
    entry: &Entry<'_>,
    path: &str,
    sections: &[&'static Section],
) -> Diagnostic {
    let key = entry.key;
    let is_table = matches!(entry.value, DeValue::Table(_));
    let kind = if is_table { "table" } else { "key" };
    let what = format!("unknown {kind} '{key}' in {}", described(path));
    let unknown = Diagnostic::error(entry.key_span.clone(), what)
        .consequence("it would do nothing, so the file is refused");
    if let Some(remedy) = keys::habit(sections, key) {
        return unknown.remedy(remedy);
    }
    if let Some(known) = keys::nearest_key(sections, key) {
        return unknown.remedy(format!("write '{}'", known.name));
    }
    let homes: Vec<_> = keys::homes(key).map(|home| format!("`{}`", home.path)).collect();
    if !homes.is_empty() {
        return unknown.remedy(format!("'{key}' belongs in {}; put it there", homes.join(" or ")));
    }
    if is_table && !path.is_empty() {
        let name = path.rsplit('.').next().unwrap_or(path);
        let rest = split_name(entry, sections);
        return unknown.remedy(format!(
            "a name with a dot must be quoted: \"{name}.{rest}\"; otherwise remove '{key}'"
        ));
    }
    let known: Vec<_> = sections.iter().flat_map(|s| s.keys).map(|key| key.name).collect();
    unknown.remedy(format!("remove it, or use one of: {}", known.join(", ")))
}

/// The rest of a name that was split at its dots: `example.com` of `kmaster1.example.com`.
fn split_name(entry: &Entry<'_>, sections: &[&'static Section]) -> String {
    let mut name = entry.key.to_owned();
    let mut value = entry.value;
    while let DeValue::Table(table) = value {
        let mut entries = table.iter();
        let (Some((key, next)), None) = (entries.next(), entries.next()) else { break };
        if keys::find(sections, key.get_ref()).is_some() {
            break;
        }
        name = joined(&name, key.get_ref());
        value = next.get_ref();
    }
    name
}

/// What people call a table.
fn described(path: &str) -> impl fmt::Display {
    if path.is_empty() { "the file".to_owned() } else { format!("'{path}'") }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
