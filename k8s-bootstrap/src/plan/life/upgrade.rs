//! Another version: balancers first, then etcd is saved, then masters one by one, then workers.

use std::time::Duration;

use crate::facts::{Cluster, Facts};
use crate::inventory::version::{
    KUBERNETES_LAST, KUBERNETES_WITHOUT_CGROUP_V1, Version, calico_tested,
};
use crate::inventory::{Host, Inventory, Role, SwapPolicy};
use crate::kubeadm::API_SERVER_PORT;
use crate::paths;
use crate::plan::masters::{etcdctl, kubectl};
use crate::plan::packages::{self, Part};
use crate::plan::preflight::{self, Fault};
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted::{Context, Progress, Steps, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName, balancer, containerd, host as node};
use crate::shell;

use super::quorum::Quorum;
use super::{Change, Ground, Upgrade, no_cluster, plan_of, service, steered};

/// How long one upgrade by kubeadm may take: it waits for each static pod, five minutes at most.
const KUBEADM_TIMEOUT: Duration = Duration::from_secs(1800);

/// How long a node may take to be ready with its new kubelet.
const KUBELET_TIMEOUT: Duration = Duration::from_secs(300);

/// How long etcd may take to be saved.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn make(ground: Ground<'_>, upgrade: &Upgrade) -> Result<Change, Vec<Fault>> {
    let mut inventory = ground.inventory.clone();
    inventory.kubernetes.version = upgrade.version;
    let context = Ground { inventory: &inventory, ..ground }.context();
    let Some(first) = inventory.with_role(Role::Master).next() else {
        return Err(no_cluster(&inventory));
    };
    let Some((leader, cluster)) = steered(&context, first) else {
        return Err(no_cluster(&inventory));
    };
    let quorum = Quorum::of(context.inventory, context.facts, cluster);
    let rising = Rising { context: &context, cluster, upgrade };
    let faults = rising.refusals(&quorum);
    if !faults.is_empty() {
        return Err(faults);
    }
    let masters = rising.masters();
    let workers = rising.workers(leader);
    let mut stages = vec![balancer::balancers(&context)];
    if cluster.version != Some(upgrade.version) {
        stages.push(snapshot(&context, leader, upgrade.version));
    }
    stages.extend(masters);
    stages.extend(workers);
    Ok(Change { plan: plan_of(&inventory, stages), notes: notes(&inventory, &quorum) })
}

fn notes(inventory: &Inventory, quorum: &Quorum) -> Vec<String> {
    let mut notes = Vec::new();
    let (calico, version) = (inventory.cni.version, inventory.kubernetes.version);
    if let Some((first, last)) = calico_tested(calico)
        && !(first..=last).contains(&version.minor)
    {
        notes.push(format!("Calico {calico} was tested with Kubernetes 1.{first} to 1.{last}"));
    }
    if quorum.voters() < 3 {
        let what = "the API is away for a moment at each of them";
        notes.push(format!("with {} members of etcd, {what}", quorum.voters()));
    }
    notes
}

/// A cluster on its way to another version.
struct Rising<'a> {
    context: &'a Context<'a>,
    cluster: &'a Cluster,
    upgrade: &'a Upgrade,
}

