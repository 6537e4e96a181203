//! What a router asks of its driver.

use std::net::IpAddr;
use std::time::Duration;

use super::cause::{Heard, Transition};
use crate::link::Word;
use crate::packet::{Advert, Refusal, VirtualAddresses};

/// What a router asks of its driver, to be done in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send an advert; report to [`Router::handle_sent`](super::Router::handle_sent).
    Send(Outgoing),
    /// Put these addresses on the interface; one that is there already is fine. Report to
    /// [`Router::handle_addresses`](super::Router::handle_addresses) when the kernel has answered.
    AddAddresses(Vec<IpAddr>),
    /// Take these addresses off the interface; one that isn't there is fine. Announcements that
    /// wait to be sent are dropped first.
    RemoveAddresses(Vec<IpAddr>),
    /// Tell the segment that the addresses are here: gratuitous ARP or unsolicited neighbour
    /// advertisements.
    Announce {
        /// Which addresses.
        addresses: VirtualAddresses,
        /// How often in this go.
        repeats: u8,
    },
    /// Repeat no announcement of the addresses that were to be told: the router offers them, so
    /// that another node may announce them from now on and must have the last word.
    EndAnnouncements,
    /// Tell the segment where this node's own address is: with unicast, peers need it, and
    /// their caches may be wrong after an interface was away.
    AnnounceSource(IpAddr),
    /// Tell the other halb, if there is a link to one. Nothing depends on its arrival.
    Tell(Word),
    /// The state has changed: log, hooks, status.
    Transition(Box<Transition>),
    /// Worth a line in the log; not repeated for each packet.
    Notice(Notice),
}

/// An advert and between whom it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Address that it is sent from.
    pub source: IpAddr,
    /// The group or a peer.
    pub destination: IpAddr,
    /// The advert itself; its message is made by [`Outgoing::message`].
    pub advert: Advert,
}

impl Outgoing {
    /// The bytes of the message, without an IP header.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        self.advert.message(self.source, self.destination)
    }
}

/// Something that a person may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A packet isn't taken. Said once per reason until the state changes or another router
    /// becomes active.
    Refused {
        /// Who sent it.
        source: IpAddr,
        /// Why.
        refusal: Refusal,
    },
    /// A peer claims other addresses than this node; the advert counts nevertheless. Said once.
    OtherAddresses {
        /// Who.
        source: IpAddr,
    },
    /// An active peer has the priority that this node has when it is well, so that the greater
    /// address decides between them. Said once.
    SamePriority(Heard),
    /// A peer of lower priority was active too.
    Rival(Heard),
    /// This process woke so late that other routers may have taken over meanwhile. A router that
    /// listens does so once more before it decides; an active one goes on, and others that claim
    /// the addresses are to be looked for.
    Stalled {
        /// How late.
        late: Duration,
    },
    /// The addresses were taken off the interface by somebody else, and are put back.
    Repairing,
}
