//! What `halb import` makes of the guide's own `haproxy.cfg`, beside HAProxy with that very file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use halb_lab::subject::{haproxy, nginx};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::files::{HALB, Said};
use crate::support::network::Network;

/// The port of the Kubernetes API, which the file names on both sides.
const PORT: u16 = 6443;

/// The file of the guide, as it stands there.
const GUIDE: &str = include_str!("../../../import/tests/haproxy/seed-almalinux.cfg");

/// The same file with a log that a test can read.
fn with_log() -> String {
    format!("global\n  log stdout format raw local0 notice\ndefaults\n  log global\n{GUIDE}")
}

fn imported(network: &Network) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("haproxy.cfg");
    std::fs::write(&source, GUIDE).unwrap();
    let mut command = Command::new(HALB);
    command.arg("import").arg("--haproxy").arg(&source);
    let output = network.client.run(|| command.output().unwrap());
    let said = Said {
        code: output.status.code().unwrap(),
        text: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(said.code, 0, "{}", said.text);
    String::from_utf8(output.stdout).unwrap()
}

/// Who answers how many of thirty connections that are made one after the other.
fn shares(network: &Network, balancer: SocketAddr) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    network.client.run(|| {
        for _ in 0..30 {
            let answer = http_get(balancer, "/").unwrap();
            let name = answer.rsplit("\r\n").next().unwrap().to_owned();
            *shares.entry(name).or_default() += 1;
        }
    });
    shares
}

#[test]
#[ignore = "needs root, haproxy and nginx"]
fn an_imported_file_shares_connections_and_finds_a_dead_server_as_haproxy_does() {
    let network = Network::new();
    let start = |index: usize| {
        let (host, address) = network.at(PORT)[index];
        nginx(host, &nginx::http_server(address, host.name()), &[address]).unwrap()
    };
    let mut servers: Vec<_> = (0..3).map(start).collect();
    let other = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    let theirs = SocketAddr::new(other.ip(), PORT);
    let haproxy = haproxy(&other, &with_log(), &[theirs]).unwrap();
    let halb = Daemon::start(&network.balancer, &imported(&network));
    let ours = network.frontend(PORT);

    let all: BTreeMap<String, usize> =
        ["kmaster1", "kmaster2", "kmaster3"].map(|name| (name.to_owned(), 10)).into();
    assert_eq!(shares(&network, theirs), all);
    assert_eq!(shares(&network, ours), all);

    servers.remove(1).kill().unwrap();
    haproxy.wait_for_line("kubernetes-backend/kmaster2 is DOWN", PATIENCE).unwrap();
    halb.wait_for_state("kmaster2", "DOWN");
    let rest: BTreeMap<String, usize> =
        ["kmaster1", "kmaster3"].map(|name| (name.to_owned(), 15)).into();
    assert_eq!(shares(&network, theirs), rest);
    assert_eq!(shares(&network, ours), rest);
}
