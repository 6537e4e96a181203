//! What happens to clusters.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::cluster::{Cluster, REPOSITORY, Shape, VIP};
use crate::drills;
use crate::nodes;
use crate::repository::METALLB;
use crate::running::Running;
use crate::upgrades;

/// All scenarios by name. Those called `fault_…` take long and belong to the soak.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("bare_debian_hosts_become_a_cluster_and_a_second_run_changes_nothing", bare_to_done),
    ("add_ons_come_are_looked_at_and_go_again", add_ons),
    ("fault_killed_in_each_stage_and_run_again", killed_in_each_stage),
    ("fault_connection_lost_in_mid_kubeadm", connection_lost),
    ("fault_master_rebooted_while_it_joins", rebooted),
    ("fault_lock_of_apt_is_held", apt_lock),
    ("fault_clock_of_a_host_is_apart", clock_apart),
    ("fault_active_balancer_dies_while_a_master_joins", balancer_dies),
    ("fault_two_runs_at_once", two_runs),
    ("fault_nodes_that_are_needed_stay_and_others_leave_and_join", nodes::harm_is_refused),
    ("fault_replacement_of_a_master_is_killed_and_run_again", nodes::replaced_and_killed),
    ("fault_masters_are_gone_for_good_and_others_take_their_place", nodes::gone),
    ("fault_drills_on_each_kind_of_host", drills::each_kind),
    ("fault_restore_and_reset_are_killed_and_run_again", restored_and_put_back),
    ("fault_another_version_while_the_api_is_asked", upgrades::by_one_minor),
    ("fault_upgrade_is_killed_and_run_again", upgrades::killed),
];

/// Name and readiness of each node.
const READY: &str = "jsonpath={range .items[*]}{.metadata.name} \
                     {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";

