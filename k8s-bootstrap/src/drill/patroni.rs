//! A drill on the database: its leader's pod is deleted, and who leads afterwards is written down.
//!
//! ```text
//!  Calm ──all well for a while──▶ (act) Away ──another pod leads──▶ Back ──all well for a while──▶ Over
//!    │                                │                               │
//!    └── never well ──▶ Over          └── too long: a fault ──▶ Back  └── too long: a fault ──▶ Over
//! ```
//!
//! Whoever drives it has a witness ask every member, again and again, whether it leads or streams
//! from whoever does; the drill is told of all answers of one moment at once, a [`Round`].

mod choose;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::course::{Course, Phase, milliseconds};
use super::{CALM, CALM_MAX, Entry, seconds};

pub use choose::choose;
pub use script::{Rounds, act_script, look_script, watch_script};

/// How long it may take until another pod leads. Patroni's lock is held for 30 s, looked at every
/// 10 s, and whoever gets it needs a moment to be promoted.
const AWAY_MAX: Duration = Duration::from_secs(120);

/// How long the pod that was deleted may take to be a member again: it may have to copy everything.
const BACK_MAX: Duration = Duration::from_secs(600);

/// Longest time between two rounds: longer ones would hide what is looked for.
const BLIND_MAX: Duration = Duration::from_secs(10);

/// How a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It holds the leader's lock and takes writes.
    Leads,
    /// It is a replica and gets the leader's writes as they come.
    Streams,
    /// It answers, and is neither.
    Answers,
    /// It doesn't answer.
    Silent,
}

impl Standing {
    fn words(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Streams => "streams",
            Self::Answers => "answers, and neither leads nor streams",
            Self::Silent => "doesn't answer",
        }
    }
}

/// A member as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which pod it is: another one of the same name has another number.
    pub pod: String,
    /// How it is.
    pub standing: Standing,
}

/// All members that there are at one moment, by name.
pub type Round = BTreeMap<String, Member>;

/// How the leader's pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// In an orderly way: it hands over before it ends.
    Stop,
    /// At once: nobody is told, and its lock has to run out.
    Kill,
}

impl How {
    fn words(self) -> &'static str {
        match self {
            Self::Stop => "its pod is deleted in an orderly way",
            Self::Kill => "its pod is deleted at once",
        }
    }

    /// Longest time without a leader that counts as a drill passed. By Patroni's own settings a
    /// member looks every 10 s, and a lock that nobody renews is held for 30 s.
    #[must_use]
    pub fn outage_max(self) -> Duration {
        match self {
            Self::Stop => Duration::from_secs(30),
            Self::Kill => Duration::from_secs(60),
        }
    }
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// How the pod is deleted.
    pub how: How,
    /// The member that leads before.
    pub leader: String,
    /// The master from which members are asked.
    pub witness: String,
    /// All members that are wanted.
    pub members: Vec<String>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on watching.
    Watch,
    /// Delete the leader's pod.
    Act,
    /// It is over.
    Over,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether another pod took over in time, and all was as before at the end.
    pub passed: bool,
    /// The longest time in which no member led, in milliseconds.
    pub longest_without_leader_ms: u64,
    /// Who leads at the end; none if nobody does.
    pub leader: Option<String>,
    /// Why it isn't passed.
    pub faults: Vec<String>,
}

/// A drill that is under way.
#[derive(Debug, Clone)]
pub struct Watch {
    drill: Drill,
    course: Course,
    /// The pod that was deleted.
    gone: Option<String>,
    last: Option<(Duration, Round)>,
    /// When a member led last.
    led: Option<Duration>,
    outage: Duration,
}

impl Watch {
    /// Nothing seen yet. Times are since any moment before.
    #[must_use]
    pub fn new(drill: Drill) -> Self {
        Self {
            drill,
            course: Course::new(),
            gone: None,
            last: None,
            led: None,
            outage: Duration::ZERO,
        }
    }

    /// What was written down so far.
    #[must_use]
    pub fn timeline(&self) -> &[Entry] {
        self.course.timeline()
    }

    /// Which drill it is.
    #[must_use]
    pub fn drill(&self) -> &Drill {
        &self.drill
    }

    /// Takes in what was seen.
    pub fn take(&mut self, now: Duration, round: Round) {
        if self.course.phase() == Phase::Over {
            return;
        }
        let last = self.last.take();
        self.note_gap(now, last.as_ref());
        let before = last.as_ref().map(|(_, round)| round);
        self.note_two_leaders(now, before, &round);
        self.note_leader(now, before, &round);
        self.note_members(now, before, &round);
        let good = match self.course.phase() {
            Phase::Calm => self.is_whole(&round) && leader(&round) == Some(&self.drill.leader),
            Phase::Away => {
                let pod = leader(&round).and_then(|name| round.get(name));
                pod.is_some_and(|member| Some(&member.pod) != self.gone.as_ref())
            }
            Phase::Back => {
                self.is_whole(&round)
                    && round.values().all(|member| Some(&member.pod) != self.gone.as_ref())
            }
            Phase::Over => true,
        };
        self.course.see(now, good);
        self.last = Some((now, round));
    }

