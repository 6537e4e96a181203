//! The apparatus of the drills, tried on subjects that are known to be broken.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use halb_bench::drill::{
    lab::{Balancer, Error, Kind, Node, Peers, record},
    plan::{Drill, Fault, Setting, Subject},
    verdict::Line,
};

/// Longer than any take-over at a tenth of a second; what is broken needn't be waited for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Plays a drill and judges it as halb's.
fn play(kind: &dyn Kind, fault: Fault) -> Line {
    let drill = Drill { fault, subject: Subject::Halb, setting: Setting::Tenth };
    let record = record(kind, drill, PATIENCE).unwrap();
    Line::judge(drill, record)
}

#[track_caller]
fn assert_broken(line: &Line, words: &str) {
    assert!(!line.passed());
    assert!(line.broken.iter().any(|problem| problem.contains(words)), "{:?}", line.broken);
}

/// keepalived that is killed leaves its address where it is.
#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn a_daemon_that_keeps_the_address_is_reported_as_failed() {
    let line = play(&Peers, Fault::Kill);
    assert_eq!(line.figures.holders, [true, true]);
    assert_broken(&line, "both nodes held the address at the end");
}

/// HAProxy and keepalived whose announcements don't leave the host.
#[derive(Debug)]
struct Mute;

impl Kind for Mute {
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        node.host.run(|| {
            let mut nft =
                Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
            nft.stdin.take().unwrap().write_all(UNSAID.as_bytes()).unwrap();
            assert!(nft.wait().unwrap().success());
        });
        Peers.start(node)
    }
}

/// Drops what a node says of the address unasked. It answers when it is asked.
const UNSAID: &str = "\
table netdev mute {
  chain said {
    type filter hook egress device \"eth1\" priority 0;
    arp saddr ip 172.16.16.100 arp daddr ip 172.16.16.100 drop
  }
}
";

#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn a_daemon_that_announces_nothing_is_reported_as_failed() {
    let line = play(&Mute, Fault::Stop);
    assert_eq!((line.figures.holders, line.figures.announced), ([false, true], None));
    assert_broken(&line, "the address moved and nobody announced it");
    assert_broken(&line, "nobody answered for the address");
    assert_broken(&line, "no request was answered");
}

/// Somebody who forwards and never takes part in any election.
#[derive(Debug)]
struct Nobody;

impl Kind for Nobody {
    fn start(&self, _: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        Err(Error::NotWell { what: "it never will be", patience: Duration::ZERO })
    }
}

#[test]
#[ignore = "needs root"]
fn a_subject_that_does_not_start_is_no_drill() {
    let drill = Drill { fault: Fault::Kill, subject: Subject::Halb, setting: Setting::Tenth };
    let error = record(&Nobody, drill, PATIENCE).unwrap_err();
    assert!(error.to_string().contains("it never will be"), "{error}");
}
