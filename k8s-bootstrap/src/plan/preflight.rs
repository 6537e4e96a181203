//! What stands in the way, on all hosts at once, before anything is changed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::facts::{ClusterState, Facts, Firewall};
use crate::inventory::version::{KUBERNETES_WITHOUT_CGROUP_V1, Version};
use crate::inventory::{FirewallPolicy, Host, Inventory, Role};
use crate::kubeadm::API_SERVER_PORT;
use crate::paths;
use crate::pki::Material;
use crate::plan::FactsByHost;
use crate::plan::balancer::REPLACED;
use crate::plan::wanted::{self, Progress};

mod system;

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The host; none for what concerns several.
    pub host: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// Of the cluster as a whole.
    pub(crate) fn of_all(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { host: None, what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn of(host: &Host, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { host: Some(host.name.clone()), what: what.into(), remedy: remedy.into() }
    }
}

/// Clocks further apart than this make certificates that aren't valid yet.
const CLOCK_APART_MS: i64 = 30_000;

/// Most balancers: each has a priority of its own, and all of them fit into VRRP's.
const BALANCERS_MAX: usize = 5;

/// Everything that stands in the way.
#[must_use]
pub fn check(inventory: &Inventory, facts: &FactsByHost, material: &Material) -> Vec<Fault> {
    let mut faults = check_but_versions(inventory, facts, material);
    check_versions(inventory, facts, &mut faults);
    in_order(inventory, &mut faults);
    faults
}

/// Faults in the order of the inventory's hosts.
fn in_order(inventory: &Inventory, faults: &mut [Fault]) {
    let place = |fault: &Fault| {
        inventory.hosts.iter().position(|host| Some(&host.name) == fault.host.as_ref())
    };
    faults.sort_by_key(place);
}

/// The same for a cluster whose version is to become another.
pub(super) fn check_but_versions(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for host in &inventory.hosts {
        let Some(own) = facts.get(&host.name) else {
            faults.push(Fault::of(host, "it doesn't answer", "bring it back first"));
            continue;
        };
        system::check(inventory, host, own, &mut faults);
        if host.is_node() && wanted::progress(inventory, facts, material, host) != Progress::Joined
        {
            system::check_room(host, own, &mut faults);
        }
        check_network(inventory, host, own, &mut faults);
        check_taken(inventory, host, own, &mut faults);
    }
    faults.extend(at_work_faults(inventory, facts));
    check_progress(inventory, facts, material, &mut faults);
    check_ports(inventory, facts, material, &mut faults);
    check_together(inventory, facts, &mut faults);
    in_order(inventory, &mut faults);
    faults
}

/// The interface on which a host has its address.
pub(super) fn interface_of(host: &Host, facts: &Facts) -> Option<String> {
    let has = |address: &ipnet::Ipv4Net| address.addr() == host.address;
    let interface = facts.interfaces.iter().find(|i| i.addresses.iter().any(has))?;
    Some(interface.name.clone())
}

fn check_network(inventory: &Inventory, host: &Host, facts: &Facts, faults: &mut Vec<Fault>) {
    let addresses = || facts.interfaces.iter().flat_map(|interface| &interface.addresses);
    let Some(own) = addresses().find(|address| address.addr() == host.address) else {
        let all: Vec<_> = addresses().map(|address| address.addr().to_string()).collect();
        let what = format!("it doesn't have {} (it has {})", host.address, all.join(", "));
        faults.push(Fault::of(host, what, "correct its address in the inventory, or on the host"));
        return;
    };
    if own.trunc() != inventory.network {
        let what = format!("its network is {}, not {}", own.trunc(), inventory.network);
        faults.push(Fault::of(host, what, "correct 'network' in the inventory, or the host"));
    }
    let kubernetes = &inventory.kubernetes;
    let ranges =
        [("podSubnet", kubernetes.pod_subnet), ("serviceSubnet", kubernetes.service_subnet)];
    for (name, range) in ranges {
        let clash = facts.interfaces.iter().find(|interface| {
            let ours = ["cali", "vxlan.calico", "tunl", "kube-", "cni"];
            let foreign = !ours.iter().any(|ours| interface.name.starts_with(ours));
            foreign && interface.addresses.iter().any(|address| range.contains(&address.addr()))
        });
        if let Some(clash) = clash {
            let what = format!("{name} {range} holds an address of its interface {}", clash.name);
            let remedy = format!("choose another {name}");
            faults.push(Fault::of(host, what, remedy));
        }
    }
    let vip = inventory.vip.as_ref().map(|vip| vip.address);
    let holds = addresses().any(|address| Some(address.addr()) == vip);
    if holds && !host.has(Role::Balancer) {
        let what = format!("it has the virtual IP {}", inventory.endpoint.address);
        faults.push(Fault::of(host, what, "take the address off it, or choose another"));
    }
}

/// Ports and services that are somebody else's.
fn check_taken(inventory: &Inventory, host: &Host, facts: &Facts, faults: &mut Vec<Fault>) {
    if host.has(Role::Balancer) {
        for unit in REPLACED {
            let runs = facts.services.get(unit).is_some_and(|service| service.is_active());
            if runs && !inventory.policy.replace_balancers {
                let name = unit.trim_end_matches(".service");
                let what = format!("{name} runs on it");
                let remedy = "stop it, or write 'policy: {replaceBalancers: true}' and halb takes over \
                     from it (`halb import` shows what becomes of its file)";
                faults.push(Fault::of(host, what, remedy));
            }
        }
        let port = inventory.endpoint.port;
        let taken = facts.ports.get(&port).filter(|who| !ours(who, inventory));
        if let Some(who) = taken {
            let what = format!("port {port} is taken by {}", program(who));
            faults.push(Fault::of(host, what, "stop it, or choose another 'endpoint.port'"));
        }
    }
    let firewalls = inventory.policy.firewall == FirewallPolicy::Open;
    if firewalls && facts.firewall == Some(Firewall::Ufw) {
        let what = "ufw is on, and halb opens ports in firewalld only";
        let remedy = "write 'policy: {firewall: disable}', or 'keep' and open the ports yourself";
        faults.push(Fault::of(host, what, remedy));
    }
}

/// Ports of Kubernetes' own parts that somebody has on a host where kubeadm hasn't run: it would
/// refuse to.
fn check_ports(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    faults: &mut Vec<Fault>,
) {
    for host in inventory.hosts.iter().filter(|host| host.is_node()) {
        let Some(own) = facts.get(&host.name) else { continue };
        if wanted::progress(inventory, facts, material, host) != Progress::Fresh {
            continue;
        }
        let ports = if host.has(Role::Master) { &MASTER_PORTS[..] } else { &WORKER_PORTS[..] };
        for port in ports {
            // kubelet runs in a loop from when its package is there.
            let taken = own.ports.get(port).filter(|who| !who.contains("\"kubelet\""));
            if let Some(who) = taken {
                let what =
                    format!("port {port}, which Kubernetes needs, is taken by {}", program(who));
                faults.push(Fault::of(host, what, "stop it; Kubernetes' ports can't be moved"));
            }
        }
    }
}

/// Ports of etcd, API server, kubelet, controller manager and scheduler.
const MASTER_PORTS: [u16; 6] = [2379, 2380, API_SERVER_PORT, 10250, 10257, 10259];

/// kubelet's port.
const WORKER_PORTS: [u16; 1] = [10250];

/// halb itself, or what it is allowed to replace.
fn ours(who: &str, inventory: &Inventory) -> bool {
    who.contains("\"halb\"") || (inventory.policy.replace_balancers && who.contains("\"haproxy\""))
}

/// The program's name in what `ss` says of a socket's owner.
fn program(who: &str) -> &str {
    who.split('"').nth(1).unwrap_or("another program")
}

/// Hosts on which something is at work for a run that is gone, and what that is (`kubeadm join`).
/// Until it has come to its end nobody knows what is left to do.
#[must_use]
pub fn at_work<'a>(inventory: &'a Inventory, facts: &FactsByHost) -> Vec<(&'a Host, &'static str)> {
    let on = |host: &Host| {
        let services = &facts.get(&host.name)?.services;
        let runs = |unit: &str| {
            services.get(&format!("{unit}.service")).is_some_and(|service| service.is_active())
        };
        paths::DETACHED.iter().find(|(unit, _)| runs(unit)).map(|(_, what)| *what)
    };
    inventory.hosts.iter().filter_map(|host| Some((host, on(host)?))).collect()
}

