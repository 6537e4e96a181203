//! What the thread tells of itself to whoever looks.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::histogram::Histogram;
use crate::node::Stray;
use crate::packet::Reason;
use crate::packet::announce::Mac;
use crate::router::{Forecast, Link, Status, Transition};
use crate::settings::Instance;

/// The virtual routers as they stood at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When that was.
    pub at: Instant,
    /// Each virtual router, in the order of the configuration.
    pub instances: Vec<InstanceSnapshot>,
    /// The latest senders of adverts that no virtual router of this node is for.
    pub strays: Vec<Stray>,
    /// The thread itself.
    pub thread: ThreadSnapshot,
}

/// A virtual router.
#[derive(Debug, Clone)]
pub struct InstanceSnapshot {
    /// What it was told.
    pub settings: Arc<Instance>,
    /// The group that it moves with.
    pub group: Option<Arc<str>>,
    /// Index of its interface; none: there is no such interface.
    pub index: Option<u32>,
    /// Hardware address of its interface.
    pub mac: Option<Mac>,
    /// Its interface as the router sees it.
    pub link: Link,
    /// The router itself.
    pub status: Status,
    /// Its last transitions, the oldest first.
    pub journal: Vec<Transition>,
    /// How many transitions there were ever.
    pub transitions: u64,
    /// Packets that weren't taken, by reason.
    pub refused: Vec<(Reason, u64)>,
    /// Frames that told the segment where the addresses are.
    pub announcements: u64,
    /// Time between accepted adverts of others.
    pub arrivals: Histogram,
    /// How late its timers were.
    pub lateness: Histogram,
    /// Which of its addresses are on an interface of this node, as the kernel says.
    pub present: Vec<IpAddr>,
    /// An operator has given it away.
    pub yielded: bool,
    /// What would happen if something died now.
    pub forecast: Forecast,
}

/// The thread itself.
#[derive(Debug, Clone)]
pub struct ThreadSnapshot {
    /// How the kernel schedules it.
    pub scheduling: Scheduling,
    /// Whether memory of this process may be swapped out.
    pub memory: MemoryLock,
    /// The guard process.
    pub guard: GuardSnapshot,
    /// What the guard says of itself.
    pub guard_report: GuardReport,
    /// Times that the kernel told of more changes of interfaces and addresses than were read in
    /// time, so that all of them were read anew.
    pub netlink_overruns: u64,
    /// Events that were dropped because nobody took them.
    pub events_dropped: u64,
    /// Adverts for virtual routers that aren't of this node.
    pub strays: u64,
    /// Packets that can't hold an advert.
    pub broken: u64,
}

/// How the kernel schedules the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduling {
    /// As any other thread, as configured.
    Normal,
    /// `SCHED_FIFO` with this priority.
    Fifo(u8),
    /// `SCHED_FIFO` is configured and was refused, for this reason.
    Refused(String),
    /// It was `SCHED_FIFO` until the thread ran for too long without a pause.
    Demoted,
}

/// Whether memory may be swapped out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryLock {
    /// What was touched stays.
    Locked,
    /// It may, for this reason.
    Refused(String),
}

/// The guard process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardSnapshot {
    /// None is configured.
    None,
    /// It watches.
    Alive {
        /// Its process id.
        pid: u32,
        /// How many were replaced before it.
        replaced: u64,
    },
    /// It has died, and no other could be started yet.
    Dead {
        /// How many were replaced.
        replaced: u64,
    },
}

/// What the guard says of itself, and what guards did since this process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardReport {
    /// How the kernel schedules it, and whether its memory may be swapped out; none: none watches.
    pub ready: Option<(Scheduling, MemoryLock)>,
    /// Times that the addresses were taken away because this process stood still.
    pub revocations: u64,
    /// When this process noticed the last of them.
    pub revoked_at: Option<Instant>,
    /// How long it took last to give everything up.
    pub sweep: Option<Duration>,
    /// Farewells and addresses that failed.
    pub failures: u64,
}

/// How it is known which addresses on this host's interfaces are halb's, also after its death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressMarks {
    /// The kernel marks them (`IFA_PROTO`, since Linux 5.18).
    Kept,
    /// It doesn't, and a file lists those that may be halb's.
    Listed {
        /// The file.
        file: PathBuf,
    },
    /// It doesn't, and they couldn't be listed: left-over ones stay where they are.
    Unlisted {
        /// Why.
        why: String,
    },
}
