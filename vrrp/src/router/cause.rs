//! Why a router changed its state, as data that can be explained later.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::track::Standing;
use crate::values::{AdvertInterval, Priority};

/// State of a router, in the words of RFC 9568; the fault is keepalived's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started, or not ready to take part yet.
    Initialize,
    /// Listening to the active router.
    Backup,
    /// Holding the addresses.
    Active,
    /// Not able to serve. Without interface or address it is deaf; with a failed tracker it
    /// listens, and serves only if nobody else does.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        })
    }
}

/// An advert as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: AdvertInterval,
    /// When it was read.
    pub at: Instant,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// The node's priority at that time, and how it came about.
    pub standing: Arc<Standing>,
    /// The node's address at that time, which decides between equal priorities.
    pub source: Option<IpAddr>,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, cause, standing, .. } = self;
        write!(f, "{from} -> {to}: {cause} (priority {standing})")
    }
}

/// Why a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The router was started, its delay is over and its trackers are known.
    Started,
    /// Another process of this node had the role, and handed it over.
    Inherited,
    /// It owns the addresses (priority 255).
    Owner,
    /// Nothing was heard for a whole down interval.
    Silence {
        /// The last advert that counted, if there was one.
        last: Option<Heard>,
        /// How long nothing came.
        waited: Duration,
    },
    /// The active router gave the addresses up.
    Released {
        /// Its advert with priority 0.
        by: Heard,
    },
    /// Only routers of lower priority were heard for a whole down interval.
    Preempted {
        /// The last of them.
        rival: Heard,
    },
    /// A better router is active.
    Outranked {
        /// Its advert.
        by: Heard,
        /// Priorities were equal, and its address is the greater one.
        by_address: bool,
    },
    /// Another halb offered its addresses to this router, and keeps them until they are here.
    Invited {
        /// The address that its adverts come from, or that of the link.
        by: IpAddr,
        /// What it is worth; 0 if it is about to stop.
        priority: Priority,
    },
    /// The addresses were offered, and another router took them.
    HandedOver {
        /// Its advert.
        to: Heard,
        /// Why they were offered.
        reason: OfferReason,
    },
    /// This process stood still for so long that another router may have taken over, and it isn't
    /// to take the addresses back (`nopreempt`).
    OwnStall {
        /// Silence of this router.
        silent: Duration,
        /// The router that took over, if it was heard.
        by: Option<Heard>,
    },
    /// It can't take part.
    Fault(FaultReason),
    /// A tracker with weight 0 has failed.
    TrackerFailed,
    /// What kept it from taking part is over.
    Recovered,
    /// It was told to stop.
    Stopped,
    /// Its guard has taken the addresses off the interface.
    Revoked,
    /// Another router of its group changed.
    Group,
}

/// An offer of the addresses to whoever is better. They stay until somebody takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// When it ends.
    pub until: Instant,
    /// Why it is made.
    pub reason: OfferReason,
}

/// Why an active router that others are to relieve doesn't offer its addresses: the best of those
/// that are known would hand them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Its operator has given them away there, too.
    YieldedToo {
        /// Its source.
        source: IpAddr,
    },
    /// It is worth no more than this router, or can't take them.
    NoBetter {
        /// Its source.
        source: IpAddr,
        /// Its priority, as it last said.
        priority: Priority,
    },
}

/// Why the addresses are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfferReason {
    /// Something that this node tracks is not as it should be.
    Sick,
    /// An operator said so.
    Yielded,
    /// The router is about to stop.
    Leaving,
}

impl fmt::Display for OfferReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sick => "a tracker is down",
            Self::Yielded => "an operator gave them away",
            Self::Leaving => "this node is stopping",
        })
    }
}

/// What keeps a router from taking part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultReason {
    /// The interface is down or gone.
    LinkDown,
    /// The interface has no address of its own to send from.
    NoSource,
    /// Adverts can't be sent.
    SendFailures,
    /// The kernel refuses the addresses.
    AddressesRefused,
    /// Somebody keeps taking the addresses off the interface.
    AddressesContested,
    /// Another router of its group can't take part.
    Group,
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkDown => "the interface is down",
            Self::NoSource => "the interface has no address to send from",
            Self::SendFailures => "adverts can't be sent",
            Self::AddressesRefused => "the kernel refuses the addresses",
            Self::AddressesContested => "somebody keeps removing the addresses",
            Self::Group => "another router of the group is in fault",
        })
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with priority {}", self.source, self.priority)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Inherited => f.write_str("handed over by another process of this node"),
            Self::Owner => f.write_str("owner of the addresses"),
            Self::Silence { last: Some(last), waited } => {
                write!(f, "nothing heard for {waited:?}, last from {last}")
            }
            Self::Silence { last: None, waited } => write!(f, "nothing heard for {waited:?}"),
            Self::Released { by } => write!(f, "{} gave the addresses up", by.source),
            Self::Preempted { rival } => write!(f, "only {rival} was heard"),
            Self::Outranked { by, by_address: false } => write!(f, "heard {by}"),
            Self::Outranked { by, by_address: true } => {
                write!(f, "heard {by}, whose address is greater")
            }
            Self::Invited { by, priority: Priority::RELEASE } => {
                write!(f, "{by} is stopping and offered the addresses")
            }
            Self::Invited { by, priority } => {
                write!(f, "{by}, now of priority {priority}, offered the addresses")
            }
            Self::HandedOver { to, reason } => write!(f, "handed over to {to}: {reason}"),
            Self::OwnStall { silent, by: Some(by) } => {
                write!(f, "stood still for {silent:?}, {by} took over")
            }
            Self::OwnStall { silent, by: None } => write!(f, "stood still for {silent:?}"),
            Self::Fault(reason) => reason.fmt(f),
            Self::TrackerFailed => f.write_str("a tracker with weight 0 failed"),
            Self::Recovered => f.write_str("able to take part again"),
            Self::Stopped => f.write_str("stopped"),
            Self::Revoked => f.write_str("the guard removed the addresses"),
            Self::Group => f.write_str("another router of the group changed"),
        }
    }
}
