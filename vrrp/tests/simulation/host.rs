//! A host on the segment, and what stands on it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

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
    pub(crate) holds: bool,
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

/// One virtual router with one address for all.
pub(crate) fn config(protocol: &Protocol, preempt: Preempt, kind: Kind) -> RouterConfig {
    let vip = Ipv4Addr::new(10, 0, 0, 100).into();
    let addresses = VirtualAddresses::new(vec![vip]).unwrap();
    let peer_link = kind == Kind::LinkedHalb;
    let behaviour = Behaviour { preempt, peer_link, ..Behaviour::default() };
    let vrid = VrId::new(1).unwrap();
    RouterConfig::new(vrid, protocol.clone(), addresses, Delivery::Multicast, behaviour).unwrap()
}

impl Node {
    pub(crate) fn holds(&self) -> bool {
        let answers = |frozen: &Frozen| frozen.how == Freeze::Daemon;
        self.holds && self.frozen.as_ref().is_none_or(answers)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    pub(crate) fn is_off(&self) -> bool {
        self.mind.is_none()
    }

    /// It runs, and its interface works; and keepalived serves only if it hasn't failed.
    pub(crate) fn is_able(&self) -> bool {
        let in_fault = self.kind == Kind::Keepalived && self.standing.is_failed();
        self.mind.is_some() && self.link_up && !self.is_frozen() && !in_fault
    }

    pub(crate) fn worth(&self) -> Option<Priority> {
        Some(self.mind.as_ref()?.worth(&self.standing))
    }

    pub(crate) fn link(&self) -> Link {
        Link { is_up: self.link_up, source: Some(self.source) }
    }
}
