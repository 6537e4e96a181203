//! What a host says of itself, at one moment.
//!
//! One script ([`script()`]) asks for everything in one go and prints a line for each thing that it
//! finds; [`parse()`] reads these lines. The script changes nothing, needs a POSIX shell and
//! coreutils, and goes to `sh -s` as root.

mod parse;
pub(crate) mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::version::Version;

pub(crate) use parse::unhex;
pub use parse::{Clock, ParseError, parse};
pub use script::script;

/// A host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its own name for itself.
    pub hostname: String,
    /// The distribution.
    pub os: Os,
    /// `uname -m`: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Version of the kernel, such as `6.12.9-amd64`.
    pub kernel: String,
    /// Whether control groups are version 2 alone.
    pub cgroup_v2: bool,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processors.
    pub processors: u32,
    /// Milliseconds by which its clock is ahead of the operator's.
    pub clock_ahead_ms: i64,
    /// Free bytes by path (`/var`, `/var/lib/etcd`).
    pub free_bytes: BTreeMap<String, u64>,
    /// What memory is swapped to now.
    pub swaps: Vec<String>,
    /// Units of systemd for swap that aren't masked.
    pub swap_units: Vec<String>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Interface of the default route.
    pub default_interface: Option<String>,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// Mandatory access control.
    pub selinux: Selinux,
    /// What installs packages.
    pub package_manager: Option<PackageManager>,
    /// Packages that the plan cares for and that are installed.
    pub packages: BTreeMap<String, Package>,
    /// Files that the plan cares for and that exist.
    pub files: BTreeMap<String, FileFact>,
    /// Services that the plan cares for and that exist.
    pub services: BTreeMap<String, Service>,
    /// Kernel settings that the plan cares for and that exist.
    pub sysctls: BTreeMap<String, String>,
    /// Kernel modules that the plan cares for and that are there, loaded or built in.
    pub modules: BTreeSet<String>,
    /// TCP ports that are listened on, among those that the plan cares for, with who does.
    pub ports: BTreeMap<u16, String>,
    /// The firewall that runs.
    pub firewall: Option<Firewall>,
    /// What firewalld lets in for good: ports (`6443/tcp`), protocols (`vrrp`), trusted sources.
    pub open: BTreeSet<String>,
    /// What containerd says of itself, if it runs.
    pub runtime: Option<Runtime>,
    /// Version of the API server that its manifest asks for, on a master.
    pub api_server: Option<Version>,
    /// Masters that halb has taken out of this balancer's service.
    pub drained: BTreeSet<String>,
    /// The cluster that this host is a master of.
    pub cluster: ClusterState,
}

/// A cluster, asked with the credentials of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// The host has no such credentials.
    None,
    /// It has, and nobody answers.
    Silent,
    /// What the cluster says.
    Answers(Cluster),
}

impl ClusterState {
    /// Whether the cluster answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        matches!(self, Self::Answers(_))
    }
}

/// The distribution, as `/etc/os-release` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID`: `debian`, `ubuntu`, `almalinux`.
    pub id: String,
    /// `ID_LIKE`, in its order.
    pub like: Vec<String>,
    /// `VERSION_ID`: `12`, `24.04`, `9.4`.
    pub version: String,
    /// `VERSION_CODENAME`: `bookworm`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`.
    pub title: String,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its IPv4 addresses.
    pub addresses: Vec<Ipv4Net>,
}

/// Mandatory access control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// Not there, or switched off at boot.
    Off,
    /// Reports, refuses nothing.
    Permissive,
    /// Refuses.
    Enforcing,
}

/// A firewall that halb knows how to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firewall {
    /// Of EL and Fedora.
    Firewalld,
    /// Of Ubuntu.
    Ufw,
}

/// What installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian and Ubuntu.
    Apt,
    /// EL 9 and 10, older Fedora.
    Dnf4,
    /// The newer one, with other options: Fedora's, and what follows EL 10.
    Dnf5,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its version, without an epoch: `1.37.2-1.1`.
    pub version: String,
    /// Whether updates leave it alone.
    pub held: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFact {
    /// Permissions.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// SHA-256 in hexadecimal digits; none for a folder.
    pub sha256: Option<String>,
    /// Its text, of small files that hold no secret.
    pub text: Option<String>,
}

/// A service of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `systemctl is-active`: `active`, `inactive`, `activating`, `failed`.
    pub active: String,
    /// `systemctl is-enabled`: `enabled`, `disabled`, `masked`.
    pub enabled: String,
}

impl Service {
    /// Whether it runs.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Whether it starts at boot.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled == "enabled"
    }
}

/// containerd, as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Its version, such as `2.2.1`.
    pub version: String,
    /// Whether its running configuration has systemd manage control groups.
    pub systemd_cgroup: bool,
}

/// A cluster as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// Version that its masters were last brought to, as kubeadm notes it when that is done.
    pub version: Option<Version>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Members of etcd.
    pub etcd: Vec<EtcdMember>,
    /// Version of Calico that runs, and its range of pods' addresses; none if it isn't installed.
    pub calico: Option<Calico>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Whether it is ready.
    pub ready: bool,
    /// Version of its kubelet.
    pub version: Option<Version>,
    /// Its internal address.
    pub address: Option<Ipv4Addr>,
    /// Whether it carries the label of masters.
    pub master: bool,
    /// Whether no new pods go there.
    pub cordoned: bool,
    /// Whether it was halb that said so.
    pub by_halb: bool,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its number, in hexadecimal digits.
    pub id: String,
    /// Its name; empty for one that was added and never started.
    pub name: String,
    /// The address that other members know it by, such as `https://172.16.16.101:2380`.
    pub peer: String,
    /// Whether it has no vote yet.
    pub learner: bool,
}

/// Calico as its operator says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calico {
    /// Version that runs.
    pub version: Option<Version>,
    /// Range of its first pool.
    pub cidr: Option<Ipv4Net>,
    /// Whether the operator says that all is available.
    pub available: bool,
}
