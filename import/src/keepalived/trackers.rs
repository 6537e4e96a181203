//! What the priority of an instance depends on.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::globals::weight;
use super::instance::Instance;
use super::recognise::{self, Does};
use super::scripts::{Script, Subjects, Tracked, What};
use super::tree::Directive;
use super::values::duration;
use super::words;
use crate::FrontendsKnown;
use crate::document::Value;
use crate::finding::Class;
use crate::source::Surroundings;
use halb_config::keys;

/// What stands in for something that keepalived tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Frontend(String),
    Interface(String),
    File(String),
    Script { command: Vec<String>, script: Script },
}

/// A tracker of halb's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracker {
    pub(super) subject: Subject,
    pub(super) weight: i16,
    pub(super) reverse: bool,
}

/// What is tracked instead of a script or process, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) subject: Subject,
    /// Why a frontend takes its place; or else what keeps it a script.
    pub(super) because: String,
}

/// How everything that may be tracked is translated, by its name.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    scripts: HashMap<String, Decision>,
    processes: HashMap<String, Option<Decision>>,
}

/// The proxies whose place halb takes.
const PROXIES: [&str; 1] = ["haproxy"];

impl Decisions {
    /// Decides for all of them.
    pub(super) fn make(
        subjects: &Subjects<'_>,
        virtual_ips: &BTreeSet<IpAddr>,
        frontends: &FrontendsKnown,
        keeps_scripts: bool,
        surroundings: &dyn Surroundings,
    ) -> Self {
        let mut decisions = Self::default();
        for (name, tracked) in &subjects.scripts {
            let What::Script(script) = &tracked.what else { continue };
            let does = recognise::look(&script.line, surroundings, &|ip| virtual_ips.contains(&ip));
            let decision = match keeps_scripts {
                true => kept(script, "--keep-scripts"),
                false => decide(script, &does, frontends),
            };
            decisions.scripts.insert((*name).to_owned(), decision);
        }
        for (name, tracked) in &subjects.processes {
            decisions.processes.insert((*name).to_owned(), process(tracked, frontends));
        }
        decisions
    }

    pub(super) fn script(&self, name: &str) -> Option<&Decision> {
        self.scripts.get(name)
    }

    pub(super) fn process(&self, name: &str) -> Option<&Decision> {
        self.processes.get(name)?.as_ref()
    }

    /// The tracker that a line of `track_script` and the like becomes, and what becomes of the
    /// line.
    pub(super) fn tracker(
        &self,
        line: &Directive,
        kind: &str,
        instance: &Instance<'_>,
        subjects: &Subjects<'_>,
    ) -> (Option<Tracker>, Class) {
        let name = line.keyword();
        let (subject, default) = match kind {
            "track_interface" => (Some(Subject::Interface(name.to_owned())), (0, false)),
            "track_script" => match subjects.scripts.get(name) {
                Some(tracked) => (self.script(name).map(|it| it.subject.clone()), of(tracked)),
                None => return (None, undefined("vrrp_script", name, subjects.scripts.keys())),
            },
            "track_file" => match subjects.files.get(name) {
                Some(tracked) => match &tracked.what {
                    What::File(path) => (Some(Subject::File(path.clone())), of(tracked)),
                    What::Script(_) | What::Process(_) => (None, (0, false)),
                },
                None => return (None, undefined("track_file", name, subjects.files.keys())),
            },
            "track_process" => match subjects.processes.get(name) {
                Some(tracked) => (self.process(name).map(|it| it.subject.clone()), of(tracked)),
                None => return (None, undefined("track_process", name, subjects.processes.keys())),
            },
            _ => return (None, Class::lost("halb has no BFD").instead("[peer], if both run halb")),
        };
        let Some(subject) = subject else {
            let class = Class::lost("halb counts no processes of others");
            return (None, class.instead("a script with a weight: pgrep -c"));
        };
        self.weighed(line, subject, default, instance)
    }

    fn weighed(
        &self,
        line: &Directive,
        subject: Subject,
        default: (i16, bool),
        instance: &Instance<'_>,
    ) -> (Option<Tracker>, Class) {
        let words: Vec<_> = line.words.iter().map(|word| word.text.as_str()).collect();
        let at = words.iter().position(|word| *word == "weight");
        let written = at.and_then(|at| weight(words.get(at + 1..).unwrap_or_default()));
        let (mut weight, mut reverse) = written.unwrap_or(default);
        reverse = (reverse || words.contains(&"reverse")) && !words.contains(&"noreverse");
        let is_own = matches!(&subject, Subject::Interface(name) if instance.interface.as_ref() == Some(name));
        if is_own {
            return (None, Class::DefaultAnyway);
        }
        if instance.is_owner() && weight != 0 {
            return (None, Class::meaningless("nothing changes the priority of an owner, 255"));
        }
        if !instance.has_weights() {
            weight = 0;
        }
        let tracker = Tracker { subject, weight, reverse };
        (Some(tracker), Class::to(format!("{}.track", instance.table())))
    }
}

