//! Virtual IPs on two interfaces that move together, for a node that forwards between them.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use halb_lab::eventually;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::router::{FRONTEND, VIP};
use crate::support::segment::Segment;

/// The other interface and its virtual address.
const INSIDE: &str = "inside";
const INSIDE_VIP: &str = "172.16.17.100";

fn configuration(priority: u8, state_dir: &Path) -> String {
    let instance = |name: &str, interface: &str, id: u8, address: &str| {
        format!(
            "[vrrp.{name}]\ninterface = \"{interface}\"\nrouter_id = {id}\npriority = {priority}\n\
             advert_interval = \"200ms\"\naddresses = [\"{address}\"]\nsync_group = \"gateway\"\n\
             track = []\n"
        )
    };
    let (outside, inside) = (
        instance("outside", "eth1", 1, &VIP.to_string()),
        instance("inside", INSIDE, 2, INSIDE_VIP),
    );
    format!(
        "{outside}{inside}[frontend.web]\nbind = [\"*:{FRONTEND}\"]\nbackend = \"pool\"\n\
         [backend.pool]\nserver = {{ one = \"127.0.0.1:7001\" }}\n[global]\n\
         state_dir = \"{}\"\n",
        state_dir.display()
    )
}

/// Waits until one balancer has both addresses, and the other neither.
fn wait_for_both(segment: &Segment, number: usize) {
    segment.wait_for_holder(number);
    let inside: IpAddr = INSIDE_VIP.parse().unwrap();
    eventually("the other address is there too", PATIENCE, || {
        let holders = [0, 1].map(|number| segment.balancers[number].holds(inside).unwrap());
        if holders == [number == 0, number == 1] { Ok(()) } else { Err(holders) }
    });
}

fn states(halb: &Daemon) -> Vec<String> {
    let status = serde_json::to_value(halb.status()).unwrap();
    let instances = status["vrrp"]["instances"].as_array().unwrap();
    instances.iter().map(|instance| instance["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs root"]
fn when_one_interface_fails_both_addresses_move_and_both_come_back() {
    let segment = Segment::new();
    let state = TempDir::new().unwrap();
    let nodes = [0_u8, 1].map(|number| {
        let host = &segment.balancers[usize::from(number)];
        let address = format!("172.16.17.{}/24", 51 + number);
        host.add_macvlan(INSIDE, [2, 0, 0, 0, 17, 51 + number], &[&address]).unwrap();
        Daemon::start(host, &configuration(101 - number, state.path()))
    });
    wait_for_both(&segment, 0);
    let set = |what: &str| {
        let mut command = Command::new("ip");
        command.args(["link", "set", INSIDE, what]);
        assert!(segment.balancers[0].run(|| command.status()).unwrap().success());
    };
    set("down");
    wait_for_both(&segment, 1);
    eventually("the whole group has failed", PATIENCE, || {
        let states = states(&nodes[0]);
        if states == ["fault", "fault"] { Ok(()) } else { Err(states) }
    });
    assert_eq!(states(&nodes[1]), ["active", "active"]);
    set("up");
    wait_for_both(&segment, 0);
}
