//! What is wanted of a host, and what it is like.

use std::net::{IpAddr, SocketAddr};

use crate::firewall::Ruleset;
use crate::wire::Advert;

/// What the configuration asks of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Virtual routers.
    pub routers: Vec<Router>,
    /// Where clients connect.
    pub binds: Vec<SocketAddr>,
    /// What the kernel is to forward.
    pub forwarded: Vec<Forwarded>,
    /// Where the other balancer's datagrams come in.
    pub link: Option<SocketAddr>,
    /// Most connections at a time; none: as many as fit.
    pub connections: Option<u64>,
}

/// Connections that the kernel forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The frontend.
    pub frontend: String,
    /// Where they go; those without an address of their own are left out.
    pub servers: Vec<SocketAddr>,
    /// Most at a time; none: as many as fit.
    pub connections: Option<u64>,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// NAME of `[vrrp.NAME]`.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Its number on the segment, 1 to 255.
    pub id: u8,
    /// 2 or 3.
    pub version: u8,
    /// Whether its adverts carry a password (version 2).
    pub password: bool,
    /// Its addresses, without prefix.
    pub addresses: Vec<IpAddr>,
    /// Whether adverts go to the group rather than to peers by address.
    pub multicast: bool,
}

/// A host, as far as halb is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Whose rights and limits `capabilities` and `descriptors` are.
    pub subject: Subject,
    /// Effective capabilities, a bit each.
    pub capabilities: u64,
    /// Most descriptors that the process may have (hard limit).
    pub descriptors: u64,
    /// Links.
    pub interfaces: Vec<Interface>,
    /// Interface of the default route of IPv4.
    pub default_route: Option<String>,
    /// Ports below need a capability.
    pub unprivileged_port: u16,
    /// Ports that the kernel gives to outgoing connections, first and last.
    pub ephemeral: (u16, u16),
    /// Of those, what is kept back, first and last.
    pub reserved: Vec<(u16, u16)>,
    /// Rules for packets; why they are unknown otherwise.
    pub firewall: Result<Ruleset, String>,
    /// What the kernel knows of connections that pass.
    pub tracking: Tracking,
    /// Sockets that listen.
    pub listening: Vec<Listening>,
    /// Whether the clock is kept by others.
    pub clock: Clock,
    /// Adverts that came in while it was listened; why nobody listened otherwise.
    pub heard: Result<Vec<Heard>, String>,
}

/// The kernel's table of connections, and who is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tracking {
    /// Most entries; none: nothing is tracked so far.
    pub most: Option<u64>,
    /// Entries now.
    pub entries: u64,
    /// Packets that a bridge of this host carries between others pass its rules, too.
    pub bridged: bool,
}

/// Whose rights are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The running daemon's.
    Daemon,
    /// Those of whoever asks: no daemon runs.
    Asker,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Somebody has brought it up.
    pub up: bool,
    /// A cable or its like is there.
    pub carrier: bool,
    /// It can send to groups.
    pub multicast: bool,
    /// Its addresses, with the length of the prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The bridge that it is or that it is a port of.
    pub bridge: Option<Bridge>,
    /// Who sets its addresses.
    pub manager: Manager,
    /// `arp_ignore` in force: the larger one of `all` and its own.
    pub arp_ignore: u8,
    /// `rp_filter` in force: the larger one of `all` and its own.
    pub rp_filter: u8,
    /// IPv6 is switched off on it.
    pub ipv6_disabled: bool,
}

/// A bridge of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// It forwards groups only to ports that asked for them.
    pub snooping: bool,
    /// It asks the ports itself.
    pub querier: bool,
}

/// A program that sets addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// None that is known.
    Nobody,
    /// NetworkManager.
    NetworkManager,
    /// systemd-networkd.
    Networkd {
        /// Addresses of others survive (`KeepConfiguration=`).
        keeps: bool,
        /// The file that configures the link.
        file: Option<String>,
    },
}

/// A socket that listens on TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// The program that has it, if that can be seen.
    pub program: Option<String>,
}

/// Whether the clock is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// It is kept in step with others.
    Synchronised,
    /// It runs free.
    Free,
    /// Nobody says.
    Unknown,
}

/// An advert, and where it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The interface.
    pub interface: String,
    /// What it says.
    pub advert: Advert,
}
