//! What a node is worth, and how that comes about.

use std::fmt;

use super::{Reading, Subject, Tracker, Weight};
use crate::values::{BasePriority, Priority};

/// What a tracker does to the priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It adds this.
    Adds(i32),
    /// It fails the node.
    Fails,
    /// It would fail the node, and isn't known yet.
    Pending,
}

/// A line of the priority arithmetic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What was looked at.
    pub subject: Subject,
    /// Its weight.
    pub weight: Weight,
    /// Up counts as down and the other way round; of a file, the sign turns.
    pub reverse: bool,
    /// What was seen.
    pub reading: Reading,
    /// What that does.
    pub effect: Effect,
    /// The subject is not as it should be.
    pub sick: bool,
}

/// How well a node can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// A tracker with weight 0 has failed: it serves only if nobody else does.
    Failed,
    /// Something that it tracks is not as it should be, or isn't known yet.
    Sick,
    /// All that it tracks is known to be as it should be.
    Well,
}

/// How a node stands: its priority and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The configured priority.
    pub base: BasePriority,
    /// What each tracker does to it, in the order of the configuration.
    pub terms: Vec<Term>,
    /// An operator has given the addresses away: others are to serve first.
    pub yielded: bool,
    /// Another router of its group has failed, and so this one has.
    pub group_failed: bool,
    /// The result.
    pub effective: Priority,
}

/// Files count within these bounds, and at the lower one they fail the node, as in keepalived.
const FILE_FAULT: i64 = -254;
const FILE_MAX: i64 = 253;

impl Term {
    pub(super) fn new(tracker: &Tracker, reading: Reading) -> Self {
        let Tracker { subject, weight, reverse } = tracker;
        let (weight, reverse) = (*weight, *reverse);
        let delta = i32::from(weight.get());
        let fault = weight == Weight::FAULT;
        let (effect, sick) = match reading {
            Reading::Unknown if fault => (Effect::Pending, false),
            Reading::Unknown => (Effect::Adds(0), false),
            Reading::Value(value) => file_effect(value, weight, reverse),
            Reading::Up | Reading::Down => {
                let is_up = (reading == Reading::Up) != reverse;
                let effect = match is_up {
                    true => Effect::Adds(delta.max(0)),
                    false if fault => Effect::Fails,
                    false => Effect::Adds(delta.min(0)),
                };
                (effect, !is_up)
            }
        };
        Self { subject: subject.clone(), weight, reverse, reading, effect, sick }
    }
}

/// A file's number times its weight; with weight 0 any number but 0 is a failure.
fn file_effect(value: i64, weight: Weight, reverse: bool) -> (Effect, bool) {
    if weight == Weight::FAULT {
        let fails = (value != 0) != reverse;
        return (if fails { Effect::Fails } else { Effect::Adds(0) }, fails);
    }
    let sign = if reverse { -1 } else { 1 };
    let product = value.saturating_mul(i64::from(weight.get())).saturating_mul(sign);
    let bounded = product.clamp(FILE_FAULT, FILE_MAX);
    match i32::try_from(bounded) {
        Ok(delta) if bounded > FILE_FAULT => (Effect::Adds(delta), delta < 0),
        Ok(_) | Err(_) => (Effect::Fails, true),
    }
}

impl Standing {
    /// What follows from a base and its trackers.
    #[must_use]
    pub fn new(base: BasePriority, terms: Vec<Term>) -> Self {
        Self { base, terms, yielded: false, group_failed: false, effective: base.plus(0) }.summed()
    }

    /// Without trackers.
    #[must_use]
    pub fn untracked(base: BasePriority) -> Self {
        Self::new(base, Vec::new())
    }

    /// The same node, with what its router knows besides.
    pub(crate) fn lowered(self, yielded: bool, group_failed: bool) -> Self {
        Self { yielded, group_failed, ..self }.summed()
    }

    fn summed(mut self) -> Self {
        let sum = self.terms.iter().map(|term| match term.effect {
            Effect::Adds(delta) => delta,
            Effect::Fails | Effect::Pending => 0,
        });
        let own = self.base.plus(sum.fold(0_i32, i32::saturating_add));
        self.effective = match (self.is_failed(), self.yielded) {
            (true, _) => Priority::LAST_RESORT,
            (false, true) => own.min(Priority::YIELDED),
            (false, false) => own,
        };
        self
    }

    /// A tracker with weight 0 has failed, here or in its group: the node serves only if nobody
    /// else does.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.group_failed || self.has_failed_tracker()
    }

    /// A tracker of its own with weight 0 has failed.
    pub(crate) fn has_failed_tracker(&self) -> bool {
        self.terms.iter().any(|term| term.effect == Effect::Fails)
    }

    /// A tracker with weight 0 isn't known yet: the router waits for it at the start.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.terms.iter().any(|term| term.effect == Effect::Pending)
    }

    /// Another node is to serve if there is one: something that is tracked is not as it should
    /// be, or an operator said so.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.yielded || self.is_failed() || self.terms.iter().any(|term| term.sick)
    }

    /// How well the node can serve, whatever an operator said.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.is_failed() {
            Health::Failed
        } else if self.terms.iter().any(|term| term.sick || term.reading == Reading::Unknown) {
            Health::Sick
        } else {
            Health::Well
        }
    }

    /// What the node would be worth if each frontend of this process that it tracks went down;
    /// none if it tracks none.
    #[must_use]
    pub fn without_frontends(&self) -> Option<Self> {
        let mut tracks = false;
        let fallen = self.terms.iter().map(|term| match &term.subject {
            Subject::Frontend(_) => {
                tracks = true;
                let Term { subject, weight, reverse, .. } = term.clone();
                Term::new(&Tracker { subject, weight, reverse }, Reading::Down)
            }
            Subject::Backend { .. }
            | Subject::Interface(_)
            | Subject::File(_)
            | Subject::Script { .. } => term.clone(),
        });
        let terms = fallen.collect();
        tracks.then(|| Self { terms, ..self.clone() }.summed())
    }
}

/// A sum as people read it: `100 - 2 (frontend 'kubernetes') = 98`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base.get())?;
        for term in &self.terms {
            match term.effect {
                Effect::Adds(0) | Effect::Pending => {}
                Effect::Adds(delta) => {
                    let sign = if delta < 0 { '-' } else { '+' };
                    write!(f, " {sign} {} ({})", delta.unsigned_abs(), term.subject)?;
                }
                Effect::Fails => write!(f, ", failed ({})", term.subject)?,
            }
        }
        if self.yielded {
            f.write_str(", given away")?;
        }
        if self.group_failed && !self.has_failed_tracker() {
            f.write_str(", failed (another router of the group)")?;
        }
        write!(f, " = {}", self.effective)
    }
}