/// Five nodes are ready, by whoever asks through the virtual IP.
pub(crate) fn assert_nodes(cluster: &Cluster) {
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
pub(crate) fn assert_balancers(cluster: &Cluster) {
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
pub(crate) fn assert_verified(cluster: &Cluster) {
    let mut said = None;
    cluster.await_true("nothing to be bad", || {
        let verified = cluster.k8s(&["verify", "--json", "--wait", "2m"]);
        let is_over = verified.code != Some(1);
        said = Some(verified);
        is_over
    });
    let said = said.unwrap();
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
    cluster.apply_all();
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
    assert!(again.contains("DNS           unproven") && again.contains("Unproven: "), "{again}");
    assert_eq!(begun(&cluster), before, "a second run runs no kubeadm");

    nodes::worker_leaves_and_joins(&cluster);
    drills::balancer_stops(&cluster);
    certificates_renewed(&cluster);
    let active = cluster.holders().remove(0);
    cluster.host_mut(&active).power_cycle();
    cluster.await_true("an answer at the virtual IP", || {
        cluster.kubectl(&["get", "--raw=/readyz"]).code == Some(0)
    });
    assert_balancers(&cluster);
}

/// Add-ons on a cluster: applied, found as wanted, differing after somebody's change, put back, and
/// removed. No pod runs; what answers at addresses of services is the test's own.
fn add_ons() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    cluster.answer_at(Ipv4Addr::new(172, 16, 16, 150), 80, "200 OK");
    cluster.answer_at(Ipv4Addr::new(172, 16, 16, 151), 5000, "401 Unauthorized");
    rendered_is_read(&cluster);
    cluster.want(&format!(
        "addons:\n  metallb: {{version: {METALLB}, source: 'http://{REPOSITORY}/metallb', \
         pools: [{{name: default, addresses: [172.16.16.150-172.16.16.160]}}]}}\n  \
         nginx: {{address: 172.16.16.150}}\n  \
         storage: {{volumes: [{{name: images, node: kworker01, path: /srv/images, size: 1Gi}}]}}\n  \
         registry: {{address: 172.16.16.151, volume: images, transport: plain-http}}\n"
    ));
    let done = |words: &[&str], code: i32| {
        let said = cluster.k8s(&[&["addon"], words].concat());
        assert_eq!(said.code, Some(code), "{words:?}: {}", said.text);
        said.text
    };
    done(&["status"], 1);
    done(&["apply", "--yes"], 0);
    done(&["status"], 0);
    assert!(done(&["apply", "--yes"], 0).contains("nothing to do"));
    let hosts = "/etc/containerd/certs.d/172.16.16.151:5000/hosts.toml";
    for name in [cluster.names("master"), cluster.names("worker")].concat() {
        assert!(cluster.host(&name).ok(&["cat", hosts]).contains("http://172.16.16.151:5000"));
    }
    cluster.host("kworker01").ok(&["test", "-d", "/srv/images"]);

    let scale = ["-n", "halb-nginx", "patch", "deployment", "nginx", "--type=merge"];
    let scaled = cluster.kubectl(&[&scale[..], &["-p", "{\"spec\": {\"replicas\": 7}}"]].concat());
    assert_eq!(scaled.code, Some(0), "{}", scaled.text);
    assert!(done(&["status"], 1).contains("Run nginx on 2 nodes"));
    done(&["apply", "nginx", "--yes"], 0);
    done(&["status"], 0);

    let needed = done(&["remove", "metallb", "--yes"], 1);
    assert!(needed.contains("is installed and needs metallb"), "{needed}");
    done(&["remove", "registry", "nginx", "storage", "metallb", "--yes"], 0);
    let left = cluster.kubectl(&["get", "namespaces", "-o", "name"]);
    assert!(!left.text.contains("halb-") && !left.text.contains("metallb"), "{}", left.text);
    for name in cluster.names("worker") {
        assert!(!cluster.host(&name).run(&["test", "-e", hosts]).status.success(), "{name}");
    }
    cluster.host("kworker01").ok(&["test", "-d", "/srv/images"]);
    done(&["status"], 1);
}

/// Every add-on, printed for those who apply such things by other means: kubectl knows each object.
fn rendered_is_read(cluster: &Cluster) {
    let volumes: String = [("images", 1), ("data-0", 1), ("data-1", 2), ("data-2", 1)]
        .map(|(name, node)| {
            format!("{{name: {name}, node: kworker0{node}, path: /srv/{name}, size: 1Gi}}, ")
        })
        .concat();
    cluster.want(&format!(
        "addons:\n  metallb: {{pools: [{{name: default, addresses: [172.16.16.150-172.16.16.160]}}]}}\n  \
         nginx: {{address: 172.16.16.150}}\n  storage: {{volumes: [{volumes}]}}\n  \
         registry: {{address: 172.16.16.151, volume: images}}\n  \
         patroni: {{image: 'quay.io/example/patroni@sha256:{}', volumes: [data-0, data-1, data-2]}}\n",
        "0123456789abcdef".repeat(4)
    ));
    let rendered = cluster.k8s(&["addon", "plan", "--render"]);
    assert_eq!(rendered.code, Some(0), "{}", rendered.text);
    cluster.write("rendered.yaml", &rendered.text);
    let read = cluster.kubectl(&["create", "--dry-run=client", "-f", "rendered.yaml"]);
    assert_eq!(read.code, Some(0), "{}\n{}", read.text, rendered.text);
    let objects = rendered.text.lines().filter(|line| line.starts_with("kind: ")).count();
    let created = read.text.lines().filter(|line| line.ends_with(" created (dry run)")).count();
    assert!(objects > 20 && created == objects, "{objects} objects\n{}", read.text);
}

/// The end of a cluster, and what came before it.
fn restored_and_put_back() {
    let cluster = Cluster::new(Shape::SEVEN);
    let bare = settings(&cluster);
    cluster.apply_all();
    backed_up_and_restored(&cluster);
    put_back(&cluster, &bare);
}

/// What hosts are told by files that halb changes, and by packages that it installs.
fn settings(cluster: &Cluster) -> Vec<String> {
    const LOOK: &str = "cat /etc/hosts /etc/fstab; dpkg-query -W; \
                        find /etc -path '*halb*' -o -path '/etc/kubernetes*' -o -name '99-halb*'; \
                        ls /usr/bin /etc/apt/sources.list.d /var/lib; \
                        ls -d /var/log/*halb* 2>/dev/null; grep halb /etc/passwd || :; \
                        systemctl is-enabled halb kubelet containerd 2>/dev/null || :";
    let hosts = ["balancer", "master", "worker"].map(|role| cluster.names(role)).concat();
    hosts.iter().map(|name| cluster.host(name).ok(&["sh", "-c", LOOK])).collect()
}

/// Hosts become what they were, in spite of a run that is killed on the way.
fn put_back(cluster: &Cluster, bare: &[String]) {
    let order = ["reset", "--cluster", "--yes"];
    let mut running = cluster.begin_order(&order);
    cluster.await_in(&mut running, "hosts to be put back", |running| {
        running.text().contains("Put hosts back as they were")
    });
    running.kill();
    let said = cluster.k8s(&order);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for (before, after) in bare.iter().zip(settings(cluster)) {
        let differ = |one: &str, other: &str| {
            let lines = one.lines().filter(|line| !other.lines().any(|known| known == *line));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let none = (Vec::<String>::new(), Vec::new());
        assert_eq!((differ(before, &after), differ(&after, before)), none, "gone, and left");
    }
    let again = cluster.k8s(&order);
    assert!(again.text.contains("There is nothing to put back"), "{}", again.text);
}

/// A backup is taken, something is lost, and the backup brings it back: not while the cluster runs,
/// unless that is said, and by a run that is killed with all masters stopped and the one after it.
fn backed_up_and_restored(cluster: &Cluster) {
    let configmap = |words: &[&str]| cluster.kubectl(&[words, &["configmap", "kept"]].concat());
    cluster.write(
        "kept.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, namespace: default}\n",
    );
    cluster.await_true("something to be kept", || {
        // As a file: of a kind that it knows, kubectl would send another form than JSON.
        cluster.kubectl(&["create", "--validate=false", "-f", "kept.yaml"]);
        configmap(&["get"]).code == Some(0)
    });
    let said = cluster.k8s(&["backup", "--to", "backups"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let folder = cluster.only_file("backups");
    cluster.await_true("it to be lost", || {
        configmap(&["delete", "--wait=false", "--ignore-not-found"]).code == Some(0)
    });
    let folder = folder.to_str().unwrap();
    let refused = cluster.k8s(&["restore", folder, "--yes"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("the cluster runs: its API server answers"), "{}", refused.text);
    let order = ["restore", folder, "--yes", "--discard-running"];
    let mut running = cluster.begin_order(&order);
    cluster.await_in(&mut running, "etcd to be made anew", |running| {
        running.text().contains("Make etcd anew out of the snapshot")
    });
    running.kill();
    assert_eq!(configmap(&["get"]).code, Some(1), "nobody answers, or it isn't there");
    let restored = cluster.k8s(&order);
    assert_eq!(restored.code, Some(0), "{}", restored.text);
    assert_nodes(cluster);
    cluster.await_true("it to be back", || configmap(&["get"]).code == Some(0));
    for name in cluster.names("master") {
        let before = cluster.host(&name).ok(&["sh", "-c", "ls /var/lib/etcd/before-*"]);
        assert!(before.contains("member"), "{name} kept nothing of what it had: {before}");
    }
}

/// Certificates are renewed on all masters, by a run that is killed while etcd is away and by the
/// one after it; what runs afterwards shows the new ones.
fn certificates_renewed(cluster: &Cluster) {
    let status = cluster.k8s(&["certs", "status"]);
    assert_eq!(status.code, Some(0), "{}", status.text);
    assert!(status.text.contains("None ends within 30 days"), "{}", status.text);
    let shown =
        || cluster.host("kmaster03").ok(&["sha256sum", "/etc/kubernetes/pki/apiserver.crt"]);
    let before = shown();
    let parked = || {
        let host = cluster.host("kmaster01");
        host.run(&["test", "-e", "/etc/kubernetes/halb-parked"]).status.success()
    };
    let mut running = cluster.begin_order(&["certs", "renew", "--yes"]);
    cluster.await_in(&mut running, "a static pod to be away", |_| parked());
    running.kill();
    cluster.await_true("all static pods to be back", || !parked());
    let renewed = cluster.k8s(&["certs", "renew", "--yes"]);
    assert_eq!(renewed.code, Some(0), "{}", renewed.text);
    assert_ne!(shown(), before);
    for name in cluster.names("master") {
        let pods = cluster.events(&name, "pod");
        let started = pods.iter().filter(|event| event["pod"] == "kube-apiserver").count();
        assert!(started >= 2, "{name}'s API server never restarted");
    }
    assert_nodes(cluster);
}

/// Begins a run, and kills it in a stage as soon as something holds.
fn kill_in(cluster: &Cluster, stage: &str, holds: impl Fn() -> bool) {
    let mut running = cluster.begin();
    cluster.await_in(&mut running, stage, |running| running.text().contains(stage) && holds());
    running.kill();
}

/// Begins a run that finds kubeadm at work for the one before it, waits, and goes on from there to
/// the next pause.
fn resume_after(cluster: &Cluster, host: &str, (next, phase): (&str, &str)) -> Running {
    cluster.pause(next, phase);
    let mut running = cluster.begin();
    cluster.await_in(&mut running, "the next run to wait", |running| {
        running.text().contains("Waiting for what an earlier run began")
            && running.text().contains(host)
    });
    cluster.resume(host);
    cluster.await_in(&mut running, phase, |_| cluster.is_paused(next, phase));
    running
}

fn killed_in_each_stage() {
    let cluster = Cluster::new(Shape::SEVEN);
    kill_in(&cluster, "Set up the balancers", || {
        cluster.host("loadbalancer01").run(&["test", "-e", "/usr/bin/halb"]).status.success()
    });
    kill_in(&cluster, "Prepare all nodes", || {
        cluster.host("kworker01").run(&["pidof", "dpkg"]).status.success()
    });
    cluster.pause("kmaster01", "init/control-plane");
    kill_in(&cluster, "Begin the cluster on the first master", || {
        cluster.is_paused("kmaster01", "init/control-plane")
    });
    let running = resume_after(&cluster, "kmaster01", ("kmaster02", "join/etcd-promote"));
    assert!(running.text().contains("Join the other masters"), "{}", running.text());
    running.kill();
    let running = resume_after(&cluster, "kmaster02", ("kworker01", "join/kubelet-start"));
    assert!(running.text().contains("Join the workers"), "{}", running.text());
    running.kill();
    cluster.resume("kworker01");
    kill_in(&cluster, "Install the network of pods", || true);
    kill_in(&cluster, "Fetch the operator's access", || true);
    cluster.apply_all();
    for (host, command) in [("kmaster01", "init"), ("kmaster02", "join"), ("kworker01", "join")] {
        assert_eq!(cluster.runs(host, command), 1, "{host}: what runs on is found again");
        assert_eq!(cluster.runs(host, "reset"), 0, "{host}");
    }
    cluster.assert_done();
    assert_nodes(&cluster);
    assert_verified(&cluster);
    cluster.assert_no_secrets();
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

fn apt_lock() {
    let cluster = Cluster::new(Shape::SEVEN);
    // As unattended-upgrades does at the first boot.
    let hold = "use Fcntl; open(my $file, '>', '/var/lib/dpkg/lock-frontend') or die; \
                my $lock = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0); \
                fcntl($file, F_SETLKW, $lock) or die; \
                open(my $mark, '>', '/run/held') or die; close($mark); \
                while (-e '/run/held') { select(undef, undef, undef, 0.1) }";
    let host = cluster.host("kworker01");
    host.ok(&["systemd-run", "-q", "--unit=upgrades", "perl", "-e", hold]);
    cluster.await_true("the lock to be held", || {
        host.run(&["test", "-e", "/run/held"]).status.success()
    });
    let mut running = cluster.begin();
    let installed =
        |name: &str| cluster.host(name).run(&["test", "-x", "/usr/bin/kubelet"]).status.success();
    cluster.await_in(&mut running, "apt to wait while another host goes on", |_| {
        installed("kworker02") && cluster.log("kworker01").contains("lock-frontend")
    });
    assert!(!installed("kworker01"), "apt didn't wait");
    host.ok(&["rm", "/run/held"]);
    let said = running.finish();
    assert_eq!(said.code, Some(0), "{}", said.text);
    cluster.assert_done();
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