/// Hosts that have to be waited for.
pub(super) fn at_work_faults(inventory: &Inventory, facts: &FactsByHost) -> Vec<Fault> {
    let fault = |(host, what): (&Host, &str)| {
        let what = format!("what an earlier run began is at work on it: {what}");
        Fault::of(host, what, "wait for its end; 'halb k8s apply' does so by itself")
    };
    at_work(inventory, facts).into_iter().map(fault).collect()
}

/// Hosts that somebody else set up, or that fell out of the cluster.
fn check_progress(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    faults: &mut Vec<Fault>,
) {
    let answers = wanted::cluster(inventory, facts).is_some();
    for host in inventory.hosts.iter().filter(|host| host.is_node()) {
        let silent = facts.get(&host.name).is_some_and(|own| own.cluster == ClusterState::Silent);
        if facts.get(&host.name).is_some_and(|own| own.files.contains_key(paths::REMOVED)) {
            let what = "it was taken out of the cluster by 'halb k8s node remove'";
            let remedy = format!(
                "take its lines out of the inventory, or let it join anew: 'halb k8s node add {}'",
                host.name
            );
            faults.push(Fault::of(host, what, remedy));
            continue;
        }
        match wanted::progress(inventory, facts, material, host) {
            Progress::Fresh | Progress::HalfDone | Progress::Joined => {}
            Progress::Lost if !answers && (silent || !host.has(Role::Master)) => {
                let endpoint = crate::kubeadm::endpoint(inventory);
                let what = format!("it belongs to the cluster, which doesn't answer at {endpoint}");
                let remedy = "look at 'halb status' on the balancers and at the masters' kubelets; \
                              nothing is changed as long as it is unclear what is there";
                faults.push(Fault::of(host, what, remedy));
            }
            Progress::Lost => {
                let what = "it belonged to the cluster, which doesn't count it any more";
                let remedy = "if it shall join anew, put it back first: halb k8s reset --host";
                faults.push(Fault::of(host, what, remedy));
            }
            Progress::Foreign => {
                let what = format!(
                    "it is part of a cluster that halb didn't make ({} or its like exists)",
                    paths::KUBELET_CONF
                );
                let remedy = "take another host, or run 'kubeadm reset' on it";
                faults.push(Fault::of(host, what, remedy));
            }
        }
    }
}