impl Rising<'_> {
    /// The oldest version of any part.
    fn oldest(&self) -> Option<Version> {
        let nodes = self.cluster.nodes.values().filter_map(|node| node.version);
        nodes.chain(self.cluster.version).min()
    }

    /// Everything that stands in the way.
    fn refusals(&self, quorum: &Quorum) -> Vec<Fault> {
        let Context { inventory, facts, material, .. } = *self.context;
        let mut faults = preflight::check_but_versions(inventory, facts, material);
        let to = self.upgrade.version;
        let newest = self.cluster.nodes.values().filter_map(|node| node.version);
        let newest = newest.chain(self.cluster.version).max();
        if let Some(from) = self.oldest()
            && (to.major != from.major || to.minor > from.minor + 1)
        {
            let what = format!(
                "from {from} to {to} are {} minor versions, and kubeadm upgrades by one at a \
                     time: each brings the stored objects to where the next one understands them",
                to.minor.saturating_sub(from.minor)
            );
            let remedy = format!("go to 1.{} first, then on", from.minor + 1);
            faults.push(Fault::of_all(what, remedy));
        }
        if let Some(newest) = newest.filter(|newest| *newest > to) {
            let what = format!("{newest} runs already, and kubeadm leads back to no older version");
            let remedy = "name a newer version; back leads only a restored backup of etcd";
            faults.push(Fault::of_all(what, remedy));
        }
        if to.minor > KUBERNETES_LAST {
            let what = format!("halb knows Kubernetes up to 1.{KUBERNETES_LAST}");
            faults.push(Fault::of_all(what, "take a newer halb"));
        }
        self.refuse_hosts(quorum, &mut faults);
        faults
    }

    fn refuse_hosts(&self, quorum: &Quorum, faults: &mut Vec<Fault>) {
        let inventory = self.context.inventory;
        let to = self.upgrade.version;
        for host in inventory.hosts.iter().filter(|host| host.is_node()) {
            if self.context.progress(host) != Progress::Joined {
                let remedy = "finish that first: 'halb k8s apply' with the version that runs";
                faults.push(Fault::of(host, "it hasn't joined the cluster", remedy));
                continue;
            }
            let known = self.cluster.nodes.get(&host.name);
            // One that is on its way may not be ready at this moment.
            if known.is_some_and(|node| !node.ready && !node.by_halb) {
                let remedy = "look at its kubelet; an upgrade needs all of them";
                faults.push(Fault::of(host, "its node isn't ready", remedy));
            }
            let facts = self.context.facts_of(host);
            let from = known.and_then(|node| node.version).map_or(to.minor, |it| it.minor);
            let crosses =
                from < KUBERNETES_WITHOUT_CGROUP_V1 && to.minor >= KUBERNETES_WITHOUT_CGROUP_V1;
            if crosses && !facts.cgroup_v2 {
                let what = format!("it has cgroup v1, on which kubelet {to} doesn't start");
                let remedy = "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1)";
                faults.push(Fault::of(host, what, remedy));
            }
        }
        if !quorum.learners.is_empty() {
            let what = format!("{} is joining etcd at this moment", quorum.learners.join(", "));
            faults.push(Fault::of_all(what, "wait until it has joined"));
        }
        // Two members or one can't be upgraded without a moment of nothing.
        for host in inventory.with_role(Role::Master).filter(|_| quorum.voters() > 2) {
            if let Err(why) = quorum.while_away(&host.name) {
                let remedy =
                    "bring it back, or take it out of the cluster ('halb k8s node remove')";
                faults.push(Fault::of(host, why, remedy));
            }
        }
    }

    /// Masters, one after the other.
    fn masters(&self) -> Vec<Stage> {
        let context = self.context;
        let first = context.inventory.with_role(Role::Master).next();
        let each = context.inventory.with_role(Role::Master).flat_map(|host| {
            let leads = first.is_some_and(|first| first.name == host.name);
            let up = self.raised(host, leads);
            let (leader, works) = (self.leader_for(host), !up.steps.is_empty());
            let mut out = Vec::new();
            if works {
                out = service::out_of_balance(context, host);
                let mut steps = Steps::new(context, leader);
                service::empty(&mut steps, self.cluster, &host.name, self.upgrade.draining);
                out.push(steps.done());
            }
            let mut back = Steps::new(context, leader);
            service::open(&mut back, self.cluster, &host.name, works);
            let balancers = service::into_balance(context, host, works);
            if !balancers.is_empty() {
                service::serves(&mut back, host);
            }
            [
                stage(StageName::OutOfService, Pace::OneByOne, out),
                stage(StageName::UpgradeMaster, Pace::OneByOne, [up]),
                stage(
                    StageName::IntoService,
                    Pace::OneByOne,
                    [back.done()].into_iter().chain(balancers),
                ),
            ]
        });
        each.collect()
    }

    /// Workers, some at a time.
    fn workers(&self, leader: &Host) -> Vec<Stage> {
        let context = self.context;
        let left = context.inventory.with_role(Role::Worker).filter_map(|host| {
            let up = self.raised(host, false);
            let mut back = Steps::new(context, leader);
            service::open(&mut back, self.cluster, &host.name, !up.steps.is_empty());
            let back = back.done();
            let is_left = !up.steps.is_empty() || !back.steps.is_empty();
            is_left.then_some((host, up, back))
        });
        let left: Vec<_> = left.collect();
        let batches = left.chunks(self.upgrade.workers_at_once.max(1)).flat_map(|batch| {
            let mut out = Steps::new(context, leader);
            let working: Vec<_> = batch.iter().filter(|(_, up, _)| !up.steps.is_empty()).collect();
            // All of them first, so that no pod moves to one that is emptied next.
            for (host, ..) in &working {
                service::close(&mut out, self.cluster, &host.name);
            }
            for (host, ..) in &working {
                service::evict(&mut out, &host.name, self.upgrade.draining);
            }
            let (ups, backs): (Vec<_>, Vec<_>) =
                batch.iter().map(|(_, up, back)| (up.clone(), back.clone())).unzip();
            [
                stage(StageName::OutOfService, Pace::OneByOne, [out.done()]),
                stage(StageName::UpgradeWorkers, Pace::AtOnce, ups),
                stage(StageName::IntoService, Pace::OneByOne, backs),
            ]
        });
        batches.collect()
    }

    /// The master that empties and fills this one: another one, if there is one.
    fn leader_for<'b>(&'b self, host: &'b Host) -> &'b Host {
        steered(self.context, host).map_or(host, |(leader, _)| leader)
    }

    /// What is left to do on one node; `leads` for the master that kubeadm begins with.
    fn raised(&self, host: &Host, leads: bool) -> HostPlan {
        let (context, to) = (self.context, self.upgrade.version);
        let mut steps = Steps::new(context, host);
        let facts = steps.facts;
        let runs = self.cluster.nodes.get(&host.name).and_then(|node| node.version) == Some(to);
        let master = host.has(Role::Master);
        let begins = leads && self.cluster.version != Some(to);
        let serves = !master || facts.api_server == Some(to);
        packages::steps(context, &mut steps, Part::Kubeadm);
        if begins || !serves || !runs {
            if master {
                steps.push(node::pull_images(context));
            }
            steps.push(kubeadm(context, host, facts, begins));
        }
        packages::steps(context, &mut steps, Part::Rest);
        // The image of pods' sandboxes belongs to a version.
        containerd::steps(context, &mut steps);
        if !runs {
            steps.push(kubelet(host, to));
        }
        steps.done()
    }
}

