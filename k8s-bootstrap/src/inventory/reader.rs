//! Reads tables key by key. Whatever is wrong is reported and reading goes on, so that one pass
//! finds every problem.
//!
//! A getter returns `None` both for a key that isn't there and for one that is wrong; the wrong one
//! has been reported, so a default may stand in for either.

use std::cell::RefCell;
use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::inventory::problem::{Problem, Span};
use crate::inventory::version::Version;
use crate::inventory::yaml::{Entry, Node, Value};

/// Takes every problem of one file.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn report(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// All of them in the order of the file.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.0.into_inner();
        found.sort_by_key(|problem| (problem.span.start, problem.span.end));
        found
    }
}

/// A key that a table knows: its name, what it takes in an example.
pub(super) type Key = (&'static str, &'static str);

/// A value with the place that messages about it point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A table with its known keys.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) problems: &'a Problems,
    path: String,
    /// Where messages about something missing point.
    pub(super) span: Span,
    entries: &'a [Entry],
    keys: &'static [Key],
    /// Keys that an unknown one was probably meant to be: they aren't called missing as well.
    meant: Vec<&'static str>,
}

/// At this distance a word is taken for another one with typing errors.
fn near(word: &str, other: &str) -> bool {
    strsim::osa_distance(&word.to_lowercase(), &other.to_lowercase()) <= 1 + word.len() / 5
}

/// The word of a list that was probably meant.
pub(super) fn nearest<'w>(words: impl Iterator<Item = &'w str>, word: &str) -> Option<&'w str> {
    let close = words.filter(|known| near(word, known));
    close.min_by_key(|known| strsim::osa_distance(word, known))
}

/// What a value is, for sentences.
fn noun(value: &Value) -> &'static str {
    match value {
        Value::Nothing => "nothing",
        Value::Text(_) => "a word",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}

