//! What hosts were like before halb changed them, so that [`super::reset`] can put that back.

use std::collections::BTreeSet;

use crate::facts::{Facts, PackageManager};
use crate::inventory::{Inventory, Role};
use crate::paths;
use crate::plan::step::{Act, Step};
use crate::plan::{FactsByHost, Stage};

/// Before the first change of each host: all that the plan is about to write there.
///
/// A host that halb has changed already without remembering it is left so: what it is like now is
/// not what it was.
pub(super) fn first(inventory: &Inventory, facts: &FactsByHost, stages: &mut [Stage]) {
    for host in &inventory.hosts {
        let Some(facts) = facts.get(&host.name).filter(|facts| may_remember(facts)) else {
            continue;
        };
        let own = || stages.iter().flat_map(|stage| &stage.hosts).filter(|it| it.host == host.name);
        let steps = || own().flat_map(|plan| &plan.steps);
        let mut files: BTreeSet<String> = steps().filter_map(|step| written(&step.act)).collect();
        files.retain(|path| !path.starts_with(paths::STATE));
        if steps().next().is_none() || files.is_empty() && is_remembered(facts) {
            continue;
        }
        if host.is_node() {
            files.extend(keys(facts).map(str::to_owned));
        }
        if host.has(Role::Master) {
            // Which master that is written on depends on who answers; all of them remember the same.
            files.insert(paths::CALICO_INSTALLATION.to_owned());
        }
        let act = Act::Remember { files: files.into_iter().collect() };
        let step = Step::new("remember", "Remember how this host is, for halb k8s reset", act);
        let plans = stages.iter_mut().flat_map(|stage| &mut stage.hosts);
        if let Some(plan) = plans.into_iter().find(|plan| plan.host == host.name) {
            plan.steps.insert(0, step);
        }
    }
}

/// Whether a host says how it was.
pub(super) fn is_remembered(facts: &Facts) -> bool {
    facts.files.contains_key(paths::REMEMBERED)
}

/// Whether halb has left its marks on a host.
pub(super) fn is_touched(facts: &Facts) -> bool {
    let marks = [paths::BEGUN, paths::DONE, paths::APPLIED_CONTAINERD, paths::APPLIED_HALB];
    marks.into_iter().any(|mark| facts.files.contains_key(mark))
}

fn may_remember(facts: &Facts) -> bool {
    is_remembered(facts) || !is_touched(facts)
}

/// The file that an act changes, if it is one.
fn written(act: &Act) -> Option<String> {
    match act {
        Act::Write { file } => Some(file.path.clone()),
        Act::Remove { path } | Act::InstallHalb { path, .. } | Act::Upload { path, .. } => {
            Some(path.clone())
        }
        Act::Run { .. }
        | Act::RunDetached { .. }
        | Act::Remember { .. }
        | Act::FetchKubeconfig { .. } => None,
    }
}

/// Keys of repositories, which commands fetch.
fn keys(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let keys = facts.package_manager.map(|manager| match manager {
        PackageManager::Apt => [paths::APT_KUBERNETES_KEY, paths::APT_CONTAINERD_KEY],
        PackageManager::Dnf4 | PackageManager::Dnf5 => {
            [paths::YUM_KUBERNETES_KEY, paths::YUM_CONTAINERD_KEY]
        }
    });
    keys.into_iter().flatten()
}
