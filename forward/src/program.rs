//! The nftables table as typed values: what [`Table`](crate::table::Table) means in sets, chains and rules.
//!
//! ```text
//!  prerouting -150 strays   a segment from a server, for an address of ours, that no flow explains: drop
//!                           a new one for an address that isn't here: drop
//!                           one from a client that begins nothing, or that nobody serves: its frontend says
//!  prerouting -140 limits    what would begin a connection that its frontend's limits refuse: reset or drop
//!  prerouting -100 translate address and port of a new connection ──map──▶ chain of its frontend:
//!                           counter or hash ──map──▶ server
//!  prerouting  -90 rest     still for a forwarded address and port: drop, never the host's own stack
//!  postrouting 100 sources  the source becomes the address that the client used, the port stays
//!  output     -300 own      what this host itself says from a forwarded address is in no flow
//! ```
//!
//! Servers see the same addresses and ports whichever node forwards, which is what lets another
//! node go on with a connection.

mod build;
mod limits;
mod transaction;

pub use build::program;
pub use limits::{Counted, counters};
pub use transaction::{Step, transaction};

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Name of the table, in family `inet`.
pub const TABLE: &str = "halb";

/// What the hash begins with. Fixed, since both nodes must come to the same server: nftables would
/// choose another one at each load.
pub const SEED: u32 = 0x6861_6c62;

/// A whole table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// Names of counters, none twice.
    pub counters: Vec<String>,
    /// Sets and maps; no name twice.
    pub sets: Vec<Set>,
    /// Chains; no name twice.
    pub chains: Vec<Chain>,
}

/// A set, or a map if it has data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What is looked up.
    pub key: KeyType,
    /// What is found; none: only whether it is there.
    pub data: Option<DataType>,
    /// Keys are unique.
    pub elements: Vec<Element>,
}

/// One entry of a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Element {
    /// What is looked up.
    pub key: Key,
    /// What is found.
    pub data: Option<Data>,
}

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// A number that a counter or a hash gave.
    Number,
    /// An address.
    Address(Family),
    /// An address and a port.
    Endpoint(Family),
}

/// The kinds of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// A chain to go on in.
    Chain,
    /// An address and a port.
    Endpoint(Family),
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// Of [`KeyType::Number`].
    Number(u32),
    /// Of [`KeyType::Address`].
    Address(IpAddr),
    /// Of [`KeyType::Endpoint`].
    Endpoint(SocketAddr),
}

/// Data of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Data {
    /// Of [`DataType::Chain`].
    Chain(String),
    /// Of [`DataType::Endpoint`].
    Endpoint(SocketAddr),
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Rules that are gone through in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where packets come from; none: from other chains.
    pub hook: Option<Hook>,
    /// What is done; a rule ends where an expression doesn't match.
    pub rules: Vec<Vec<Expression>>,
}

/// Where a chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// What it may do.
    pub kind: ChainKind,
    /// Which packets pass.
    pub point: HookPoint,
    /// Lower comes first; the kernel's own are in `NF_IP_PRI_*`.
    pub priority: i32,
}

/// Kinds of chains that hang somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// Sees every packet.
    Filter,
    /// Sees the first of each flow, and translates.
    Nat,
}

/// The kernel's `NF_INET_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPoint {
    /// As they come in.
    Prerouting,
    /// From this host's own programs.
    Output,
    /// As they go out.
    Postrouting,
}

/// One step of a rule. Numbers are nftables' registers: 1 to 4 of 16 bytes, 8 to 23 the same ones
/// in parts of 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Goes on only for packets of this family.
    Family(Family),
    /// Goes on only for TCP.
    Tcp,
    /// Goes on only if the flow's state is one of these bits (`NF_CT_STATE_BIT`).
    FlowState(u32),
    /// Goes on only if the flow's status has this bit (`IPS_*`).
    FlowStatus(u32),
    /// Goes on only if the flow was begun to this address and port.
    BegunTo(SocketAddr),
    /// Goes on only if the packet's destination is no address of this host.
    Elsewhere,
    /// Goes on only if the segment's flags under the mask `FIN | SYN | RST | ACK` aren't just SYN.
    BeginsNothing,
    /// Goes on only if the segment's flags under that mask are just SYN.
    Begins,
    /// Goes on only if the packet comes from this prefix; its family is known.
    From(IpNet),
    /// Goes on only if more packets than `each_second` come here, but for so many at once.
    OverRate {
        /// Packets that it leaves out.
        each_second: u32,
        /// The same at once.
        burst: u32,
    },
    /// Goes on only if more flows than this came here and aren't over; the packet's is one of them.
    OverCount(u32),
    /// Counts the packet under this name.
    Counter(String),
    /// Goes on in this chain, and doesn't come back.
    Goto(String),
    /// Puts an address and perhaps its port into a register and what follows it.
    Load {
        /// Whose.
        end: End,
        /// Of what family the packet is.
        family: Family,
        /// With the port.
        with_port: bool,
        /// Where to.
        register: u32,
    },
    /// Goes on only if register 1 is in the set; what a map says is put in register `into`, where 0
    /// is what is done next.
    Lookup {
        /// The set or map.
        set: String,
        /// For a map.
        into: Option<u32>,
    },
    /// Puts the next number below `modulus` into register 1.
    Count {
        /// Length of the cycle.
        modulus: u32,
    },
    /// Hashes `length` bytes from register 2 on into register 1, below `modulus`.
    Hash {
        /// Bytes.
        length: u32,
        /// How many there are.
        modulus: u32,
    },
    /// Translates the destination to what stands in register 1: an address and its port.
    TranslateDestination(Family),
    /// Translates the source to this address, and leaves the port if it can.
    TranslateSource(IpAddr),
    /// The packet is gone.
    Drop,
    /// The packet is gone, and its sender gets a reset.
    Reset,
    /// The packet is in no flow.
    Untracked,
}

/// One end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of an address.
    #[must_use]
    pub fn address_len(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// In names of sets.
    fn suffix(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

#[cfg(test)]
mod tests;
