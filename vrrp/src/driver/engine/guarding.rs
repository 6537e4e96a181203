//! The guard: what it is told, and what is done when it has taken the addresses away.

use std::time::Instant;

use nix::errno::Errno;

use super::super::guard::Notice;
use super::super::{DriverNotice, punctual, realtime};
use super::super::{GuardReport, GuardSnapshot, MemoryLock, Scheduling};
use super::network::family;
use super::{Engine, words};
use crate::plan::{Farewell, Held, Plan};

impl Engine {
    /// If the guard has taken the addresses away, every router starts again as a backup, and asks
    /// for its leave anew.
    pub(super) fn face_revocation(&mut self, now: Instant) {
        if !self.leash.is_revoked() {
            return;
        }
        if !std::mem::replace(&mut self.revocation_told, true) {
            self.notice(DriverNotice::Revoked);
            self.revoked_at = Some(now);
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
        // What is still on the interfaces is another process's now.
        if self.handover.is_departed() {
            return;
        }
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
        match self.leash.report().ready {
            Some(pid) => GuardSnapshot::Alive { pid, replaced },
            None if self.guarded => GuardSnapshot::Dead { replaced },
            None => GuardSnapshot::None,
        }
    }

    pub(super) fn guard_report(&self) -> GuardReport {
        let report = self.leash.report();
        let words = |errno: Errno| errno.desc().to_owned();
        let scheduling = match (self.settings.realtime, report.realtime_refused) {
            (None, _) => Scheduling::Normal,
            (Some(priority), None) => Scheduling::Fifo(priority.get()),
            (Some(_), Some(errno)) => Scheduling::Refused(words(errno)),
        };
        let lock = report.lock_refused.map(|errno| MemoryLock::Refused(words(errno)));
        let memory = lock.unwrap_or(MemoryLock::Locked);
        GuardReport {
            ready: report.ready.map(|_| (scheduling, memory)),
            revocations: report.revocations,
            revoked_at: self.revoked_at,
            sweep: Some(report.sweep).filter(|sweep| !sweep.is_zero()),
            failures: report.failures,
        }
    }
}
