//! Three members of etcd behind halb, and etcdctl as their client.

use std::net::SocketAddr;
use std::process::Command;

use halb_lab::subject::{Member, Subject, etcd};
use halb_lab::{Host, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::network::Network;

const PORT: u16 = 2379;

fn start(network: &Network) -> Vec<Subject> {
    let members = network.at(PORT).map(|(host, client)| Member {
        name: host.name(),
        client,
        peer: SocketAddr::new(host.ip(), 2380),
        place: host,
    });
    etcd(&members).unwrap()
}

fn configuration(network: &Network) -> String {
    let line = |(host, address): (&Host, _)| format!("{} = \"{address}\"\n", host.name());
    let servers: String = network.at(PORT).into_iter().map(line).collect();
    format!(
        "[frontend.etcd]\nbind = [\"*:{PORT}\"]\nbackend = \"etcd\"\n\
         [backend.etcd]\non_down_spread = \"0s\"\n\
         check = {{ type = \"http\", path = \"/health\", expect_body = '\"health\":\"true\"', \
         interval = \"1s\", timeout = \"1s\" }}\n\
         [backend.etcd.server]\n{servers}"
    )
}

/// etcdctl with nothing but halb to go to.
fn etcdctl(network: &Network, arguments: &[&str]) -> Command {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").arg(format!("--endpoints=http://{}", network.frontend(PORT)));
    command.arg("--command-timeout=20s").args(arguments);
    command
}

/// Runs etcdctl until it does what it was told: the members may be choosing a new leader.
fn done(network: &Network, arguments: &[&str]) -> String {
    eventually(&arguments.join(" "), PATIENCE, || {
        let output = network.client.run(|| etcdctl(network, arguments).output().unwrap());
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(output)
        }
    })
}

#[test]
#[ignore = "needs root and etcd"]
fn etcd_is_read_written_and_watched_through_halb_while_a_member_dies() {
    let network = Network::new();
    let mut members = start(&network);
    let halb = Daemon::start(&network.balancer, &configuration(&network));
    assert_eq!(done(&network, &["put", "key", "before"]), "OK\n");
    assert_eq!(done(&network, &["get", "key"]), "key\nbefore\n");

    let watch = network.client.spawn(etcdctl(&network, &["watch", "key", "--rev=1"])).unwrap();
    watch.wait_for_line("before", PATIENCE).unwrap();
    let sessions = halb.done(&["sessions", "list", "--json"]);
    let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap();
    let server = sessions[0]["server"].as_str().unwrap();
    let name = server.strip_prefix("etcd/").unwrap();
    let index = network.masters.iter().position(|host| host.name() == name).unwrap();

    members.remove(index).kill().unwrap();
    assert_eq!(done(&network, &["put", "key", "after"]), "OK\n");
    assert_eq!(done(&network, &["get", "key"]), "key\nafter\n");
    watch.wait_for_line("after", PATIENCE).unwrap();
    assert_eq!(watch.exit(), None);
    halb.wait_for_state(name, "DOWN");
    for _ in 0..6 {
        assert_eq!(done(&network, &["get", "key"]), "key\nafter\n");
    }
}
