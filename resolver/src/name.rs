//! One name: which address it has, and when it is asked next.
//!
//! ```text
//!                 an address                     another address, the old one
//!            ┌────────────────▶  ┌──────────┐ ── missing for `obsolete` ───┐
//!  unresolved                    │ resolved │ ◀────────────────────────────┘
//!            ◀────────────────   └──────────┘
//!              gone for `gone`, or          an answer with its address: kept, all doubts end
//!              unanswered for `unanswered`
//! ```
//!
//! An address is kept for as long as answers hold it, whatever others they hold, in whatever order:
//! name servers rotate them. A new one is the lowest of the preferred kind, so that two balancers
//! which ask the same name choose alike.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Family, Holds, Question, Settings};
use crate::message::Said;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The hosts file; it is asked again when it changes.
    HostsFile,
    /// A name server.
    Nameserver,
}

/// What was said of a name, for each kind of address that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where it came from.
    pub source: Source,
    /// What was said, by kind.
    pub said: Vec<(Family, Said)>,
}

/// What became of a name with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has an address, its first or another one.
    Resolved {
        /// The one before.
        from: Option<IpAddr>,
        /// The one from now on.
        to: IpAddr,
    },
    /// Its hold time is over, and it has no address any more.
    Lost {
        /// The one that it had.
        from: IpAddr,
        /// What the last answer was.
        why: String,
    },
    /// The first of a series of answers without an address; nothing else has changed.
    Doubted {
        /// What the answer was.
        why: String,
        /// The address that is kept meanwhile.
        kept: Option<IpAddr>,
    },
    /// The first answer with an address after such a series.
    Settled,
}

/// What a name is like at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The name.
    pub question: Question,
    /// Its address, and for how long it has had that one.
    pub address: Option<(IpAddr, Duration)>,
    /// What the last answer was, and how long ago. None: there was none yet.
    pub last: Option<(String, Duration)>,
    /// For how long answers have held no address. None: the last one did.
    pub doubted: Option<Duration>,
    /// Answers with an address.
    pub answers: u64,
    /// Answers without.
    pub failures: u64,
    /// Changes of the address, the first one included.
    pub changes: u64,
}

/// The machine of one name.
#[derive(Debug, Clone)]
pub struct Name {
    question: Question,
    current: Option<(IpAddr, Instant)>,
    /// Since when answers hold addresses, but not the current one.
    obsolete_since: Option<Instant>,
    /// Since when answers say that there is none.
    gone_since: Option<Instant>,
    /// Since when nobody answers.
    unanswered_since: Option<Instant>,
    last: Option<(String, Instant)>,
    /// When it is asked next. None: it is being asked.
    due: Option<Instant>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    answers: u64,
    failures: u64,
    changes: u64,
}

/// What an answer amounts to.
enum Verdict {
    /// Addresses, the preferred first, and kinds that nobody said anything about.
    Found { candidates: Vec<IpAddr>, ttl: Duration, unknown: Vec<Family> },
    /// There are none.
    Gone(&'static str),
    /// It can't be told.
    Unanswered(String),
}

impl Name {
    /// A name that is asked at once.
    #[must_use]
    pub fn new(question: Question, now: Instant) -> Self {
        Self {
            question,
            current: None,
            obsolete_since: None,
            gone_since: None,
            unanswered_since: None,
            last: None,
            due: Some(now),
            counts: Counts::default(),
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.current.map(|(address, _)| address)
    }

    /// Whether there was an answer yet, of whatever kind.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.last.is_some()
    }

    /// When it is to be asked; none while it is.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It is being asked; [`Name::answer`] follows.
    pub fn ask(&mut self) {
        self.due = None;
    }

