//! Trackers: what the priority depends on besides the configuration.
//!
//! ```text
//!  frontend, backend ─┐
//!  interface, file ───┼─▶ Trackers ──standing(base)──▶ Standing: base + terms = effective
//!  script results ────┘   (pure)                       failed │ pending
//! ```
//!
//! The arithmetic is keepalived's: a negative weight is added while its subject is down, a
//! positive one while it is up, and the sum is kept within 1 to 254. A subject with weight 0 that
//! is down makes the node fail as a whole: keepalived's FAULT. Before the first result a weight
//! adds nothing, and a subject with weight 0 keeps the router from starting.
//!
//! Where halb differs from keepalived: a failed node still counts, with the least priority there
//! is ([`LAST_RESORT`](crate::values::Priority::LAST_RESORT)). Healthy nodes never notice. If all nodes fail alike, though,
//! one of them holds the addresses, while keepalived's would all let go. A sickness that all
//! nodes share never removes the addresses from everywhere.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::values::{BasePriority, OutOfRange};

mod script;
mod standing;

pub use script::{RiseFall, ScriptCounter, ScriptResult, ScriptStanding};
pub use standing::{Effect, Health, Standing, Term};

/// What a tracker adds, -253 to 253; 0: its failure fails the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(i16);

impl Weight {
    /// Its failure fails the node.
    pub const FAULT: Self = Self(0);

    /// Checks the range.
    ///
    /// # Errors
    /// Beyond ±253.
    pub fn new(weight: i64) -> Result<Self, OutOfRange> {
        let error = OutOfRange { what: "the weight", got: weight, min: -253, max: 253 };
        let weight = i16::try_from(weight).ok().filter(|weight| weight.abs() <= 253);
        weight.map(Self).ok_or(error)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i16 {
        self.0
    }
}

/// What is looked at. Names are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A frontend of this process; up while it can serve, see [`Readiness`].
    Frontend(Arc<str>),
    /// A backend of this process; up while at least so many of its servers are.
    Backend {
        /// Its name.
        name: Arc<str>,
        /// Least number of servers that are up.
        servers_min: NonZeroU32,
    },
    /// A network interface; up while it has carrier.
    Interface(Arc<str>),
    /// A file with a number in it, which the weight multiplies.
    File(Arc<str>),
    /// A command that is run again and again.
    Script {
        /// Its name.
        name: Arc<str>,
        /// How many results change its verdict.
        rise_fall: RiseFall,
        /// It counts as failed until it has passed `rise` times; otherwise the first result
        /// decides alone.
        init_fail: bool,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frontend(name) => write!(f, "frontend '{name}'"),
            Self::Backend { name, .. } => write!(f, "backend '{name}'"),
            Self::Interface(name) => write!(f, "interface '{name}'"),
            Self::File(path) => write!(f, "file '{path}'"),
            Self::Script { name, .. } => write!(f, "script '{name}'"),
        }
    }
}

impl Subject {
    /// The same thing, whatever its thresholds.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Frontend(own), Self::Frontend(other))
            | (Self::Interface(own), Self::Interface(other))
            | (Self::File(own), Self::File(other))
            | (Self::Backend { name: own, .. }, Self::Backend { name: other, .. })
            | (Self::Script { name: own, .. }, Self::Script { name: other, .. }) => own == other,
            (
                Self::Frontend(_)
                | Self::Backend { .. }
                | Self::Interface(_)
                | Self::File(_)
                | Self::Script { .. },
                _,
            ) => false,
        }
    }
}

/// One tracker of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// What is looked at.
    pub subject: Subject,
    /// What it adds.
    pub weight: Weight,
    /// Up counts as down and the other way round; of a file, the sign turns.
    pub reverse: bool,
}

/// Whether a frontend of this process can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Its listeners accept.
    pub accepts: bool,
    /// The heartbeats of its workers are on time.
    pub workers_on_time: bool,
    /// Servers of its backend that are up.
    pub servers_up: u32,
}

impl Readiness {
    /// It can: it accepts, its workers run, and there is a server to send clients to. A single
    /// dead server is no reason to move the addresses.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.accepts && self.workers_on_time && self.servers_up > 0
    }
}

