//! Hosts as they were before halb: one of them, or all.
//!
//! What they were like is on each host itself (`plan::remember`); steps here read it there. Each
//! of them can be done again, and the record goes last, so that a reset that was cut off goes on.

use std::time::Duration;

use crate::facts::{Cluster, Facts};
use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::plan::masters::kubectl;
use crate::plan::preflight::{self, Fault};
use crate::plan::remember::{is_remembered, is_touched};
use crate::plan::step::{Act, Command, Step};
use crate::plan::{FactsByHost, HostPlan, Pace, Plan, Stage, StageName, system, wanted};
use crate::shell;

/// How long `kubeadm reset` may take: it waits for etcd, which may be gone.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long pods may take to move to other nodes, with what disruption budgets want.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(900);

/// How long packages may take to go: other runs of the package manager are waited for.
const PACKAGES_TIMEOUT: Duration = Duration::from_secs(1200);

/// What is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The whole cluster, which ends.
    Cluster,
    /// One host, without which the cluster goes on.
    Host(&'a str),
}

/// Takes hosts out of their cluster and puts them back as they were.
///
/// # Errors
/// Everything that stands in the way: a host that the cluster can't do without, or one that doesn't
/// know how it was.
pub fn reset(
    inventory: &Inventory,
    facts: &FactsByHost,
    scope: Scope<'_>,
) -> Result<Plan, Vec<Fault>> {
    let mut faults = preflight::at_work_faults(inventory, facts);
    let hosts: Vec<&Host> = match scope {
        Scope::Cluster => inventory.hosts.iter().collect(),
        Scope::Host(name) => inventory.hosts.iter().filter(|host| host.name == name).collect(),
    };
    if let (Scope::Host(name), true) = (scope, hosts.is_empty()) {
        let what = format!("the inventory has no host '{name}'");
        let remedy = "name one that it has, or --cluster for all of them";
        faults.push(Fault { host: None, what, remedy: remedy.to_owned() });
    }
    let known = |host: &'_ Host| facts.get(&host.name);
    for host in &hosts {
        let Some(own) = known(host) else { continue };
        faults.extend(unknown(host, own));
        if scope != Scope::Cluster {
            faults.extend(needed(inventory, facts, host));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut touched = hosts;
    touched.retain(|host| known(host).is_some_and(is_remembered));
    let leave = match scope {
        Scope::Cluster => leave_all(&touched, facts),
        Scope::Host(_) => touched.iter().flat_map(|host| leave(inventory, facts, host)).collect(),
    };
    let put_back = touched.iter().map(|host| put_back(inventory, host)).collect();
    let stages = [
        Stage { name: StageName::Leave, pace: Pace::OneByOne, hosts: leave },
        Stage { name: StageName::PutBack, pace: Pace::AtOnce, hosts: put_back },
    ];
    let stages = stages.into_iter().filter(|stage| !stage.hosts.is_empty()).collect();
    Ok(Plan { cluster: inventory.name.clone(), stages })
}

/// Why a host can't be put back as it was.
fn unknown(host: &Host, facts: &Facts) -> Option<Fault> {
    (is_touched(facts) && !is_remembered(facts)).then(|| Fault {
        host: Some(host.name.clone()),
        what: "it was set up by a halb that didn't remember how it was".to_owned(),
        remedy: "install it anew, or undo by hand what 'halb k8s plan' shows for a bare host"
            .to_owned(),
    })
}

/// Why the cluster can't go on without a host.
fn needed(inventory: &Inventory, facts: &FactsByHost, host: &Host) -> Option<Fault> {
    let fault = |what: String, remedy: &str| Fault {
        host: Some(host.name.clone()),
        what,
        remedy: remedy.to_owned(),
    };
    if host.has(Role::Balancer) && inventory.with_role(Role::Balancer).count() == 1 {
        let what = "it is the only balancer: nothing would lead to the cluster".to_owned();
        return Some(fault(what, "add another balancer first, or end it all with --cluster"));
    }
    if !host.has(Role::Master) {
        return None;
    }
    let (_, cluster) = wanted::cluster(inventory, facts)?;
    lost_quorum(inventory, cluster, host).map(|what| {
        let remedy = "bring the other masters back first ('halb k8s verify'), or end it all with \
                      --cluster";
        fault(what, remedy)
    })
}

/// Why etcd would lose its majority without a master, if it would.
fn lost_quorum(inventory: &Inventory, cluster: &Cluster, host: &Host) -> Option<String> {
    let voters = || cluster.etcd.iter().filter(|member| !member.learner);
    voters().find(|member| member.name == host.name)?;
    let ready = |name: &str| cluster.nodes.get(name).is_some_and(|node| node.ready);
    let others: Vec<_> = voters().filter(|member| member.name != host.name).collect();
    let well = others.iter().filter(|member| ready(&member.name)).count();
    let majority = others.len() / 2 + 1;
    if others.is_empty() && inventory.with_role(Role::Master).count() <= 1 {
        return Some("it is the only master: the cluster is on it alone".to_owned());
    }
    (others.is_empty() || well < majority).then(|| {
        let left = others.len();
        format!(
            "etcd would lose its majority: of the {left} members that are left {well} are well, \
             and {majority} are needed"
        )
    })
}

fn named(host: &Host, steps: Vec<Step>) -> HostPlan {
    HostPlan { host: host.name.clone(), steps }
}

/// What kubeadm made goes, a member of etcd with it.
fn kubeadm_reset() -> Step {
    let command = Command::script(format!(
        "if [ ! -e {} ] && [ ! -e {} ]; then exit; fi\n\
         kubeadm reset --force --cri-socket={}",
        paths::KUBELET_CONF,
        paths::ETCD_MEMBER,
        paths::CRI_SOCKET
    ));
    let act = Act::RunDetached {
        unit: paths::RESET_UNIT.to_owned(),
        command: command.within(LEAVE_TIMEOUT),
        output: paths::KUBEADM_LOG.to_owned(),
    };
    Step::new("kubeadm-reset", "Take away what kubeadm made", act)
}

/// All nodes of a cluster that ends: workers first, and the first master last.
fn leave_all(hosts: &[&Host], facts: &FactsByHost) -> Vec<HostPlan> {
    let has_begun = |host: &&&Host| {
        let files = facts.get(&host.name).map(|own| &own.files);
        host.is_node() && files.is_some_and(|files| files.contains_key(paths::BEGUN))
    };
    let mut nodes: Vec<_> = hosts.iter().filter(has_begun).collect();
    nodes.reverse();
    nodes.sort_by_key(|host| host.has(Role::Master));
    nodes.into_iter().map(|host| named(host, vec![kubeadm_reset()])).collect()
}

/// One node of a cluster that goes on.
fn leave(inventory: &Inventory, facts: &FactsByHost, host: &Host) -> Vec<HostPlan> {
    let begun = facts.get(&host.name).is_some_and(|own| own.files.contains_key(paths::BEGUN));
    if !host.is_node() || !begun {
        return Vec::new();
    }
    let own = named(host, vec![kubeadm_reset()]);
    let known = wanted::cluster(inventory, facts)
        .is_some_and(|(_, cluster)| cluster.nodes.contains_key(&host.name));
    let other = |other: &&Host| {
        let answers = facts.get(&other.name).is_some_and(|facts| facts.cluster.answers());
        other.name != host.name && answers
    };
    let leader = inventory.with_role(Role::Master).find(other);
    let Some(leader) = leader.filter(|_| known) else { return vec![own] };
    let timeout = format!("--timeout={}s", DRAIN_TIMEOUT.as_secs());
    let words =
        ["drain", &host.name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", &timeout];
    let mut drain = kubectl(&words).within(DRAIN_TIMEOUT + LEAVE_TIMEOUT);
    // A drain waits; each of its requests has its own end.
    drain.argv.retain(|word| !word.starts_with("--request-timeout"));
    let title = format!("Move pods off {}", host.name);
    let drain = Step::new(format!("drain-{}", host.name), title, Act::Run { command: drain });
    let forget = kubectl(&["delete", "node", &host.name, "--ignore-not-found"]);
    let title = format!("Forget the node {}", host.name);
    let forget = Step::new(format!("node-{}", host.name), title, Act::Run { command: forget });
    vec![named(leader, vec![drain]), own, named(leader, vec![forget])]
}

const COMMON: &str = include_str!("reset/common.sh");
const STOP: &str = include_str!("reset/stop.sh");
const NETWORK: &str = include_str!("reset/network.sh");
const PACKAGES: &str = include_str!("reset/packages.sh");
const FILES: &str = include_str!("reset/files.sh");
const SYSTEM: &str = include_str!("reset/system.sh");

/// Everything else, in the order in which it lets go of each other.
fn put_back(inventory: &Inventory, host: &Host) -> HostPlan {
    let script = |body: &str| Command::script(format!("{COMMON}{}", body.trim_end()));
    let run = |id: &str, title: &str, body: &str| {
        Step::new(id, title, Act::Run { command: script(body).within(LEAVE_TIMEOUT) })
    };
    let openings = system::openings(inventory, host).join(" ");
    let system = format!("openings={}\n{SYSTEM}", shell::quote(&openings));
    let packages = Act::RunDetached {
        unit: paths::RESET_PACKAGES_UNIT.to_owned(),
        command: script(PACKAGES).within(PACKAGES_TIMEOUT),
        output: paths::PACKAGES_LOG.to_owned(),
    };
    let mut steps = vec![run("stop", "Stop what didn't run before", STOP)];
    if host.is_node() {
        let title = "Take away what the network of pods left";
        steps.push(run("network", title, NETWORK));
        steps.push(Step::new("packages", "Remove packages that weren't there before", packages));
    }
    steps.push(run("files", "Put files back as they were", FILES));
    let title = "Put kernel settings, swap, firewall and services back as they were";
    steps.push(run("system", title, &system));
    let forget = Command::script(format!("rm -rf {} /var/log/halb-*.log", paths::STATE));
    let title = "Forget how this host was";
    steps.push(Step::new("forget", title, Act::Run { command: forget }));
    named(host, steps)
}

#[cfg(test)]
mod tests;