    /// It is asked sooner, if it isn't being asked: what answers may have changed.
    pub fn hurry(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// An answer came, of whatever kind. At most two changes: a doubt begins or ends, and the
    /// address changes.
    pub fn answer(&mut self, now: Instant, answer: &Answer, settings: &Settings) -> Vec<Change> {
        let verdict = weigh(answer, &self.question);
        self.last = Some((words(answer, &verdict), now));
        let least = settings.refresh_min;
        let most = settings.refresh_max.max(least);
        let (changes, pause) = match verdict {
            Verdict::Found { candidates, ttl, unknown } => {
                let changes = self.found(now, &candidates, &unknown, settings.holds);
                let calm = self.obsolete_since.is_none();
                (changes, if calm { ttl.clamp(least, most) } else { least })
            }
            Verdict::Gone(why) => {
                let first = self.gone_since.is_none();
                self.unanswered_since = None;
                let since = *self.gone_since.get_or_insert(now);
                let over = now.saturating_duration_since(since) >= settings.holds.gone;
                (self.nothing_found(first, over, why), least)
            }
            Verdict::Unanswered(why) => {
                let first = self.unanswered_since.is_none() && self.gone_since.is_none();
                let since = *self.unanswered_since.get_or_insert(now);
                let lasted = now.saturating_duration_since(since);
                let over = settings.holds.unanswered.is_some_and(|hold| lasted >= hold);
                (self.nothing_found(first, over, &why), least)
            }
        };
        self.due = Some(now + pause);
        changes
    }

    fn found(
        &mut self,
        now: Instant,
        candidates: &[IpAddr],
        unknown: &[Family],
        holds: Holds,
    ) -> Vec<Change> {
        self.counts.answers = self.counts.answers.saturating_add(1);
        let doubted = self.gone_since.take().is_some() | self.unanswered_since.take().is_some();
        let mut changes = Vec::new();
        if doubted {
            changes.push(Change::Settled);
        }
        let from = self.address();
        let missing = from.filter(|address| !candidates.contains(address));
        // Nobody spoke against an address of a kind that nobody said anything about.
        let missing = missing.filter(|address| !unknown.contains(&Family::of(*address)));
        let stays = match missing {
            None => {
                self.obsolete_since = None;
                from.is_some()
            }
            Some(_) => {
                let since = *self.obsolete_since.get_or_insert(now);
                now.saturating_duration_since(since) < holds.obsolete
            }
        };
        if let (false, Some(to)) = (stays, candidates.first().copied()) {
            self.move_to(Some((to, now)));
            changes.push(Change::Resolved { from, to });
        }
        changes
    }

    fn nothing_found(&mut self, first: bool, over: bool, why: &str) -> Vec<Change> {
        self.counts.failures = self.counts.failures.saturating_add(1);
        match self.address() {
            Some(from) if over => {
                self.move_to(None);
                vec![Change::Lost { from, why: why.to_owned() }]
            }
            kept if first => vec![Change::Doubted { why: why.to_owned(), kept }],
            Some(_) | None => Vec::new(),
        }
    }

    fn move_to(&mut self, current: Option<(IpAddr, Instant)>) {
        self.current = current;
        self.obsolete_since = None;
        self.counts.changes = self.counts.changes.saturating_add(1);
    }

    /// What it is like.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let ago = |then: Instant| now.saturating_duration_since(then);
        let doubted = [self.gone_since, self.unanswered_since];
        Status {
            question: self.question.clone(),
            address: self.current.map(|(address, since)| (address, ago(since))),
            last: self.last.as_ref().map(|(what, at)| (what.clone(), ago(*at))),
            doubted: doubted.into_iter().flatten().min().map(ago),
            answers: self.counts.answers,
            failures: self.counts.failures,
            changes: self.counts.changes,
        }
    }
}

fn weigh(answer: &Answer, question: &Question) -> Verdict {
    let mut candidates = Vec::new();
    let mut ttl = Duration::MAX;
    let mut unknown = Vec::new();
    let mut no_such_name = false;
    let mut reason = None;
    for family in question.families.in_order() {
        let said = answer.said.iter().find(|(of, _)| of == family).map(|(_, said)| said);
        match said {
            Some(Said::Addresses { addresses, ttl: believed }) => {
                candidates.extend(addresses);
                ttl = ttl.min(*believed);
            }
            // It holds for all kinds of records (RFC 8020).
            Some(Said::NoSuchName) => no_such_name = true,
            Some(Said::NoAddress) => {}
            Some(Said::Unanswered(why)) => {
                unknown.push(*family);
                reason.get_or_insert_with(|| why.clone());
            }
            None => unknown.push(*family),
        }
    }
    if !candidates.is_empty() {
        Verdict::Found { candidates, ttl, unknown }
    } else if no_such_name {
        Verdict::Gone("there is no such name")
    } else if unknown.is_empty() {
        Verdict::Gone("the name has no address")
    } else {
        Verdict::Unanswered(reason.unwrap_or_else(|| "nobody answered".to_owned()))
    }
}

fn words(answer: &Answer, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Found { candidates, ttl, .. } => {
            let addresses: Vec<_> = candidates.iter().map(IpAddr::to_string).collect();
            let addresses = addresses.join(", ");
            match answer.source {
                Source::HostsFile => format!("{addresses} (hosts file)"),
                Source::Nameserver => format!("{addresses} (for {} s)", ttl.as_secs()),
            }
        }
        Verdict::Gone(why) => (*why).to_owned(),
        Verdict::Unanswered(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;
