//! The virtual IPs in the status tree: who holds them, why, and what would happen next.
//!
//! Priorities, counters and states are in the words of the field: keepalived's names where it has
//! them, RFC 9568's `backup` and `active` for states.

pub mod build;
pub mod explain;
pub mod keepalived;
pub mod nodes;
pub mod notices;
pub mod outlook;
mod process;
pub mod remedy;
#[cfg(test)]
pub(crate) mod samples;
pub mod text;
pub mod why;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use process::{Hooks, JournalFile, NotifyFifo, Thread};

/// All virtual routers of this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vrrp {
    /// Each, in the order of the file.
    pub instances: Vec<Instance>,
    /// The thread that runs them, and its guard.
    pub thread: Thread,
    /// Commands that are run after a change.
    pub hooks: Hooks,
    /// The FIFO that changes are told in; none: `notify_fifo` is not configured.
    pub fifo: Option<NotifyFifo>,
    /// Where transitions outlast the process.
    pub journal: JournalFile,
    /// The last things worth a look, the latest last.
    pub notices: Vec<Noticed>,
    /// Adverts for virtual routers that this node doesn't have, by sender; the latest last.
    pub strays: Vec<Stray>,
}

/// Somebody's adverts for a virtual router that this node doesn't have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stray {
    /// Where they came.
    pub interface: String,
    /// The sender.
    pub address: String,
    /// The virtual router id in them; none: they are too short to have one.
    pub router_id: Option<u8>,
    /// How many.
    pub count: u64,
    /// Time since the latest.
    pub ago_seconds: f64,
}

/// Something worth a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noticed {
    /// When, as people write it, UTC.
    pub at: String,
    /// Time since.
    pub ago_seconds: f64,
    /// The virtual router; none: it concerns all of them.
    pub instance: Option<String>,
    /// What.
    pub text: String,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The group that it moves with.
    pub group: Option<String>,
    /// Its interface.
    pub interface: Interface,
    /// Virtual router id, 1 to 255.
    pub router_id: u8,
    /// Version of VRRP, 2 or 3.
    pub version: u8,
    /// `multicast` or `unicast`.
    pub delivery: String,
    /// Its state.
    pub state: State,
    /// Since when, as people write it, UTC.
    pub since: String,
    /// Time since.
    pub since_seconds: f64,
    /// The event and the decision that led to it.
    pub why: String,
    /// Why this node, a backup, leaves the addresses to another one now.
    pub leaves_because: Option<String>,
    /// What keeps it from taking part.
    pub fault: Option<String>,
    /// An operator has given it away (`halb vip yield`).
    pub yielded: bool,
    /// It offers its addresses to a better node for so long; none: it doesn't.
    pub offered_seconds: Option<f64>,
    /// Why it offers them.
    pub offered_because: Option<String>,
    /// Its priority and how it comes about.
    pub priority: Priority,
    /// Its timers.
    pub timers: Timers,
    /// The virtual addresses.
    pub addresses: Vec<Address>,
    /// What each other node last said in an advert.
    pub peers: Vec<Peer>,
    /// What the other halb last said over the link of `[peer]`.
    pub words: Vec<LinkWord>,
    /// Adverts that weren't taken, by sender and reason; the latest last.
    pub refused: Vec<Refused>,
    /// Counters under keepalived's names.
    pub stats: BTreeMap<String, u64>,
    /// Frames that told the segment where the addresses are.
    pub announcements: u64,
    /// Who else said that an address is his.
    pub foreign_claims: ForeignClaims,
    /// Transitions of this process, by what they led to and why.
    pub transitions: Vec<TransitionCount>,
    /// The last transitions, those of earlier processes included; the latest last.
    pub history: Vec<Transition>,
    /// Time between adverts of the other nodes.
    pub arrivals: Histogram,
    /// How late timers were.
    pub lateness: Histogram,
    /// What would happen if …
    pub outlook: Vec<Outlook>,
}

/// State of a virtual router: RFC 9568's, and keepalived's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not started, or not ready to take part yet.
    Initialize,
    /// Another node holds the addresses, or should.
    Backup,
    /// This node holds them.
    Active,
    /// This node can't serve.
    Fault,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Initialize, Self::Backup, Self::Active, Self::Fault];

    /// The word of the JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        }
    }

    /// The word that people look for.
    #[must_use]
    pub fn loud(self) -> &'static str {
        match self {
            Self::Initialize => "STARTING",
            Self::Backup => "BACKUP",
            Self::Active => "ACTIVE",
            Self::Fault => "FAULT",
        }
    }

    /// keepalived's word, as hooks get it.
    #[must_use]
    pub fn keepalived(self) -> &'static str {
        match self {
            Self::Initialize => "STOP",
            Self::Backup => "BACKUP",
            Self::Active => "MASTER",
            Self::Fault => "FAULT",
        }
    }
}

/// The interface of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number; none: there is no such interface.
    pub index: Option<u32>,
    /// It is up and has carrier.
    pub up: bool,
    /// Its hardware address.
    pub mac: Option<String>,
    /// The address that adverts are sent from.
    pub source: Option<String>,
}

