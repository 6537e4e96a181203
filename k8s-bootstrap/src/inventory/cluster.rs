//! The cluster's own keys: everything but the hosts.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::lints::{self, Draft};
use crate::inventory::reader::{Key, Placed, Table};
use crate::inventory::version::Version;
use crate::inventory::{
    Cni, FirewallPolicy, Inventory, Kubernetes, Packages, Policy, ProxyMode, SelinuxPolicy,
    SwapPolicy, VirtualIp, addons, hosts,
};

/// The keys of the whole file.
pub(super) const TOP: &[Key] = &[
    ("apiVersion", "halb/v1"),
    ("kind", "Cluster"),
    ("name", "seed"),
    ("kubernetes", "(see 'halb k8s init-inventory')"),
    ("endpoint", "(see 'halb k8s init-inventory')"),
    ("network", "172.16.16.0/24"),
    ("vip", "(see 'halb k8s init-inventory')"),
    ("cni", "(see 'halb k8s init-inventory')"),
    ("packages", "(see 'halb k8s init-inventory')"),
    ("policy", "(see 'halb k8s init-inventory')"),
    ("addons", "(see 'halb k8s init-inventory')"),
    ("ssh", "(see 'halb k8s init-inventory')"),
    ("hosts", "(see 'halb k8s init-inventory')"),
];

const KUBERNETES: &[Key] = &[
    ("version", "1.37.2"),
    ("podSubnet", "10.244.0.0/16"),
    ("serviceSubnet", "10.96.0.0/12"),
    ("dnsDomain", "cluster.local"),
    ("proxyMode", "nftables"),
    ("imageRepository", "registry.k8s.io"),
    ("cgroupV1", "refuse"),
];

const ENDPOINT: &[Key] = &[("name", "api.seed.internal"), ("port", "6443")];
const VIP: &[Key] = &[("address", "172.16.16.100"), ("routerId", "51")];
const CNI: &[Key] =
    &[("type", "calico"), ("version", "3.32.1"), ("source", "https://mirror.example/calico")];
const PACKAGES: &[Key] = &[
    ("kubernetes", "https://mirror.example/kubernetes"),
    ("containerd", "https://mirror.example/docker"),
    ("containerdVersion", "2.2"),
    ("kubernetesKey", "DE15B14486CD377B9E876E1A234654DA9A296436"),
    ("containerdKey", "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"),
];
const POLICY: &[Key] = &[
    ("firewall", "open"),
    ("selinux", "permissive"),
    ("swap", "off"),
    ("replaceBalancers", "false"),
];

/// What holds where the file says nothing.
mod defaults {
    pub(super) const POD_SUBNET: &str = "10.244.0.0/16";
    pub(super) const SERVICE_SUBNET: &str = "10.96.0.0/12";
    pub(super) const DNS_DOMAIN: &str = "cluster.local";
    pub(super) const IMAGES: &str = "registry.k8s.io";
    pub(super) const PORT: u16 = 6443;
    pub(super) const CALICO: &str = "3.32.1";
    pub(super) const CALICO_SOURCE: &str = "https://raw.githubusercontent.com/projectcalico/calico";
    pub(super) const KUBERNETES_PACKAGES: &str = crate::inventory::KUBERNETES_PACKAGES;
    pub(super) const CONTAINERD_PACKAGES: &str = crate::inventory::CONTAINERD_PACKAGES;
    pub(super) const CONTAINERD: &str = "2";
}

fn range(text: &str) -> Ipv4Net {
    text.parse().expect("a constant of this file")
}

/// Reads everything. None where something is missing that nothing stands in for; that has been
/// reported.
pub(super) fn read(top: &Table<'_>) -> Option<Inventory> {
    read_header(top);
    top.require("name", "kubeconfig and the state on your side are called after it");
    top.require("network", "halb tells by it which address of a host is the cluster's");
    top.require("kubernetes", "there is no version that would be right for everybody");
    top.require("hosts", "there would be nothing to do");
    let name = top.dns_name("name");
    let network = top.range("network");
    let kubernetes = top.table("kubernetes", KUBERNETES);
    let kubernetes = kubernetes.as_ref().map(read_kubernetes);
    let vip = top.table("vip", VIP);
    let vip = vip.as_ref().and_then(read_vip);
    let (endpoint_name, port) = read_endpoint(top);
    let cni = read_cni(top);
    let packages = read_packages(top);
    let policy = read_policy(top);
    let addons = addons::read(top);
    let hosts = hosts::read(top);
    let draft =
        Draft { span: top.span.clone(), network, kubernetes, vip, endpoint_name, port, cni, hosts };
    let endpoint = lints::check(top.problems, &draft);
    addons::check(top.problems, &draft, &addons);
    let Draft { network, kubernetes, vip, cni, hosts, .. } = draft;
    Some(Inventory {
        name: name?.value,
        kubernetes: kubernetes?.kubernetes()?,
        endpoint: endpoint?,
        network: network?.value,
        vip: vip.map(|vip| VirtualIp { address: vip.0.value, router_id: vip.1 }),
        cni: cni.1,
        packages,
        policy,
        addons: addons.addons,
        hosts: hosts.into_iter().map(|host| host.host).collect(),
    })
}

fn read_header(top: &Table<'_>) {
    top.require("apiVersion", "halb couldn't tell an old file from a new one");
    top.require("kind", "halb couldn't tell an inventory from another file");
    top.choice("apiVersion", &[("halb/v1", ())]);
    top.choice("kind", &[("Cluster", ())]);
}

/// The table `kubernetes` with its places.
#[derive(Debug)]
pub(super) struct KubernetesDraft {
    pub(super) version: Option<Placed<Version>>,
    pub(super) pod_subnet: Placed<Ipv4Net>,
    pub(super) service_subnet: Placed<Ipv4Net>,
    dns_domain: String,
    proxy_mode: ProxyMode,
    image_repository: String,
    cgroup_v1: bool,
}

