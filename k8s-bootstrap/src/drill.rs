//! A drill: one host is taken away on purpose, and what clients notice is written down.
//!
//! ```text
//!  Calm ──all good for a while──▶ (act) Away ──all good without it──▶ (undo) Back
//!    │                                │                                 │
//!    └── never good ──▶ Over          └────── too long ──▶ Over ◀──all good for a while
//! ```
//!
//! Whoever drives it lets a witness among the hosts ask the API through the endpoint, again and
//! again, and every balancer say whether it holds the virtual IP; the drill is told of each answer
//! with its time and says when to act. What came of it is a timeline and a verdict.

pub mod patroni;

mod choose;
mod course;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use course::{Course, Phase, milliseconds};

pub use choose::{Drill, How, Kind, choose};
pub use script::{balancer_script, read, witness_script};

/// How long all has to be good before something is done, or is over.
const CALM: Duration = Duration::from_secs(3);

/// How long it may take until all is good before a drill begins.
const CALM_MAX: Duration = Duration::from_secs(60);

/// How long the rest may take to go on without the host.
const AWAY_MAX: Duration = Duration::from_secs(90);

/// How long the host may take to come back: longer than any server needs to boot.
const BACK_MAX: Duration = Duration::from_secs(600);

/// Longest time without an answer that counts as a drill passed: a fail-over at an advert a second,
/// and the checks that find a master gone, take less.
const OUTAGE_MAX: Duration = Duration::from_secs(15);

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The API's answer through the endpoint; none if there was none.
    Api(Option<u16>),
    /// Whether a balancer has the virtual IP.
    Holds(String, bool),
    /// Whether a node is ready.
    Node(String, bool),
    /// Whether a member of etcd answers.
    Etcd(String, bool),
    /// The host that was taken away has started anew, or serves again.
    Returned,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on watching.
    Watch,
    /// Take the host away.
    Act,
    /// Bring it back, where it doesn't come by itself.
    Undo,
    /// It is over.
    Over,
}

/// A line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Since the host was taken away; 0 before that. In milliseconds.
    pub at_ms: u64,
    /// What happened.
    pub what: String,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether clients went on, and all was as before at the end.
    pub passed: bool,
    /// The longest time without an answer of the API, in milliseconds.
    pub longest_outage_ms: u64,
    /// Requests that were answered, and that weren't.
    pub answered: u64,
    /// See above.
    pub unanswered: u64,
    /// Why it isn't passed.
    pub faults: Vec<String>,
}

/// A drill that is under way.
#[derive(Debug, Clone)]
pub struct Watch {
    drill: Drill,
    course: Course,
    api: Option<bool>,
    last_answer: Option<Duration>,
    outage: Duration,
    counts: (u64, u64),
    holders: BTreeMap<String, bool>,
    nodes: BTreeMap<String, bool>,
    etcd: BTreeMap<String, bool>,
    returned: bool,
}

impl Watch {
    /// Nothing seen yet. Times are since any moment before.
    #[must_use]
    pub fn new(drill: Drill) -> Self {
        Self {
            drill,
            course: Course::new(),
            api: None,
            last_answer: None,
            outage: Duration::ZERO,
            counts: (0, 0),
            holders: BTreeMap::new(),
            nodes: BTreeMap::new(),
            etcd: BTreeMap::new(),
            returned: false,
        }
    }

    /// What was written down so far.
    #[must_use]
    pub fn timeline(&self) -> &[Entry] {
        self.course.timeline()
    }

    /// Takes in what was seen.
    pub fn take(&mut self, now: Duration, seen: Seen) {
        match seen {
            Seen::Api(code) => self.answer(now, code),
            Seen::Holds(host, holds) => {
                let before = learn(&mut self.holders, &host, holds);
                let ip = if holds { "has the virtual IP" } else { "has the virtual IP no more" };
                if before != Some(holds) && (holds || before.is_some()) {
                    self.course.note(now, format!("{host} {ip}"));
                }
            }
            Seen::Node(node, ready) => {
                if learn(&mut self.nodes, &node, ready).is_some_and(|before| before != ready) {
                    let how = if ready { "is ready" } else { "isn't ready" };
                    self.course.note(now, format!("node {node} {how}"));
                }
            }
            Seen::Etcd(member, up) => {
                if learn(&mut self.etcd, &member, up).is_some_and(|before| before != up) {
                    let how = if up { "is up" } else { "is down" };
                    self.course.note(now, format!("etcd of {member} {how}"));
                }
            }
            Seen::Returned => {
                if !self.returned && self.course.has_acted() {
                    self.returned = true;
                    self.course.note(now, format!("{} is back", self.drill.host));
                }
            }
        }
        let good = match self.course.phase() {
            Phase::Calm => self.lacks(None).is_empty(),
            Phase::Away => self.is_gone() && self.lacks(Some(&self.drill.host)).is_empty(),
            Phase::Back => self.returned && self.lacks(None).is_empty(),
            Phase::Over => true,
        };
        self.course.see(now, good);
    }

