//! Whether a cluster is what its inventory says, by what can be seen of it.
//!
//! ```text
//!  facts, views, what is left to do ──judge──▶ findings ──▶ text, JSON
//! ```
//!
//! A finding is good, bad or unproven. Unproven is what nobody could look at, or what shows only
//! where pods run: it is never good. [`judge`] knows no host and no clock; a host's [`View`] comes
//! from one script ([`view_script`]), which changes nothing.

mod certificates;
mod cluster;
mod dns;
mod machines;
mod script;
mod text;
mod view;
mod ways;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::facts::{Cluster, ClusterState};
use crate::inventory::{Host, Inventory, Role};
use crate::plan::preflight::Fault;
use crate::plan::{FactsByHost, Plan};

pub use script::view_script;
pub use text::{render, summary};
pub use view::{Certificate, Pod, View, ViewError, Way, parse};

/// Views by the name of the host.
pub type Views = BTreeMap<String, View>;

/// Everything that was seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// What hosts said of themselves.
    pub facts: &'a FactsByHost,
    /// Hosts that said nothing, and why.
    pub silent: &'a BTreeMap<String, String>,
    /// What hosts see of the cluster.
    pub views: &'a Views,
    /// What is left to do, or what stands in the way of saying so.
    pub left: Result<&'a Plan, &'a [Fault]>,
    /// Seconds since 1970.
    pub now_seconds: i64,
}

impl<'a> Seen<'a> {
    /// The cluster as the first master that answers sees it.
    fn cluster(&self) -> Option<&'a Cluster> {
        self.masters().find_map(|host| match &self.facts.get(&host.name)?.cluster {
            ClusterState::Answers(cluster) => Some(cluster),
            ClusterState::None | ClusterState::Silent => None,
        })
    }

    /// Pods of Kubernetes' own parts, as the first master that was told of any sees them.
    fn pods(&self) -> &'a [Pod] {
        let lists =
            self.masters().filter_map(|host| Some(self.views.get(&host.name)?.pods.as_slice()));
        lists.into_iter().find(|pods| !pods.is_empty()).unwrap_or_default()
    }

    fn masters(&self) -> impl Iterator<Item = &'a Host> + use<'a> {
        self.inventory.with_role(Role::Master)
    }

    fn nodes(&self) -> impl Iterator<Item = &'a Host> + use<'a> {
        self.inventory.hosts.iter().filter(|host| host.is_node())
    }
}

/// What came of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was seen to be as wanted.
    Good,
    /// It couldn't be seen.
    Unproven,
    /// It isn't as wanted.
    Bad,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unproven => "unproven",
            Self::Bad => "BAD",
        }
    }
}

/// What is looked at, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Hosts answer.
    Hosts,
    /// halb runs, one balancer has the virtual IP, and all API servers are up for each.
    Balancers,
    /// Nodes are ready, on their addresses, of the version that is wanted, and no others are there.
    Nodes,
    /// Each master runs its four static pods.
    StaticPods,
    /// Each master has a vote in etcd, and nobody else.
    Etcd,
    /// API servers answer by the endpoint, by each balancer, and each of them directly.
    ApiServers,
    /// A name of a Service is resolved, from each node.
    Dns,
    /// A Service answers, from each node.
    Service,
    /// Certificates are valid for a while.
    Certificates,
    /// Hosts are as the inventory wants them.
    Drift,
}

impl Area {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Hosts,
        Self::Balancers,
        Self::Nodes,
        Self::StaticPods,
        Self::Etcd,
        Self::ApiServers,
        Self::Dns,
        Self::Service,
        Self::Certificates,
        Self::Drift,
    ];

    /// A heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Hosts => "Hosts",
            Self::Balancers => "Balancers",
            Self::Nodes => "Nodes",
            Self::StaticPods => "Static pods",
            Self::Etcd => "etcd",
            Self::ApiServers => "API servers",
            Self::Dns => "DNS",
            Self::Service => "Service",
            Self::Certificates => "Certificates",
            Self::Drift => "Inventory",
        }
    }

    /// Whether what is bad may become good by itself, soon after the last step of a plan.
    #[must_use]
    pub fn settles(self) -> bool {
        match self {
            Self::Balancers
            | Self::Nodes
            | Self::StaticPods
            | Self::Etcd
            | Self::ApiServers
            | Self::Dns
            | Self::Service => true,
            Self::Hosts | Self::Certificates | Self::Drift => false,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub area: Area,
    /// The host, or what else it is about.
    pub subject: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen, or why it wasn't.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn new(area: Area, subject: &str, verdict: Verdict, what: impl Into<String>) -> Self {
        Self { area, subject: subject.to_owned(), verdict, what: what.into(), remedy: None }
    }

    fn good(area: Area, subject: &str, what: impl Into<String>) -> Self {
        Self::new(area, subject, Verdict::Good, what)
    }

    fn bad(area: Area, subject: &str, what: impl Into<String>) -> Self {
        Self::new(area, subject, Verdict::Bad, what)
    }

    fn unproven(area: Area, subject: &str, what: impl Into<String>) -> Self {
        Self::new(area, subject, Verdict::Unproven, what)
    }

    fn so(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// The subject of what concerns no one host.
const CLUSTER: &str = "cluster";

/// Everything that can be said, in the order of [`Area::ALL`].
#[must_use]
pub fn judge(seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    machines::hosts(seen, &mut findings);
    machines::balancers(seen, &mut findings);
    cluster::nodes(seen, &mut findings);
    cluster::static_pods(seen, &mut findings);
    cluster::etcd(seen, &mut findings);
    ways::api_servers(seen, &mut findings);
    ways::names(seen, &mut findings);
    ways::service(seen, &mut findings);
    certificates::check(seen, &mut findings);
    machines::drift(seen, &mut findings);
    findings
}

/// The worst of all findings; unproven if there are none.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unproven)
}

#[cfg(test)]
mod tests;
