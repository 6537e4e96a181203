//! `vrrp_script`, `track_file` and `track_process`: what instances may track.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::classes::TRACKS;
use super::globals::weight;
use super::tree::{Directive, Tree};
use super::values::number;

/// Something that instances may track, by name.
#[derive(Debug, Clone)]
pub(super) struct Tracked<'a> {
    pub(super) directive: &'a Directive,
    pub(super) what: What,
    pub(super) weight: i16,
    pub(super) reverse: bool,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Script(Script),
    /// A file with a number in it.
    File(String),
    /// A process by its name or, with a number of them, `quorum`.
    Process(String),
}

/// `vrrp_script`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// What keepalived runs.
    pub(super) line: String,
    pub(super) interval: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) rise: u16,
    pub(super) fall: u16,
    pub(super) init_fail: bool,
}

/// Everything of one kind, by name.
pub(super) type Names<'a> = BTreeMap<&'a str, Tracked<'a>>;

/// What may be tracked.
#[derive(Debug, Default)]
pub(super) struct Subjects<'a> {
    pub(super) scripts: Names<'a>,
    pub(super) files: Names<'a>,
    pub(super) processes: Names<'a>,
    /// What some instance or group tracks: `track_script` and the like, and the name.
    pub(super) used: HashSet<(String, String)>,
}

/// Longest interval and most results that halb takes.
const INTERVAL_MAX: i64 = 24 * 3600;
const TIMEOUT_MAX: i64 = 3600;
const RESULTS_MAX: i64 = 1000;

impl<'a> Subjects<'a> {
    /// Reads all of a file; of several with one name keepalived takes the first.
    pub(super) fn read(tree: &'a Tree) -> Self {
        let mut subjects = Self::default();
        for directive in &tree.directives {
            let (names, what) = match directive.keyword() {
                "vrrp_script" => (&mut subjects.scripts, What::Script(script(directive))),
                "track_file" | "vrrp_track_file" => {
                    let file = directive.last("file").map(Directive::value).unwrap_or_default();
                    (&mut subjects.files, What::File(file.to_owned()))
                }
                "track_process" | "vrrp_track_process" => {
                    let process = directive.last("process").map(Directive::value);
                    let process = process.unwrap_or_default().to_owned();
                    (&mut subjects.processes, What::Process(process))
                }
                _ => continue,
            };
            let default = if matches!(what, What::Script(_)) { 0 } else { 1 };
            let written = directive.last("weight").and_then(|written| {
                let words: Vec<_> = written.words.iter().skip(1).map(|w| w.text.as_str()).collect();
                weight(&words)
            });
            let (weight, reverse) = written.unwrap_or((default, false));
            let name = directive.value();
            names.entry(name).or_insert(Tracked { directive, what, weight, reverse });
        }
        let owners = tree
            .directives
            .iter()
            .filter(|it| ["vrrp_instance", "vrrp_sync_group"].contains(&it.keyword()));
        for list in owners.flat_map(Directive::inside).filter(|it| TRACKS.contains(&it.keyword())) {
            let named = |line: &Directive| (list.keyword().to_owned(), line.keyword().to_owned());
            subjects.used.extend(list.inside().iter().map(named));
        }
        subjects
    }
}

fn script(directive: &Directive) -> Script {
    let value = |keyword: &str, most: i64| {
        let written = directive.last(keyword)?;
        number(written.value(), 1, most)
    };
    let time = |keyword: &str, most| {
        value(keyword, most).and_then(|n| u64::try_from(n).ok()).map(Duration::from_secs)
    };
    let results = |keyword: &str| {
        value(keyword, RESULTS_MAX).and_then(|n| u16::try_from(n).ok()).unwrap_or(1)
    };
    Script {
        line: directive.last("script").map(Directive::value).unwrap_or_default().to_owned(),
        interval: time("interval", INTERVAL_MAX).unwrap_or(Duration::from_secs(1)),
        timeout: time("timeout", TIMEOUT_MAX),
        rise: results("rise"),
        fall: results("fall"),
        init_fail: directive.last("init_fail").is_some(),
    }
}