/// A priority and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priority {
    /// As configured.
    pub configured: u8,
    /// In force.
    pub effective: u8,
    /// The sum in one line: `100 - 2 (frontend 'kubernetes') = 98`.
    pub arithmetic: String,
    /// Something that is tracked is not as it should be.
    pub sick: bool,
    /// A tracker of weight 0 has failed: the node serves only if nobody else does.
    pub failed: bool,
    /// What each tracker does to it.
    pub terms: Vec<Term>,
}

/// A line of a priority's arithmetic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// What is looked at: `frontend 'kubernetes'`.
    pub subject: String,
    /// Its weight; 0: its failure fails the node.
    pub weight: i16,
    /// What was seen: `up`, `down`, `unknown` or a file's number.
    pub reading: String,
    /// What that means in words, as far as it is known.
    pub detail: Option<String>,
    /// What it adds to the priority.
    pub adds: i32,
    /// It fails the node.
    pub fails: bool,
    /// The subject is not as it should be.
    pub sick: bool,
}

/// Timers as they stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timers {
    /// From one advert of this node to the next, as configured.
    pub advert_interval_seconds: f64,
    /// How much later than the best a node of this priority takes over.
    pub skew_seconds: f64,
    /// Silence of the active node after which this one takes over.
    pub down_interval_seconds: f64,
    /// When it takes over if nothing more is heard; none: it isn't waiting for that.
    pub takeover_in_seconds: Option<f64>,
    /// When it next does something.
    pub next_in_seconds: Option<f64>,
    /// What that is.
    pub next: Option<String>,
}

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// With the length of its prefix: `172.16.16.100/32`.
    pub address: String,
    /// Where it is put.
    pub interface: String,
    /// It is on an interface of this node, as the kernel says.
    pub present: bool,
}

/// Another node, by the address that it sends from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// That address.
    pub address: String,
    /// It was heard since the start. False: configured for unicast, and silent.
    pub heard: bool,
    /// It is the active node that this one listens to.
    pub active: bool,
    /// Priority of its last advert; 0: it gave the addresses up.
    pub last_priority: Option<u8>,
    /// Its latest priority other than 0.
    pub priority: Option<u8>,
    /// Interval of its adverts.
    pub interval_seconds: Option<f64>,
    /// Time since its last advert.
    pub ago_seconds: Option<f64>,
    /// It claims the same addresses as this node.
    pub same_addresses: Option<bool>,
    /// It has the priority of this node, so that the greater address decides between them.
    pub same_priority: Option<bool>,
}

/// What another halb last said of this virtual router over the link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkWord {
    /// Its address on the link.
    pub from: String,
    /// Where its adverts come from.
    pub source: Option<String>,
    /// Its state.
    pub state: State,
    /// It could take the addresses at once.
    pub able: bool,
    /// Its configured priority.
    pub configured: u8,
    /// Its priority in force; 0: it is about to stop.
    pub effective: u8,
    /// How well it can serve: `well`, `sick` or `failed`.
    pub health: String,
    /// Its operator has given the addresses away.
    pub yielded: bool,
    /// Time since.
    pub ago_seconds: f64,
    /// It is new enough to decide anything.
    pub counts: bool,
}

/// ARP and neighbour advertisements of others for the virtual addresses, while this node held them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ForeignClaims {
    /// How many were told; one that repeats itself is told now and then.
    pub count: u64,
    /// The last on each address.
    pub last: Vec<ForeignClaim>,
}

/// Another machine said that a virtual address is its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignClaim {
    /// The virtual address.
    pub address: String,
    /// That machine's hardware address.
    pub hardware: String,
    /// Time since.
    pub ago_seconds: f64,
}

/// Adverts of one sender that weren't taken for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The sender.
    pub address: String,
    /// The counter in `stats` that it belongs to.
    pub reason: String,
    /// What is wrong with the latest.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// How many.
    pub count: u64,
    /// Time since the latest.
    pub ago_seconds: f64,
}

/// How often something led to a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitionCount {
    /// The state.
    pub to: State,
    /// What led to it, in a word.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// When, as people write it, UTC.
    pub at: String,
    /// Time since.
    pub ago_seconds: f64,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why, in a word.
    pub reason: String,
    /// Why.
    pub why: String,
    /// The priority at that time, as a sum.
    pub priority: String,
    /// An earlier process of this node did it.
    pub earlier_process: bool,
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Bounded buckets, rising.
    pub buckets: Vec<Bucket>,
    /// How many there were, those beyond the last bound included.
    pub count: u64,
    /// Their sum.
    pub sum_seconds: f64,
}

/// A bucket of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its upper bound.
    pub le_seconds: f64,
    /// How many were at most that, those of lower buckets included.
    pub count: u64,
}

/// What would happen if something happened now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// If what.
    pub case: String,
    /// Then what.
    pub then: String,
}

impl Vrrp {
    /// The virtual router of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}

impl Instance {
    /// The virtual addresses as people name them, without prefixes.
    #[must_use]
    pub fn address_list(&self) -> String {
        let bare = |a: &Address| a.address.split('/').next().unwrap_or_default().to_owned();
        self.addresses.iter().map(bare).collect::<Vec<_>>().join(", ")
    }

    /// Another node was heard since the start, or speaks over the link.
    #[must_use]
    pub fn hears_a_peer(&self) -> bool {
        self.peers.iter().any(|peer| peer.heard) || self.words.iter().any(|word| word.counts)
    }
}