/// Something that was seen of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting<'a> {
    /// Of a frontend.
    Frontend(&'a str, Readiness),
    /// So many servers of a backend are up.
    Backend(&'a str, u32),
    /// An interface has carrier, or not.
    Interface(&'a str, bool),
    /// The number in a file; 0 where there is none.
    File(&'a str, i64),
    /// A script has ended.
    Script(&'a str, ScriptResult),
}

/// What is known of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing yet.
    Unknown,
    /// It is well.
    Up,
    /// It is not.
    Down,
    /// The number in a file.
    Value(i64),
}

/// The trackers of a virtual router, and what is known of their subjects.
#[derive(Debug)]
pub struct Trackers {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    tracker: Tracker,
    reading: Reading,
    /// Of a script.
    counter: Option<ScriptCounter>,
}

impl Trackers {
    /// Nothing is known yet, but for scripts that are to count as failed.
    #[must_use]
    pub fn new(trackers: Vec<Tracker>) -> Self {
        Self { entries: trackers.into_iter().map(Entry::new).collect() }
    }

    /// Takes note of a sighting; true if it changed what is known of a subject. One that isn't
    /// tracked is no concern.
    pub fn handle_sighting(&mut self, sighting: Sighting<'_>) -> bool {
        let mut changed = false;
        for entry in &mut self.entries {
            changed |= entry.see(sighting);
        }
        changed
    }

    /// The configuration has changed: subjects that stay keep what is known of them, and counts
    /// of scripts are carried over to new thresholds.
    pub fn reconfigure(&mut self, trackers: Vec<Tracker>) {
        let old = std::mem::take(&mut self.entries);
        let entries = trackers.into_iter().map(|tracker| {
            let kept = old.iter().find(|entry| entry.tracker.subject.is_same(&tracker.subject));
            kept.map_or_else(|| Entry::new(tracker.clone()), |kept| kept.moved_to(tracker.clone()))
        });
        self.entries = entries.collect();
    }

    /// How scripts stand that have ended at least once.
    #[must_use]
    pub fn scripts(&self) -> Vec<(Arc<str>, ScriptStanding)> {
        let standing = |entry: &Entry| match &entry.tracker.subject {
            Subject::Script { name, .. } => Some((Arc::clone(name), entry.counter?.standing()?)),
            Subject::Frontend(_)
            | Subject::Backend { .. }
            | Subject::Interface(_)
            | Subject::File(_) => None,
        };
        self.entries.iter().filter_map(standing).collect()
    }

    /// Scripts stand as they did in another process of this node; one of which nothing is said
    /// stays as it is.
    pub fn resume(&mut self, scripts: &[(Arc<str>, ScriptStanding)]) {
        for entry in &mut self.entries {
            let Subject::Script { name, rise_fall, .. } = &entry.tracker.subject else { continue };
            let Some((_, standing)) = scripts.iter().find(|(of, _)| of == name) else { continue };
            entry.counter = Some(ScriptCounter::resumed(*rise_fall, *standing));
            entry.reading = if standing.is_up { Reading::Up } else { Reading::Down };
        }
    }

    /// The priority that follows for this base.
    #[must_use]
    pub fn standing(&self, base: BasePriority) -> Standing {
        Standing::new(base, self.entries.iter().map(Entry::term).collect())
    }
}

impl Entry {
    fn new(tracker: Tracker) -> Self {
        let (counter, reading) = match &tracker.subject {
            Subject::Script { rise_fall, init_fail: true, .. } => {
                (Some(ScriptCounter::failed(*rise_fall)), Reading::Down)
            }
            Subject::Script { rise_fall, init_fail: false, .. } => {
                (Some(ScriptCounter::new(*rise_fall)), Reading::Unknown)
            }
            Subject::Frontend(_)
            | Subject::Backend { .. }
            | Subject::Interface(_)
            | Subject::File(_) => (None, Reading::Unknown),
        };
        Self { tracker, reading, counter }
    }

    fn moved_to(&self, tracker: Tracker) -> Self {
        let mut counter = self.counter;
        if let (Some(counter), Subject::Script { rise_fall, .. }) = (&mut counter, &tracker.subject)
        {
            counter.rescale(*rise_fall);
        }
        let recount = match (&self.tracker.subject, &tracker.subject) {
            // The number of servers isn't kept, so that a new minimum waits for the next sighting.
            (Subject::Backend { servers_min: old, .. }, Subject::Backend { servers_min, .. }) => {
                old != servers_min
            }
            _ => false,
        };
        let reading = if recount { Reading::Unknown } else { self.reading };
        Self { tracker, reading, counter }
    }

    fn see(&mut self, sighting: Sighting<'_>) -> bool {
        let up = |is_up| if is_up { Reading::Up } else { Reading::Down };
        let reading = match (&self.tracker.subject, sighting) {
            (Subject::Frontend(own), Sighting::Frontend(name, readiness)) if **own == *name => {
                up(readiness.is_ready())
            }
            (Subject::Backend { name: own, servers_min }, Sighting::Backend(name, servers))
                if **own == *name =>
            {
                up(servers >= servers_min.get())
            }
            (Subject::Interface(own), Sighting::Interface(name, is_up)) if **own == *name => {
                up(is_up)
            }
            (Subject::File(own), Sighting::File(name, value)) if **own == *name => {
                Reading::Value(value)
            }
            (Subject::Script { name: own, .. }, Sighting::Script(name, result))
                if **own == *name =>
            {
                self.counter.as_mut().map_or(self.reading, |counter| up(counter.count(result)))
            }
            (
                Subject::Frontend(_)
                | Subject::Backend { .. }
                | Subject::Interface(_)
                | Subject::File(_)
                | Subject::Script { .. },
                _,
            ) => return false,
        };
        std::mem::replace(&mut self.reading, reading) != reading
    }

    fn term(&self) -> Term {
        Term::new(&self.tracker, self.reading)
    }
}

#[cfg(test)]
mod tests;
