//! Hosts are taken away on purpose: `halb k8s drill`.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Shape};
use crate::nodes::{must, refused};

/// Longer than a node may say nothing without being missed, as a server's firmware takes.
const SLOW_BOOT: Duration = Duration::from_secs(60);

/// The balancer with the virtual IP is stopped; the other one has it then.
pub(crate) fn balancer_stops(cluster: &Cluster) {
    cluster.await_true("one holder of the virtual IP", || cluster.holders().len() == 1);
    let active = cluster.holders().remove(0);
    let balancers = cluster.names("balancer");
    let other = balancers.iter().find(|name| **name != active).unwrap();
    let said = must(cluster.k8s(&["drill", "balancer", "--yes"]));
    let lines = [
        format!("{active}: halb is stopped"),
        format!("{other} has the virtual IP"),
        format!("{active} has the virtual IP no more"),
        format!("{active} is back"),
        "all is as before".to_owned(),
        "PASSED: ".to_owned(),
    ];
    for line in lines {
        assert!(said.contains(&line), "{line}: {said}");
    }
}

/// Nothing is taken away while a host is away already, least of all a master beside another one.
pub(crate) fn refused_without(cluster: &Cluster, away: &str) {
    let why = format!("while kmaster02 is away only 1 is up ({away} is down)");
    refused(cluster.k8s(&["drill", "master", "--host", "kmaster02", "--yes"]), &why);
    refused(cluster.k8s(&["drill", "worker", "--yes"]), &format!("{away}: it doesn't answer"));
}

/// Reboots a host by a drill; lines of the timeline, all of it, and the verdict.
fn rebooted(cluster: &mut Cluster, words: &[&str], host: &str, boot: Duration) -> Vec<String> {
    let words = [&["drill"], words, &["--host", host, "--yes", "--json"]].concat();
    let mut running = cluster.begin_order(&words);
    cluster.await_in(&mut running, "the host to go down", |_| !cluster.host(host).is_up());
    cluster.host_mut(host).power_off();
    thread::sleep(boot);
    cluster.host_mut(host).power_on();
    let said = running.finish();
    assert_eq!(said.code, Some(0), "{}", said.text);
    let told = serde_json::Deserializer::from_str(&said.text).into_iter::<Value>().next();
    let told = told.unwrap().unwrap();
    assert_eq!(told["drill"]["host"], host);
    let verdict = &told["verdict"];
    assert_eq!(verdict["passed"], true);
    assert!(verdict["answered"].as_u64().unwrap() > 20, "{verdict}");
    let timeline = told["timeline"].as_array().unwrap();
    timeline.iter().map(|entry| entry["what"].as_str().unwrap().to_owned()).collect()
}

fn assert_told(timeline: &[String], lines: &[&str]) {
    for line in lines {
        assert!(timeline.iter().any(|it| it == line), "{line}: {timeline:#?}");
    }
}

/// One host of each kind.
pub(crate) fn each_kind() {
    let mut cluster = Cluster::new(Shape::SEVEN);
    cluster.apply_all();
    balancer_stops(&cluster);
    cluster.await_true("the virtual IP to be back", || cluster.holders() == ["loadbalancer01"]);
    let words = ["balancer", "--how", "reboot"];
    let timeline = rebooted(&mut cluster, &words, "loadbalancer01", Duration::ZERO);
    let lines = ["loadbalancer01 has the virtual IP no more", "loadbalancer01 is back"];
    assert_told(&timeline, &lines);

    let timeline = rebooted(&mut cluster, &["master"], "kmaster03", Duration::ZERO);
    let lines = [
        "kmaster03: rebooted",
        "etcd of kmaster03 is down",
        "kmaster03 is back",
        "etcd of kmaster03 is up",
        "all is as before",
    ];
    assert_told(&timeline, &lines);
    let timeline = rebooted(&mut cluster, &["worker"], "kworker02", SLOW_BOOT);
    let lines = ["node kworker02 isn't ready", "kworker02 is back", "node kworker02 is ready"];
    assert_told(&timeline, &lines);

    cluster.await_true("one holder of the virtual IP", || cluster.holders().len() == 1);
    let active = cluster.holders().remove(0);
    let balancers = cluster.names("balancer");
    let other = balancers.iter().find(|name| **name != active).unwrap();
    cluster.host(other).ok(&["systemctl", "stop", "halb.service"]);
    let why = "no other balancer serves: nobody would reach the API";
    refused(cluster.k8s(&["drill", "balancer", "--yes"]), why);
    cluster.host(other).ok(&["systemctl", "start", "halb.service"]);
    cluster.assert_done();
}
