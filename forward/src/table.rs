//! What is forwarded: addresses that clients use, and the servers behind them. Values are checked
//! when they are made; nothing here knows nftables.

mod slots;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

pub(crate) use slots::slots;

/// All that the kernel forwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    frontends: Vec<Frontend>,
}

/// One service: addresses, and the servers that share its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontend {
    /// Letters, digits, `_`, `-` and `.`, at most [`NAME_LEN_MAX`]; chains are named after it.
    pub name: String,
    /// Where clients connect. Each names an address: a virtual IP, or one that is routed here.
    pub binds: Vec<SocketAddr>,
    /// How servers share connections.
    pub balance: Balance,
    /// In the order of the configuration, which is the order of round robin.
    pub servers: Vec<Server>,
    /// Over which time flows of a server that went down are ended.
    pub spread: Duration,
    /// What becomes of a segment in the middle of a connection that this kernel doesn't know. It
    /// concerns [`Balance::RoundRobin`]: with the others a hash finds the server again.
    pub strays: Strays,
    /// Who may connect, and how many.
    pub limits: Limits,
}

/// Who may connect, and how many; without any of it, everyone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Not empty: only clients from these prefixes are served.
    pub allow: Vec<IpNet>,
    /// Clients from these prefixes are refused, also where `allow` names them.
    pub deny: Vec<IpNet>,
    /// Most connections at a time, of those that began here. Beyond it what would begin one is
    /// dropped, so that the client asks again a second later.
    pub maxconn: Option<NonZeroU32>,
    /// Most connections that begin in a second; beyond it as beyond `maxconn`.
    pub accept_rate: Option<NonZeroU32>,
}

/// Who takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Where it listens. It serves the binds of its own address family.
    pub address: SocketAddr,
    /// Share of new connections, from 0 (none) to [`WEIGHT_MAX`].
    pub weight: u16,
    /// What health and operator say.
    pub standing: Standing,
}

/// Whether a server takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It takes new ones.
    Serving,
    /// It keeps those that it has.
    Draining,
    /// It has none: those that it had are ended.
    Down,
}

/// How a server is chosen for a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, strictly, in shares as the weights say.
    RoundRobin,
    /// By a hash of the client's address and port.
    Flow,
    /// By a hash of the client's address.
    Source,
}

/// What a segment meets that belongs to no known connection and begins none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strays {
    /// Silence: right after a take-over the connection's state may be on its way.
    Drop,
    /// A reset, so that the client connects again.
    Reset,
}

/// Why a table can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Nothing to name chains after.
    #[error(
        "frontend '{0}': kernel forwarding takes names of 1 to {NAME_LEN_MAX} letters, digits, \
         '_', '-' and '.'"
    )]
    Name(String),
    /// Two frontends of one name.
    #[error("the name '{0}' is given twice")]
    DuplicateName(String),
    /// Two frontends at one address.
    #[error("'{0}' is forwarded twice")]
    DuplicateBind(SocketAddr),
    /// An address that isn't one.
    #[error(
        "frontend '{name}': kernel forwarding needs an address and a port, and '{bind}' has not \
         both: write the virtual address, such as \"172.16.16.100:6443\""
    )]
    Unspecified {
        /// The frontend.
        name: String,
        /// What it binds.
        bind: SocketAddr,
    },
    /// Packets would go in a circle.
    #[error("frontend '{name}': server '{server}' is an address that is forwarded itself")]
    Circle {
        /// The frontend.
        name: String,
        /// The server.
        server: SocketAddr,
    },
    /// A weight out of range.
    #[error(
        "frontend '{name}': the weight of '{server}' is {weight}, and the most is {WEIGHT_MAX}"
    )]
    Weight {
        /// The frontend.
        name: String,
        /// The server.
        server: SocketAddr,
        /// Its weight.
        weight: u16,
    },
    /// More than the bounds.
    #[error(
        "kernel forwarding carries at most {FRONTENDS_MAX} frontends with {BINDS_MAX} addresses, \
         {SERVERS_MAX} servers and {PREFIXES_MAX} prefixes of clients each"
    )]
    TooMany,
}

/// Frontends of a table: far beyond what one pair of balancers serves; it bounds a transaction.
pub const FRONTENDS_MAX: usize = 32;

