//! What the driver tells of its own accord.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::link::Word;
use crate::packet::announce::Mac;
use crate::router::{Notice, Transition};

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A virtual router changed its state.
    Transition {
        /// Its name.
        instance: Arc<str>,
        /// The change.
        transition: Transition,
    },
    /// A virtual router has something to tell.
    Notice {
        /// Its name.
        instance: Arc<str>,
        /// What.
        notice: Notice,
    },
    /// Something for the other halb, for whoever carries it there.
    Word {
        /// What.
        word: Word,
    },
    /// The driver itself has something to tell.
    Driver(DriverNotice),
}

/// Something that the driver came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverNotice {
    /// `SCHED_FIFO` is configured and was refused.
    RealtimeRefused {
        /// The kernel's answer, and what can be done.
        why: String,
        /// Shortest advert interval that holds on a busy host without it.
        interval: Duration,
    },
    /// The thread ran for so long without a pause that the kernel was about to kill the process;
    /// it is scheduled as any other from now on.
    Demoted {
        /// Shortest advert interval that holds on a busy host without it.
        interval: Duration,
    },
    /// Memory of this process may be swapped out.
    MemoryNotLocked {
        /// The kernel's answer, and what can be done.
        why: String,
    },
    /// The guard process has died, and another one was started.
    GuardReplaced,
    /// There is no guard process, and none could be started.
    NoGuard {
        /// Why.
        why: String,
    },
    /// The guard took the addresses away because this process stood still.
    Revoked,
    /// The kernel told of more changes than were read in time; all were read anew.
    NetlinkOverrun,
    /// Another machine claims an address.
    ForeignClaim {
        /// The virtual router.
        instance: Arc<str>,
        /// The address.
        address: IpAddr,
        /// Whose hardware address it is said to be at.
        mac: Mac,
    },
    /// An address of an earlier life was found on an interface and taken away.
    LeftoverRemoved {
        /// Name of the interface.
        interface: Arc<str>,
        /// The address.
        address: IpAddr,
    },
    /// Sending, listening or a change of addresses fails; told once until it succeeds.
    Failed {
        /// The virtual router, if it concerns one.
        instance: Option<Arc<str>>,
        /// What fails and why.
        what: String,
    },
    /// Events were dropped because they weren't taken.
    EventsDropped {
        /// How many.
        count: u64,
    },
    /// The thread has ended without having been told to; the guard takes the addresses away.
    Ended,
}

impl fmt::Display for DriverNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealtimeRefused { why, interval } => write!(
                f,
                "real-time scheduling was refused ({why}): on a busy host, advert intervals below \
                 {interval:?} may lead to needless moves of the address"
            ),
            Self::Demoted { interval } => write!(
                f,
                "the thread ran too long without a pause and lost its real-time scheduling: on a \
                 busy host, advert intervals below {interval:?} may lead to needless moves of the \
                 address"
            ),
            Self::MemoryNotLocked { why } => {
                write!(f, "memory was not locked ({why}): swapping can delay adverts")
            }
            Self::GuardReplaced => f.write_str("the guard process died and was replaced"),
            Self::NoGuard { why } => write!(
                f,
                "there is no guard process ({why}): if this process dies now, the address stays \
                 on its interface"
            ),
            Self::Revoked => {
                f.write_str("the guard took the addresses away because this process stood still")
            }
            Self::NetlinkOverrun => {
                f.write_str("changes of interfaces and addresses were missed; all were read anew")
            }
            Self::ForeignClaim { instance, address, mac: [a, b, c, d, e, g] } => write!(
                f,
                "{instance}: {address} is claimed by another machine, \
                 {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"
            ),
            Self::LeftoverRemoved { interface, address } => {
                write!(f, "{address} was left on {interface} by an earlier daemon and is removed")
            }
            Self::Failed { instance: Some(instance), what } => write!(f, "{instance}: {what}"),
            Self::Failed { instance: None, what } => f.write_str(what),
            Self::EventsDropped { count } => write!(f, "{count} events were dropped"),
            Self::Ended => f.write_str(
                "the thread of the virtual routers has ended; the guard takes the addresses away; \
                 restart halb",
            ),
        }
    }
}
