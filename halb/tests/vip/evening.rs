//! `docs/guide/migrate.md`, command by command, on a pair that serves meanwhile. The commands are the
//! guide's; what stands for systemctl starts and stops the same programs.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::time::Duration;

use halb_lab::masters::PORT;
use halb_lab::subject::{Keepalived, Subject, guides, haproxy, keepalived};
use halb_lab::{Host, Masters, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::files::HALB;
use crate::support::import::OldNode;
use crate::support::router::VIP;
use crate::support::segment::Segment;

const GUIDE: &str = include_str!("../../../docs/guide/migrate.md");

/// The commands below a heading, those that go on over a line's end in one.
fn commands(heading: &str) -> Vec<String> {
    let chapter = GUIDE.split("\n## ").find(|chapter| chapter.starts_with(heading)).unwrap();
    let blocks = chapter.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let text = blocks.collect::<String>().replace("\\\n", "");
    assert!(!text.is_empty(), "{heading} has no commands");
    text.lines().map(str::to_owned).collect()
}

/// A node, and which of the programs run there.
struct Node<'a> {
    host: &'a Host,
    /// What stands for `/etc` and `/root`.
    files: OldNode,
    keepalived: Option<Keepalived>,
    haproxy: Option<Subject>,
    halb: Option<Daemon>,
}

impl<'a> Node<'a> {
    /// With the old pair running.
    fn new(host: &'a Host, priority: u8) -> Self {
        let files = OldNode::new();
        let script = files.script();
        let second = Duration::from_secs(1);
        let conf = guides::keepalived(2, priority, second, script.to_str().unwrap());
        let cfg = format!("{}{}", guides::HAPROXY_DEFAULTS, guides::HAPROXY);
        fs::write(files.path("haproxy.cfg"), cfg).unwrap();
        fs::write(files.path("other-keepalived.conf"), &conf).unwrap();
        fs::write(files.path("keepalived.conf"), conf).unwrap();
        let mut node = Self { host, files, keepalived: None, haproxy: None, halb: None };
        node.start("haproxy");
        node.start("keepalived");
        node
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.files.path(name)).unwrap()
    }

    fn start(&mut self, unit: &str) {
        match unit {
            "haproxy" => {
                let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
                let started = haproxy(self.host, &self.read("haproxy.cfg"), &[everywhere]);
                self.haproxy = Some(started.unwrap());
            }
            "keepalived" => {
                let started = keepalived(self.host, &self.read("keepalived.conf"));
                self.keepalived = Some(started.unwrap());
            }
            "halb" => {
                let installed = self.files.configuration(&self.read("installed.toml"));
                self.halb = Some(Daemon::start(self.host, &installed));
            }
            other => panic!("there is no unit {other}"),
        }
    }

    fn stop(&mut self, unit: &str) {
        let stopped = match unit {
            "haproxy" => self.haproxy.take().map(|it| it.stop(PATIENCE)),
            "keepalived" => self.keepalived.take().map(|it| it.stop(PATIENCE)),
            "halb" => self.halb.take().map(|it| it.stop(PATIENCE)),
            other => panic!("there is no unit {other}"),
        };
        stopped.unwrap_or_else(|| panic!("{unit} runs")).unwrap();
    }

    /// One command of the guide, and what its comment promises.
    fn run(&mut self, command: &str, comment: &str) {
        let words: Vec<_> = command.split_whitespace().collect();
        match words.as_slice() {
            ["systemctl", "stop", units @ ..] | ["systemctl", "disable", "--now", units @ ..] => {
                units.iter().for_each(|unit| self.stop(unit));
            }
            ["systemctl", "start", units @ ..] | ["systemctl", "enable", "--now", units @ ..] => {
                units.iter().for_each(|unit| self.start(unit));
            }
            ["halb", "import" | "check", ..] | ["install" | "ip" | "curl", ..] => {
                let Output { status, stdout, stderr } = self.shell(command);
                let said = String::from_utf8_lossy(&[stdout.clone(), stderr].concat()).into_owned();
                if comment.contains("must print nothing") {
                    assert!(stdout.is_empty(), "{command}: {said}");
                } else {
                    assert_eq!(status.code(), Some(0), "{command}: {said}");
                }
            }
            ["halb", arguments @ ..] => {
                let halb = self.halb.as_ref().unwrap_or_else(|| panic!("{command}: no halb runs"));
                let states = ["BACKUP", "ACTIVE"];
                let expected = states.iter().find(|state| comment.contains(**state));
                let expected = expected.filter(|_| !comment.contains("both"));
                eventually(command, PATIENCE, || {
                    let said = halb.done(arguments);
                    match expected.is_none_or(|state| said.contains(state)) {
                        true => Ok(()),
                        false => Err(said),
                    }
                });
            }
            other => panic!("{other:?} isn't known to this test"),
        }
    }

    /// Has a shell of the node run it, on the files of this test.
    fn shell(&self, command: &str) -> Output {
        let mut command = command.replace("-g halb ", "").replace("halb ", &format!("{HALB} "));
        for (path, name) in [
            ("/etc/haproxy/haproxy.cfg", "haproxy.cfg"),
            ("/etc/keepalived/keepalived.conf", "keepalived.conf"),
            ("/root/other-keepalived.conf", "other-keepalived.conf"),
            ("/root/halb.toml", "halb.toml"),
            ("/etc/halb/halb.toml", "installed.toml"),
        ] {
            command = command.replace(path, self.files.path(name).to_str().unwrap());
        }
        self.host.run(|| Command::new("sh").arg("-c").arg(&command).output().unwrap())
    }
}

/// Carries out a chapter on a node; what is for the other node, there.
fn follow(nodes: &mut [Node<'_>; 2], here: usize, heading: &str) {
    for line in commands(heading) {
        let (command, comment) = line.split_once('#').unwrap_or((&line, ""));
        let there = comment.contains("on the other node");
        nodes[if there { 1 - here } else { here }].run(command.trim(), comment);
    }
}

#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn the_evening_of_the_guide_ends_with_two_halbs_and_can_be_rolled_back() {
    let segment = Segment::new();
    let [one, other] = &segment.balancers;
    let addresses = [VIP, one.ip(), other.ip()];
    let masters = Masters::start(segment.lab(), &addresses, Duration::from_secs(1)).unwrap();
    let mut nodes = [Node::new(one, 101), Node::new(other, 100)];
    segment.wait_for_holder(0);
    for node in 0..2 {
        follow(&mut nodes, node, "1. Import");
        follow(&mut nodes, node, "2. Check");
    }
    let standby = 1;
    follow(&mut nodes, standby, "3. The standby");
    segment.wait_for_holder(0);
    follow(&mut nodes, standby, "4. Drill");
    segment.wait_for_holder(0);
    follow(&mut nodes, 0, "5. The other node");
    segment.wait_for_holder(0);
    assert!(nodes.iter().all(|node| node.halb.is_some() && node.keepalived.is_none()));
    follow(&mut nodes, standby, "Roll back");
    segment.wait_for_holder(0);
    follow(&mut nodes, 0, "Roll back");
    segment.wait_for_holder(0);
    drop(masters);
}
