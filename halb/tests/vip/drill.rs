//! `halb failover-test --vip`, from the client, on a pair that it reaches by a command.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Command;

use halb_lab::Process;
use halb_lab::pair::BALANCERS;
use halb_lab::process::Exit;
use tempfile::TempDir;

use crate::halbs::{linked, start_linked};
use crate::support::PATIENCE;
use crate::support::files::HALB;
use crate::support::key::Key;
use crate::support::member::Member;
use crate::support::router::{FRONTEND, VIP};
use crate::support::segment::Segment;

/// What stands for ssh: a script that runs halb's command line on a node's files.
struct Reach(TempDir);

impl Reach {
    fn to(members: &[Member; 2]) -> Self {
        let reach = Self(TempDir::new().unwrap());
        (0..2).for_each(|number| reach.link(number, &members[number]));
        let script = format!(
            "files={}/$1; shift; exec \"$@\" --config $files/halb.toml --socket $files/admin.sock\n",
            reach.0.path().display()
        );
        fs::write(reach.0.path().join("reach"), script).unwrap();
        reach
    }

    /// From now on this one is the node.
    fn link(&self, number: usize, member: &Member) {
        let link = self.0.path().join(BALANCERS[number]);
        // There is none before the first time.
        let _ = fs::remove_file(&link);
        symlink(member.halb().files().path(""), link).unwrap();
    }

    /// Begins a drill on the client.
    fn drill(&self, segment: &Segment, more: &[&str]) -> Process {
        let mut command = Command::new(HALB);
        command
            .args(["failover-test", "--vip", &SocketAddr::new(VIP, FRONTEND).to_string()])
            .args(["--probe", "connect", "--bound", "10s", "--halb", HALB])
            .args(["--nodes", &BALANCERS.join(",")])
            .args(["--reach", &format!("sh {}/reach {{node}}", self.0.path().display())])
            .arg("--report")
            .arg(self.0.path().join("report.html"))
            .args(more);
        segment.client.spawn(command).unwrap()
    }

    fn report(&self) -> String {
        fs::read_to_string(self.0.path().join("report.html")).unwrap()
    }
}

#[test]
#[ignore = "needs root"]
fn a_real_pair_hands_over_and_back_and_every_step_is_told() {
    let segment = Segment::new();
    let key = Key::new();
    let members = linked(&segment, [&key, &key]);
    members.iter().for_each(Member::wait_for_link);
    let reach = Reach::to(&members);
    let drill = reach.drill(&segment, &[]);
    assert_eq!(drill.wait(PATIENCE * 2).unwrap(), Exit::Code(0), "{}", drill.output());
    segment.wait_for_holder(0);
    let said = drill.output();
    let steps = [
        "clients are served",
        "loadbalancer01: halb vip yield VI_1",
        "loadbalancer01: halb vip resume VI_1",
        "loadbalancer02 holds the address",
        "PASS",
        "For a change ticket:",
    ];
    let missing: Vec<_> = steps.iter().filter(|step| !said.contains(**step)).collect();
    assert!(missing.is_empty(), "{missing:?} in:\n{said}");
    assert!(reach.report().contains("loadbalancer02 holds it"));
}

#[test]
#[ignore = "needs root"]
fn a_daemon_that_is_stopped_and_started_by_its_service_manager_gets_the_address_back() {
    let segment = Segment::new();
    let key = Key::new();
    let mut members = linked(&segment, [&key, &key]);
    members.iter().for_each(Member::wait_for_link);
    let reach = Reach::to(&members);
    // This test is the service manager: the commands only say when.
    let commands = ["--stop-command", "true stop", "--start-command", "true start"];
    let drill = reach.drill(&segment, &[&["--fault", "stop"], &commands[..]].concat());
    drill.wait_for_line("loadbalancer01: true stop", PATIENCE).unwrap();
    members[0].stop();
    drill.wait_for_line("loadbalancer01: true start", PATIENCE).unwrap();
    members[0] = start_linked(&segment, &key, 0);
    reach.link(0, &members[0]);
    assert_eq!(drill.wait(PATIENCE * 2).unwrap(), Exit::Code(0), "{}", drill.output());
    segment.wait_for_holder(0);
    assert!(drill.output().contains("loadbalancer02 holds the address"), "{}", drill.output());
}

#[test]
#[ignore = "needs root"]
fn a_pair_whose_other_node_is_gone_is_left_alone() {
    let segment = Segment::new();
    let key = Key::new();
    let members = linked(&segment, [&key, &key]);
    members.iter().for_each(Member::wait_for_link);
    let reach = Reach::to(&members);
    members[1].halb().done(&["vip", "yield"]);
    let drill = reach.drill(&segment, &[]);
    assert_eq!(drill.wait(PATIENCE).unwrap(), Exit::Code(1));
    assert!(drill.output().contains("loadbalancer02 couldn't take"), "{}", drill.output());
    members[1].stop();
    let drill = reach.drill(&segment, &[]);
    assert_eq!(drill.wait(PATIENCE).unwrap(), Exit::Code(1));
    segment.wait_for_holder(0);
}

#[test]
#[ignore = "needs root"]
fn a_cable_that_an_operator_pulls_is_measured() {
    let segment = Segment::new();
    let key = Key::new();
    let members = linked(&segment, [&key, &key]);
    let reach = Reach::to(&members);
    let drill = reach.drill(&segment, &["--fault", "none"]);
    drill.wait_for_line("now it is your turn", PATIENCE).unwrap();
    segment.balancers[0].link_down().unwrap();
    drill.wait_for_line("clients are served again", PATIENCE).unwrap();
    assert_eq!(drill.wait(PATIENCE).unwrap(), Exit::Code(0), "{}", drill.output());
    assert!(drill.output().contains("by hand; there"), "{}", drill.output());
}
