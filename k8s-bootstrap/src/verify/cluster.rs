//! What the cluster says of its nodes, of the parts that kubeadm makes, and of etcd.

use super::{Area, CLUSTER, Finding, Seen};
use crate::facts::{ClusterState, EtcdMember, Node};
use crate::inventory::{Host, Role};

/// Parts of a master that kubelet runs from files.
const PARTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Every host that shall be a node is one, ready, where it shall be, and nobody else is.
pub(super) fn nodes(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::Nodes;
    let Some(cluster) = seen.cluster() else {
        findings.push(no_cluster(seen));
        return;
    };
    for host in seen.nodes() {
        findings.push(match cluster.nodes.get(&host.name) {
            None => Finding::bad(area, &host.name, "the cluster doesn't know it")
                .so("halb k8s apply joins it"),
            Some(node) => judge(seen, host, node),
        });
    }
    for stranger in cluster.nodes.keys() {
        if !seen.nodes().any(|host| host.name == *stranger) {
            let what = "the cluster has this node, the inventory doesn't";
            let remedy = format!("add it to the inventory, or 'kubectl delete node {stranger}'");
            findings.push(Finding::bad(area, stranger, what).so(remedy));
        }
    }
}

/// No master could be asked: there is no cluster yet, or none that answers.
fn no_cluster(seen: &Seen<'_>) -> Finding {
    let states = seen.masters().filter_map(|host| Some(&seen.facts.get(&host.name)?.cluster));
    let states: Vec<_> = states.collect();
    if states.is_empty() {
        return Finding::unproven(Area::Nodes, CLUSTER, "no master could be asked");
    }
    if states.contains(&&ClusterState::Silent) {
        return Finding::bad(Area::Nodes, CLUSTER, "no API server answers any master").so(
            "look at kubelet on the masters (journalctl -u kubelet), and at etcd and the API server \
             (crictl ps -a)",
        );
    }
    Finding::bad(Area::Nodes, CLUSTER, "no master belongs to a cluster")
        .so("halb k8s apply begins it")
}

fn judge(seen: &Seen<'_>, host: &Host, node: &Node) -> Finding {
    let mut wrong = Vec::new();
    if !node.ready {
        wrong.push("it isn't ready".to_owned());
    }
    let at = node.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
    if node.address != Some(host.address) {
        wrong.push(format!("it has {at}, not {}", host.address));
    }
    let wanted = seen.inventory.kubernetes.version;
    let version = node.version.map_or_else(|| "an unknown version".to_owned(), |v| v.to_string());
    if node.version != Some(wanted) {
        wrong.push(format!("its kubelet is {version}, not {wanted}"));
    }
    let master = host.has(Role::Master);
    if node.master != master {
        let is = if node.master { "a master" } else { "no master" };
        wrong.push(format!("it is {is} to the cluster"));
    }
    if wrong.is_empty() {
        let what = format!("ready, at {at}, kubelet {version}");
        return Finding::good(Area::Nodes, &host.name, what);
    }
    let remedy = format!("'kubectl describe node {}' says more", host.name);
    Finding::bad(Area::Nodes, &host.name, wrong.join("; ")).so(remedy)
}

/// etcd, API server, controller manager and scheduler of each master, as the cluster sees them.
pub(super) fn static_pods(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::StaticPods;
    let pods = seen.pods();
    if pods.is_empty() {
        let what = "the cluster tells of no pods in kube-system";
        findings.push(Finding::unproven(area, CLUSTER, what));
        return;
    }
    for host in seen.masters() {
        let ready = |part: &str| {
            pods.iter().any(|pod| pod.part == part && pod.node == host.name && pod.ready)
        };
        let missing: Vec<_> = PARTS.into_iter().filter(|part| !ready(part)).collect();
        findings.push(if missing.is_empty() {
            Finding::good(area, &host.name, format!("{} are ready", PARTS.join(", ")))
        } else {
            let what = format!("not ready: {}", missing.join(", "));
            let remedy = "'crictl ps -a' and 'journalctl -u kubelet' there say why";
            Finding::bad(area, &host.name, what).so(remedy)
        });
    }
}

/// Each master votes, and nobody else is a member.
pub(super) fn etcd(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::Etcd;
    let members = seen.cluster().map(|cluster| cluster.etcd.as_slice()).unwrap_or_default();
    if members.is_empty() {
        let what = "its members couldn't be asked for";
        let remedy = "on a master: kubectl -n kube-system exec etcd-NAME -- etcdctl … member list";
        findings.push(Finding::unproven(area, CLUSTER, what).so(remedy));
        return;
    }
    for host in seen.masters() {
        let own = members.iter().find(|member| is_of(member, host));
        findings.push(match own {
            Some(member) if member.learner => {
                Finding::bad(area, &host.name, "it has no vote yet (a learner)")
                    .so("halb k8s apply, if it stays one")
            }
            Some(member) if member.name.is_empty() => {
                Finding::bad(area, &host.name, "its member was added and never began")
                    .so("halb k8s apply removes it and joins the host anew")
            }
            Some(member) => Finding::good(area, &host.name, format!("a voter, {}", member.id)),
            None => Finding::bad(area, &host.name, "it is no member").so("halb k8s apply"),
        });
    }
    for member in members {
        if !seen.masters().any(|host| is_of(member, host)) {
            let what =
                format!("the member {} ({}) is no master of the inventory", member.id, member.peer);
            let remedy =
                format!("it counts for the majority: 'etcdctl member remove {}'", member.id);
            let name = if member.name.is_empty() { CLUSTER } else { &member.name };
            findings.push(Finding::bad(area, name, what).so(remedy));
        }
    }
}

fn is_of(member: &EtcdMember, host: &Host) -> bool {
    member.name == host.name
        || member.name.is_empty() && member.peer.contains(&format!("//{}:", host.address))
}
