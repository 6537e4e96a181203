//! Flows: what the kernel knows of connections, told to the peer, and kept there.
//!
//! ```text
//!  holder of the address                            standby
//!  events, full lists ──▶ Publisher ──messages──▶ Shadow ──▶ entries of its kernel
//!                              ◀────── Want ──────────
//! ```
//!
//! Nothing is repeated for its own sake, and no order is promised below: messages are numbered, a
//! gap is noticed, and rounds over all flows mend what was lost.

pub mod publisher;
pub mod shadow;
pub mod wire;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use crate::table::Table;

/// The four ends of a translated connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Who connected.
    pub client: SocketAddr,
    /// The address and port that it used.
    pub vip: SocketAddr,
    /// Who serves it.
    pub server: SocketAddr,
    /// What the server sees: the same address, and the client's port unless that was taken.
    pub source: SocketAddr,
}

/// What names a flow: client, and where it connected to.
pub type Key = (SocketAddr, SocketAddr);

/// A flow and what it was last known to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its ends.
    pub flow: Flow,
    /// How far it is.
    pub phase: Phase,
    /// Seconds that the kernel keeps it when nothing comes.
    pub timeout: u32,
}

/// The states of a TCP connection that are copied. One that still opens is tried again by its
/// client; one that has ended concerns nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Both speak.
    Established,
    /// One end has said its last.
    FinWait,
    /// And the other end has seen that.
    CloseWait,
    /// Both have.
    LastAck,
}

/// Something that happened to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is as told.
    Open(Entry),
    /// It is over.
    Over(Key),
}

/// Flows that are known at a time, here or copied. The kernel's own table is smaller on most hosts
/// (`nf_conntrack_max`, 65,536 by default with 2 GiB); each takes some 100 bytes.
pub const FLOWS_MAX: usize = 65_536;

/// What the own table and addresses say about flows of others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Forwarded addresses, each with its servers.
    pairs: HashSet<(SocketAddr, SocketAddr)>,
    /// Addresses that this node holds.
    held: HashSet<IpAddr>,
}

impl Scope {
    /// For a table on a node that holds these addresses.
    #[must_use]
    pub fn new(table: &Table, held: impl IntoIterator<Item = IpAddr>) -> Self {
        let pairs = table.frontends().iter().flat_map(|frontend| {
            let servers = frontend.servers.iter().map(|server| server.address);
            servers.flat_map(|server| frontend.binds.iter().map(move |bind| (*bind, server)))
        });
        Self { pairs: pairs.collect(), held: held.into_iter().collect() }
    }

    /// Forwarded addresses, each with each of its servers.
    pub(crate) fn pairs(&self) -> &HashSet<(SocketAddr, SocketAddr)> {
        &self.pairs
    }

    /// This node holds no address.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// A flow of the table, whoever holds its address.
    #[must_use]
    pub fn knows(&self, flow: &Flow) -> bool {
        self.pairs.contains(&(flow.vip, flow.server)) && flow.source.ip() == flow.vip.ip()
    }

    /// This node holds the address that clients use.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.held.contains(&address)
    }

    /// The addresses that it holds, sorted.
    #[must_use]
    pub fn held(&self) -> Vec<IpAddr> {
        let mut held: Vec<_> = self.held.iter().copied().collect();
        held.sort_unstable();
        held
    }
}

impl Flow {
    /// What names it.
    #[must_use]
    pub fn key(&self) -> Key {
        (self.client, self.vip)
    }
}

#[cfg(test)]
mod tests;
