//! The guard: what it is told, and what is done when it has taken the addresses away.

use std::time::Instant;

use super::super::guard::{Farewell, Held, Notice, Plan};
use super::super::{DriverNotice, punctual, realtime};
use super::super::{GuardSnapshot, Scheduling};
use super::network::family;
use super::{Engine, words};

impl Engine {
    /// If the guard has taken the addresses away, every router starts again as a backup, and asks
    /// for its leave anew.
    pub(super) fn face_revocation(&mut self, now: Instant) {
        if !self.leash.is_revoked() {
            return;
        }
        if !std::mem::replace(&mut self.revocation_told, true) {
            self.notice(DriverNotice::Revoked);
        }
        self.node.handle_revoked(now);
        self.act(now);
        if self.hands.are_idle() && self.plan.is_empty() && self.leash.acknowledge(now) {
            self.revocation_told = false;
        }
    }

    /// Tells the guard what to give up, if that has changed.
    pub(super) fn publish_plan(&mut self) {
        self.plan_is_old = false;
        let plan = self.make_plan();
        if plan == self.plan {
            return;
        }
        // Settings whose plan could be too long aren't taken in the first place.
        if self.leash.publish(&plan).is_ok() {
            self.plan = plan;
        }
    }

    fn make_plan(&self) -> Plan {
        let held = self.holdings.iter().map(|placed| Held {
            interface: placed.index,
            address: placed.address,
            prefix_len: placed.prefix_len,
        });
        let mut plan = Plan { farewells: Vec::new(), addresses: held.collect() };
        for (key, farewells) in self.node.farewells() {
            let Some(instance) = self.node.settings(key) else { continue };
            let port = self.network.port(&instance.interface, family(instance));
            let Some(index) = port.and_then(|port| port.index()) else { continue };
            plan.farewells.extend(farewells.iter().map(|outgoing| {
                let message = outgoing.message();
                let (source, destination) = (outgoing.source, outgoing.destination);
                Farewell { interface: index, source, destination, message }
            }));
        }
        plan
    }

    /// Looks after the guard, and after this thread's scheduling.
    pub(super) fn tend(&mut self, now: Instant) {
        match self.leash.tend(now) {
            Some(Notice::Replaced) => self.notice(DriverNotice::GuardReplaced),
            Some(Notice::Absent(error)) => {
                self.notice(DriverNotice::NoGuard { why: words(&error) });
            }
            None => {}
        }
        if punctual::take_demotion() {
            self.reached.scheduling = Scheduling::Demoted;
            let interval = realtime::INTERVAL_WITHOUT_REALTIME;
            self.notice(DriverNotice::Demoted { interval });
        }
    }

    pub(super) fn guard(&self) -> GuardSnapshot {
        let replaced = self.leash.replaced();
        match self.leash.report().and_then(|report| report.ready) {
            Some(pid) => GuardSnapshot::Alive { pid, replaced },
            None if self.guarded => GuardSnapshot::Dead { replaced },
            None => GuardSnapshot::None,
        }
    }
}
