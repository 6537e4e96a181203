//! Nodes leave clusters, and others come.

use crate::cluster::{Cluster, Shape};
use crate::drills;
use crate::running::Said;
use crate::scenarios::{assert_balancers, assert_nodes, assert_verified};

/// What a run did that had to succeed.
pub(crate) fn must(said: Said) -> String {
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.text
}

/// That a run was refused, with this reason.
pub(crate) fn refused(said: Said, why: &str) {
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains(why), "{why}: {}", said.text);
}

fn node(cluster: &Cluster, words: &[&str]) -> Said {
    cluster.k8s(&[&["node"], words, &["--yes"]].concat())
}

/// The cluster is whole, with the hosts of the inventory and nobody else.
fn assert_whole(cluster: &Cluster) {
    cluster.assert_done();
    assert_nodes(cluster);
    assert_balancers(cluster);
    assert_verified(cluster);
    cluster.assert_no_secrets();
}

/// Nobody knows a node any more: no cluster, no balancer, no other host.
fn assert_forgotten(cluster: &Cluster, name: &str) {
    let left = must(cluster.kubectl(&["get", "nodes,pods", "--all-namespaces", "-o", "name"]));
    assert!(left.contains("node/kmaster01") && !left.contains(name), "{left}");
    for role in ["balancer", "master", "worker"] {
        for other in cluster.names(role).iter().filter(|other| *other != name) {
            let files = ["cat", "/etc/hosts", "/etc/halb/halb.toml"];
            let text = cluster.host(other).run(&files).stdout;
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains(name), "{other} still knows {name}: {text}");
            let marks = cluster.host(other).ok(&["ls", "/var/lib/halb-k8s"]);
            assert!(!marks.contains(&format!("drained-{name}")), "{other}: {marks}");
        }
    }
}

/// A pod of some ReplicaSet's on a worker.
fn run_pod(cluster: &Cluster, worker: &str) {
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: default\n  \
         labels: {{app: web}}\n  ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, \
         name: web, uid: of-web, controller: true}}]\n\
         spec: {{nodeName: {worker}, containers: [{{name: web, image: web}}]}}\n"
    );
    cluster.write("pod.yaml", &pod);
    must(cluster.kubectl(&["create", "--validate=false", "-f", "pod.yaml"]));
}

/// A worker goes with its pods, is kept out, and comes back when that is asked for.
pub(crate) fn worker_leaves_and_joins(cluster: &Cluster) {
    run_pod(cluster, "kworker02");
    let removed = must(node(cluster, &["remove", "kworker02"]));
    assert!(removed.contains("kworker02 is no node of the cluster any more"), "{removed}");
    assert!(removed.contains("- {name: kworker02, role: worker"), "{removed}");
    assert_forgotten(cluster, "kworker02");
    let left = must(cluster.kubectl(&["get", "pods", "-o", "name"]));
    assert!(!left.contains("web"), "{left}");
    assert_eq!(cluster.runs("kworker02", "reset"), 1);
    must(node(cluster, &["add", "kworker02"]));
    assert_eq!(cluster.runs("kworker02", "join"), 2);
    cluster.assert_done();
    assert_nodes(cluster);
}

/// Has a master's etcd stop, or go on: kubelet runs what lies in its folder.
fn move_etcd(cluster: &Cluster, master: &str, words: [&str; 2], runs: bool) {
    let host = cluster.host(master);
    host.ok(&[&["mv"][..], &words].concat());
    cluster.await_true("etcd to start or stop", || {
        let listens = host.run(&["sh", "-c", "ss -ltn | grep -q ':2379 '"]).status.success();
        listens == runs
    });
}

/// Whoever the cluster, its pods or its clients can't do without stays, with the reason; a master
/// that may go goes, and comes back.
pub(crate) fn harm_is_refused() {
    let cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    budget_is_kept(&cluster);
    refused(node(&cluster, &["remove", "loadbalancer01"]), "it is a balancer, no node");
    let gone = ["remove", "kworker02", "--host-is-gone"];
    refused(node(&cluster, &gone), "it is said to be gone, and it answers");
    let places = ["/etc/kubernetes/manifests/etcd.yaml", "/root/etcd.yaml"];
    move_etcd(&cluster, "kmaster02", places, false);
    let why =
        "without it etcd has 2 members and needs 2 of them, but only 1 is up (kmaster02 isn't)";
    refused(node(&cluster, &["remove", "kmaster03"]), why);
    refused(cluster.k8s(&["drill", "master", "--yes"]), "it would cost the quorum");
    let broken = cluster.k8s(&["node", "remove", "kmaster02", "--plan"]);
    assert!(must(broken).contains("Remove kmaster02's member of etcd"));
    move_etcd(&cluster, "kmaster02", [places[1], places[0]], true);
    cluster.assert_done();

    let removed = must(node(&cluster, &["remove", "kmaster03"]));
    assert!(removed.contains("can't lose another one: add a master soon"), "{removed}");
    assert_forgotten(&cluster, "kmaster03");
    refused(cluster.apply(), "it was taken out of the cluster by 'halb k8s node remove'");
    move_etcd(&cluster, "kmaster02", places, false);
    let why = "etcd of kmaster02 isn't up, and a new member would be one more to wait for";
    refused(node(&cluster, &["add", "kmaster03"]), why);
    move_etcd(&cluster, "kmaster02", [places[1], places[0]], true);
    must(node(&cluster, &["add", "kmaster03"]));
    assert_whole(&cluster);
}

