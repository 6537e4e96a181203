//! Reads the trackers of a virtual router.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use halb_vrrp::track::{RiseFall, Subject, Tracker, Weight};

use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{ENTRIES_MAX, Entry, Table};
use crate::settings::{TrackedFile, TrackedScript};
use crate::units::DurationText;
use crate::{DAY, HOUR, SHORTEST, defaults, keys, programs};

/// A tracker, where it stands, and what has to be run for it.
pub(super) struct TrackerDraft {
    pub(super) tracker: Tracker,
    /// Where its subject stands.
    pub(super) span: Span,
    /// Where its weight stands, else its subject.
    pub(super) weight_span: Span,
    /// Where its least number of servers stands.
    pub(super) servers_min_span: Option<Span>,
    pub(super) script: Option<TrackedScript>,
    pub(super) file: Option<TrackedFile>,
}

/// What is tracked, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frontend,
    Backend,
    Interface,
    File,
    Script,
}

const KINDS: [(&str, Kind); 5] = [
    ("frontend", Kind::Frontend),
    ("backend", Kind::Backend),
    ("interface", Kind::Interface),
    ("file", Kind::File),
    ("script", Kind::Script),
];

/// Keys that only some kinds take.
const KEYS_OF_KINDS: [(&str, &[Kind]); 6] = [
    ("servers_min", &[Kind::Backend]),
    ("interval", &[Kind::File, Kind::Script]),
    ("timeout", &[Kind::Script]),
    ("rise", &[Kind::Script]),
    ("fall", &[Kind::Script]),
    ("init_fail", &[Kind::Script]),
];

/// Most results of a script in a row that are asked for.
const THRESHOLD_MAX: u32 = 1000;

/// The weights that a sum of 1 to 254 has a use for.
const WEIGHT_MAX: i16 = 253;

/// Reads all of them.
pub(super) fn read(table: &Table<'_>) -> Vec<TrackerDraft> {
    let entries = table.list("track").unwrap_or_default();
    let open = |entry: &Entry<'_>| {
        let table = Table::open(table.sink, entry, &[&keys::TRACK])?;
        read_one(&table, &entry.span)
    };
    let read: Vec<_> = entries.iter().filter_map(open).collect();
    lint_twice(table, &read);
    read
}

fn read_one(table: &Table<'_>, whole: &Span) -> Option<TrackerDraft> {
    let written = || KINDS.iter().filter(|(key, _)| table.has(key));
    let Some((key, kind)) = written().next() else {
        let words = KINDS.map(|(key, _)| key).join(", ");
        table.sink.report_absence(
            Diagnostic::error(whole.clone(), "this tracker looks at nothing")
                .consequence("its weight would never count")
                .remedy(format!("write what it looks at: one of {words}")),
        );
        return None;
    };
    for (other, _) in written().skip(1) {
        let Some(entry) = table.get(other) else { continue };
        table.sink.report(
            Diagnostic::error(entry.key_span.clone(), format!("'{other}' beside '{key}'"))
                .consequence("a tracker looks at one thing")
                .remedy("write a tracker for each: track = [{ … }, { … }]"),
        );
    }
    report_misplaced(table, key, *kind);
    let weight = table.number("weight", -WEIGHT_MAX..=WEIGHT_MAX).unwrap_or(0);
    let reverse = table.boolean("reverse").unwrap_or(false);
    let (subject, script, file) = read_subject(table, *kind);
    let span_of = |key| table.get(key).map(|entry| entry.span.clone());
    let span = span_of(key)?;
    Some(TrackerDraft {
        tracker: Tracker { subject: subject?, weight: Weight::new(weight.into()).ok()?, reverse },
        weight_span: span_of("weight").unwrap_or_else(|| span.clone()),
        servers_min_span: span_of("servers_min"),
        span,
        script,
        file,
    })
}

