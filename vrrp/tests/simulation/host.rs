//! A host on the segment, and what stands on it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use halb_vrrp::config::{Behaviour, Delivery, Preempt, Protocol, RouterConfig};
use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::router::Link;
use halb_vrrp::track::Standing;
use halb_vrrp::values::{Priority, VrId};

use crate::mind::{Kind, Mind};

#[derive(Clone)]
pub(crate) enum Packet {
    Advert { source: IpAddr, destination: IpAddr, message: Vec<u8> },
    Word { from: IpAddr, message: Vec<u8> },
}

/// How a host stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freeze {
    /// The daemon: its sockets fill, its addresses answer, its guard watches.
    Daemon,
    /// The whole machine: nothing arrives, nothing answers.
    Machine,
}

pub(crate) struct Frozen {
    pub(crate) how: Freeze,
    pub(crate) until: Instant,
    pub(crate) guard_at: Instant,
    pub(crate) revoked: bool,
}

/// A host; without a mind it is switched off.
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mind: Option<Mind>,
    /// It stops once it has handed over.
    pub(crate) retiring: bool,
    pub(crate) config: RouterConfig,
    pub(crate) standing: Standing,
    pub(crate) link_up: bool,
    pub(crate) source: IpAddr,
    /// What its kernel has of the virtual addresses.
    pub(crate) held: Vec<IpAddr>,
    /// Its start-up delay is over then.
    pub(crate) able_from: Instant,
    pub(crate) inbox: VecDeque<Packet>,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) wake_at: Option<Instant>,
}

/// What stands on a host.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) kind: Kind,
    pub(crate) config: RouterConfig,
    pub(crate) standing: Standing,
}

/// The address that all hosts are about; some have more.
pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
const MORE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 101));

/// Lists of addresses that a host may be configured with.
pub(crate) const LISTS: [&[IpAddr]; 3] = [&[VIP], &[VIP, MORE], &[MORE, VIP]];

/// One virtual router for all, with these of [`LISTS`].
pub(crate) fn config(
    protocol: &Protocol,
    preempt: Preempt,
    kind: Kind,
    list: usize,
    startup_delay: Duration,
) -> RouterConfig {
    let addresses = VirtualAddresses::new(LISTS[list].to_vec()).unwrap();
    let peer_link = kind == Kind::LinkedHalb;
    let behaviour = Behaviour { preempt, peer_link, startup_delay, ..Behaviour::default() };
    let vrid = VrId::new(1).unwrap();
    RouterConfig::new(vrid, protocol.clone(), addresses, Delivery::Multicast, behaviour).unwrap()
}

impl Node {
    pub(crate) fn holds(&self) -> bool {
        let answers = |frozen: &Frozen| frozen.how == Freeze::Daemon;
        self.held.contains(&VIP) && self.frozen.as_ref().is_none_or(answers)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    pub(crate) fn is_off(&self) -> bool {
        self.mind.is_none()
    }

    /// It runs and has begun to take part, and its interface works; and keepalived serves only if
    /// it hasn't failed.
    pub(crate) fn is_able(&self, now: Instant) -> bool {
        let in_fault = self.kind == Kind::Keepalived && self.standing.is_failed();
        let takes_part = self.mind.is_some() && now >= self.able_from;
        takes_part && self.link_up && !self.is_frozen() && !in_fault
    }

    /// What it has is what it should have: all of its addresses if it is active, which it isn't
    /// before its start-up delay is over; else none. Of a host that stands still nothing can be said.
    pub(crate) fn is_in_order(&self, now: Instant) -> bool {
        let Some(mind) = self.mind.as_ref().filter(|_| !self.is_frozen()) else { return true };
        if mind.is_active() && now < self.able_from {
            return false;
        }
        let mut wanted = match mind.is_active() {
            true => self.config.addresses().as_slice().to_vec(),
            false => Vec::new(),
        };
        let mut held = self.held.clone();
        wanted.sort_unstable();
        held.sort_unstable();
        held == wanted
    }

    pub(crate) fn worth(&self) -> Option<Priority> {
        Some(self.mind.as_ref()?.worth(&self.standing))
    }

    pub(crate) fn link(&self) -> Link {
        Link { is_up: self.link_up, source: Some(self.source) }
    }
}
