//! What is installed in a cluster once it runs: add-ons.
//!
//! ```text
//!  inventory ── manifests, built from types ──▶ Set ──▶ steps on a master, by kubectl ─┐
//!            ── folders and files of hosts ──────────▶ steps on nodes ─────────────────┴─▶ Plan
//! ```
//!
//! Each add-on is a module of its own that says which steps make it be there and which remove it.
//! A step looks first, so that a plan without those that are as wanted ([`crate::driver::look`]) is
//! what is left to do, and one that is carried out again changes nothing.
//!
//! Objects are applied on the server's side with [`FIELD_MANAGER`] as the owner of their fields, and
//! carry two labels: which add-on they belong to, and the hash of the set that they were applied
//! with. What carries the add-on's name and another hash was wanted once and isn't any more: it goes
//! when the add-on is applied, and everything of the name when it is removed. So nothing has to be
//! remembered of what was installed.

pub mod keys;
pub mod registry;

pub(crate) mod patroni;

mod apply;
mod manifest;
mod metallb;
mod nginx;
mod objects;
mod storage;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::addon::keys::Keys;
use crate::inventory::addons::{Addons, Volume};
use crate::inventory::{Host, Inventory, Role};
use crate::pki::Material;
use crate::plan::step::Step;
use crate::plan::wanted::Progress;
use crate::plan::{FactsByHost, HostPlan, Pace, Plan, Stage, StageName, wanted};

pub use patroni::Order;

/// Who owns the fields that add-ons set.
pub const FIELD_MANAGER: &str = "halb";

/// The add-ons that there are, in the order in which they are installed: each only needs those
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Addresses for services.
    Metallb,
    /// Volumes on nodes' disks.
    Storage,
    /// A sample application.
    Nginx,
    /// A private registry of images.
    Registry,
    /// A database.
    Patroni,
}

impl Name {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Metallb, Self::Storage, Self::Nginx, Self::Registry, Self::Patroni];

    /// The word in the inventory and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metallb => "metallb",
            Self::Storage => "storage",
            Self::Nginx => "nginx",
            Self::Registry => "registry",
            Self::Patroni => "patroni",
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Metallb => "addresses of the hosts' network for services, announced by nodes",
            Self::Storage => "volumes on nodes' own disks",
            Self::Nginx => "a sample application, asked from outside of the cluster",
            Self::Registry => "a private registry of images, which all nodes know",
            Self::Patroni => "PostgreSQL with a leader and replicas",
        }
    }

    /// Whether the inventory wants it.
    #[must_use]
    pub fn is_wanted(self, inventory: &Inventory) -> bool {
        match self {
            Self::Metallb => inventory.addons.metallb.is_some(),
            Self::Storage => inventory.addons.storage.is_some(),
            Self::Nginx => inventory.addons.nginx.is_some(),
            Self::Registry => inventory.addons.registry.is_some(),
            Self::Patroni => inventory.addons.patroni.is_some(),
        }
    }

    /// What the inventory wants of it: a version, an image; none if it isn't wanted.
    #[must_use]
    pub fn version(self, inventory: &Inventory) -> Option<String> {
        let addons = &inventory.addons;
        match self {
            Self::Metallb => addons.metallb.as_ref().map(|metallb| metallb.version.to_string()),
            Self::Storage => addons.storage.as_ref().map(|storage| match storage.volumes.len() {
                1 => "1 volume".to_owned(),
                count => format!("{count} volumes"),
            }),
            Self::Nginx => addons.nginx.as_ref().map(|nginx| nginx.image.clone()),
            Self::Registry => addons.registry.as_ref().map(|registry| registry.image.clone()),
            Self::Patroni => addons.patroni.as_ref().map(|patroni| patroni.image.clone()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the steps of add-ons depend on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// The master on which kubectl runs.
    pub leader: &'a Host,
    /// What nobody may see. Without it, add-ons that have secrets have no steps.
    pub keys: Option<&'a Keys>,
}

impl Name {
    /// Add-ons that this one can't be without.
    #[must_use]
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::Metallb | Self::Storage => &[],
            Self::Nginx => &[Self::Metallb],
            Self::Registry => &[Self::Metallb, Self::Storage],
            Self::Patroni => &[Self::Storage],
        }
    }
}

/// The claim that a volume is kept for, if somebody has it in the inventory.
fn claim_of(addons: &Addons, volume: &Volume) -> Option<storage::ClaimRef> {
    if addons.registry.as_ref().is_some_and(|registry| registry.volume == volume.name) {
        let name = registry::CLAIM_NAME.to_owned();
        return Some(storage::ClaimRef { namespace: registry::SPACE, name });
    }
    let members = addons.patroni.as_ref().map(|patroni| patroni.volumes.as_slice());
    let member = members?.iter().position(|name| *name == volume.name)?;
    Some(storage::ClaimRef { namespace: patroni::SPACE, name: patroni::claim_name(member) })
}

/// A master that answers for its cluster, if one does and that cluster is the one of these keys: with
/// others, what nobody may see would be replaced.
#[must_use]
pub fn leader<'a>(
    inventory: &'a Inventory,
    facts: &FactsByHost,
    material: &Material,
) -> Option<&'a Host> {
    let (answers, _) = wanted::cluster(inventory, facts)?;
    let host = inventory.hosts.iter().find(|host| host.name == answers.name)?;
    let progress = wanted::progress(inventory, facts, material, host);
    (progress == Progress::Joined).then_some(host)
}

