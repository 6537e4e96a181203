//! `halb k8s status`: one look at all hosts, at the cluster as it says it is, and at what differs
//! from the inventory.

use std::collections::BTreeMap;

use halb_k8s_bootstrap::facts::{Cluster, ClusterState, Facts};
use halb_k8s_bootstrap::inventory::{Host, Inventory};
use halb_k8s_bootstrap::plan::{FactsByHost, Plan};
use serde::Serialize;

use crate::status::text::table::{self, Align, Column};
use crate::status::words;

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub cluster: String,
    /// Whether every host is as the inventory wants it, and every node is ready.
    pub as_wanted: bool,
    /// All hosts, in the inventory's order.
    pub hosts: Vec<HostStatus>,
    /// Members of etcd by name; none if no master could be asked.
    pub etcd: Option<Vec<String>>,
}

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub roles: Vec<&'static str>,
    /// Its distribution.
    pub os: String,
    /// Whether the cluster has it as a node, and whether that is ready; none if it is to be no node.
    pub node: Option<Node>,
    /// What differs from the inventory, step by step.
    pub left_to_do: Vec<String>,
}

/// A node as the cluster sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// It is ready.
    Ready,
    /// It is there, and not ready.
    NotReady,
    /// The cluster doesn't know it.
    Unknown,
    /// No master could be asked.
    NoAnswer,
}

impl Node {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Unknown => "not joined",
            Self::NoAnswer => "?",
        }
    }
}

/// Puts together what hosts said and what is left to do.
#[must_use]
pub fn of(inventory: &Inventory, facts: &FactsByHost, plan: &Plan) -> Status {
    let answers = facts.values().find_map(|facts| match &facts.cluster {
        ClusterState::Answers(cluster) => Some(cluster),
        ClusterState::Silent | ClusterState::None => None,
    });
    let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for host in plan.stages.iter().flat_map(|stage| &stage.hosts) {
        let titles = host.steps.iter().map(|step| step.title.clone());
        left.entry(&host.host).or_default().extend(titles);
    }
    let hosts: Vec<HostStatus> = inventory
        .hosts
        .iter()
        .map(|host| {
            let left_to_do = left.remove(host.name.as_str()).unwrap_or_default();
            host_status(host, facts.get(&host.name), answers, left_to_do)
        })
        .collect();
    let ready = |host: &HostStatus| matches!(host.node, None | Some(Node::Ready));
    let etcd = answers.map(|cluster| cluster.etcd.iter().map(|it| it.name.clone()).collect());
    let as_wanted = plan.is_empty() && hosts.iter().all(ready);
    Status { cluster: inventory.name.clone(), as_wanted, hosts, etcd }
}

fn host_status(
    host: &Host,
    facts: Option<&Facts>,
    cluster: Option<&Cluster>,
    left_to_do: Vec<String>,
) -> HostStatus {
    let node = host.is_node().then(|| match cluster.map(|cluster| cluster.nodes.get(&host.name)) {
        None => Node::NoAnswer,
        Some(None) => Node::Unknown,
        Some(Some(node)) if node.ready => Node::Ready,
        Some(Some(_)) => Node::NotReady,
    });
    HostStatus {
        name: host.name.clone(),
        roles: host.roles.iter().map(|role| role.as_str()).collect(),
        os: facts.map(|facts| facts.os.title.clone()).unwrap_or_default(),
        node,
        left_to_do,
    }
}

const COLUMNS: [Column; 5] = [
    Column { title: "HOST", align: Align::Left, width_max: 20 },
    Column { title: "ROLES", align: Align::Left, width_max: 16 },
    Column { title: "SYSTEM", align: Align::Left, width_max: 30 },
    Column { title: "NODE", align: Align::Left, width_max: 10 },
    Column { title: "DIFFERS IN", align: Align::Right, width_max: 10 },
];

/// One screen of at most so many columns.
#[must_use]
pub fn text(status: &Status, width: usize) -> String {
    let rows: Vec<Vec<String>> = status
        .hosts
        .iter()
        .map(|host| {
            let differs = match host.left_to_do.len() {
                0 => "-".to_owned(),
                1 => "1 step".to_owned(),
                steps => format!("{steps} steps"),
            };
            let node = host.node.map_or("-", Node::as_str).to_owned();
            vec![host.name.clone(), host.roles.join(", "), host.os.clone(), node, differs]
        })
        .collect();
    let etcd = match &status.etcd {
        Some(members) => format!("etcd: {}\n", members.join(", ")),
        None => "etcd: no master could be asked\n".to_owned(),
    };
    let verdict = if status.as_wanted {
        "All is as the inventory wants it.".to_owned()
    } else {
        let steps: usize = status.hosts.iter().map(|host| host.left_to_do.len()).sum();
        let things = words::things(u64::try_from(steps).unwrap_or(u64::MAX), "step", "steps");
        format!("Not as the inventory wants it: {things} left (halb k8s plan shows each).")
    };
    let table = table::render(&COLUMNS, &rows, width, |line, _| line);
    format!("Cluster '{}'\n\n{table}\n{etcd}{verdict}\n", status.cluster)
}
