//! A router that listens: a backup, or a failed one that serves only if nobody else does.

use std::time::{Duration, Instant};

use super::cause::{Cause, Heard};
use crate::config::Preempt;
use crate::timers;
use crate::values::{AdvertInterval, DownTimerAdverts, Priority};

/// What arrived before the time at which a timer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbox {
    /// All of it was handed over: the sockets were read until they were empty.
    Drained,
    /// There may be more: the driver's bound on packets per turn was reached. Timers are judged
    /// later, but not for ever: a flood must not hold the election up.
    MayHoldMore,
}

/// What a listening router goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) effective: Priority,
    pub(super) preempt: Preempt,
    pub(super) missed: DownTimerAdverts,
    /// Other nodes are to serve first.
    pub(super) sick: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Listening {
    pub(super) down_at: Instant,
    /// The active router's interval; our own until one is heard.
    interval: AdvertInterval,
    /// Start of the silence.
    since: Instant,
    /// The last advert that counted.
    last: Option<Heard>,
    /// The advert with priority 0 that the timer runs for.
    release: Option<Heard>,
    /// The last advert of lower priority that didn't count.
    rival: Option<Heard>,
    /// When lower adverts stop to count, once one was seen.
    preempt_at: Option<Instant>,
    /// The timer was put off because this process stood still.
    graced: bool,
    /// Since when judgement waits for an inbox that doesn't get empty.
    postponed: Option<Instant>,
}

/// What becomes of a listening router when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing yet.
    Listen,
    /// This process came so late that it listens once more.
    Stalled(Duration),
    /// It takes over.
    TakeOver(Cause),
}

impl Listening {
    pub(super) fn new(rules: Rules, interval: AdvertInterval, now: Instant) -> Self {
        Self {
            down_at: now + timers::down_interval(rules.effective, interval, rules.missed),
            interval,
            since: now,
            last: None,
            release: None,
            rival: None,
            preempt_at: None,
            graced: false,
            postponed: None,
        }
    }

    /// It was active until now and knows of no other router: it hears out one interval.
    pub(super) fn hear_out(rules: Rules, interval: AdvertInterval, now: Instant) -> Self {
        let mut listening = Self::new(rules, interval, now);
        listening.grant_interval(rules, now);
        listening
    }

    /// It was active until now, and this router is better.
    pub(super) fn after(rules: Rules, heard: Heard, now: Instant) -> Self {
        let mut listening = Self::new(rules, heard.interval, now);
        listening.last = Some(heard);
        listening
    }

    /// An advert was read. RFC 9568 §6.4.2 and RFC 3768 §6.4.2, with two differences, and one
    /// that seldom is: the skew after a release follows the interval that the release carries. A
    /// router that was about to preempt hasn't learned that interval, and its own may be so much
    /// longer that who offers the addresses has given up meanwhile.
    ///
    /// A sick node leaves a healthier one the time to answer a release: it waits one interval
    /// more. An active node that offers the addresses repeats that every interval, so that a
    /// backup no better than itself doesn't take them only to lose them again.
    ///
    /// With a preemption delay, lower adverts count until it is over.
    pub(super) fn hear(&mut self, heard: Heard, rules: Rules, now: Instant) {
        self.postponed = None;
        if heard.priority == Priority::RELEASE {
            let patience = if rules.sick { heard.interval.duration() } else { Duration::ZERO };
            self.down_at = now + timers::skew(rules.effective, heard.interval) + patience;
            self.release = Some(heard);
        } else if heard.priority < rules.effective && self.preempts(rules.preempt, now) {
            self.rival = Some(heard);
        } else {
            if heard.priority >= rules.effective {
                self.preempt_at = None;
            }
            self.accept(heard, rules);
        }
    }

    fn preempts(&mut self, preempt: Preempt, now: Instant) -> bool {
        match preempt {
            Preempt::Immediately => true,
            Preempt::Never => false,
            Preempt::After(delay) => now >= *self.preempt_at.get_or_insert(now + delay),
        }
    }

    /// The active router that is listened to, if one was heard.
    pub(super) fn last(&self) -> Option<&Heard> {
        self.last.as_ref()
    }

    /// The time has come, perhaps.
    pub(super) fn judge(&mut self, inbox: Inbox, rules: Rules, now: Instant) -> Judgement {
        if now < self.down_at {
            return Judgement::Listen;
        }
        let patience = self.interval.duration();
        if inbox == Inbox::MayHoldMore && now < *self.postponed.get_or_insert(now) + patience {
            return Judgement::Listen;
        }
        let late = now - self.down_at;
        // Never twice in a row: on a host that is always late, a dead peer must be noticed.
        if late > patience && !self.graced {
            self.graced = true;
            self.grant_interval(rules, now);
            return Judgement::Stalled(late);
        }
        Judgement::TakeOver(match (self.release, self.rival) {
            (Some(by), _) => Cause::Released { by },
            (None, Some(rival)) => Cause::Preempted { rival },
            (None, None) => Cause::Silence { last: self.last, waited: now - self.since },
        })
    }

    fn grant_interval(&mut self, rules: Rules, now: Instant) {
        let skew = timers::skew(rules.effective, self.interval);
        self.down_at = now + self.interval.duration() + skew;
    }

    /// When judgement is to be asked for.
    pub(super) fn due(&self) -> Instant {
        self.down_at
    }

    /// The priority has changed: the deadline moves by what the skew does, as in keepalived, so
    /// that a change doesn't start the wait anew. A router that was worse than the old priority
    /// and isn't than the new one counts from when it was heard.
    pub(super) fn shift(&mut self, old: Priority, rules: Rules) {
        let new = rules.effective;
        let moved = self.down_at + timers::skew(new, self.interval);
        let skew = timers::skew(old, self.interval);
        self.down_at = moved.checked_sub(skew).unwrap_or(moved);
        if let Some(better) = self.rival.filter(|rival| rival.priority >= new) {
            self.accept(better, rules);
        }
    }

    fn accept(&mut self, heard: Heard, rules: Rules) {
        self.interval = heard.interval;
        let down = timers::down_interval(rules.effective, self.interval, rules.missed);
        self.down_at = heard.at + down;
        self.since = heard.at;
        self.last = Some(heard);
        self.release = None;
        self.rival = None;
        self.graced = false;
    }

    /// Another interval is configured, in which the active router is to be heard from now on. Whoever
    /// gave the addresses up needn't be heard again.
    pub(super) fn listen_anew(&mut self, rules: Rules, interval: AdvertInterval, now: Instant) {
        let old = std::mem::replace(self, Self::new(rules, interval, now));
        if old.release.is_some() {
            self.release = old.release;
            self.down_at = self.down_at.min(old.down_at);
        }
    }

    /// Another way to preempt is configured. A worse router that didn't count, and now would,
    /// counts from when it was heard.
    pub(super) fn preempt_anew(&mut self, rules: Rules) {
        self.preempt_at = None;
        if let (Some(rival), true) = (self.rival, rules.preempt != Preempt::Immediately) {
            self.accept(rival, rules);
        }
    }
}
