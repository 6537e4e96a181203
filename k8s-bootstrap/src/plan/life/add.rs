//! A host of the inventory joins the cluster that there is.

use std::collections::BTreeSet;

use crate::inventory::{Host, Role};
use crate::paths;
use crate::plan::preflight::Fault;
use crate::plan::step::{Act, Step};
use crate::plan::wanted::Progress;
use crate::plan::{HostPlan, Stage, StageName, make as make_all};

use super::quorum::Quorum;
use super::{Change, Ground, host_of, no_cluster, plan_of, steered};

/// The step that every node has when a name comes: all of them do it.
const NAMES: &str = "hosts";

pub(super) fn make(ground: Ground<'_>, name: &str) -> Result<Change, Vec<Fault>> {
    let host = host_of(ground.inventory, name)?;
    let mut facts = ground.facts.clone();
    // Who is asked to join may do so, whatever was before.
    let mark = facts.get_mut(name).and_then(|own| own.files.remove(paths::REMOVED));
    let ground = Ground { facts: &facts, ..ground };
    let context = ground.context();
    let Some((leader, cluster)) = steered(&context, host) else {
        return Err(no_cluster(ground.inventory));
    };
    let faults = refusals(host, &Quorum::of(context.inventory, context.facts, cluster));
    if !faults.is_empty() {
        return Err(faults);
    }
    let whole = make_all(ground.inventory, &facts, ground.material, ground.operator)?;
    let joins = context.progress(host) != Progress::Joined;
    let (mut stages, mut left) = (Vec::new(), BTreeSet::new());
    for mut stage in whole.stages {
        let hosts = std::mem::take(&mut stage.hosts);
        for mut plan in hosts {
            if !concerns(&stage, &plan, (host, leader), joins) {
                let all = plan.steps.len();
                plan.steps.retain(|step| step.id == NAMES);
                if plan.steps.len() < all {
                    left.insert(plan.host.clone());
                }
            }
            if !plan.steps.is_empty() {
                stage.hosts.push(plan);
            }
        }
        stages.push(stage);
    }
    if mark.is_some() {
        allow(&mut stages, name);
    }
    let mut notes = Vec::new();
    if host.has(Role::Master) && joins && cluster.etcd.len() % 2 == 1 {
        notes.push(format!(
            "etcd then has {} members, which bear the loss of no more than {} did",
            cluster.etcd.len() + 1,
            cluster.etcd.len()
        ));
    }
    if !left.is_empty() {
        let others: Vec<_> = left.into_iter().collect();
        notes.push(format!(
            "{} differ from the inventory, too; 'halb k8s apply' sees to that",
            others.join(", ")
        ));
    }
    Ok(Change { plan: plan_of(ground.inventory, stages), notes })
}

/// Whether steps are needed for a host to join: its own, those of balancers that get a new server,
/// and what the cluster is told.
fn concerns(stage: &Stage, plan: &HostPlan, (host, leader): (&Host, &Host), joins: bool) -> bool {
    match stage.name {
        StageName::Balancers => host.has(Role::Master),
        StageName::Repair => joins && (plan.host == leader.name || plan.host == host.name),
        StageName::Init => false,
        StageName::Nodes
        | StageName::Masters
        | StageName::Workers
        | StageName::Network
        | StageName::Access
        | StageName::OutOfService
        | StageName::LeaveEtcd
        | StageName::Clear
        | StageName::Forget
        | StageName::Snapshot
        | StageName::UpgradeMaster
        | StageName::UpgradeWorkers
        | StageName::IntoService
        | StageName::Renew
        | StageName::Upload
        | StageName::Stop
        | StageName::Restore
        | StageName::Start
        | StageName::Kubelets
        | StageName::Leave
        | StageName::PutBack => plan.host == host.name,
        // No plan of a cluster's own hosts has them.
        StageName::AddonNodes
        | StageName::Addons
        | StageName::AddonChecks
        | StageName::AddonRemoval
        | StageName::AddonLeftovers
        | StageName::AddonOrder => false,
    }
}

/// The first thing that is done on the host: the mark goes that keeps it out.
fn allow(stages: &mut [Stage], name: &str) {
    let own = stages.iter_mut().flat_map(|stage| &mut stage.hosts).find(|plan| plan.host == name);
    if let Some(own) = own {
        let act = Act::Remove { path: paths::REMOVED.to_owned() };
        let title = "Forget that it was to join no more";
        own.steps.insert(0, Step::new("removed-gone", title, act));
    }
}

fn refusals(host: &Host, quorum: &Quorum) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !host.is_node() {
        let remedy = "'halb k8s apply' sets balancers up";
        faults.push(Fault::of(host, "it is a balancer, no node", remedy));
    }
    if host.has(Role::Master) {
        let down: Vec<_> = quorum.down().into_iter().filter(|name| *name != host.name).collect();
        if !down.is_empty() {
            let down = down.join(", ");
            let what =
                format!("etcd of {down} isn't up, and a new member would be one more to wait for");
            let remedy = "bring it back, or take it out first: 'halb k8s node remove NAME \
                          --host-is-gone', or 'node replace'";
            faults.push(Fault::of(host, what, remedy));
        }
    }
    faults
}