    /// What to do now. It changes with what is seen, and with time.
    pub fn poll(&mut self, now: Duration) -> Next {
        let good = self.course.good_for(now);
        let calm = good.is_some_and(|good| good >= CALM) && !self.is_blind(now);
        let waited = self.course.lasted(now);
        match self.course.phase() {
            Phase::Calm if calm => {
                let last = self.last.as_ref().and_then(|(_, round)| round.get(&self.drill.leader));
                self.gone = last.map(|member| member.pod.clone());
                let what = format!("{}: {}", self.drill.leader, self.drill.how.words());
                self.course.act(now, what);
                Next::Act
            }
            Phase::Calm if waited > CALM_MAX => self.fail(now, "all wasn't well before".to_owned()),
            Phase::Away if good.is_some() => {
                self.course.enter(Phase::Back, now);
                Next::Watch
            }
            Phase::Away if waited > AWAY_MAX => {
                self.course.fault(now, "no other pod led in time".to_owned());
                self.course.enter(Phase::Back, now);
                Next::Watch
            }
            Phase::Back if calm => {
                self.course.end(now, "all members lead or stream".to_owned());
                Next::Over
            }
            Phase::Back if waited > BACK_MAX => {
                self.fail(now, "not all members came back".to_owned())
            }
            Phase::Over => Next::Over,
            Phase::Calm | Phase::Away | Phase::Back => Next::Watch,
        }
    }

    /// The pod couldn't be deleted: there is nothing to be seen.
    pub fn refused(&mut self, now: Duration, why: &str) {
        if self.course.phase() != Phase::Over {
            self.fail(now, format!("the pod wasn't deleted: {why}"));
        }
    }

    /// What came of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let most = self.drill.how.outage_max();
        let too_long = || {
            let (was, may) = (seconds(self.outage), seconds(most));
            format!("nobody led for {was}, longer than {may}")
        };
        let faults = self.course.faults((self.outage > most).then(too_long));
        Verdict {
            passed: faults.is_empty(),
            longest_without_leader_ms: milliseconds(self.outage),
            leader: self.last.as_ref().and_then(|(_, round)| leader(round)).cloned(),
            faults,
        }
    }

    /// A time in which nobody looked proves nothing, and is told once.
    fn note_gap(&mut self, now: Duration, before: Option<&(Duration, Round)>) {
        let gap = before.map_or(Duration::ZERO, |(then, _)| now.saturating_sub(*then));
        if self.course.has_acted() && gap > BLIND_MAX {
            self.course.fault(now, format!("nobody could look for {}", seconds(gap)));
        }
    }

    /// Whether the last round is too old to act on.
    fn is_blind(&self, now: Duration) -> bool {
        self.last.as_ref().is_none_or(|(then, _)| now.saturating_sub(*then) > CALM)
    }

    /// Who leads is told when it changes; each time without a leader is counted as if it had begun
    /// right after the last look that found one.
    fn note_leader(&mut self, now: Duration, before: Option<&Round>, round: &Round) {
        let without = self.led.map_or(Duration::ZERO, |led| now.saturating_sub(led));
        let pod_of = |round: &Round, name: &String| round.get(name).map(|it| it.pod.clone());
        let earlier = before.and_then(|before| Some((leader(before)?, before)));
        let Some(name) = leader(round) else {
            self.count_outage(without);
            if before.is_none() || earlier.is_some() {
                self.course.note(now, "no member leads".to_owned());
            }
            return;
        };
        let is_same = earlier.is_some_and(|(other, before)| {
            other == name && pod_of(before, other) == pod_of(round, name)
        });
        if !is_same && self.led.is_some() {
            self.count_outage(without);
            let without = seconds(without);
            self.course
                .note(now, format!("{name} leads, after {without} without a leader at most"));
        }
        self.led = Some(now);
    }

    /// Two leaders at once may be two looks on both sides of a change; twice in a row they are a
    /// fault, which is told once.
    fn note_two_leaders(&mut self, now: Duration, before: Option<&Round>, round: &Round) {
        let names: Vec<_> = leaders(round).map(String::as_str).collect();
        let earlier = before.into_iter().flat_map(leaders);
        if names.len() < 2 || !names.iter().copied().eq(earlier.map(String::as_str)) {
            return;
        }
        let what = format!("{} lead at the same time", names.join(" and "));
        if !self.course.has_fault(&what) {
            self.course.fault(now, what);
        }
    }

    fn count_outage(&mut self, without: Duration) {
        if self.course.has_acted() {
            self.outage = self.outage.max(without);
        }
    }

    fn note_members(&mut self, now: Duration, before: Option<&Round>, round: &Round) {
        let Some(before) = before else { return };
        for (name, member) in round {
            let earlier = before.get(name);
            if earlier.is_none_or(|earlier| earlier.pod != member.pod) {
                self.course.note(now, format!("{name} is a new pod"));
            }
            let standing = earlier.map(|earlier| earlier.standing);
            if standing != Some(member.standing) && member.standing != Standing::Leads {
                self.course.note(now, format!("{name} {}", member.standing.words()));
            }
        }
        for name in before.keys().filter(|name| !round.contains_key(*name)) {
            self.course.note(now, format!("{name} has no pod"));
        }
    }

    /// Whether one member leads, and all others stream.
    fn is_whole(&self, round: &Round) -> bool {
        let is_well = |name: &String| {
            let standing = round.get(name).map(|member| member.standing);
            matches!(standing, Some(Standing::Leads | Standing::Streams))
        };
        leaders(round).count() == 1 && self.drill.members.iter().all(is_well)
    }

    fn fail(&mut self, now: Duration, why: String) -> Next {
        self.course.fail(now, why);
        Next::Over
    }
}

/// Members that lead, by name: one, unless something is very wrong.
fn leaders(round: &Round) -> impl Iterator<Item = &String> {
    let leads = |member: &Member| member.standing == Standing::Leads;
    round.iter().filter(move |(_, member)| leads(member)).map(|(name, _)| name)
}

fn leader(round: &Round) -> Option<&String> {
    leaders(round).next()
}

#[cfg(test)]
mod tests;
