//! Two nodes with the whole driver, of which the active one is killed or stopped.

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use halb_lab::net::{INTERFACE, Watch};
use halb_lab::process::Signal;
use halb_lab::{Capture, Host, Lab, Process, eventually};

use crate::{PATIENCE, VIRTUAL, address};

/// Long enough that a busy machine alone neither looks frozen nor loses three adverts.
const INTERVAL: Duration = Duration::from_millis(500);

pub(crate) struct Node {
    pub(crate) daemon: Process,
    pub(crate) watch: Watch,
    host: Host,
}

impl Node {
    fn start(lab: &Lab, name: &str, ip: &str, priority: u8) -> Self {
        let host = lab.host(name, &format!("{ip}/24")).unwrap();
        let watch = host.watch_addresses().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb-vrrp-part"));
        let centiseconds = (INTERVAL.as_millis() / 10).to_string();
        command.args(["router", INTERFACE, &priority.to_string(), VIRTUAL, &centiseconds]);
        let daemon = host.spawn(command).unwrap();
        Self { daemon, watch, host }
    }

    pub(crate) fn holds(&self) -> bool {
        self.host.holds(address()).unwrap()
    }
}

/// A segment whose first node has the address, and what passes on it.
pub(crate) fn pair() -> (Lab, Node, Node, Capture) {
    let lab = Lab::new().unwrap();
    let first = Node::start(&lab, "first", "10.9.0.1", 200);
    eventually("the first is active", PATIENCE, || first.holds());
    let second = Node::start(&lab, "second", "10.9.0.2", 100);
    second.daemon.wait_for_line("Backup", PATIENCE).unwrap();
    let capture = Capture::start(&second.host).unwrap();
    (lab, first, second, capture)
}

#[test]
#[ignore = "needs root"]
fn of_two_nodes_the_other_has_the_address_when_the_active_one_is_killed() {
    let (_lab, first, second, capture) = pair();
    let (mark, killed) = (capture.mark(), Instant::now());
    first.daemon.signal(Signal::SIGKILL).unwrap();
    eventually("the second is active", PATIENCE, || second.holds());
    assert!(!first.holds());
    capture.wait_for("the farewell of the first", mark, PATIENCE, |advert| advert.priority == 0);
    let [gone, came] = [
        first.watch.last(address(), false, killed).unwrap(),
        second.watch.last(address(), true, killed).unwrap(),
    ];
    println!("gone after {:?}, there after {:?}", gone - killed, came - killed);
    assert!(gone < came, "never with two");
}

#[test]
#[ignore = "needs root"]
fn of_two_nodes_the_other_has_the_address_when_the_active_one_freezes_and_keeps_it() {
    let (_lab, first, second, capture) = pair();
    let (mark, stopped) = (capture.mark(), Instant::now());
    first.daemon.signal(Signal::SIGSTOP).unwrap();
    eventually("the second is active", PATIENCE, || second.holds());
    assert!(!first.holds());
    capture.wait_for("the farewell of the first", mark, PATIENCE, |advert| advert.priority == 0);

    let (thawed, lines) = (capture.mark(), first.daemon.line_count());
    first.daemon.signal(Signal::SIGCONT).unwrap();
    first.daemon.wait_for_line_after(lines, "took the addresses away", PATIENCE).unwrap();
    first.daemon.wait_for_line_after(lines, "Backup", PATIENCE).unwrap();
    // It has had the time to take over, had it not heard the second.
    let own: IpAddr = "10.9.0.1".parse().unwrap();
    let until = Instant::now() + INTERVAL * 5;
    capture.wait_for("a later advert", thawed, PATIENCE, |advert| advert.at > until);
    assert_eq!(capture.adverts_since(thawed).iter().find(|advert| advert.source == own), None);
    assert_eq!(first.watch.last(address(), true, stopped), None, "it never had it again");
    assert!(second.holds());
}