    fn answer(&mut self, now: Duration, code: Option<u16>) {
        let good = code.is_some_and(|code| (200..300).contains(&code));
        if good {
            let gap = self.last_answer.map(|last| now.saturating_sub(last));
            if let (Some(gap), Some(false)) = (gap, self.api) {
                self.outage = self.outage.max(gap);
                self.course.note(now, format!("the API answers again, after {}", seconds(gap)));
            }
            (self.last_answer, self.counts.0) = (Some(now), self.counts.0 + 1);
        } else {
            self.counts.1 += 1;
            if self.api != Some(false) {
                let how = code
                    .map_or_else(|| "doesn't answer".to_owned(), |code| format!("answers {code}"));
                self.course.note(now, format!("the API {how}"));
            }
        }
        self.api = Some(good);
    }

    /// What to do now. It changes with what is seen, and with time.
    pub fn poll(&mut self, now: Duration) -> Next {
        let calm = self.course.good_for(now).is_some_and(|good| good >= CALM);
        let waited = self.course.lasted(now);
        match self.course.phase() {
            Phase::Calm if calm => {
                let what = format!("{}: {}", self.drill.host, self.drill.how.words());
                self.course.act(now, what);
                Next::Act
            }
            Phase::Calm if waited > CALM_MAX => self.fail(now, "all wasn't good before"),
            Phase::Away if calm => {
                self.course.enter(Phase::Back, now);
                Next::Undo
            }
            Phase::Away if waited > AWAY_MAX => {
                let lacks = self.told_lacks(Some(&self.drill.host));
                self.course.fault(now, format!("the rest didn't go on without it{lacks}"));
                self.course.enter(Phase::Back, now);
                Next::Undo
            }
            Phase::Back if calm => {
                self.course.end(now, "all is as before".to_owned());
                Next::Over
            }
            Phase::Back if waited > BACK_MAX => self.fail(now, "not all came back"),
            Phase::Over => Next::Over,
            Phase::Calm | Phase::Away | Phase::Back => Next::Watch,
        }
    }

    /// What came of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let too_long = || {
            let (was, may) = (seconds(self.outage), seconds(OUTAGE_MAX));
            format!("the API was away for {was}, longer than {may}")
        };
        let faults = self.course.faults((self.outage > OUTAGE_MAX).then(too_long));
        Verdict {
            passed: faults.is_empty(),
            longest_outage_ms: milliseconds(self.outage),
            answered: self.counts.0,
            unanswered: self.counts.1,
            faults,
        }
    }

    fn fail(&mut self, now: Duration, why: &str) -> Next {
        let lacks = self.told_lacks(None);
        self.course.fail(now, format!("{why}{lacks}"));
        Next::Over
    }

    /// The same, as the end of a sentence.
    fn told_lacks(&self, but: Option<&str>) -> String {
        let mut lacks = self.lacks(but);
        if lacks.len() > LACKS_MAX {
            let more = lacks.len() - LACKS_MAX;
            lacks.truncate(LACKS_MAX);
            lacks.push(format!("{more} more"));
        }
        if lacks.is_empty() { String::new() } else { format!(": {}", lacks.join(", ")) }
    }

    /// What isn't as it has to be, but for one host that is away.
    fn lacks(&self, but: Option<&str>) -> Vec<String> {
        let mut lacks = Vec::new();
        if self.api != Some(true) {
            lacks.push("the API doesn't answer".to_owned());
        }
        let down = |map: &BTreeMap<String, bool>| -> Vec<String> {
            let down = map.iter().filter(|(name, up)| !**up && Some(name.as_str()) != but);
            down.map(|(name, _)| name.clone()).collect()
        };
        if self.nodes.is_empty() {
            lacks.push("no node was seen".to_owned());
        }
        lacks.extend(down(&self.nodes).iter().map(|name| format!("node {name} isn't ready")));
        if self.etcd.is_empty() {
            lacks.push("no member of etcd was seen".to_owned());
        }
        lacks.extend(down(&self.etcd).iter().map(|name| format!("etcd of {name} is down")));
        let holders = self.holders.values().filter(|holds| **holds).count();
        if !self.holders.is_empty() && holders != 1 {
            lacks.push(format!("{holders} balancers have the virtual IP"));
        }
        lacks
    }

    /// Whether the host is seen to be away, or was and is back already.
    fn is_gone(&self) -> bool {
        let host = self.drill.host.as_str();
        match self.drill.kind {
            Kind::Balancer => self.holders.get(host) != Some(&true),
            Kind::Master => self.etcd.get(host) != Some(&true) || self.returned,
            Kind::Worker => self.nodes.get(host) != Some(&true) || self.returned,
        }
    }
}

/// Things that aren't as they have to be, of which a fault tells.
const LACKS_MAX: usize = 5;

/// Hosts that are kept in mind, far more than a cluster of kubeadm's has nodes.
const HOSTS_MAX: usize = 8_192;

/// What was known of a host before; of too many nothing is learned.
fn learn(known: &mut BTreeMap<String, bool>, host: &str, is_so: bool) -> Option<bool> {
    match known.get_mut(host) {
        Some(known) => Some(std::mem::replace(known, is_so)),
        None => {
            if known.len() < HOSTS_MAX {
                known.insert(host.to_owned(), is_so);
            }
            None
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests;
