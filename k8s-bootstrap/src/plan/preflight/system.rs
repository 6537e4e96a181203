//! Whether a host can be what it shall be: system, size, control groups.

use super::{Facts, Fault, Host, Inventory, KUBERNETES_WITHOUT_CGROUP_V1, Role};
use crate::facts::Os;

/// Least memory by role, in MiB. kubeadm refuses masters with less; a machine that is said to have
/// 2 GB shows a little less than that.
const MASTER_MEMORY: u64 = 1700;
const WORKER_MEMORY: u64 = 700;
const BALANCER_MEMORY: u64 = 200;

/// Least processors of a master: kubeadm refuses one.
const MASTER_PROCESSORS: u32 = 2;

/// Least room for images and etcd, in MiB.
const NODE_DISK: u64 = 5 * 1024;

/// First kernel that Calico and kubelet are tested with.
const KERNEL: (u32, u32) = (5, 10);

const MEBIBYTE: u64 = 1 << 20;

/// Everything about one host by itself.
pub(super) fn check(inventory: &Inventory, host: &Host, facts: &Facts, faults: &mut Vec<Fault>) {
    let mut fault = |what: String, remedy: &str| faults.push(Fault::of(host, what, remedy));
    if let Err((what, remedy)) = supported(&facts.os, inventory) {
        fault(what, remedy);
    }
    if !matches!(facts.architecture.as_str(), "x86_64" | "aarch64") {
        let what = format!("its processor is {}", facts.architecture);
        fault(what, "take a machine with x86_64 or aarch64");
    }
    let memory = facts.memory_bytes / MEBIBYTE;
    let least = match (host.has(Role::Master), host.has(Role::Worker)) {
        (true, _) => MASTER_MEMORY,
        (false, true) => WORKER_MEMORY,
        (false, false) => BALANCER_MEMORY,
    };
    if memory < least {
        let what = format!("it has {memory} MiB of memory, less than {least}");
        fault(what, "give it more");
    }
    if host.has(Role::Master) && facts.processors < MASTER_PROCESSORS {
        let what = format!("it has {} processor, and kubeadm wants two", facts.processors);
        fault(what, "give it more");
    }
    if !host.is_node() {
        return;
    }
    if kernel(&facts.kernel).is_none_or(|kernel| kernel < KERNEL) {
        let what = format!("its kernel is {}, older than {}.{}", facts.kernel, KERNEL.0, KERNEL.1);
        fault(what, "take a newer system; Calico and kubelet aren't tested with this one");
    }
    let minor = inventory.kubernetes.version.minor;
    let without_v1 = minor >= KUBERNETES_WITHOUT_CGROUP_V1 && !inventory.kubernetes.cgroup_v1;
    if !facts.cgroup_v2 && without_v1 {
        let what = format!("it boots with cgroup v1, on which kubelet 1.{minor} doesn't start");
        let remedy = "boot it with systemd.unified_cgroup_hierarchy=1; or write \
                      'kubernetes: {cgroupV1: allow}' for as long as Kubernetes bears that";
        fault(what, remedy);
    }
}

/// Room on a node that isn't one yet: what is to come fills it.
pub(super) fn check_room(host: &Host, facts: &Facts, faults: &mut Vec<Fault>) {
    for (path, free) in &facts.free_bytes {
        let etcd = path.as_str() == "/var/lib/etcd";
        if free / MEBIBYTE < NODE_DISK && (!etcd || host.has(Role::Master)) {
            let what = format!("{path} has {} MiB left, less than {NODE_DISK}", free / MEBIBYTE);
            let remedy = "make room: images fill it, and a full disk stops etcd";
            faults.push(Fault::of(host, what, remedy));
        }
    }
}

/// Whether halb knows a system.
fn supported(os: &Os, inventory: &Inventory) -> Result<(), (String, &'static str)> {
    const KNOWN: &str = "take Debian 12 or 13, Ubuntu 22.04 or 24.04, or EL 9 or 10";
    let major = os.version.split('.').next().unwrap_or_default();
    let el = os.id == "rhel" || os.like.iter().any(|like| like == "rhel" || like == "centos");
    match (os.id.as_str(), os.version.as_str()) {
        ("debian", "12" | "13") | ("ubuntu", "22.04" | "24.04") => Ok(()),
        _ if el && matches!(major, "9" | "10") => Ok(()),
        _ if el && major == "8" => {
            let what = format!(
                "{} has kernel 4.18 and boots with cgroup v1: kubelet {} and Calico want newer",
                os.title,
                inventory.kubernetes.version.minor_text()
            );
            Err((what, "take EL 9 or 10"))
        }
        _ => Err((format!("halb doesn't know {}", os.title), KNOWN)),
    }
}

/// First two numbers of a kernel's version.
fn kernel(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
