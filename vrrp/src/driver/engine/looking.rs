//! Changes of interfaces and addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::super::DriverNotice;
use super::super::netlink::NetlinkError;
use super::super::netlink::watch::Heard;
use super::hands::{Job, Reading};
use super::troubles::Need;
use super::{Engine, RETRY};
use crate::router::AddressReport;
use crate::settings::Settings;
use crate::track::{Sighting, Subject};

impl Engine {
    /// Reads what has changed and tells those whom it concerns.
    pub(super) fn look_at_interfaces(&mut self, now: Instant) {
        if self.rereading {
            if self.reread_at.is_some_and(|at| at <= now) {
                self.read_anew();
            }
            return;
        }
        let mut changed = self.unread;
        let picture = &mut self.network.picture;
        let heard = self.network.watch.read(|change| {
            picture.apply(change);
            changed = true;
        });
        let heard = heard.unwrap_or(Heard::Overrun);
        match heard {
            Heard::All => self.unread = false,
            // Half of the changes may show what never was.
            Heard::Some => {
                (self.unread, self.busy, self.retry_at) = (true, true, Some(now));
                return;
            }
            Heard::Overrun => {
                self.overruns = self.overruns.saturating_add(1);
                self.notice(DriverNotice::NetlinkOverrun);
                self.read_anew();
                return;
            }
        }
        if changed || self.network.retry_at().is_some_and(|at| at <= now) {
            self.refit(now);
            self.tell_links(now);
            self.sight_interfaces(now);
            self.plan_is_old = true;
            // Routers that can't serve any more have given their addresses up before it is asked
            // whether any is missing.
            self.act(now);
            self.find_lost(now);
            self.act(now);
            self.published.touch();
        }
    }

    /// Until the reading is there, changes wait in the socket.
    fn read_anew(&mut self) {
        (self.rereading, self.reread_at) = (true, None);
        self.hands.want(Job::Read);
        self.set_hands_to_work();
    }

    /// Everything was read anew; changes that came meanwhile are applied to it next.
    pub(super) fn take_reading(&mut self, reading: Result<Reading, NetlinkError>, now: Instant) {
        match reading {
            Ok(Reading { interfaces, addresses }) => {
                self.network.picture.replace(interfaces, addresses);
                (self.rereading, self.unread) = (false, true);
                self.look_at_interfaces(now);
            }
            // The kernel had no room, or its lists changed all the time.
            Err(_) => self.reread_at = Some(now + RETRY),
        }
    }

    /// Sockets for the interfaces as they are.
    pub(super) fn refit(&mut self, now: Instant) {
        self.network.fit(&[&self.settings], now);
        let ports = &self.network.ports;
        let states = ports.iter().map(|port| (Arc::clone(&port.interface), port.refusal.clone()));
        for (interface, refusal) in states.collect::<Vec<_>>() {
            match refusal {
                Some(what) => self.trouble_on(&interface, Need::Listen, &what),
                None => self.no_trouble_on(&interface, Need::Listen),
            }
        }
    }

    fn tell_links(&mut self, now: Instant) {
        let lent = lent(&self.settings);
        let network = &self.network;
        let members = self.node.members();
        let links = members.map(|(member, _)| {
            let link = network.link(member.settings(), |address| lent.contains(&address));
            (member.key(), link)
        });
        for (key, link) in links.collect::<Vec<_>>() {
            self.node.handle_link(key, link, now);
        }
    }

    /// Tells trackers of interfaces what is so.
    pub(super) fn sight_interfaces(&mut self, now: Instant) {
        let trackers = self.settings.instances.iter().flat_map(|instance| &instance.trackers);
        let names: BTreeSet<Arc<str>> = trackers
            .filter_map(|tracker| match &tracker.subject {
                Subject::Interface(name) => Some(Arc::clone(name)),
                Subject::Frontend(_)
                | Subject::Backend { .. }
                | Subject::File(_)
                | Subject::Script { .. } => None,
            })
            .collect();
        for name in names {
            let is_up = self.network.picture.named(&name).is_some_and(|interface| interface.is_up);
            self.node.handle_sighting(Sighting::Interface(&name, is_up), now);
        }
    }

    fn find_lost(&mut self, now: Instant) {
        for key in self.holdings.lost(&self.network.picture) {
            self.node.handle_addresses(key, AddressReport::Lost, now);
        }
    }
}

/// Addresses that are never one to send from: every virtual one but those of an owner.
pub(super) fn lent(settings: &Settings) -> Vec<IpAddr> {
    let lent = settings.instances.iter().filter(|instance| !instance.priority.is_owner());
    lent.flat_map(|instance| instance.router.addresses().as_slice()).copied().collect()
}
