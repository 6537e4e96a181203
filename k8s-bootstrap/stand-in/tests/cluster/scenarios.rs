//! What happens to clusters.

use serde_json::Value;

use crate::cluster::{Cluster, Shape, VIP};

/// All scenarios by name. Those called `fault_…` take long and belong to the soak.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("bare_debian_hosts_become_a_cluster_and_a_second_run_changes_nothing", bare_to_done),
    ("fault_connection_lost_in_mid_kubeadm", connection_lost),
    ("fault_master_rebooted_while_it_joins", rebooted),
    ("fault_clock_of_a_host_is_apart", clock_apart),
    ("fault_active_balancer_dies_while_a_master_joins", balancer_dies),
    ("fault_two_runs_at_once", two_runs),
];

/// Name and readiness of each node.
const READY: &str = "jsonpath={range .items[*]}{.metadata.name} \
                     {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";

/// Five nodes are ready, by whoever asks through the virtual IP.
fn assert_nodes(cluster: &Cluster) {
    let nodes: Vec<_> =
        [cluster.names("master"), cluster.names("worker")].concat().into_iter().collect();
    cluster.await_true("all nodes to be ready", || {
        let said = cluster.kubectl(&["get", "nodes", "-o", READY]);
        let ready = |name: &String| said.text.lines().any(|line| line == format!("{name} True"));
        said.code == Some(0) && nodes.iter().all(ready)
    });
    let exec = ["-n", "kube-system", "exec", "etcd-kmaster01", "-c", "etcd", "--", "etcdctl"];
    let members = cluster.kubectl(&[&exec[..], &["member", "list"]].concat());
    let voters = members.text.lines().filter(|line| line.ends_with(", false")).count();
    assert_eq!(voters, cluster.names("master").len(), "{}", members.text);
}

/// The virtual IP is on exactly one balancer, and each has halb as a service.
fn assert_balancers(cluster: &Cluster) {
    cluster.await_true("one holder of the virtual IP", || cluster.holders().len() == 1);
    for name in cluster.names("balancer") {
        let host = cluster.host(&name);
        let unit = host.ok(&["systemctl", "is-enabled", "halb.service"]);
        assert_eq!(unit, "enabled\n", "{name}");
        assert_eq!(host.ok(&["systemctl", "is-active", "halb.service"]), "active\n", "{name}");
        let configuration = host.ok(&["cat", "/etc/halb/halb.toml"]);
        for master in cluster.names("master") {
            assert!(configuration.contains(&format!("\"{master}\"")), "{configuration}");
        }
    }
}

/// All that can be seen is good. Without real pods nobody can tell of names and Services.
fn assert_verified(cluster: &Cluster) {
    let said = cluster.k8s(&["verify", "--json", "--wait", "2m"]);
    assert_eq!(said.code, Some(4), "{}", said.text);
    let document = serde_json::Deserializer::from_str(&said.text).into_iter::<Value>().next();
    let document = document.unwrap().unwrap();
    let findings = document["findings"].as_array().unwrap();
    let is_unproven = |finding: &&Value| finding["verdict"] != "good";
    let unproven: Vec<_> = findings.iter().filter(is_unproven).map(|it| &it["area"]).collect();
    assert_eq!(unproven, ["dns", "service"], "{}", said.text);
}

fn bare_to_done() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    let applied = cluster.apply_all();
    assert!(!applied.contains("something is bad"), "{applied}");
    assert_verified(&cluster);
    assert_nodes(&cluster);
    assert_balancers(&cluster);
    cluster.assert_no_secrets();
    for name in cluster.names("master").iter().skip(1).chain(&cluster.names("worker")) {
        let discovered = cluster.events(name, "discovered");
        assert_eq!(discovered[0]["server"], "api.seven.internal:6443", "{name} went another way");
    }
    let begun = |cluster: &Cluster| {
        let nodes = [cluster.names("master"), cluster.names("worker")].concat();
        nodes.iter().map(|name| cluster.events(name, "kubeadm").len()).sum::<usize>()
    };
    let before = begun(&cluster);
    cluster.assert_done();
    let again = cluster.apply_all();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(begun(&cluster), before, "a second run runs no kubeadm");

    let active = cluster.holders().remove(0);
    cluster.host_mut(&active).power_cycle();
    cluster.await_true("an answer at the virtual IP", || {
        cluster.kubectl(&["get", "--raw=/readyz"]).code == Some(0)
    });
    assert_balancers(&cluster);
}