/// The steps of add-ons by where and when they run.
#[derive(Debug, Default)]
struct Steps {
    /// On nodes, by name, before anything on the leader when something is installed, and after it
    /// when something is removed.
    nodes: BTreeMap<String, Vec<Step>>,
    /// On the leader.
    cluster: Vec<Step>,
    /// On a host that they are asked from, by its name.
    outside: Vec<(String, Step)>,
}

impl Steps {
    /// Adds a step on a node.
    fn on(&mut self, node: &str, step: Step) {
        self.nodes.entry(node.to_owned()).or_default().push(step);
    }

    /// What nodes have to do, in the inventory's order.
    fn on_nodes(&mut self, context: Context<'_>, name: StageName) -> Stage {
        let hosts = context.inventory.hosts.iter().filter_map(|host| {
            let steps = self.nodes.remove(&host.name)?;
            Some(HostPlan { host: host.name.clone(), steps })
        });
        Stage { name, pace: Pace::AtOnce, hosts: hosts.collect() }
    }
}

/// All steps that make these add-ons be as the inventory wants them; one that it doesn't want has
/// none.
#[must_use]
pub fn plan(context: Context<'_>, names: &[Name]) -> Plan {
    let mut steps = Steps::default();
    for name in Name::ALL.into_iter().filter(|name| names.contains(name)) {
        match name {
            Name::Metallb => metallb::install(context, &mut steps),
            Name::Storage => storage::install(context, &mut steps),
            Name::Nginx => nginx::install(context, &mut steps),
            Name::Registry => registry::install(context, &mut steps),
            Name::Patroni => patroni::install(context, &mut steps),
        }
    }
    let nodes = steps.on_nodes(context, StageName::AddonNodes);
    let outside = steps.outside.into_iter();
    let outside = outside.map(|(host, step)| HostPlan { host, steps: vec![step] });
    let asked =
        Stage { name: StageName::AddonChecks, pace: Pace::OneByOne, hosts: outside.collect() };
    let stages = [nodes, on_leader(context, StageName::Addons, steps.cluster), asked];
    made_of(context, stages)
}

/// All steps that remove these add-ons, whether the inventory still wants them or not.
#[must_use]
pub fn removal(context: Context<'_>, names: &[Name]) -> Plan {
    let mut steps = Steps::default();
    for name in Name::ALL.into_iter().rev().filter(|name| names.contains(name)) {
        match name {
            Name::Metallb => metallb::remove(context, &mut steps),
            Name::Storage => storage::remove(&mut steps),
            Name::Nginx => nginx::remove(&mut steps),
            Name::Registry => registry::remove(context, &mut steps),
            Name::Patroni => patroni::remove(&mut steps),
        }
    }
    let nodes = steps.on_nodes(context, StageName::AddonLeftovers);
    let stages = [on_leader(context, StageName::AddonRemoval, steps.cluster), nodes];
    made_of(context, stages)
}

/// Pulls an image on a node and pushes it into the registry; nothing without one.
#[must_use]
pub fn push(context: Context<'_>, image: &str) -> Option<Plan> {
    let registry = context.inventory.addons.registry.as_ref()?;
    let node = context.inventory.with_role(Role::Worker).next().unwrap_or(context.leader);
    let host = HostPlan { host: node.name.clone(), steps: registry::push(registry, image) };
    let (name, pace) = (StageName::AddonOrder, Pace::OneByOne);
    Some(made_of(context, [Stage { name, pace, hosts: vec![host] }]))
}

/// Has patronictl do something.
#[must_use]
pub fn patronictl(context: Context<'_>, order: &Order) -> Plan {
    made_of(context, [on_leader(context, StageName::AddonOrder, vec![patroni::order(order)])])
}

/// The manifests of these add-ons as far as the inventory wants them, for whoever applies them by
/// other means. No secret is in them.
#[must_use]
pub fn render(inventory: &Inventory, names: &[Name]) -> String {
    const LEFT_OUT: &str = "# Without its Secrets, which 'halb k8s addon apply' makes.\n";
    let addons = &inventory.addons;
    let wanted = Name::ALL.into_iter().filter(|name| names.contains(name));
    let texts = wanted.filter_map(|name| match name {
        Name::Metallb => addons.metallb.as_ref().map(metallb::render),
        Name::Storage => addons.storage.as_ref().map(|_| storage::set(addons).text()),
        Name::Nginx => addons.nginx.as_ref().map(|nginx| nginx::set(nginx).text()),
        Name::Registry => addons
            .registry
            .as_ref()
            .map(|registry| format!("{LEFT_OUT}{}", registry::set(addons, registry, None).text())),
        Name::Patroni => addons
            .patroni
            .as_ref()
            .map(|patroni| format!("{LEFT_OUT}{}", patroni::set(addons, patroni, None).text())),
    });
    texts.collect::<Vec<_>>().join("---\n")
}

fn on_leader(context: Context<'_>, name: StageName, steps: Vec<Step>) -> Stage {
    let hosts = vec![HostPlan { host: context.leader.name.clone(), steps }];
    Stage { name, pace: Pace::OneByOne, hosts }
}

fn made_of(context: Context<'_>, stages: impl IntoIterator<Item = Stage>) -> Plan {
    let stages = stages.into_iter().filter_map(|mut stage| {
        stage.hosts.retain(|host| !host.steps.is_empty());
        (!stage.hosts.is_empty()).then_some(stage)
    });
    Plan { cluster: context.inventory.name.clone(), stages: stages.collect() }
}

#[cfg(test)]
pub(crate) mod tests;
