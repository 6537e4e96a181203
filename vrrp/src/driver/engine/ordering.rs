//! What lies in the mailbox.

use std::time::Instant;

use super::super::mailbox::{Answer, Letters, Order};
use super::super::{OrderError, realtime};
use super::looking::lent;
use super::{Engine, Stopping};
use crate::node::Inheritance;
use crate::plan;
use crate::settings::Settings;

/// A change of settings that is to be answered.
#[derive(Debug)]
pub(super) struct Applied {
    answer: Answer<Result<Vec<String>, OrderError>>,
    changes: Vec<String>,
}

impl Engine {
    /// Answers changes of settings once the addresses are where they were ordered.
    pub(super) fn answer_applied(&mut self, now: Instant) {
        if self.answers.is_empty() || !self.hands.are_idle() {
            return;
        }
        self.publish_at_once(now);
        for Applied { answer, changes } in self.answers.drain(..) {
            answer.give(Ok(changes));
        }
    }

    /// Takes what lies in the mailbox, or comes again soon.
    pub(super) fn read_mail(&mut self, now: Instant) {
        let mut count = [0; 8];
        // The bell only wakes; what is wanted lies in the mailbox.
        let _ = nix::unistd::read(&self.bell, &mut count);
        let Some(Letters { sightings, orders, words, stop_by, .. }) = self.mailbox.take() else {
            self.retry_soon(now);
            return;
        };
        for sighting in sightings {
            let Some(sighting) = self.handover.pass(sighting) else { continue };
            self.node.handle_sighting(sighting.borrow(), now);
            self.published.touch();
        }
        for (from, word) in words {
            self.node.handle_word(from, &word, now);
            self.published.touch();
        }
        for order in orders {
            self.carry_out_order(order, now);
        }
        match stop_by {
            // It has nothing to give up yet.
            Some(_) if self.handover.is_awaited() => self.stopping = Stopping::Done,
            Some(by) if !self.handover.is_aside() => self.begin_to_stop(by, now),
            Some(_) | None => {}
        }
    }

    fn carry_out_order(&mut self, order: Order, now: Instant) {
        let stopping = self.stopping != Stopping::No;
        if self.handover.is_at_rest() {
            return self.carry_out_at_handover(order, now);
        }
        match order {
            Order::Apply(_, answer) if stopping => answer.give(Err(OrderError::Ended)),
            Order::Apply(settings, answer) => match self.apply(*settings, now) {
                Ok(changes) => self.answers.push(Applied { answer, changes }),
                Err(error) => answer.give(Err(error)),
            },
            Order::GiveAway(instance, answer) => {
                let given = self.node.give_away(instance.as_deref(), now);
                self.act(now);
                self.publish_at_once(now);
                answer.give(given.ok_or_else(|| unknown(instance)));
            }
            Order::Resume(instance, answer) => {
                let resumed = self.node.resume(instance.as_deref(), now);
                self.act(now);
                self.publish_at_once(now);
                answer.give(resumed.ok_or_else(|| unknown(instance)));
            }
            Order::StandAside(answer) => self.begin_to_stand_aside(answer, now),
            Order::Inherit(_, answer) | Order::TakeBack(answer) | Order::Depart(answer) => {
                answer.give(Err(OrderError::Busy));
            }
        }
    }

    fn begin_to_stop(&mut self, by: Instant, now: Instant) {
        match self.stopping {
            Stopping::No => {
                self.node.retire(now);
                self.act(now);
                self.stopping = Stopping::By(by);
            }
            Stopping::By(earlier) => self.stopping = Stopping::By(by.min(earlier)),
            Stopping::Done => {}
        }
    }

    fn apply(&mut self, settings: Settings, now: Instant) -> Result<Vec<String>, OrderError> {
        plan::check(&settings)?;
        let mut changes = global_changes(&self.settings, &settings);
        if self.settings.realtime != settings.realtime {
            self.leash.set_realtime(settings.realtime);
            self.reached.scheduling = realtime::schedule(settings.realtime);
            self.hands.schedule(settings.realtime);
            for notice in realtime::notices(&self.reached).collect::<Vec<_>>() {
                self.notice(notice);
            }
        }
        changes.extend(self.take_settings(settings, now));
        Ok(changes)
    }

    /// Takes settings, the first ones or others.
    pub(super) fn take_settings(&mut self, settings: Settings, now: Instant) -> Vec<String> {
        self.take_settings_with(settings, None, now)
    }

    /// The same, with what another process leaves.
    pub(super) fn take_settings_with(
        &mut self,
        settings: Settings,
        inheritance: Option<Inheritance<'_>>,
        now: Instant,
    ) -> Vec<String> {
        self.leash.set_limit(settings.freeze_limit());
        // Routers that go have a last word to say, by the sockets that they had.
        self.network.fit(&[&self.settings, &settings], now);
        let (lent, network) = (lent(&settings), &self.network);
        let link = |instance: &_| network.link(instance, |address| lent.contains(&address));
        let applied = match inheritance {
            Some(inheritance) => self.node.inherit(&settings, link, inheritance, now),
            None => self.node.apply(&settings, link, now),
        };
        self.act(now);
        for moved in applied.moved {
            self.move_addresses(moved.key, &moved.from, &moved.to, now);
        }
        self.settings = settings;
        self.refit(now);
        self.sight_interfaces(now);
        self.act(now);
        self.publish_plan();
        let node = &self.node;
        let is_left = |key| node.member(key).is_some();
        self.troubles.keep(is_left);
        self.rivals.keep(is_left);
        self.announced.retain(|key, _| is_left(*key));
        applied.changes
    }
}

fn unknown(instance: Option<String>) -> OrderError {
    OrderError::NoSuchInstance(instance.unwrap_or_default())
}

fn global_changes(old: &Settings, new: &Settings) -> Vec<String> {
    let mut changes = Vec::new();
    if old.realtime != new.realtime {
        let word = |priority: Option<std::num::NonZeroU8>| {
            priority.map_or_else(|| "none".to_owned(), |priority| priority.to_string())
        };
        changes.push(format!("realtime priority {} -> {}", word(old.realtime), word(new.realtime)));
    }
    // One that follows from the intervals changes with them, and isn't worth a word.
    if old.freeze_limit != new.freeze_limit {
        let (before, after) = (old.freeze_limit(), new.freeze_limit());
        changes.push(format!("freeze limit {before:?} -> {after:?}"));
    }
    changes
}