fn connection_lost() {
    let cluster = Cluster::new(Shape::SEVEN);
    cluster.host("kmaster01").ok(&["mkdir", "-p", "/etc/stand-in"]);
    cluster.pause("kmaster01", "init/etcd");
    let mut running = cluster.begin();
    cluster.await_paused("kmaster01", "init/etcd");
    cluster.operator().link_down().unwrap();
    cluster.resume("kmaster01");
    cluster.await_true("kubeadm to end unseen", || {
        cluster.events("kmaster01", "kubeadm-ended").iter().any(|it| it["arguments"][0] == "init")
    });
    cluster.operator().link_up().unwrap();
    let said = running.finish();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(cluster.runs("kmaster01", "init"), 1, "{}", said.text);
    cluster.assert_done();
    assert_nodes(&cluster);
}

fn rebooted() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.pause("kmaster02", "join/etcd-promote");
    let mut running = cluster.begin();
    cluster.await_paused("kmaster02", "join/etcd-promote");
    cluster.host_mut("kmaster02").power_cycle();
    let said = running.finish();
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("kmaster02"), "{}", said.text);
    cluster.resume("kmaster02");
    cluster.apply_all();
    assert_eq!(cluster.runs("kmaster02", "reset"), 1);
    let masters = cluster.names("master");
    let removed = masters.iter().flat_map(|name| cluster.events(name, "exec"));
    let removed = removed.filter(|event| event["command"].to_string().contains("\"remove\""));
    assert_eq!(removed.count(), 1, "its stale member of etcd is removed");
    cluster.assert_done();
    assert_nodes(&cluster);
}

fn clock_apart() {
    let cluster = Cluster::new(Shape::SEVEN);
    let host = cluster.host("kworker02");
    // Hosts share this machine's clock, so what they read it with is off.
    let script =
        b"#!/bin/sh\ncase $1 in\n+%s%N) echo $(($(/usr/bin/date +%s%N) - 3600000000000)) ;;\n\
                   *) exec /usr/bin/date \"$@\" ;;\nesac\n";
    host.write("/usr/local/bin/date", script);
    host.ok(&["chmod", "755", "/usr/local/bin/date"]);
    let said = cluster.apply();
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(
        said.text.contains("its clock is 3600 s behind the others")
            || said.text.contains("its clock is 3599 s behind the others"),
        "{}",
        said.text
    );
    for name in cluster.names("balancer") {
        let begun = cluster.host(&name).run(&["test", "-e", "/etc/halb"]).status.success();
        assert!(!begun, "{name} was changed though a host's clock is apart");
    }
    host.ok(&["rm", "/usr/local/bin/date"]);
    cluster.apply_all();
    cluster.assert_done();
}

fn balancer_dies() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.pause("kmaster02", "join/control-plane-prepare");
    let mut running = cluster.begin();
    cluster.await_paused("kmaster02", "join/control-plane-prepare");
    cluster.await_true("one holder of the virtual IP", || cluster.holders().len() == 1);
    let active = cluster.holders().remove(0);
    cluster.host(&active).ok(&["systemctl", "kill", "-s", "KILL", "halb.service"]);
    cluster.host(&active).ok(&["systemctl", "mask", "--runtime", "--now", "halb.service"]);
    cluster.resume("kmaster02");
    let said = running.finish();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(cluster.runs("kmaster02", "join"), 1, "{}", said.text);
    assert!(!cluster.holders().contains(&active), "the virtual IP {VIP} has moved");
    assert_nodes(&cluster);
    cluster.host_mut(&active).power_cycle();
    assert_balancers(&cluster);
    cluster.assert_done();
}

fn two_runs() {
    let cluster = Cluster::new(Shape::SEVEN);
    cluster.pause("kmaster01", "init/certs");
    let mut first = cluster.begin();
    cluster.await_paused("kmaster01", "init/certs");
    let second = cluster.apply();
    assert_eq!(second.code, Some(1), "{}", second.text);
    cluster.resume("kmaster01");
    let said = first.finish();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(cluster.runs("kmaster01", "init"), 1);
    cluster.assert_done();
}