/// Addresses of a frontend, for the same reason.
pub const BINDS_MAX: usize = 32;

/// Servers of a frontend, so that a slot map has room for each.
pub const SERVERS_MAX: usize = 128;

/// Prefixes of clients of a frontend, allowed and denied: each is a rule that the first segment of a
/// connection may have to pass.
pub const PREFIXES_MAX: usize = 256;

/// Largest weight, as HAProxy's.
pub const WEIGHT_MAX: u16 = 256;

/// Longest name; with what stands before and behind it, it stays below nftables' 128 bytes.
pub const NAME_LEN_MAX: usize = 64;

impl Table {
    /// Puts frontends together.
    ///
    /// # Errors
    /// The first thing that doesn't fit.
    pub fn new(frontends: Vec<Frontend>) -> Result<Self, TableError> {
        if frontends.len() > FRONTENDS_MAX {
            return Err(TableError::TooMany);
        }
        let (mut names, mut binds) = (HashSet::new(), HashSet::new());
        for frontend in &frontends {
            frontend.check()?;
            if !names.insert(frontend.name.as_str()) {
                return Err(TableError::DuplicateName(frontend.name.clone()));
            }
            if let Some(twice) = frontend.binds.iter().find(|bind| !binds.insert(**bind)) {
                return Err(TableError::DuplicateBind(*twice));
            }
        }
        for frontend in &frontends {
            let circle = frontend.servers.iter().find(|server| binds.contains(&server.address));
            if let Some(server) = circle {
                let (name, server) = (frontend.name.clone(), server.address);
                return Err(TableError::Circle { name, server });
            }
        }
        Ok(Self { frontends })
    }

    /// What is forwarded, in the order given.
    #[must_use]
    pub fn frontends(&self) -> &[Frontend] {
        &self.frontends
    }

    /// The same with other treatment of strays, frontend by frontend.
    #[must_use]
    pub fn with_strays(mut self, strays: impl Fn(&Frontend) -> Strays) -> Self {
        for frontend in &mut self.frontends {
            frontend.strays = strays(frontend);
        }
        self
    }

    /// The frontend at this address.
    #[must_use]
    pub fn at(&self, bind: SocketAddr) -> Option<&Frontend> {
        self.frontends.iter().find(|frontend| frontend.binds.contains(&bind))
    }

    /// Addresses that clients use, each once, sorted.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let binds = self.frontends.iter().flat_map(|frontend| &frontend.binds);
        let mut addresses: Vec<_> = binds.map(SocketAddr::ip).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Servers whose flows end by the step from `self` to `next`, each with the address that
    /// clients used: those that are down there and weren't here. One that is gone keeps what it has:
    /// it was removed, or its name has another address, which says nothing about its health.
    #[must_use]
    pub fn ended_by(&self, next: &Self) -> Vec<(SocketAddr, SocketAddr)> {
        let mut ended = Vec::new();
        for frontend in &self.frontends {
            for &bind in &frontend.binds {
                let Some(after) = next.at(bind) else { continue };
                let were = frontend.servers.iter().filter(|s| s.standing != Standing::Down);
                let fell = were.map(|server| server.address).filter(|address| {
                    let mut now =
                        after.servers.iter().filter(|server| server.address == *address).peekable();
                    now.peek().is_some() && now.all(|server| server.standing == Standing::Down)
                });
                ended.extend(fell.map(|server| (bind, server)));
            }
        }
        ended.sort_unstable();
        ended.dedup();
        ended
    }
}

impl Frontend {
    fn check(&self) -> Result<(), TableError> {
        let name = || self.name.clone();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.chars().all(is_plain) {
            return Err(TableError::Name(name()));
        }
        let prefixes = self.limits.allow.len() + self.limits.deny.len();
        let is_long = self.binds.len() > BINDS_MAX || self.servers.len() > SERVERS_MAX;
        if is_long || prefixes > PREFIXES_MAX {
            return Err(TableError::TooMany);
        }
        for &bind in &self.binds {
            if bind.ip().is_unspecified() || bind.port() == 0 {
                return Err(TableError::Unspecified { name: name(), bind });
            }
        }
        match self.servers.iter().find(|server| server.weight > WEIGHT_MAX) {
            Some(&Server { address: server, weight, .. }) => {
                Err(TableError::Weight { name: name(), server, weight })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