fn report_misplaced(table: &Table<'_>, subject: &str, kind: Kind) {
    for (key, takers) in KEYS_OF_KINDS {
        let Some(entry) = table.get(key).filter(|_| !takers.contains(&kind)) else { continue };
        let names = KINDS.iter().filter(|(_, kind)| takers.contains(kind)).map(|(name, _)| *name);
        let names = names.collect::<Vec<_>>().join(" or a ");
        let article = if kind == Kind::Interface { "an" } else { "a" };
        let what = format!("{article} {subject} takes no '{key}'");
        table.sink.report(
            Diagnostic::error(entry.key_span.clone(), what)
                .consequence("it would do nothing, so the file is refused")
                .remedy(format!("remove it; it belongs to a {names}")),
        );
    }
}

type Read = (Option<Subject>, Option<TrackedScript>, Option<TrackedFile>);

fn read_subject(table: &Table<'_>, kind: Kind) -> Read {
    let name = |key| table.text(key).map(|(text, _)| Arc::from(text));
    match kind {
        Kind::Frontend => (name("frontend").map(Subject::Frontend), None, None),
        Kind::Interface => {
            let interface = table.interface("interface").map(Arc::from);
            (interface.map(Subject::Interface), None, None)
        }
        Kind::Backend => {
            let most = u32::try_from(ENTRIES_MAX).unwrap_or(u32::MAX);
            let servers_min = table.count("servers_min", most).unwrap_or(NonZeroU32::MIN);
            let subject = name("backend").map(|name| Subject::Backend { name, servers_min });
            (subject, None, None)
        }
        Kind::File => {
            let interval = read_interval(table);
            let path = table.file("file").and_then(|_| name("file"));
            let file = path.clone().map(|path| TrackedFile { path, interval });
            (path.map(Subject::File), None, file)
        }
        Kind::Script => read_script(table),
    }
}

fn read_interval(table: &Table<'_>) -> Duration {
    table.duration("interval", SHORTEST..=DAY).unwrap_or(defaults::TRACK_INTERVAL)
}

fn read_script(table: &Table<'_>) -> Read {
    let interval = read_interval(table);
    let timeout = table.duration("timeout", SHORTEST..=HOUR).unwrap_or_else(|| interval.min(HOUR));
    let one = |key| table.count(key, THRESHOLD_MAX).map_or(1, NonZeroU32::get);
    let (rise, fall) = (one("rise"), one("fall"));
    let init_fail = table.boolean("init_fail").unwrap_or(false);
    lint_slow(table, interval, timeout);
    let command = programs::read(table, "script", "/usr/local/bin/check-uplink");
    let (Some(command), Ok(rise_fall)) = (command, RiseFall::new(rise, fall)) else {
        return (None, None, None);
    };
    let name: Arc<str> = programs::joined(&command).into();
    let subject = Subject::Script { name: Arc::clone(&name), rise_fall, init_fail };
    (Some(subject), Some(TrackedScript { name, command, interval, timeout }), None)
}

fn lint_slow(table: &Table<'_>, interval: Duration, timeout: Duration) {
    let Some(entry) = table.get("timeout").filter(|_| timeout > interval) else { return };
    let (interval, timeout) = (DurationText(interval), DurationText(timeout));
    let what = format!("the timeout of {timeout} is longer than the interval of {interval}");
    table.sink.report(
        Diagnostic::lint(entry.span.clone(), what)
            .consequence("a run that hangs skips the next ones, so that it is noticed much later")
            .remedy(format!("write at most \"{interval}\", or leave it out")),
    );
}

fn lint_twice(table: &Table<'_>, read: &[TrackerDraft]) {
    for (index, draft) in read.iter().enumerate() {
        let same = |earlier: &&TrackerDraft| {
            subject_name(&earlier.tracker.subject) == subject_name(&draft.tracker.subject)
        };
        let Some(first) = read[..index].iter().find(same) else { continue };
        table.sink.report(
            Diagnostic::lint(
                draft.span.clone(),
                format!("{} is tracked twice", draft.tracker.subject),
            )
            .consequence("both weights count")
            .remedy("write one tracker with the sum of the weights")
            .related(first.span.clone(), "first here"),
        );
    }
}

/// What tells subjects apart: their kind and name, without thresholds.
fn subject_name(subject: &Subject) -> String {
    subject.to_string()
}
