//! Clusters that rise to another version, and balancers to another halb.

use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Cluster, Shape};
use crate::packages::{KUBERNETES, NEXT};
use crate::scenarios::{assert_balancers, assert_nodes, assert_verified};

/// Name, version, readiness of each node, and whether it is closed for new pods.
const NODES: &str = "jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} \
                     {.status.conditions[?(@.type==\"Ready\")].status} {.spec.unschedulable}\
                     {.metadata.annotations.halb/out-of-service}{\"\\n\"}{end}";

/// What a balancer runs with, where its program is.
const PROGRAM: &str = "/usr/bin/halb";

fn order(version: &str) -> [&str; 3] {
    ["upgrade", version, "--yes"]
}

/// Everything is of the new version, in service, and nothing is left to do.
fn assert_risen(cluster: &Cluster) {
    let nodes = [cluster.names("master"), cluster.names("worker")].concat();
    let said = cluster.kubectl(&["get", "nodes", "-o", NODES]);
    let wanted: Vec<_> = nodes.iter().map(|name| format!("{name} v{NEXT} True")).collect();
    let found: Vec<_> = said.text.lines().map(str::trim).collect();
    assert_eq!(found, wanted, "each has its new kubelet, is ready, and open for pods");
    for name in cluster.names("master") {
        let server = format!("https://{name}:6443");
        let version = cluster.host(&name).ok(&[
            "kubectl",
            "--kubeconfig=/etc/kubernetes/admin.conf",
            &format!("--server={server}"),
            "get",
            "--raw=/version",
        ]);
        assert!(version.contains(&format!("v{NEXT}")), "{name}: {version}");
    }
    for name in cluster.names("balancer") {
        assert_serves_all(cluster, &name);
    }
    let again = cluster.k8s(&order(NEXT));
    assert_eq!(again.code, Some(0), "{}", again.text);
    let refused = cluster.apply();
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains(&format!("runs Kubernetes {NEXT}")), "{}", refused.text);
    cluster.want_version(NEXT);
    cluster.assert_done();
    assert_nodes(cluster);
    assert_balancers(cluster);
    assert_verified(cluster);
    cluster.assert_no_secrets();
}

/// A balancer runs the program that it has, sends connections to every master, and has no mark of
/// one that is out of service.
fn assert_serves_all(cluster: &Cluster, name: &str) {
    let host = cluster.host(name);
    let process = host.property("halb.service", "MainPID");
    host.ok(&["cmp", &format!("/proc/{process}/exe"), PROGRAM]);
    let marks = host.ok(&["sh", "-c", "ls /var/lib/halb-k8s"]);
    assert!(!marks.contains("drained-"), "{name}: {marks}");
    cluster.await_true("all masters to be in service", || {
        let status = host.ok(&["halb", "status", "--json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        let servers = status["backends"][0]["servers"].as_array().unwrap().clone();
        let is_used = |it: &Value| it["admin"] == "ready" && it["usable"] == true;
        servers.len() == cluster.names("master").len() && servers.iter().all(is_used)
    });
}

/// What etcd held before is kept on one of the masters, whole.
fn assert_snapshot(cluster: &Cluster) {
    let path = format!("/var/lib/halb-k8s/etcd-before-{NEXT}.db");
    let masters = cluster.names("master");
    let has = |name: &&String| cluster.host(name).run(&["test", "-e", &path]).status.success();
    let keeper = masters.iter().find(has).expect("no master has what etcd held");
    let status = ["/usr/share/stand-in/etcdutl", "snapshot", "status", &path];
    cluster.host(keeper).ok(&status);
}

/// When kubeadm's upgrade began on a host, and with which words.
fn risings(cluster: &Cluster, host: &str) -> Vec<(String, String)> {
    let events = cluster.events(host, "kubeadm").into_iter();
    let upgrades = events.filter(|event| event["arguments"][0] == "upgrade");
    let told = upgrades.map(|event| {
        let word = event["arguments"][1].as_str().unwrap().to_owned();
        (event["at"].as_str().unwrap().to_owned(), word)
    });
    told.collect()
}

/// Requests to the API through the virtual IP, one after the other, each on a connection of its own.
struct Asking {
    program: Child,
    folder: TempDir,
}

impl Asking {
    fn begin(cluster: &Cluster) -> Self {
        const ASK: &str = "while sleep 0.2; do \
                           kubectl --request-timeout=10s get --raw=/api/v1/nodes \
                           >/dev/null 2>>why || echo >>failed; \
                           echo >>asked; done";
        let folder = TempDir::new().unwrap();
        let mut ask = cluster.command(Path::new("sh"), &["-c", ASK]);
        ask.current_dir(folder.path());
        let program = cluster.operator().run(|| ask.spawn()).unwrap();
        Self { program, folder }
    }

    /// How many were asked, and why some weren't answered.
    fn end(mut self) -> (usize, String) {
        self.program.kill().unwrap();
        let _reaped = self.program.wait();
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let why = if read("failed").is_empty() { String::new() } else { read("why") };
        (read("asked").lines().count(), why)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _already_gone = self.program.kill();
        let _reaped = self.program.wait();
    }
}

/// Which halb a balancer has, and since when its service runs.
fn halb_of(cluster: &Cluster, balancer: &str) -> (String, String) {
    let host = cluster.host(balancer);
    let since = host.property("halb.service", "ActiveEnterTimestampMonotonic");
    (host.ok(&["sha256sum", PROGRAM]), since)
}

/// A pod as the controller of some Deployment makes it, on a node or on its way to one.
fn web(name: &str, node: &str) -> String {
    let place = if node.is_empty() { String::new() } else { format!("nodeName: {node}, ") };
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: default\n  \
         labels: {{app: web}}\n  ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, \
         name: web, uid: of-web, controller: true}}]\n\
         spec: {{{place}containers: [{{name: web, image: web}}]}}\n"
    )
}