impl KubernetesDraft {
    fn kubernetes(self) -> Option<Kubernetes> {
        Some(Kubernetes {
            version: self.version?.value,
            pod_subnet: self.pod_subnet.value,
            service_subnet: self.service_subnet.value,
            dns_domain: self.dns_domain,
            proxy_mode: self.proxy_mode,
            image_repository: self.image_repository,
            cgroup_v1: self.cgroup_v1,
        })
    }
}

fn read_kubernetes(table: &Table<'_>) -> KubernetesDraft {
    table.require("version", "all nodes have to get the same one, today and tomorrow");
    let or = |placed: Option<Placed<Ipv4Net>>, key, default| {
        placed.unwrap_or_else(|| Placed { value: range(default), span: table.place(key) })
    };
    let image_repository = table.text("imageRepository").map(|text| text.value.to_owned());
    KubernetesDraft {
        version: table.version("version"),
        pod_subnet: or(table.range("podSubnet"), "podSubnet", defaults::POD_SUBNET),
        service_subnet: or(table.range("serviceSubnet"), "serviceSubnet", defaults::SERVICE_SUBNET),
        dns_domain: table
            .dns_name("dnsDomain")
            .map_or_else(|| defaults::DNS_DOMAIN.to_owned(), |name| name.value),
        proxy_mode: table
            .choice(
                "proxyMode",
                &[("nftables", ProxyMode::Nftables), ("iptables", ProxyMode::Iptables)],
            )
            .unwrap_or(ProxyMode::Nftables),
        image_repository: image_repository.unwrap_or_else(|| defaults::IMAGES.to_owned()),
        cgroup_v1: table.choice("cgroupV1", &[("refuse", false), ("allow", true)]) == Some(true),
    }
}

fn read_vip(table: &Table<'_>) -> Option<(Placed<Ipv4Addr>, u8)> {
    table.require("address", "it is what clients connect to");
    let router_id = table.number("routerId", 1..=255_u8);
    Some((table.address("address")?, router_id.map_or(51, |id| id.value)))
}

/// The endpoint's name and its port.
fn read_endpoint(top: &Table<'_>) -> (Option<Placed<String>>, Option<Placed<u16>>) {
    let Some(table) = top.table("endpoint", ENDPOINT) else { return (None, None) };
    (table.dns_name("name"), table.number("port", 1..=65535_u16))
}

/// Calico, and where its version stands.
fn read_cni(top: &Table<'_>) -> (std::ops::Range<usize>, Cni) {
    let standard = || Version::parse(defaults::CALICO).expect("a constant of this file");
    let source = || defaults::CALICO_SOURCE.to_owned();
    let Some(table) = top.table("cni", CNI) else {
        return (top.place("cni"), Cni { version: standard(), source: source() });
    };
    table.choice("type", &[("calico", ())]);
    let version = table.version("version").map_or_else(standard, |version| version.value);
    (table.place("version"), Cni { version, source: table.url("source").unwrap_or_else(source) })
}

fn read_packages(top: &Table<'_>) -> Packages {
    let table = top.table("packages", PACKAGES);
    let url = |key, default: &str| {
        let written = table.as_ref().and_then(|table| table.url(key));
        written.unwrap_or_else(|| default.to_owned())
    };
    let version = table.as_ref().and_then(|table| {
        let Placed { value, span } = table.text("containerdVersion")?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if value.split('.').all(digits) && value.split('.').count() <= 3 {
            return Some(value.to_owned());
        }
        let what = format!("'packages.containerdVersion' is no start of a version: '{value}'");
        table.problems.report(
            super::problem::Problem::error(span, what).remedy("write '2', '2.2' or '2.2.1'"),
        );
        None
    });
    let key = |key| table.as_ref().and_then(|table| table.fingerprint(key));
    Packages {
        kubernetes_key: key("kubernetesKey"),
        containerd_key: key("containerdKey"),
        kubernetes: url("kubernetes", defaults::KUBERNETES_PACKAGES),
        containerd: url("containerd", defaults::CONTAINERD_PACKAGES),
        containerd_version: version.unwrap_or_else(|| defaults::CONTAINERD.to_owned()),
    }
}

fn read_policy(top: &Table<'_>) -> Policy {
    let table = top.table("policy", POLICY);
    let table = table.as_ref();
    let firewall = [
        ("open", FirewallPolicy::Open),
        ("disable", FirewallPolicy::Disable),
        ("keep", FirewallPolicy::Keep),
    ];
    let selinux =
        [("permissive", SelinuxPolicy::Permissive), ("enforcing", SelinuxPolicy::Enforcing)];
    let swap = [("off", SwapPolicy::Off), ("keep", SwapPolicy::Keep)];
    Policy {
        firewall: table
            .and_then(|table| table.choice("firewall", &firewall))
            .unwrap_or(FirewallPolicy::Open),
        selinux: table
            .and_then(|table| table.choice("selinux", &selinux))
            .unwrap_or(SelinuxPolicy::Permissive),
        swap: table.and_then(|table| table.choice("swap", &swap)).unwrap_or(SwapPolicy::Off),
        replace_balancers: table
            .and_then(|table| table.boolean("replaceBalancers"))
            .unwrap_or(false),
    }
}

/// The port where the file names none: the API server's own, or another where both share a host.
pub(super) fn default_port(shared: bool) -> u16 {
    if shared { SHARED_PORT } else { defaults::PORT }
}

/// The endpoint's port where a master is a balancer too: its API server has 6443.
const SHARED_PORT: u16 = 8443;