impl<'a> Table<'a> {
    /// A table of known keys; unknown ones are reported. `path` is its name with those of the
    /// tables around it, empty for the whole file.
    pub(super) fn open(
        problems: &'a Problems,
        node: &'a Node,
        path: &str,
        keys: &'static [Key],
    ) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            let (name, value) = (described(path), noun(&node.value));
            let (key, example) = keys.first().copied().unwrap_or(("key", "value"));
            problems.report(
                Problem::error(node.span.clone(), format!("{name} takes a table, not {value}"))
                    .remedy(format!("write keys below it, such as `{key}: {example}`")),
            );
            return None;
        };
        let first =
            entries.first().map_or_else(|| node.span.clone(), |entry| entry.key_span.clone());
        let (path, meant) = (path.to_owned(), Vec::new());
        let mut table = Self { problems, path, span: first, entries, keys, meant };
        table.report_unknown_keys();
        Some(table)
    }

    fn report_unknown_keys(&mut self) {
        for entry in self.entries {
            let words = || self.keys.iter().map(|(name, _)| *name);
            if words().any(|name| name == entry.key) {
                continue;
            }
            let meant = nearest(words(), &entry.key);
            let remedy = meant.map_or_else(
                || format!("remove it; there are {}", words().collect::<Vec<_>>().join(", ")),
                |meant| format!("write '{meant}'"),
            );
            self.meant.extend(self.keys.iter().map(|(name, _)| *name).find(|n| Some(*n) == meant));
            let what = format!("unknown key '{}' in {}", entry.key, described(&self.path));
            self.problems.report(
                Problem::error(entry.key_span.clone(), what)
                    .consequence("it would do nothing, so the file is refused")
                    .remedy(remedy),
            );
        }
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        debug_assert!(self.keys.iter().any(|(name, _)| *name == key), "'{key}' is in no table");
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Where a key's value stands, or else the table.
    pub(super) fn place(&self, key: &str) -> Span {
        self.entry(key).map_or_else(|| self.span.clone(), |entry| entry.node.span.clone())
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says that a key must be there; `consequence` says why.
    pub(super) fn require(&self, key: &'static str, consequence: &str) {
        if self.entry(key).is_some() || self.meant.contains(&key) {
            return;
        }
        let example = self.keys.iter().find(|(name, _)| *name == key).map_or("", |(_, e)| *e);
        let what = format!("{} has no '{key}'", described(&self.path));
        self.problems.report(
            Problem::error(self.span.clone(), what)
                .consequence(consequence)
                .remedy(format!("add, for instance, `{key}: {example}`")),
        );
    }

    /// A table below a key.
    pub(super) fn table(&self, key: &'static str, keys: &'static [Key]) -> Option<Self> {
        let node = &self.entry(key)?.node;
        if matches!(node.value, Value::Nothing) {
            return None;
        }
        Table::open(self.problems, node, &self.path_of(key), keys)
    }

    /// A table below a key that says something by being there: one with nothing in it is no table
    /// left out.
    pub(super) fn section(&self, key: &'static str, keys: &'static [Key]) -> Option<Self> {
        let entry = self.entry(key)?;
        if matches!(entry.node.value, Value::Nothing) {
            let what = format!("'{}' has nothing below it", self.path_of(key));
            self.problems.report(
                Problem::error(entry.key_span.clone(), what)
                    .consequence("it could mean its defaults, or that it is left out")
                    .remedy(format!("write `{key}: {{}}` for the defaults, or remove it")),
            );
            return None;
        }
        self.table(key, keys)
    }

    /// The elements of a list.
    pub(super) fn list(&self, key: &'static str) -> Option<&'a [Node]> {
        let entry = self.entry(key)?;
        let Value::List(nodes) = &entry.node.value else {
            self.wrong_kind(key, entry, "a list");
            return None;
        };
        Some(nodes)
    }

    /// The elements of a list, if the key is written at all.
    pub(super) fn list_if_written(&self, key: &'static str) -> Option<&'a [Node]> {
        self.entry(key).and_then(|_| self.list(key).or(Some(&[])))
    }

    fn wrong_kind(&self, key: &'static str, entry: &Entry, takes: &str) {
        let example = self.keys.iter().find(|(name, _)| *name == key).map_or("", |(_, e)| *e);
        let what =
            format!("'{}' takes {takes}, not {}", self.path_of(key), noun(&entry.node.value));
        let at = if entry.node.span.is_empty() { &entry.key_span } else { &entry.node.span };
        self.problems
            .report(Problem::error(at.clone(), what).remedy(format!("write `{key}: {example}`")));
    }

    /// A word.
    pub(super) fn text(&self, key: &'static str) -> Option<Placed<&'a str>> {
        let entry = self.entry(key)?;
        let Value::Text(text) = &entry.node.value else {
            self.wrong_kind(key, entry, "a word");
            return None;
        };
        let span = entry.node.span.clone();
        if text.chars().any(char::is_control) {
            let what = format!("'{}' holds a control character", self.path_of(key));
            self.problems.report(Problem::error(span, what).remedy("write it on one line"));
            return None;
        }
        Some(Placed { value: text, span })
    }

    /// What `read` makes of a word, or a report that says what the key takes.
    fn read<T>(
        &self,
        key: &'static str,
        takes: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let Placed { value: text, span } = self.text(key)?;
        let Some(value) = read(text) else {
            let example = self.keys.iter().find(|(name, _)| *name == key).map_or("", |(_, e)| *e);
            let what = format!("'{}' takes {takes}, not '{text}'", self.path_of(key));
            let remedy = format!("write, for instance, `{key}: {example}`");
            self.problems.report(Problem::error(span, what).remedy(remedy));
            return None;
        };
        Some(Placed { value, span })
    }

    /// Reports an address or range of IPv6, alone or beside one of IPv4.
    fn refuse_ipv6(&self, key: &'static str) -> Option<()> {
        let Placed { value: text, span } = self.text(key)?;
        let is_ipv6 = |part: &str| {
            let part = part.trim();
            part.parse::<Ipv6Addr>().is_ok() || part.parse::<Ipv6Net>().is_ok()
        };
        if !text.split(',').any(is_ipv6) {
            return Some(());
        }
        let example = self.keys.iter().find(|(name, _)| *name == key).map_or("", |(_, e)| *e);
        let what = format!("'{}' is IPv6, not IPv4: '{text}'", self.path_of(key));
        self.problems.report(
            Problem::error(span, what)
                .consequence(
                    "halb k8s sets up clusters of IPv4 alone, neither of IPv6 nor of both kinds",
                )
                .remedy(format!("write, for instance, `{key}: {example}`")),
        );
        None
    }

    /// A fingerprint of an OpenPGP key: forty hexadecimal digits, with blanks or without.
    pub(super) fn fingerprint(&self, key: &'static str) -> Option<String> {
        let read = |text: &str| {
            let digits: String = text.chars().filter(|c| *c != ' ').collect();
            let whole = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then(|| digits.to_ascii_uppercase())
        };
        self.read(key, "a fingerprint of forty hexadecimal digits", read).map(|it| it.value)
    }

    /// An IPv4 address.
    pub(super) fn address(&self, key: &'static str) -> Option<Placed<Ipv4Addr>> {
        self.refuse_ipv6(key)?;
        self.read(key, "an IPv4 address", |text| text.parse().ok())
    }

    /// A range of IPv4 addresses, without bits behind its prefix.
    pub(super) fn range(&self, key: &'static str) -> Option<Placed<Ipv4Net>> {
        self.refuse_ipv6(key)?;
        let range: Placed<Ipv4Net> =
            self.read(key, "a range of IPv4 addresses", |text| text.parse().ok())?;
        let Placed { value, span } = &range;
        if value.addr() != value.network() {
            let what = format!("'{}' is an address within a range", self.path_of(key));
            self.problems.report(
                Problem::error(span.clone(), what).remedy(format!("write '{}'", value.trunc())),
            );
            return None;
        }
        Some(range)
    }

    /// A version of three numbers.
    pub(super) fn version(&self, key: &'static str) -> Option<Placed<Version>> {
        self.read(key, "a version of three numbers", Version::parse)
    }

    /// A whole number within a range.
    pub(super) fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<Placed<T>>
    where
        T: std::str::FromStr + PartialOrd + Display,
    {
        let takes = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &takes, |text| text.parse().ok().filter(|value| range.contains(value)))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let read = |text: &str| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.read(key, "true or false", read).map(|placed| placed.value)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let Placed { value: text, span } = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words = || choices.iter().map(|(word, _)| *word);
            let all = words().collect::<Vec<_>>().join(", ");
            let remedy = nearest(words(), text)
                .map_or_else(|| format!("write one of {all}"), |word| format!("write '{word}'"));
            let what = format!("'{}' can't be '{text}'", self.path_of(key));
            self.problems.report(Problem::error(span, what).remedy(remedy));
        }
        found.map(|(_, value)| *value)
    }

    /// An address on the web, without a slash at its end.
    pub(super) fn url(&self, key: &'static str) -> Option<String> {
        let read = |text: &str| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
            let plain = |c: char| c.is_ascii_graphic() && !"'\"\\`$<>{}|^".contains(c);
            let good = !rest.is_empty() && rest.chars().all(plain);
            good.then(|| text.trim_end_matches('/').to_owned())
        };
        self.read(key, "an address that begins with https://", read).map(|placed| placed.value)
    }

    /// A name as DNS has it: labels of lower-case letters, digits and hyphens.
    pub(super) fn dns_name(&self, key: &'static str) -> Option<Placed<String>> {
        let Placed { value: text, span } = self.text(key)?;
        let Err(why) = dns_name(text) else {
            return Some(Placed { value: text.to_owned(), span });
        };
        let what = format!("'{}' is no host name: {why}", self.path_of(key));
        self.problems.report(
            Problem::error(span, what)
                .consequence("Kubernetes takes names of nodes and endpoints as DNS has them")
                .remedy("use lower-case letters, digits and hyphens"),
        );
        None
    }
}

/// Why a text isn't a DNS name (RFC 1123).
fn dns_name(text: &str) -> Result<(), &'static str> {
    if text.len() > 253 {
        return Err("it is longer than 253 letters");
    }
    text.split('.').try_for_each(dns_label)
}

/// Why a text isn't one label of a DNS name.
pub(super) fn dns_label(label: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if label.is_empty() {
        Err("a part of it is empty")
    } else if label.len() > 63 {
        Err("a part of it is longer than 63 letters")
    } else if !label.chars().all(allowed) {
        Err("it has other letters than a-z, 0-9 and '-'")
    } else if label.starts_with('-') || label.ends_with('-') {
        Err("a part of it begins or ends with '-'")
    } else {
        Ok(())
    }
}

/// A table's name for sentences.
fn described(path: &str) -> String {
    if path.is_empty() { "the inventory".to_owned() } else { format!("'{path}'") }
}
