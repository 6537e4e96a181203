//! A cluster's life after its first day: nodes go and come, and versions rise.
//!
//! Each change is a [`Plan`] like the first one: made from what hosts say at that moment, so that
//! after an interruption the next one holds what is left. What would do harm is refused, with the
//! reason, before anything is changed.
//!
//! ```text
//!  a node's way:   balancers send it no new connections ─▶ its pods move, as budgets allow
//!                  ─▶ it leaves, or is upgraded ─▶ pods may come ─▶ balancers send connections
//! ```

mod add;
mod quorum;
mod remove;
mod service;
mod upgrade;

use std::time::Duration;

use serde::Serialize;

use crate::facts::{Cluster, ClusterState, Facts};
use crate::inventory::version::Version;
use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::pki::Material;
use crate::plan::preflight::Fault;
use crate::plan::wanted::{Context, Progress};
use crate::plan::{FactsByHost, Operator, Plan, Stage};

/// A change, and what to know before it is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is left to do.
    pub plan: Plan,
    /// What isn't forbidden and is worth knowing.
    pub notes: Vec<String>,
}

/// What changes are made from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// What hosts say; one that is gone for good may be missing.
    pub facts: &'a FactsByHost,
    /// The cluster's keys.
    pub material: &'a Material,
    /// The operator's side.
    pub operator: &'a Operator,
}

/// How nodes are emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// How long pods may take to go, and budgets to let them.
    pub patience: Duration,
}

impl Default for Draining {
    fn default() -> Self {
        Self { patience: Duration::from_secs(300) }
    }
}

/// A node that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal<'a> {
    /// Its name.
    pub node: &'a str,
    /// Whether its host is gone for good: it isn't asked, and nothing is cleared there.
    pub is_gone: bool,
    /// How its pods go.
    pub draining: Draining,
}

/// A cluster that is to run another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// Which.
    pub version: Version,
    /// Workers that are upgraded at the same time; at least one.
    pub workers_at_once: usize,
    /// How their pods go.
    pub draining: Draining,
}

impl<'a> Ground<'a> {
    fn context(self) -> Context<'a> {
        let Self { inventory, facts, material, operator } = self;
        Context { inventory, facts, material, operator }
    }

    /// Takes a node out of the cluster, and puts its host back to before kubeadm.
    ///
    /// # Errors
    /// Why it would do harm.
    pub fn remove(self, removal: &Removal<'_>) -> Result<Change, Vec<Fault>> {
        remove::make(&self.context(), removal)
    }

    /// Has one host of the inventory join the cluster that there is.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn join(self, node: &str) -> Result<Change, Vec<Fault>> {
        add::make(self, node)
    }

    /// Has one host join that is to take another one's place. The other one isn't looked at once it is
    /// on its way out: no cluster counts it any more, and it is to join no more.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn succeed(self, leaving: &str, coming: &str) -> Result<Change, Vec<Fault>> {
        let host = host_of(self.inventory, leaving)?;
        let own = self.facts.get(leaving);
        let is_marked = own.is_some_and(|own| own.files.contains_key(paths::REMOVED));
        if !is_marked && self.context().progress(host) == Progress::Joined {
            return self.join(coming);
        }
        let rest = self.inventory.without(leaving);
        Ground { inventory: &rest, ..self }.join(coming)
    }

    /// Brings the cluster to another version, and halb on the balancers to this one.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn upgrade(self, upgrade: &Upgrade) -> Result<Change, Vec<Fault>> {
        upgrade::make(self, upgrade)
    }
}

/// The host of this name.
fn host_of<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Host, Vec<Fault>> {
    inventory.hosts.iter().find(|host| host.name == name).ok_or_else(|| {
        let names: Vec<_> = inventory
            .hosts
            .iter()
            .filter(|host| host.is_node())
            .map(|it| it.name.as_str())
            .collect();
        let what = format!("the inventory has no host {name}; its nodes are {}", names.join(", "));
        let remedy = "for a new host, write its line into the inventory first: \
                      `- {name: …, role: …, address: …}`";
        vec![Fault::of_all(what, remedy)]
    })
}

/// The cluster as a master other than this host sees it, and that master; as this host sees it where
/// it is the only one.
pub(crate) fn steering<'a>(
    inventory: &'a Inventory,
    facts: &'a FactsByHost,
    but: &Host,
) -> Option<(&'a Host, &'a Cluster)> {
    let sees = |host: &'a Host| match &facts.get(&host.name)?.cluster {
        ClusterState::Answers(cluster) => Some((host, cluster)),
        ClusterState::None | ClusterState::Silent => None,
    };
    let masters = || inventory.with_role(Role::Master);
    let mut others = masters().filter(|host| host.name != but.name).filter_map(sees);
    others.next().or_else(|| masters().find_map(sees))
}

fn steered<'a>(context: &Context<'a>, but: &Host) -> Option<(&'a Host, &'a Cluster)> {
    steering(context.inventory, context.facts, but)
}

/// Whether etcd bears that a host is away for a moment; if not, why.
pub(crate) fn bears(
    inventory: &Inventory,
    facts: &FactsByHost,
    cluster: &Cluster,
    host: &Host,
) -> Result<(), String> {
    quorum::Quorum::of(inventory, facts, cluster).while_away(&host.name)
}

fn no_cluster(inventory: &Inventory) -> Vec<Fault> {
    let what = format!("no master of '{}' has a cluster that answers", inventory.name);
    let remedy = "'halb k8s apply' makes one; of one that there is, 'halb k8s status' says more";
    vec![Fault::of_all(what, remedy)]
}

/// Whether a host's halb serves.
fn balances(facts: &Facts) -> bool {
    facts.services.get("halb.service").is_some_and(|service| service.is_active())
}

/// A plan of the stages in which something is to be done.
fn plan_of(inventory: &Inventory, stages: impl IntoIterator<Item = Stage>) -> Plan {
    let stages = stages.into_iter().filter(|stage| !stage.hosts.is_empty()).collect();
    Plan { cluster: inventory.name.clone(), stages }
}

#[cfg(test)]
mod tests;