/// A worker whose pod isn't let go by its budget stays, closed for others, until it is.
fn budget_is_kept(cluster: &Cluster) {
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\n\
                  metadata: {name: web, namespace: default}\n\
                  spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n";
    cluster.write("budget.yaml", budget);
    must(cluster.kubectl(&["create", "--validate=false", "-f", "budget.yaml"]));
    run_pod(cluster, "kworker01");
    let remove = ["remove", "kworker01", "--drain-timeout", "5s"];
    refused(node(cluster, &remove), "would violate the pod's disruption budget");
    let closed = ["get", "node", "kworker01", "-o", "jsonpath={.spec.unschedulable}"];
    assert_eq!(must(cluster.kubectl(&closed)), "true");
    assert_eq!(cluster.runs("kworker01", "reset"), 0, "it was to stay until its pods have gone");
    must(cluster.kubectl(&["delete", "poddisruptionbudgets", "web", "--wait=false"]));
    must(node(cluster, &remove));
    assert_forgotten(cluster, "kworker01");
    must(node(cluster, &["add", "kworker01"]));
}

/// A fourth master takes the place of the second one, by a run that is killed while the one joins,
/// by one that is killed while the other one leaves, and by the one after them.
pub(crate) fn replaced_and_killed() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    cluster.enlist("kmaster04", "master", 104);
    let order = ["node", "replace", "kmaster02", "kmaster04", "--yes"];
    cluster.pause("kmaster04", "join/etcd-promote");
    let mut running = cluster.begin_order(&order);
    let phase = "join/etcd-promote";
    cluster.await_in(&mut running, phase, |_| cluster.is_paused("kmaster04", phase));
    running.kill();

    let phase = "reset/cleanup-node";
    cluster.pause("kmaster02", phase);
    let mut running = cluster.begin_order(&order);
    cluster.await_in(&mut running, "the next run to wait", |running| {
        running.text().contains("Waiting for what an earlier run began: kubeadm join on kmaster04")
    });
    cluster.resume("kmaster04");
    cluster.await_in(&mut running, phase, |_| cluster.is_paused("kmaster02", phase));
    running.kill();
    cluster.resume("kmaster02");

    let said = must(cluster.k8s(&order));
    assert!(said.contains("kmaster02 is no node of the cluster any more"), "{said}");
    assert_eq!(cluster.runs("kmaster04", "join"), 1, "what runs on is found again");
    cluster.strike("kmaster02");
    assert_forgotten(&cluster, "kmaster02");
    assert_whole(&cluster);
}

/// A master that lost its power for good leaves without being asked, and another host joins; the
/// place of a second one is taken by another one at once.
pub(crate) fn gone() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    cluster.lose("kmaster03");
    refused(node(&cluster, &["remove", "kmaster03"]), "if it never comes back, say --host-is-gone");
    let why =
        "without it etcd has 2 members and needs 2 of them, but only 1 is up (kmaster03 isn't)";
    refused(node(&cluster, &["remove", "kmaster02"]), why);
    drills::refused_without(&cluster, "kmaster03");
    let removed = must(node(&cluster, &["remove", "kmaster03", "--host-is-gone"]));
    assert!(removed.contains("if it ever starts again, run 'kubeadm reset'"), "{removed}");
    cluster.strike("kmaster03");
    assert_forgotten(&cluster, "kmaster03");
    assert_whole(&cluster);
    cluster.enlist("kmaster04", "master", 104);
    must(node(&cluster, &["add", "kmaster04"]));
    assert_whole(&cluster);

    cluster.lose("kmaster02");
    cluster.enlist("kmaster05", "master", 105);
    must(node(&cluster, &["replace", "kmaster02", "kmaster05", "--host-is-gone"]));
    cluster.strike("kmaster02");
    assert_forgotten(&cluster, "kmaster02");
    assert_whole(&cluster);
}