/// Makes objects, as a controller does.
fn create(cluster: &Cluster, text: &str) {
    cluster.write("made.yaml", text);
    let said = cluster.kubectl(&["create", "--validate=false", "-f", "made.yaml"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
}

/// A pod on each worker, of which one has to be there.
fn serve_under_budget(cluster: &Cluster) {
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\n\
                  metadata: {name: web, namespace: default}\n\
                  spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n";
    let [first, second] = [web("web-1", "kworker01"), web("web-2", "kworker02")];
    create(cluster, &format!("{budget}{first}{second}"));
}

/// By one minor version, and halb on the balancers to another one with it, while somebody asks the
/// API through the virtual IP; both workers at once, as far as a budget lets their pods go. By two
/// minor versions it is refused.
pub(crate) fn by_one_minor() {
    let cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    let refused = cluster.k8s(&order("1.38.0"));
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    let why = format!("from {KUBERNETES} to 1.38.0 are 2 minor versions");
    assert!(refused.text.contains(&why), "{}", refused.text);
    assert!(refused.text.contains("go to 1.37 first"), "{}", refused.text);

    cluster.offer(NEXT);
    cluster.renew_halb();
    serve_under_budget(&cluster);
    let balancers = cluster.names("balancer");
    let before: Vec<_> = balancers.iter().map(|name| halb_of(&cluster, name)).collect();
    let holders = cluster.holders();
    let asking = Asking::begin(&cluster);
    let at_once = [&order(NEXT)[..], &["--workers-at-once=2", "--drain-timeout=5s"]].concat();
    masters_only(&cluster, &at_once);
    create(&cluster, &web("web-3", ""));
    let said = cluster.k8s(&at_once);
    let (asked, why) = asking.end();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(why, "", "of {asked} requests some weren't answered");
    assert!(asked > 20, "only {asked} requests were asked");
    assert_eq!(said.text.matches("Upgrade workers\n").count(), 1, "{}", said.text);
    assert_eq!(cluster.holders(), holders, "the virtual IP stays where it was");
    for (name, (program, since)) in balancers.iter().zip(before) {
        let now = halb_of(&cluster, name);
        assert_ne!(now.0, program, "{name} has the halb of before");
        assert_eq!(now.1, since, "{name}: its service was restarted");
    }
    assert!(said.text.contains(&format!("Write 'version: {NEXT}'")), "{}", said.text);
    assert_in_order(&cluster);
    assert_snapshot(&cluster);
    assert_risen(&cluster);
}

/// A run that comes as far as to pods that a budget keeps where they are.
fn masters_only(cluster: &Cluster, order: &[&str]) {
    let said = cluster.k8s(order);
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("the pod's disruption budget"), "{}", said.text);
    let again = format!("halb k8s upgrade {NEXT} --workers-at-once 2 --drain-timeout 5s ");
    assert!(said.text.contains(&again), "{}", said.text);
    let nodes = cluster.kubectl(&["get", "nodes", "-o", NODES]);
    for (role, version) in [("master", NEXT), ("worker", KUBERNETES)] {
        for name in cluster.names(role) {
            let line = format!("{name} v{version} True");
            assert!(nodes.text.contains(&line), "{line}: {}", nodes.text);
        }
    }
    for name in cluster.names("master") {
        for balancer in cluster.names("balancer") {
            let log = cluster.log(&balancer);
            for word in ["drain", "ready"] {
                let order = format!("server {word} masters/{name}");
                assert!(log.contains(&order), "{balancer} never heard: {order}");
            }
        }
    }
}

/// The first master leads, others follow, workers come last, and each once.
fn assert_in_order(cluster: &Cluster) {
    let nodes = [cluster.names("master"), cluster.names("worker")].concat();
    let each = nodes.iter().flat_map(|name| risings(cluster, name));
    let (times, words): (Vec<_>, Vec<_>) = each.unzip();
    assert_eq!(words, ["apply", "node", "node", "node", "node"]);
    let workers = cluster.names("worker").len();
    let (masters, workers) = times.split_at(times.len() - workers);
    assert!(masters.is_sorted(), "{masters:?}");
    assert!(workers.iter().all(|worker| Some(worker) > masters.last()), "{times:?}");
}

/// Begins an upgrade, and kills it as soon as something holds.
fn kill_when(cluster: &Cluster, what: &str, holds: impl Fn() -> bool) {
    let mut running = cluster.begin_order(&order(NEXT));
    cluster.await_in(&mut running, what, |_| holds());
    running.kill();
}

/// Begins an upgrade that finds kubeadm at work for the one before it, lets that go on, and kills the
/// run as soon as something holds.
fn kill_after(cluster: &Cluster, host: &str, what: &str, holds: impl Fn() -> bool) {
    let mut running = cluster.begin_order(&order(NEXT));
    cluster.await_in(&mut running, "the next run to wait", |running| {
        let text = running.text();
        text.contains(&format!("Waiting for what an earlier run began: kubeadm upgrade on {host}"))
    });
    cluster.resume(host);
    cluster.await_in(&mut running, what, |_| holds());
    running.kill();
}

/// Whether a host's kubelet has been started in the new version.
fn kubelet_is_new(cluster: &Cluster, host: &str) -> bool {
    let version = format!("v{NEXT}");
    cluster.events(host, "kubelet").iter().any(|event| event["version"] == version.as_str())
}

/// Killed in each stage, and once a host loses its power; the same command goes on each time, and in
/// the end all is as if nothing had been.
pub(crate) fn killed() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    cluster.offer(NEXT);
    cluster.renew_halb();
    let before = halb_of(&cluster, "loadbalancer01");
    kill_when(&cluster, "the first balancer to have the new program", || {
        halb_of(&cluster, "loadbalancer01").0 != before.0
    });
    kill_when(&cluster, "balancers to send the first master nothing new", || {
        let mark = "/var/lib/halb-k8s/drained-kmaster01";
        cluster.host("loadbalancer02").run(&["test", "-e", mark]).status.success()
    });
    masters_killed(&mut cluster);
    workers_killed(&cluster);
    let said = cluster.k8s(&order(NEXT));
    assert_eq!(said.code, Some(0), "{}", said.text);
    let led = risings(&cluster, "kmaster01").into_iter().filter(|(_, word)| word == "apply");
    assert_eq!(led.count(), 1, "kubeadm, which nobody kills, ends what it began");
    assert_snapshot(&cluster);
    assert_risen(&cluster);
}

