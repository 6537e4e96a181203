//! One snapshot on all masters, and etcd begins anew from it.
//!
//! ```text
//!  upload ─▶ stop all control planes ─▶ each master makes its member ─▶ start all ─▶ kubelets
//! ```
//!
//! Every member is made from the same snapshot, of a cluster of etcd with a number of its own, so
//! that no member of before can meet one of after. What was there is kept beside it.

use std::path::PathBuf;
use std::time::Duration;

use crate::backup::Snapshot;
use crate::facts::ClusterState;
use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::pki::Material;
use crate::plan::certs::serves;
use crate::plan::preflight::{self, Fault};
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted;
use crate::plan::{FactsByHost, HostPlan, Pace, Plan, Stage, StageName, pods};
use crate::shell;

/// How long four static pods may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(900);

/// How long a member may take to be made: etcd reads and writes its whole database.
const MAKE_TIMEOUT: Duration = Duration::from_secs(1800);

/// How long a master may take to serve: its etcd needs a majority of the others first.
const SERVE_TIMEOUT: Duration = Duration::from_secs(600);

/// What is to be restored.
#[derive(Debug, Clone)]
pub struct Source {
    /// The snapshot's file on the operator's side.
    pub file: PathBuf,
    /// What it is.
    pub snapshot: Snapshot,
    /// What tells this restore from others: letters, digits and `-`. What was there is kept under it.
    pub stamp: String,
    /// Whether a cluster that runs may be thrown away.
    pub discard_running: bool,
}

