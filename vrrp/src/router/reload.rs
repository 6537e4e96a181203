//! A changed configuration: only what it demands changes, and never by an election.

use std::net::IpAddr;
use std::time::Instant;

use super::{Action, Phase, Router};
use crate::config::{Protocol, RouterConfig};
use crate::track::Standing;

/// The configuration is of another virtual router: id, version or family differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another id, version or family makes another virtual router")]
pub struct NotTheSameRouter;

impl Router {
    /// Takes a changed configuration, and the standing that follows from its base priority and
    /// trackers. An active router stays active and says at once what has changed; a backup stays
    /// one. A lower priority by configuration is no sickness, and nothing is offered.
    ///
    /// # Errors
    /// If it is of another virtual router; then nothing has changed.
    pub fn handle_config(
        &mut self,
        config: RouterConfig,
        standing: Standing,
        now: Instant,
    ) -> Result<(), NotTheSameRouter> {
        if !self.config.is_same_router(&config) {
            return Err(NotTheSameRouter);
        }
        let old = std::mem::replace(&mut self.config, config);
        if let Phase::Waiting { since, ready_at } = &mut self.phase {
            *ready_at = *since + self.config.behaviour.startup_delay;
        }
        // A tracker that is new and down is a loss, unlike a lower base.
        let lost = standing.is_sick() && !self.standing.is_sick();
        self.restand(standing, lost, now);
        let rules = self.listening_rules(now);
        match &mut self.phase {
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } => {}
            Phase::Listening(state) => {
                if old.behaviour.preempt != self.config.behaviour.preempt {
                    state.preempt_anew(rules);
                }
                let other_interval = old.interval() != self.config.interval();
                // With version 2 the active router is to be heard in the new interval from now on;
                // with version 3 it is the active router's own that counts.
                if other_interval && matches!(self.config.protocol(), Protocol::V2 { .. }) {
                    state.listen_anew(rules, self.config.interval(), now);
                }
            }
            Phase::Holding(_) => self.adapt(&old, now),
        }
        self.finish(now);
        Ok(())
    }

    fn adapt(&mut self, old: &RouterConfig, now: Instant) {
        let without = |list: &[IpAddr], others: &[IpAddr]| -> Vec<IpAddr> {
            list.iter().filter(|address| !others.contains(address)).copied().collect()
        };
        let (before, after) = (old.addresses().as_slice(), self.config.addresses().as_slice());
        let (added, removed) = (without(after, before), without(before, after));
        if !removed.is_empty() {
            self.actions.push_back(Action::RemoveAddresses(removed));
        }
        let rules = self.holding_rules();
        let Phase::Holding(state) = &mut self.phase else { return };
        if !added.is_empty() {
            state.announcing.uninstalled();
            self.actions.push_back(Action::AddAddresses(added));
        }
        // One that leaves is about to say so once more, with the new interval, which a sick backup
        // then waits for.
        let is_longer = old.interval().duration() < self.config.interval().duration();
        if is_longer && state.says_again() {
            state.bid_farewell(rules, now);
        }
        // Backups learn a new interval from the next advert, and wait for it as long as the old
        // one says; passwords and addresses are better known sooner, too.
        if old != &self.config && !self.leaving {
            state.restart(old.interval(), self.config.interval(), now);
            let priority = state.priority(self.standing.effective);
            self.advertise(priority);
        }
    }
}
