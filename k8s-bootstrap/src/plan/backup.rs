//! A snapshot of etcd on a master, for whoever fetches it.

use std::time::Duration;

use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::pki::{Material, sha256};
use crate::plan::preflight::{self, Fault};
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted;
use crate::plan::{FactsByHost, HostPlan, Pace, Plan, Stage, StageName};

/// How long etcd may take to write its database once more: gigabytes on a slow disk.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(900);

/// A snapshot on a master that answers, which is looked at by etcd's own means.
///
/// # Errors
/// Nobody answers, or the keys on the master aren't those that halb keeps: a backup of other keys
/// would restore nothing.
pub fn snapshot(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
) -> Result<Plan, Vec<Fault>> {
    let mut faults = preflight::at_work_faults(inventory, facts);
    let leader = wanted::cluster(inventory, facts).map(|(leader, _)| leader);
    let Some(leader) = leader else {
        faults.push(Fault {
            host: None,
            what: "no API server answers, and etcd is asked through one".to_owned(),
            remedy: "halb k8s verify says what is wrong; a backup needs one master that works"
                .to_owned(),
        });
        return Err(faults);
    };
    faults.extend(other_keys(inventory, facts, material));
    if !faults.is_empty() {
        return Err(faults);
    }
    let save = etcdctl(leader, &["snapshot", "save", paths::SNAPSHOT]).within(SNAPSHOT_TIMEOUT);
    let status = in_etcd(leader, &["etcdutl", "snapshot", "status", paths::SNAPSHOT]);
    let title = format!("Take a snapshot of etcd on {}", leader.name);
    let step = Step::new("snapshot", title, Act::Run { command: save });
    let step = step.verified_by(status.within(SNAPSHOT_TIMEOUT));
    let hosts = vec![HostPlan { host: leader.name.clone(), steps: vec![step] }];
    let stage = Stage { name: StageName::Snapshot, pace: Pace::OneByOne, hosts };
    Ok(Plan { cluster: inventory.name.clone(), stages: vec![stage] })
}

/// The master that a plan of [`snapshot`] takes it from, and the file there.
#[must_use]
pub fn place(plan: &Plan) -> Option<(&str, &'static str)> {
    let mut hosts = plan.stages.iter().flat_map(|stage| &stage.hosts);
    hosts.next().map(|host| (host.host.as_str(), paths::SNAPSHOT))
}

/// Masters whose keys are others than those that halb keeps.
fn other_keys(inventory: &Inventory, facts: &FactsByHost, material: &Material) -> Vec<Fault> {
    let mut faults = Vec::new();
    for host in inventory.with_role(Role::Master) {
        let Some(facts) = facts.get(&host.name) else { continue };
        for (name, content) in material.node_files() {
            let path = format!("{}/{name}", paths::PKI);
            let there = facts.files.get(&path).and_then(|file| file.sha256.as_ref());
            let kept = sha256(content.expose().as_bytes());
            if there.is_some_and(|there| *there != kept) {
                faults.push(Fault {
                    host: Some(host.name.clone()),
                    what: format!("{path} isn't what halb keeps beside the inventory"),
                    remedy: "if the authority was replaced, put the new files into NAME.halb; a \
                             backup with others would restore nothing"
                        .to_owned(),
                });
            }
        }
    }
    faults
}

/// etcdctl in etcd's own pod on a master, with the rights of a health check.
pub(super) fn etcdctl(leader: &Host, words: &[&str]) -> Command {
    let pki = format!("{}/etcd", paths::PKI);
    let fixed = [
        "etcdctl".to_owned(),
        "--endpoints=https://127.0.0.1:2379".to_owned(),
        format!("--cacert={pki}/ca.crt"),
        format!("--cert={pki}/healthcheck-client.crt"),
        format!("--key={pki}/healthcheck-client.key"),
    ];
    let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
    in_etcd(leader, &[&fixed, words].concat())
}

/// Something in etcd's own pod, for as long as it takes.
fn in_etcd(leader: &Host, words: &[&str]) -> Command {
    let admin = format!("--kubeconfig={}", paths::ADMIN_CONF);
    let pod = format!("etcd-{}", leader.name);
    let fixed = ["kubectl", &admin, "-n", "kube-system", "exec", &pod, "-c", "etcd", "--"];
    Command::new([&fixed[..], words].concat())
}

#[cfg(test)]
mod tests;