/// All masters from one snapshot.
///
/// # Errors
/// Everything that stands in the way; before all, a cluster that runs.
pub fn restore(
    inventory: &Inventory,
    facts: &FactsByHost,
    material: &Material,
    source: &Source,
) -> Result<Plan, Vec<Fault>> {
    let mut faults = preflight::at_work_faults(inventory, facts);
    for host in inventory.with_role(Role::Master) {
        let Some(own) = facts.get(&host.name) else { continue };
        let answers = matches!(own.cluster, ClusterState::Answers(_));
        if answers && !source.discard_running {
            faults.push(Fault {
                host: Some(host.name.clone()),
                what: "the cluster runs: its API server answers".to_owned(),
                remedy: "a restore throws away all that has changed since the backup; if that is \
                         what you want, say --discard-running"
                    .to_owned(),
            });
        }
        let begun = own.files.get(paths::BEGUN).and_then(|file| file.text.as_deref());
        let ours = begun == Some(wanted::mark(material).as_str());
        if !ours || !own.files.contains_key(paths::KUBELET_CONF) {
            faults.push(Fault {
                host: Some(host.name.clone()),
                what: "it isn't set up as a master of this cluster".to_owned(),
                remedy:
                    "run 'halb k8s apply' first: it makes an empty cluster with the same keys, \
                         into which the backup goes with --discard-running"
                        .to_owned(),
            });
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let masters = || inventory.with_role(Role::Master);
    let stage = |name, pace, hosts: Vec<HostPlan>| Stage { name, pace, hosts };
    let nodes = inventory.hosts.iter().filter(|host| host.is_node());
    Ok(Plan {
        cluster: inventory.name.clone(),
        stages: vec![
            // One by one: each holds the snapshot in memory here.
            stage(
                StageName::Upload,
                Pace::OneByOne,
                masters().map(|host| upload(host, source)).collect(),
            ),
            stage(StageName::Stop, Pace::AtOnce, masters().map(stop).collect()),
            stage(
                StageName::Restore,
                Pace::AtOnce,
                masters().map(|host| make(inventory, host, source)).collect(),
            ),
            stage(StageName::Start, Pace::AtOnce, masters().map(start).collect()),
            stage(StageName::Kubelets, Pace::AtOnce, nodes.map(kubelet).collect()),
        ],
    })
}

fn one(host: &Host, step: Step) -> HostPlan {
    HostPlan { host: host.name.clone(), steps: vec![step] }
}

/// As a unit of its own: within a run, one of a name that has ended counts as done.
fn detached((id, unit): (&str, &str), title: &str, command: Command) -> Step {
    let act =
        Act::RunDetached { unit: unit.to_owned(), command, output: paths::RESTART_LOG.to_owned() };
    Step::new(id, title, act)
}

fn upload(host: &Host, source: &Source) -> HostPlan {
    let Snapshot { sha256, .. } = &source.snapshot;
    let act = Act::Upload {
        from: source.file.clone(),
        path: paths::SNAPSHOT.to_owned(),
        sha256: sha256.clone(),
    };
    let there =
        Command::script(format!("echo '{sha256}  {}' | sha256sum -c --quiet", paths::SNAPSHOT));
    let title = "Put the snapshot in place";
    one(host, Step::new("snapshot-upload", title, act).unless(there.clone()).verified_by(there))
}

fn stop(host: &Host) -> HostPlan {
    let title = "Stop etcd, API server, controller manager and scheduler";
    one(host, detached(("pods-stop", paths::STOP_UNIT), title, pods::stop().within(STOP_TIMEOUT)))
}

/// Each master's own member of a cluster of all masters.
fn make(inventory: &Inventory, host: &Host, source: &Source) -> HostPlan {
    let words = shell::join(&words(inventory, host, &source.stamp));
    let (file, stamp) = (paths::SNAPSHOT, &source.stamp);
    // The old member moves aside and the new one into its place within a moment; whoever comes again
    // after a cut sees by the stamp that the place is taken already.
    let script = format!(
        "data=/var/lib/etcd new=/var/lib/etcd/halb-restored before=/var/lib/etcd/before-{stamp}\n\
         if [ -e \"$data/restored-{stamp}\" ]; then exit; fi\n\
         image=$(sed -n 's/^ *image: *//p' {parked}/etcd.yaml | tr -d '\"' | head -n 1)\n\
         images() {{ ctr --namespace=k8s.io images \"$@\"; }}\n\
         images ls -q | grep -qxF \"$image\" ||\n    \
         images pull --hosts-dir={hosts} \"$image\" >/dev/null\n\
         etcdutl() {{\n    \
         ctr --namespace=k8s.io run --rm \\\n        \
         --mount type=bind,src=$data,dst=$data,options=rbind:rw \\\n        \
         \"$image\" \"halb-restore-$$\" etcdutl \"$@\"\n\
         }}\n\
         rm -rf \"$new\"\n\
         # Whoever watches objects must never be told of a revision that it has seen already.\n\
         bump=\n\
         if etcdutl snapshot restore --help 2>&1 | grep -q -e --bump-revision; then\n    \
         bump='--bump-revision=1000000000 --mark-compacted'\n\
         fi\n\
         etcdutl snapshot restore {file} --data-dir=\"$new\" $bump \\\n    {words}\n\
         mkdir -p -m 0700 \"$before\"\n\
         [ ! -e \"$data/member\" ] || [ -e \"$before/member\" ] || mv \"$data/member\" \"$before/\"\n\
         rm -rf \"$data/member\"\n\
         mv \"$new/member\" \"$data/member\"\n\
         : >\"$data/restored-{stamp}\"\n\
         rm -rf \"$new\" {file}",
        parked = pods::PARKED,
        hosts = paths::REGISTRY_HOSTS,
    );
    let title = "Make this master's member of etcd out of the snapshot";
    let command = Command::script(script).within(MAKE_TIMEOUT);
    one(host, detached(("etcd-restore", paths::RESTORE_UNIT), title, command))
}

/// What `etcdutl snapshot restore` is told of a member beside file and folder.
#[must_use]
pub fn words(inventory: &Inventory, host: &Host, stamp: &str) -> [String; 4] {
    let peer = |host: &Host| format!("https://{}:2380", host.address);
    let all: Vec<_> = inventory
        .with_role(Role::Master)
        .map(|master| format!("{}={}", master.name, peer(master)))
        .collect();
    [
        format!("--name={}", host.name),
        format!("--initial-cluster={}", all.join(",")),
        format!("--initial-cluster-token=halb-{stamp}"),
        format!("--initial-advertise-peer-urls={}", peer(host)),
    ]
}

fn start(host: &Host) -> HostPlan {
    let title = "Start the control plane again";
    let step = Step::new("pods-start", title, Act::Run { command: pods::start() });
    one(host, step.verified_by(serves(host).within(SERVE_TIMEOUT)))
}

/// What a kubelet knows of its node and pods is of a time that never was.
fn kubelet(host: &Host) -> HostPlan {
    let restart = Command::new(["systemctl", "restart", "kubelet.service"]);
    let active = Command::new(["systemctl", "is-active", "--quiet", "kubelet.service"]);
    let title = "Restart kubelet, so that it asks anew what it is to run";
    one(
        host,
        Step::new("kubelet-restart", title, Act::Run { command: restart }).verified_by(active),
    )
}

#[cfg(test)]
mod tests;
