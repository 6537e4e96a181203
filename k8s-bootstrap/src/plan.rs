//! What is left to do, and in which order.
//!
//! A plan is stages, one after the other; a stage has hosts, at once or one by one; a host has
//! steps, one after the other. Each step is probe, act, verify: an act whose probe says that all is
//! as wanted is left out, and one whose verification fails is a failure whatever the act said.
//!
//! [`make`] compares what hosts say with what the inventory wants. A host that is as wanted has no
//! steps, so a plan is empty when there is nothing to do.

pub mod backup;
pub mod certs;
pub mod preflight;
pub mod reset;
pub mod restore;
pub mod step;
pub mod text;

mod balancer;
mod cni;
mod containerd;
mod diff;
mod host;
mod join;
pub mod life;
mod masters;
mod packages;
mod pods;
mod remember;
mod system;
pub(crate) mod wanted;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::pki::Material;
use crate::plan::preflight::Fault;
use crate::plan::step::Step;

pub use step::{Act, Command, Content, File};

/// Hosts' facts by the name of the host.
pub type FactsByHost = BTreeMap<String, Facts>;

/// All that is left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Name of the cluster.
    pub cluster: String,
    /// Stages with something to do, in order.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// All steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| &stage.hosts).flat_map(|host| &host.steps)
    }
}

/// Steps that have to be done before the next stage begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Which.
    pub name: StageName,
    /// How hosts follow each other.
    pub pace: Pace,
    /// Hosts with something to do, in the order of the inventory.
    pub hosts: Vec<HostPlan>,
}

/// What one host has to do in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostPlan {
    /// Its name in the inventory.
    pub host: String,
    /// In order; each waits for the one before.
    pub steps: Vec<Step>,
}

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// halb on the balancers: the endpoint has to answer before there is anything behind it.
    Balancers,
    /// What all nodes need.
    Nodes,
    /// The cluster gets ready for its new nodes: leftovers go, the token is good again.
    Repair,
    /// The first master.
    Init,
    /// Further masters: etcd takes one new member at a time.
    Masters,
    /// Workers.
    Workers,
    /// The network of pods.
    Network,
    /// The operator's access.
    Access,
    /// etcd is saved before anything can go wrong.
    Snapshot,
    /// Nodes get no connections and no pods any more.
    OutOfService,
    /// A member of etcd goes.
    LeaveEtcd,
    /// A host is cleared of what kubeadm made there.
    Clear,
    /// The cluster forgets a node.
    Forget,
    /// One master is brought to another version.
    UpgradeMaster,
    /// Some workers are brought to another version.
    UpgradeWorkers,
    /// Nodes get connections and pods again.
    IntoService,
    /// Certificates of masters.
    Renew,
    /// A snapshot goes to all masters.
    Upload,
    /// Control planes stop.
    Stop,
    /// etcd's members are made anew.
    Restore,
    /// Control planes start.
    Start,
    /// kubelets ask anew.
    Kubelets,
    /// Nodes leave their cluster.
    Leave,
    /// Hosts become what they were.
    PutBack,
    /// What nodes need before something is installed.
    AddonNodes,
    /// What is installed once the cluster runs.
    Addons,
    /// Whether what was installed answers.
    AddonChecks,
    /// What was installed, and goes.
    AddonRemoval,
    /// What it left on nodes.
    AddonLeftovers,
    /// What something that is installed is told to do.
    AddonOrder,
}

impl StageName {
    /// A heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Balancers => "Set up the balancers",
            Self::Nodes => "Prepare all nodes",
            Self::Repair => "Make the cluster ready for its new nodes",
            Self::Init => "Begin the cluster on the first master",
            Self::Masters => "Join the other masters",
            Self::Workers => "Join the workers",
            Self::Network => "Install the network of pods",
            Self::Access => "Fetch the operator's access",
            Self::Snapshot => "Save what etcd holds",
            Self::OutOfService => "Take out of service",
            Self::LeaveEtcd => "Leave etcd",
            Self::Clear => "Clear the host",
            Self::Forget => "Forget the node",
            Self::UpgradeMaster => "Upgrade a master",
            Self::UpgradeWorkers => "Upgrade workers",
            Self::IntoService => "Put back into service",
            Self::Renew => "Renew the masters' certificates",
            Self::Upload => "Put the snapshot on all masters",
            Self::Stop => "Stop all control planes",
            Self::Restore => "Make etcd anew out of the snapshot",
            Self::Start => "Start all control planes",
            Self::Kubelets => "Have all nodes ask anew",
            Self::Leave => "Take nodes out of the cluster",
            Self::PutBack => "Put hosts back as they were",
            Self::AddonNodes => "Make nodes ready for add-ons",
            Self::Addons => "Install add-ons",
            Self::AddonChecks => "Ask what was installed",
            Self::AddonRemoval => "Remove add-ons",
            Self::AddonLeftovers => "Remove what add-ons left on nodes",
            Self::AddonOrder => "Have an add-on do something",
        }
    }
}

/// How the hosts of a stage follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Several at once.
    AtOnce,
    /// One after the other; the first failure ends the stage.
    OneByOne,
}

/// What the operator's side has, as far as a plan depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// SHA-256 of the halb program that balancers get, in hexadecimal digits.
    pub halb_sha256: String,
    /// Whether the operator's kubeconfig has this cluster under its name, with its authority.
    pub has_access: bool,
}

/// What there is to do.
///
/// # Errors
/// Everything that stands in the way, on all hosts.
pub fn make(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    operator: &Operator,
) -> Result<Plan, Vec<Fault>> {
    let faults = preflight::check(inventory, facts, material);
    if !faults.is_empty() {
        return Err(faults);
    }
    let context = wanted::Context { inventory, facts, material, operator };
    let stages = [
        balancer::balancers(&context),
        host::nodes(&context),
        masters::repair(&context),
        masters::init(&context),
        join::masters(&context),
        join::workers(&context),
        cni::stage_of(&context),
        masters::access(&context),
    ];
    let mut stages: Vec<_> = stages.into_iter().filter(|stage| !stage.hosts.is_empty()).collect();
    remember::first(inventory, facts, &mut stages);
    Ok(Plan { cluster: inventory.name.clone(), stages })
}

#[cfg(test)]
pub(crate) mod tests;
