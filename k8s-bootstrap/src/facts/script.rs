//! The script that a host runs to say what it is.

use crate::inventory::Host;
use crate::{paths, shell};

/// What the script does, after the lists of what it looks for.
const BODY: &str = include_str!("script.sh");

/// Paths whose file systems need room.
const DISKS: &[&str] = &["/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet"];

/// Files whose text the plan compares. None holds a secret.
const TEXTS: &[&str] = &[
    paths::APPLIED_CONTAINERD,
    paths::APPLIED_HALB,
    paths::APT_CONTAINERD,
    paths::APT_KUBERNETES,
    paths::BEGUN,
    paths::CALICO_INSTALLATION,
    paths::CONTAINERD_CONFIG,
    paths::CRICTL_CONFIG,
    paths::DONE,
    paths::FSTAB,
    paths::HALB_CA,
    paths::HALB_CONFIG,
    paths::HALB_SYSUSERS,
    paths::HALB_UNIT,
    paths::HOSTS,
    paths::MODULES,
    paths::NETWORK_MANAGER,
    paths::SELINUX_CONFIG,
    paths::SYSCTL,
    paths::YUM_CONTAINERD,
    paths::YUM_KUBERNETES,
];

/// Files and folders of which it is enough to know that they are there and what their hash is.
const HASHES: &[&str] = &[
    paths::ADMIN_CONF,
    paths::APT_CONTAINERD_KEY,
    paths::APT_KUBERNETES_KEY,
    paths::ETCD_MEMBER,
    paths::HALB_BINARY,
    paths::KUBEADM_CONFIG,
    paths::KUBELET_CONF,
    paths::REMOVED,
    paths::REMEMBERED,
    paths::YUM_CONTAINERD_KEY,
    paths::YUM_KUBERNETES_KEY,
];

/// Packages that the plan installs, or that stand in its way.
pub(crate) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "container-selinux",
    "containerd",
    "containerd.io",
    "cri-o",
    "cri-tools",
    "curl",
    "gpg",
    "haproxy",
    "keepalived",
    "kubeadm",
    "kubectl",
    "kubelet",
    "kubernetes-cni",
];

/// What manages interfaces on EL.
pub(crate) const NETWORK_MANAGER: &str = "NetworkManager.service";

const UNITS: &[&str] = &[
    NETWORK_MANAGER,
    "containerd.service",
    "firewalld.service",
    "halb.service",
    "haproxy.service",
    "keepalived.service",
    "kubelet.service",
    "swap.target",
];

/// Kernel settings that nodes need, and their values.
pub(crate) const SYSCTLS: &[(&str, &str)] = &[
    ("net.bridge.bridge-nf-call-ip6tables", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
    ("net.ipv4.ip_forward", "1"),
];

/// Kernel modules that nodes need.
pub(crate) const MODULES: &[&str] = &["br_netfilter", "overlay"];

/// TCP ports of halb and of Kubernetes' parts.
const PORTS: &[u16] = &[2379, 2380, 6443, 8443, 8404, 10250, 10257, 10259];

/// The whole script for one host, to be read by `sh -s` as root. It changes nothing.
#[must_use]
pub fn script(host: &Host) -> String {
    let words = |words: &[&str]| shell::quote(&words.join(" ")).into_owned();
    let pki = crate::pki::NODE_FILES.map(|file| format!("{}/{file}", paths::PKI));
    let hashes: Vec<&str> = HASHES
        .iter()
        .copied()
        .chain(paths::STATIC_PODS)
        .chain(pki.iter().map(String::as_str))
        .collect();
    let detached: Vec<_> =
        paths::DETACHED.iter().map(|(unit, _)| format!("{unit}.service")).collect();
    let units: Vec<_> = UNITS.iter().copied().chain(detached.iter().map(String::as_str)).collect();
    let sysctls: Vec<_> = SYSCTLS.iter().map(|(key, _)| *key).collect();
    let ports: Vec<_> = PORTS.iter().map(u16::to_string).collect();
    let lists = [
        ("disks", words(DISKS)),
        ("texts", words(TEXTS)),
        ("hashes", words(&hashes)),
        ("packages", words(PACKAGES)),
        ("units", words(&units)),
        ("sysctls", words(&sysctls)),
        ("modules", words(MODULES)),
        ("ports", words(&ports.iter().map(String::as_str).collect::<Vec<_>>())),
        ("node", shell::quote(&host.name).into_owned()),
        ("server", paths::API_SERVER.to_owned()),
        ("drained", paths::DRAINED.to_owned()),
    ];
    shell::saying(&lists, BODY)
}
