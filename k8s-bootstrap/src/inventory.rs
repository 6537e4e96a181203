//! The file that describes a cluster: YAML in, checked values or all of its problems out.
//!
//! ```text
//!  text ──yaml──▶ nodes with places ──reader──▶ cluster, hosts ──lints──▶ Inventory
//!                        │                          │            │
//!                        └────────▶ Problems ◀──────┴────────────┘
//! ```
//!
//! One pass finds every problem, each with its place, what comes of it and what to write instead.
//! Nothing here asks a host or a name server.

pub mod addons;
pub mod example;
pub mod problem;
pub mod version;

mod cluster;
mod hosts;
pub mod lines;
mod lints;
mod reader;
mod yaml;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::addons::Addons;
use crate::inventory::problem::{Problem, Severity};
use crate::inventory::reader::{Problems, Table};
use crate::inventory::version::Version;

/// A cluster as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Its name, which kubeconfig's context and the state on the operator's side carry.
    pub name: String,
    /// What kubeadm is told.
    pub kubernetes: Kubernetes,
    /// Where clients reach the API servers.
    pub endpoint: Endpoint,
    /// The network that all hosts share.
    pub network: Ipv4Net,
    /// The address that moves between balancers; none with one balancer.
    pub vip: Option<VirtualIp>,
    /// The network of pods.
    pub cni: Cni,
    /// Where packages come from.
    pub packages: Packages,
    /// What hosts' own settings become.
    pub policy: Policy,
    /// What is installed once the cluster runs.
    pub addons: Addons,
    /// All machines, in the order of the file. The first master is where the cluster begins.
    pub hosts: Vec<Host>,
}

impl Inventory {
    /// Hosts with a role, in the order of the file.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.has(role))
    }

    /// The same without a host.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.hosts.retain(|host| host.name != name);
        rest
    }

    /// What clients connect to: the endpoint's name, or its address where it has none.
    #[must_use]
    pub fn endpoint_host(&self) -> String {
        self.endpoint.name.clone().unwrap_or_else(|| self.endpoint.address.to_string())
    }
}

/// What kubeadm is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// The version of all parts.
    pub version: Version,
    /// Addresses of pods.
    pub pod_subnet: Ipv4Net,
    /// Addresses of services.
    pub service_subnet: Ipv4Net,
    /// The domain of services' names.
    pub dns_domain: String,
    /// How kube-proxy steers traffic to services.
    pub proxy_mode: ProxyMode,
    /// Where images come from.
    pub image_repository: String,
    /// Whether hosts with cgroup v1 are taken.
    pub cgroup_v1: bool,
}

/// How kube-proxy steers traffic to services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// By nftables, the default where nothing is said.
    Nftables,
    /// By iptables.
    Iptables,
}

impl ProxyMode {
    /// kube-proxy's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// Where clients reach the API servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, which halb writes into the hosts files of all nodes.
    pub name: Option<String>,
    /// The virtual IP, or the address of the one balancer.
    pub address: Ipv4Addr,
    /// The port on the balancers.
    pub port: u16,
}

/// The address that moves between balancers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualIp {
    /// The address.
    pub address: Ipv4Addr,
    /// VRRP's number of the group, 1 to 255.
    pub router_id: u8,
}

/// The network of pods: Calico, by its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cni {
    /// Calico's version.
    pub version: Version,
    /// Where its manifests are, without the version and without a slash at the end.
    pub source: String,
}

/// Where Kubernetes' own packages are.
pub(crate) const KUBERNETES_PACKAGES: &str = "https://pkgs.k8s.io/core:/stable:";

/// Where containerd's are, from its maker for the distributions.
pub(crate) const CONTAINERD_PACKAGES: &str = "https://download.docker.com/linux";

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// Fingerprint of the key that Kubernetes' packages are signed with, in upper case, where the
    /// file names one.
    pub kubernetes_key: Option<String>,
    /// The same of containerd's.
    pub containerd_key: Option<String>,
    /// The repositories of Kubernetes, without the minor version and without a slash at the end.
    pub kubernetes: String,
    /// The repositories of containerd, without the distribution and without a slash at the end.
    pub containerd: String,
    /// Which containerd: the start of a version (`2.2`), all of which are taken.
    pub containerd_version: String,
}

/// What hosts' own settings become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The host's firewall.
    pub firewall: FirewallPolicy,
    /// Mandatory access control of EL hosts.
    pub selinux: SelinuxPolicy,
    /// Swapped memory.
    pub swap: SwapPolicy,
    /// HAProxy and keepalived on the balancers are stopped and disabled.
    pub replace_balancers: bool,
}

/// The host's firewall (firewalld, ufw).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirewallPolicy {
    /// Open the ports that the host's roles need.
    Open,
    /// Stop and disable it.
    Disable,
    /// Leave it alone: whoever runs it sees to the ports.
    Keep,
}

/// Mandatory access control of EL hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelinuxPolicy {
    /// Report, refuse nothing.
    Permissive,
    /// Stay enforcing, with container-selinux.
    Enforcing,
}

/// Swapped memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapPolicy {
    /// Off, now and at the next boot.
    Off,
    /// Leave it on; kubelet is told to bear it.
    Keep,
}

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs halb.
    Balancer,
    /// Runs an API server and etcd.
    Master,
    /// Runs workloads.
    Worker,
}

impl Role {
    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Master => "master",
            Self::Worker => "worker",
        }
    }
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, which its node carries.
    pub name: String,
    /// What it is for; at least one, no worker is something else as well.
    pub roles: Vec<Role>,
    /// Its address in the cluster's network.
    pub address: Ipv4Addr,
    /// How to get in.
    pub ssh: Ssh,
}

impl Host {
    /// Whether it has a role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it is a node of the cluster.
    #[must_use]
    pub fn is_node(&self) -> bool {
        self.has(Role::Master) || self.has(Role::Worker)
    }
}

/// How to get into a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Name or address that ssh connects to; the host's own address where nothing is said.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Who to be.
    pub user: String,
    /// File of a private key. `~/` at its start is the operator's home.
    pub key: Option<String>,
    /// Whether the operator's agent is asked.
    pub agent: bool,
    /// A host to go through.
    pub bastion: Option<Bastion>,
    /// How to become root.
    pub sudo: Sudo,
}

/// A host that others are reached through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bastion {
    /// Name or address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Who to be there.
    pub user: String,
    /// File of a private key; the target's own where nothing is said.
    pub key: Option<String>,
}

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Not at all: the user is root.
    No,
    /// By sudo, which asks for nothing.
    Passwordless,
    /// By sudo, with a password that the operator is asked for once.
    Password,
}

/// A file that is good.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub inventory: Inventory,
    /// What is allowed, and probably not wanted.
    pub lints: Vec<Problem>,
}

/// Reads a whole inventory.
///
/// # Errors
/// Everything that is wrong with it, lints included, in the order of the file.
pub fn parse(text: &str) -> Result<Loaded, Vec<Problem>> {
    let problems = Problems::default();
    let inventory = yaml::parse(text, &problems).and_then(|document| {
        let top = Table::open(&problems, &document, "", cluster::TOP)?;
        cluster::read(&top)
    });
    let found = problems.into_sorted();
    match inventory {
        Some(inventory) if found.iter().all(|problem| problem.severity == Severity::Lint) => {
            Ok(Loaded { inventory, lints: found })
        }
        _ => Err(found),
    }
}

#[cfg(test)]
mod tests;
