//! Certificates of masters are renewed, and what has read them reads them anew.
//!
//! One master after the other: while its etcd is away for a moment, the others have to be a
//! majority, and while its API server is, balancers have to have another one. Where certificates
//! have ended nothing works that could be disturbed, and all masters go at once: none of them would
//! come up alone.

use std::time::Duration;

use crate::facts::{Cluster, ClusterState};
use crate::inventory::{Host, Inventory, Role};
use crate::kubeadm::API_SERVER_PORT;
use crate::paths;
use crate::pki::Material;
use crate::plan::masters::{self, kubectl};
use crate::plan::preflight::{self, Fault};
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted::{self, Progress};
use crate::plan::{FactsByHost, HostPlan, Pace, Plan, Stage, StageName, pods};

/// How long kubeadm may take: it asks the cluster for its configuration, which may not answer.
const RENEW_TIMEOUT: Duration = Duration::from_secs(180);

/// How long four static pods may take to stop and start.
const RESTART_TIMEOUT: Duration = Duration::from_secs(1500);

/// How long a master may take to serve again.
const READY_TIMEOUT: Duration = Duration::from_secs(300);

/// New certificates on all masters, and the operator's own. `have_ended` says whether a certificate
/// of a master has ended.
///
/// # Errors
/// Everything that stands in the way: a master that isn't well would cost the cluster its quorum
/// while another one restarts.
pub fn renew(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    have_ended: bool,
) -> Result<Plan, Vec<Fault>> {
    let mut faults = preflight::at_work_faults(inventory, facts);
    let cluster = wanted::cluster(inventory, facts);
    match cluster {
        Some((_, cluster)) => {
            for host in inventory.with_role(Role::Master) {
                let progress = wanted::progress(inventory, facts, material, host);
                faults.extend(unwell(cluster, host, progress));
            }
        }
        None => faults.extend(silent(inventory, facts, have_ended)),
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let pace = if cluster.is_some() { Pace::OneByOne } else { Pace::AtOnce };
    let hosts = inventory.with_role(Role::Master).map(steps).collect();
    let leader = cluster.map(|(host, _)| host);
    let leader = leader.or_else(|| inventory.with_role(Role::Master).next());
    let access = leader.map(|leader| masters::fetch_access(inventory, leader));
    Ok(Plan {
        cluster: inventory.name.clone(),
        stages: vec![
            Stage { name: StageName::Renew, pace, hosts },
            Stage {
                name: StageName::Access,
                pace: Pace::OneByOne,
                hosts: access.into_iter().collect(),
            },
        ],
    })
}

/// Why a master would be missed while another one restarts.
fn unwell(cluster: &Cluster, host: &Host, progress: Progress) -> Option<Fault> {
    let fault = |what: &str, remedy: &str| Fault {
        host: Some(host.name.clone()),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    };
    let ready = cluster.nodes.get(&host.name).is_some_and(|node| node.ready);
    let mut members = cluster.etcd.iter();
    let votes = members.any(|member| member.name == host.name && !member.learner);
    if progress != Progress::Joined {
        Some(fault("it is no master of this cluster yet", "halb k8s apply"))
    } else if !ready {
        let remedy = "masters restart one by one, and etcd needs the others meanwhile: 'halb k8s \
                      verify' says what is wrong with it";
        Some(fault("its node isn't ready", remedy))
    } else if !votes {
        Some(fault("etcd doesn't count its vote", "halb k8s verify says what is wrong with it"))
    } else {
        None
    }
}

/// Why nothing is renewed on a cluster that says nothing.
fn silent(inventory: &Inventory, facts: &FactsByHost, have_ended: bool) -> Vec<Fault> {
    let none = |host: &&Host| {
        facts.get(&host.name).is_none_or(|facts| facts.cluster == ClusterState::None)
    };
    let fault = |host: Option<&Host>, what: &str, remedy: &str| Fault {
        host: host.map(|host| host.name.clone()),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    };
    let mut faults: Vec<_> = inventory
        .with_role(Role::Master)
        .filter(none)
        .map(|host| fault(Some(host), "it is no master of a cluster", "halb k8s apply"))
        .collect();
    if faults.is_empty() && !have_ended {
        faults.push(fault(
            None,
            "no API server answers, and that isn't because a certificate has ended",
            "'halb k8s verify' says what is wrong; nothing is restarted until that is known",
        ));
    }
    faults
}

fn steps(host: &Host) -> HostPlan {
    let renew = Command::new(["kubeadm", "certs", "renew", "all"]).within(RENEW_TIMEOUT);
    let title = "Renew every certificate that kubeadm made";
    let renew = Step::new("certs-renew", title, Act::Run { command: renew });
    let act = Act::RunDetached {
        unit: paths::RESTART_UNIT.to_owned(),
        command: pods::restart().within(RESTART_TIMEOUT),
        output: paths::RESTART_LOG.to_owned(),
    };
    let ready = serves(host).within(READY_TIMEOUT);
    let title = "Restart etcd, API server, controller manager and scheduler with them";
    let restart = Step::new("pods-restart", title, act).verified_by(ready);
    HostPlan { host: host.name.clone(), steps: vec![renew, restart] }
}

/// Ends with 0 if a master's own API server is ready, its etcd included.
pub(super) fn serves(host: &Host) -> Command {
    let server = format!("--server=https://{}:{API_SERVER_PORT}", host.address);
    kubectl(&[&server, "get", "--raw=/readyz"])
}

#[cfg(test)]
pub(crate) mod tests;