fn masters_killed(cluster: &mut Cluster) {
    cluster.pause("kmaster01", "upgrade/kube-apiserver");
    kill_when(cluster, "kubeadm to be at work on the first master", || {
        cluster.is_paused("kmaster01", "upgrade/kube-apiserver")
    });
    cluster.pause("kmaster02", "upgrade/etcd");
    kill_after(cluster, "kmaster01", "kubeadm to be at work on the second master", || {
        cluster.is_paused("kmaster02", "upgrade/etcd")
    });
    kill_after(cluster, "kmaster02", "the second master's kubelet to be the new one", || {
        kubelet_is_new(cluster, "kmaster02")
    });
    let phase = "upgrade/kube-scheduler";
    cluster.pause("kmaster03", phase);
    let mut running = cluster.begin_order(&order(NEXT));
    cluster.await_in(&mut running, "kubeadm to be at work on the third master", |_| {
        cluster.is_paused("kmaster03", phase)
    });
    cluster.host_mut("kmaster03").power_cycle();
    // The run waits for the host, and begins kubeadm anew.
    cluster.resume("kmaster03");
    cluster.await_in(&mut running, "the third master's kubelet to be the new one", |_| {
        kubelet_is_new(cluster, "kmaster03")
    });
    assert!(running.text().contains("away: "), "{}", running.text());
    running.kill();
}

fn workers_killed(cluster: &Cluster) {
    let phase = "upgrade/kubelet-config";
    cluster.pause("kworker01", phase);
    kill_when(cluster, "kubeadm to be at work on the first worker", || {
        cluster.is_paused("kworker01", phase)
    });
    kill_after(cluster, "kworker01", "the first worker's kubelet to be the new one", || {
        kubelet_is_new(cluster, "kworker01")
    });
    kill_when(cluster, "the second worker's packages to come", || {
        cluster.host("kworker02").run(&["pidof", "dpkg"]).status.success()
    });
}