/// Nodes that run another version: that is an upgrade, which goes another way.
fn check_versions(inventory: &Inventory, facts: &FactsByHost, faults: &mut Vec<Fault>) {
    let Some((_, cluster)) = wanted::cluster(inventory, facts) else { return };
    let wanted: Version = inventory.kubernetes.version;
    for host in inventory.hosts.iter().filter(|host| host.is_node()) {
        let runs = cluster.nodes.get(&host.name).and_then(|node| node.version);
        if let Some(runs) = runs.filter(|runs| *runs != wanted) {
            let what = format!("its node runs Kubernetes {runs}, not {wanted}");
            let remedy = format!(
                "write 'version: {runs}', or bring the cluster there: 'halb k8s upgrade {wanted}'"
            );
            faults.push(Fault::of(host, what, remedy));
        }
    }
}

/// What shows only when hosts are compared.
fn check_together(inventory: &Inventory, facts: &FactsByHost, faults: &mut Vec<Fault>) {
    let mut machines: BTreeMap<&str, &str> = BTreeMap::new();
    for host in &inventory.hosts {
        let Some(id) = facts.get(&host.name).and_then(|own| own.machine_id.as_deref()) else {
            continue;
        };
        if let Some(first) = machines.insert(id, &host.name) {
            let what = format!("it has the same /etc/machine-id as {first}");
            let remedy = "they are copies of one machine: remove /etc/machine-id and run \
                          'systemd-machine-id-setup', then restart it";
            faults.push(Fault::of(host, what, remedy));
        }
    }
    let mut clocks: Vec<i64> = facts.values().map(|own| own.clock_ahead_ms).collect();
    clocks.sort_unstable();
    let Some(middle) = clocks.get(clocks.len() / 2).copied() else { return };
    for host in &inventory.hosts {
        let Some(own) = facts.get(&host.name) else { continue };
        let apart = own.clock_ahead_ms.saturating_sub(middle);
        if apart.abs() > CLOCK_APART_MS {
            let side = if apart > 0 { "ahead of" } else { "behind" };
            let what = format!("its clock is {} s {side} the others", apart.abs() / 1000);
            faults.push(Fault::of(host, what, "let chrony or systemd-timesyncd set it"));
        }
    }
    let balancers = inventory.with_role(Role::Balancer).count();
    if balancers > BALANCERS_MAX {
        let what = format!("there are {balancers} balancers");
        let remedy = format!("take at most {BALANCERS_MAX}");
        faults.push(Fault { host: None, what, remedy });
    }
}
