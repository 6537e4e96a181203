//! What is there compared with what is wanted: the ground on which all steps are built.

use crate::facts::{Cluster, ClusterState, Facts};
use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::pki::{Material, sha256};
use crate::plan::step::{Act, Content, File, Step};
use crate::plan::{FactsByHost, HostPlan, Operator, Pace, Stage, StageName};

/// Everything that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) facts: &'a FactsByHost,
    pub(super) material: &'a Material,
    pub(super) operator: &'a Operator,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// kubeadm hasn't run on it.
    Fresh,
    /// A run of halb began on it and didn't come to its end.
    HalfDone,
    /// It belongs to the cluster.
    Joined,
    /// It belonged to the cluster, and doesn't any more.
    Lost,
    /// Something other than halb set it up.
    Foreign,
}

impl<'a> Context<'a> {
    /// Facts of a host. Preflight has seen to it that all are there.
    pub(super) fn facts_of(&self, host: &Host) -> &'a Facts {
        self.facts.get(&host.name).expect("preflight refuses hosts without facts")
    }

    /// The cluster as the first master that answers sees it, and that master.
    pub(super) fn cluster(&self) -> Option<(&'a Host, &'a Cluster)> {
        cluster(self.inventory, self.facts)
    }

    /// The master from which the cluster is steered: one that answers, or the first.
    pub(super) fn leader(&self) -> Option<&'a Host> {
        let first = || self.inventory.with_role(Role::Master).next();
        self.cluster().map(|(host, _)| host).or_else(first)
    }

    /// How far a node has come.
    pub(super) fn progress(&self, host: &Host) -> Progress {
        progress(self.inventory, self.facts, self.material, host)
    }
}

/// The cluster as the first master that answers sees it, and that master.
pub(crate) fn cluster<'a>(
    inventory: &'a Inventory,
    facts: &'a FactsByHost,
) -> Option<(&'a Host, &'a Cluster)> {
    inventory.with_role(Role::Master).find_map(|host| match &facts.get(&host.name)?.cluster {
        ClusterState::Answers(cluster) => Some((host, cluster)),
        ClusterState::None | ClusterState::Silent => None,
    })
}

/// The line that marks a host as one of this cluster: by the hash of its authority.
pub(super) fn mark(material: &Material) -> String {
    format!("{}\n", material.ca_hash())
}

/// How far a node has come. kubeadm writes most of its files long before it is done, so none of them
/// proves anything: what counts is what the cluster says, and the marks that halb leaves.
pub(crate) fn progress(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    host: &Host,
) -> Progress {
    let Some(own) = facts.get(&host.name) else { return Progress::Fresh };
    let marked = |path| {
        let text = own.files.get(path).and_then(|file| file.text.as_deref());
        text == Some(mark(material).as_str())
    };
    let has = |path: &str| own.files.contains_key(path);
    let touched = [paths::KUBELET_CONF, paths::ADMIN_CONF, paths::ETCD_MEMBER]
        .into_iter()
        .chain(paths::STATIC_PODS)
        .any(has);
    let known = cluster(inventory, facts).is_some_and(|(_, cluster)| belongs(cluster, host));
    let whole = has(paths::KUBELET_CONF)
        && (!host.has(Role::Master) || paths::STATIC_PODS.into_iter().all(has));
    match (touched, marked(paths::BEGUN)) {
        (false, _) => Progress::Fresh,
        (true, false) => Progress::Foreign,
        (true, true) if known && whole => Progress::Joined,
        (true, true) if marked(paths::DONE) => Progress::Lost,
        (true, true) => Progress::HalfDone,
    }
}

/// Whether the cluster counts a host among its own: its node, and for a master its vote in etcd.
fn belongs(cluster: &Cluster, host: &Host) -> bool {
    let node = cluster.nodes.get(&host.name);
    let votes = || {
        // Who can't be asked for members says none at all, not even itself.
        let mut members = cluster.etcd.iter();
        cluster.etcd.is_empty() || members.any(|member| member.name == host.name && !member.learner)
    };
    node.is_some_and(|node| !host.has(Role::Master) || node.master)
        && (!host.has(Role::Master) || votes())
}

/// The steps of a host in a stage, as they come together.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) host: &'a Host,
    pub(super) facts: &'a Facts,
    steps: Vec<Step>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(context: &Context<'a>, host: &'a Host) -> Self {
        Self { host, facts: context.facts_of(host), steps: Vec::new() }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// A file that anyone may read, if it isn't there as wanted. Says whether it wasn't.
    pub(super) fn file(&mut self, id: &str, title: &str, path: &str, text: String) -> bool {
        self.file_as(id, title, (path, 0o644), Content::Public(text))
    }

    /// A file of root, if it isn't there as wanted. Says whether it wasn't.
    pub(super) fn file_as(
        &mut self,
        id: &str,
        title: &str,
        (path, mode): (&str, u32),
        content: Content,
    ) -> bool {
        const OWNER: &str = "root:root";
        let there = self.facts.files.get(path);
        let as_wanted = there.is_some_and(|file| {
            let hash = sha256(content.expose().as_bytes());
            file.sha256.as_ref() == Some(&hash) && file.mode == mode && file.owner == OWNER
        });
        if !as_wanted {
            self.write(id, title, (path, mode), content);
        }
        !as_wanted
    }

    /// A file of root, whatever is there.
    pub(super) fn write(
        &mut self,
        id: &str,
        title: &str,
        (path, mode): (&str, u32),
        content: Content,
    ) {
        let before = self.facts.files.get(path).and_then(|file| file.text.clone());
        let (path, owner) = (path.to_owned(), "root:root".to_owned());
        let file = File { path, mode, owner, content, before };
        self.push(Step::new(id, title, Act::Write { file }));
    }

    /// Whether a service runs and starts at boot.
    pub(super) fn service_is_up(&self, unit: &str) -> bool {
        let service = self.facts.services.get(unit);
        service.is_some_and(|service| service.is_active() && service.is_enabled())
    }

    pub(super) fn done(self) -> HostPlan {
        HostPlan { host: self.host.name.clone(), steps: self.steps }
    }
}

/// A stage of the hosts that have something to do in it.
pub(super) fn stage(
    name: StageName,
    pace: Pace,
    hosts: impl IntoIterator<Item = HostPlan>,
) -> Stage {
    let hosts = hosts.into_iter().filter(|host| !host.steps.is_empty()).collect();
    Stage { name, pace, hosts }
}