/// kubeadm's own part: `apply` on the master that begins, `node` on all others.
fn kubeadm(context: &Context<'_>, host: &Host, facts: &Facts, begins: bool) -> Step {
    let to = context.inventory.kubernetes.version;
    let mut words: Vec<String> = vec!["kubeadm".to_owned(), "upgrade".to_owned()];
    if begins {
        words.extend(["apply".to_owned(), format!("v{to}"), "--yes".to_owned()]);
    } else {
        words.push("node".to_owned());
    }
    let mut ignored = Vec::new();
    if context.inventory.policy.swap == SwapPolicy::Keep {
        ignored.push("Swap");
    }
    if !facts.cgroup_v2 && to.minor >= KUBERNETES_WITHOUT_CGROUP_V1 {
        ignored.push("SystemVerification");
    }
    if !ignored.is_empty() {
        words.push(format!("--ignore-preflight-errors={}", ignored.join(",")));
    }
    let line = words[1..].join(" ");
    let title = format!("Upgrade {} to {to} (kubeadm {line})", host.name);
    let act = Act::RunDetached {
        unit: paths::KUBEADM_UPGRADE_UNIT.to_owned(),
        command: Command::new(words).within(KUBEADM_TIMEOUT),
        output: paths::KUBEADM_LOG.to_owned(),
    };
    let step = Step::new("kubeadm-upgrade", title, act);
    if !host.has(Role::Master) {
        return step;
    }
    let server = format!("--server=https://{}:{API_SERVER_PORT}", host.address);
    let words = shell::join(&kubectl(&[&server, "get", "--raw=/version"]).argv);
    let version = Command::script(format!("{words} | grep -q 'gitVersion\": *\"v{to}\"'"));
    step.verified_by(version.within(KUBELET_TIMEOUT))
}

/// The new kubelet, and its node ready with it.
fn kubelet(host: &Host, to: Version) -> Step {
    let command = Command::script("systemctl daemon-reload\nsystemctl restart kubelet.service");
    let own = format!("--kubeconfig={}", paths::KUBELET_CONF);
    let status = "jsonpath={.status.nodeInfo.kubeletVersion} \
                  {.status.conditions[?(@.type==\"Ready\")].status}";
    let words = ["kubectl", &own, "--request-timeout=30s", "get", "node", &host.name, "-o", status];
    let ready = Command::script(format!("[ \"$({})\" = 'v{to} True' ]", shell::join(&words)));
    let title = format!("Start kubelet {to}, and wait until the node is ready with it");
    Step::new("kubelet-restart", title, Act::Run { command })
        .verified_by(ready.within(KUBELET_TIMEOUT))
}

/// etcd's content as a file on a master, before anything changes it.
fn snapshot(context: &Context<'_>, leader: &Host, to: Version) -> Stage {
    let mut steps = Steps::new(context, leader);
    let (within, kept) = (paths::ETCD_SNAPSHOT, format!("{}{to}.db", paths::ETCD_BEFORE));
    let mut save = etcdctl(leader, &["snapshot", "save", within]);
    // By its own API server: no other one is on the same host as the file.
    save.argv.insert(1, format!("--server=https://{}:{API_SERVER_PORT}", leader.address));
    // However long that takes: the step has a deadline of its own.
    let unlimited = |word: String| match word.starts_with("--request-timeout=") {
        true => "--request-timeout=0".to_owned(),
        false => word,
    };
    let save: Vec<_> = save.argv.into_iter().map(unlimited).collect();
    let save = shell::join(&save);
    // etcd's pod sees its own folder alone.
    let command = Command::script(format!(
        "rm -f {within}\n{save}\ninstall -m 0600 {within} {kept}.new\nsync {kept}.new\n\
         mv {kept}.new {kept}\nrm -f {within}"
    ));
    let there = Command::new(["test", "-s", &kept]);
    let title = format!("Save etcd as {kept}");
    let step =
        Step::new("etcd-snapshot", title, Act::Run { command: command.within(SNAPSHOT_TIMEOUT) });
    steps.push(step.verified_by(there));
    stage(StageName::Snapshot, Pace::OneByOne, [steps.done()])
}
