//! The two kinds of balancing: any server will do, or each client has one of its own.

use std::net::SocketAddr;

use crate::balance::rendezvous;
use crate::config::Balance;

/// How a pool chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Any server with room will do.
    Any(Spread),
    /// The client belongs to a server, and waits for it when it is full.
    Own(Affinity),
}

/// How connections are spread where any server will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    RoundRobin,
    LeastConn,
    Random,
}

/// What of a client decides to which server it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Address,
    AddressAndPort,
}

impl Method {
    pub(super) fn of(balance: Balance) -> Self {
        match balance {
            Balance::RoundRobin => Self::Any(Spread::RoundRobin),
            Balance::LeastConn => Self::Any(Spread::LeastConn),
            Balance::Random => Self::Any(Spread::Random),
            Balance::Source => Self::Own(Affinity::Address),
            Balance::Flow => Self::Own(Affinity::AddressAndPort),
        }
    }
}

impl Affinity {
    /// Where the client stands in the hash.
    pub(super) fn point(self, client: SocketAddr) -> u64 {
        match self {
            Self::Address => rendezvous::point_of_address(client.ip()),
            Self::AddressAndPort => rendezvous::point_of_flow(client),
        }
    }
}