fn of(tracked: &Tracked<'_>) -> (i16, bool) {
    (tracked.weight, tracked.reverse)
}

fn undefined<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a &'a str>) -> Class {
    let class = Class::left_out(format!("there is no {kind} '{name}'; keepalived ignores it, too"));
    match keys::nearest(known.copied(), name) {
        Some(nearest) => class.instead(format!("track '{nearest}'")),
        None => class,
    }
}

fn kept(script: &Script, because: impl Into<String>) -> Decision {
    let command = command(&script.line);
    let subject = Subject::Script { command, script: script.clone() };
    Decision { subject, because: because.into() }
}

fn decide(script: &Script, does: &Does, frontends: &FrontendsKnown) -> Decision {
    match does {
        Does::Asks { ports, at_virtual } => {
            let named: Vec<_> = ports.iter().map(ToString::to_string).collect();
            let named = named.join(", ");
            let found: Vec<_> = ports.iter().filter_map(|port| frontends.at_port(*port)).collect();
            let too = if *at_virtual { " and of the virtual address" } else { "" };
            match found.as_slice() {
                [frontend] if ports.len() == 1 => Decision {
                    subject: Subject::Frontend(frontend.name.clone()),
                    because: format!(
                        "it asks port {named} of this host{too}, which is frontend '{}'",
                        frontend.name
                    ),
                },
                _ => kept(script, format!("it asks port {named}, where no frontend listens")),
            }
        }
        Does::Watches { process } => match proxy(process, frontends) {
            Some(decision) => decision,
            None => {
                kept(script, format!("it looks for '{process}', whose place halb doesn't take"))
            }
        },
        Does::More { because } | Does::Unseen { because } => kept(script, because.as_str()),
    }
}

/// A proxy's process is halb's own; of several frontends the first one stands for it.
fn proxy(process: &str, frontends: &FrontendsKnown) -> Option<Decision> {
    let first = frontends.frontends.first().filter(|_| PROXIES.contains(&process))?;
    Some(Decision {
        subject: Subject::Frontend(first.name.clone()),
        because: format!("it looks whether {process} runs, whose place halb takes"),
    })
}

fn process(tracked: &Tracked<'_>, frontends: &FrontendsKnown) -> Option<Decision> {
    let What::Process(name) = &tracked.what else { return None };
    let simple = ["param_match", "quorum_max", "full_command"];
    let is_simple = simple.iter().all(|keyword| tracked.directive.last(keyword).is_none());
    let quorum = tracked.directive.last("quorum").map_or("1", Directive::value);
    if !is_simple || quorum != "1" || name.is_empty() {
        return None;
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    if let Some(decision) = proxy(base, frontends) {
        return Some(decision);
    }
    let line = format!("/usr/bin/pgrep -x {base}");
    let interval = Duration::from_secs(1);
    let (rise, fall) = (1, 1);
    let script = Script { line, interval, timeout: None, rise, fall, init_fail: false };
    Some(kept(&script, "halb looks for it each second"))
}

/// The command, without a shell where keepalived needs none.
fn command(line: &str) -> Vec<String> {
    let words = words::command(line);
    match words.first() {
        Some(program) if program.starts_with('/') => words,
        Some(_) | None => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
    }
}

impl Tracker {
    /// As halb's file has it.
    pub(super) fn value(&self) -> Value {
        let mut pairs: Vec<(String, Value)> = Vec::new();
        let mut set = |key: &str, value: Value| pairs.push((key.to_owned(), value));
        match &self.subject {
            Subject::Frontend(name) => set("frontend", name.as_str().into()),
            Subject::Interface(name) => set("interface", name.as_str().into()),
            Subject::File(path) => set("file", path.as_str().into()),
            Subject::Script { command, .. } => set("script", command.clone().into()),
        }
        if self.weight != 0 {
            set("weight", i64::from(self.weight).into());
        }
        if self.reverse {
            set("reverse", true.into());
        }
        if let Subject::Script { script, .. } = &self.subject {
            if script.interval != Duration::from_secs(1) {
                set("interval", duration(script.interval).into());
            }
            if let Some(timeout) = script.timeout.filter(|timeout| *timeout != script.interval) {
                set("timeout", duration(timeout).into());
            }
            for (key, count) in [("rise", script.rise), ("fall", script.fall)] {
                if count != 1 {
                    set(key, i64::from(count).into());
                }
            }
            if script.init_fail {
                set("init_fail", true.into());
            }
        }
        Value::Inline(pairs)
    }
}
