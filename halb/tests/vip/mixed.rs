//! A pair in the middle of a migration: one node runs HAProxy and keepalived with the guide's files,
//! the other one the halb that these files were imported to. Each fault of `halb failover-test` once,
//! at an advert a second, with either of them active. What is asserted is who has the address.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use halb_bench::drill::figures::Figures;
use halb_bench::drill::lab::{Balancer, Error, Kind, Member, Node, Peers, record};
use halb_bench::drill::plan::{ACTIVE_PRIORITY, Drill, Fault, Setting, Subject};
use halb_lab::subject::{guides, halb_with};

use crate::support::files::HALB;
use crate::support::import::OldNode;

/// Patience with whoever is to serve again: the guide's script notices a hung HAProxy after 15 s and
/// more, and then it takes three adverts.
const PATIENCE: Duration = Duration::from_secs(60);

/// Drills side by side: most of their time they wait.
const LANES: usize = 4;

/// The active node runs halb, or the standby does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mixed {
    HalbActive,
    HalbStandby,
}

impl Kind for Mixed {
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        if (node.priority == ACTIVE_PRIORITY) != (*self == Self::HalbActive) {
            return Peers.start(node);
        }
        let files = OldNode::new();
        let haproxy = format!("{}{}", guides::HAPROXY_DEFAULTS, guides::HAPROXY);
        let (setting, script) = (node.setting, files.script());
        let (version, interval) = (setting.version(), setting.interval());
        let script = script.to_str().unwrap();
        let keepalived = guides::keepalived(version, node.priority, interval, script);
        let text = files.import(&haproxy, &keepalived);
        let halb = halb_with(Path::new(HALB), node.host, |_| text)?;
        Ok(Box::new(Member::new(halb, files)))
    }
}

/// Plays faults on a pair, and returns what was seen of each, in order.
fn play(kind: &dyn Kind, faults: &[Fault]) -> Vec<(Fault, Figures)> {
    let queue = Mutex::new(faults.iter());
    let played = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..LANES.min(faults.len()) {
            scope.spawn(|| {
                let next = || queue.lock().unwrap().next().copied();
                while let Some(fault) = next() {
                    let drill = Drill { fault, subject: Subject::Halb, setting: Setting::Second };
                    let record = record(kind, drill, PATIENCE);
                    let record = record.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                    played.lock().unwrap().push((fault, Figures::of(&record)));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap();
    played.sort_by_key(|(fault, _)| *fault);
    played
}

const FIRST: [bool; 2] = [true, false];
const SECOND: [bool; 2] = [false, true];

/// Each fault ended with the address on this node alone, and it came to a node so often at least: a
/// busy machine may add a turn and back.
#[track_caller]
fn check(played: &[(Fault, Figures)], expected: &[(Fault, usize, [bool; 2])]) {
    for (fault, moves, holders) in expected {
        let (_, figures) = played.iter().find(|(played, _)| played == fault).unwrap();
        assert_eq!(figures.holders, *holders, "{fault:?}: {figures:#?}");
        assert!(figures.moves >= *moves, "{fault:?}: {figures:#?}");
        assert!(figures.announced.is_some() || *moves == 0, "{fault:?}: {figures:#?}");
        assert!(figures.requests > figures.failed + figures.hung, "{fault:?}: {figures:#?}");
    }
}

/// All servers were dead for a while: one node has the address, and had it all the time.
#[track_caller]
fn check_servers_down(played: &[(Fault, Figures)]) {
    let (_, figures) = played.iter().find(|(played, _)| *played == Fault::ServersDown).unwrap();
    assert_ne!(figures.holders[0], figures.holders[1], "{figures:#?}");
}

#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn keepalived_takes_over_from_an_imported_halb() {
    let expected = [
        (Fault::Kill, 1, SECOND),
        (Fault::Stop, 1, SECOND),
        (Fault::HostGone, 1, SECOND),
        (Fault::ProxyHung, 1, SECOND),
    ];
    check(&play(&Mixed::HalbActive, &expected.map(|(fault, ..)| fault)), &expected);
}

#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn an_imported_halb_that_comes_back_takes_its_place_again_from_keepalived() {
    let expected = [
        (Fault::LinkCut, 2, FIRST),
        (Fault::Freeze, 2, FIRST),
        (Fault::Flapping, 2, FIRST),
        (Fault::OneWay, 1, FIRST),
        (Fault::ServerDown, 0, FIRST),
        (Fault::PeerReturns, 1, FIRST),
    ];
    let mut faults = expected.map(|(fault, ..)| fault).to_vec();
    faults.push(Fault::ServersDown);
    let played = play(&Mixed::HalbActive, &faults);
    check(&played, &expected);
    check_servers_down(&played);
}

/// keepalived that is killed or frozen leaves its address where it is, whoever is beside it; so
/// these two faults can't end well.
#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn an_imported_halb_takes_over_from_keepalived_and_gives_back() {
    let expected = [
        (Fault::Stop, 1, SECOND),
        (Fault::HostGone, 1, SECOND),
        (Fault::ProxyHung, 1, SECOND),
        (Fault::LinkCut, 2, FIRST),
        (Fault::Flapping, 2, FIRST),
        (Fault::ServerDown, 0, FIRST),
        (Fault::PeerReturns, 1, FIRST),
    ];
    let mut faults = expected.map(|(fault, ..)| fault).to_vec();
    faults.push(Fault::ServersDown);
    let played = play(&Mixed::HalbStandby, &faults);
    check(&played, &expected);
    check_servers_down(&played);
}

/// As the other drills of the soak, beside the pair that it comes from. While halb is active nobody
/// misses the address for longer than VRRP itself takes.
#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn measure_the_mixed_pair_beside_the_old_one() {
    let pairs: [(&str, &dyn Kind); 3] = [
        ("HAProxy + keepalived on both", &Peers),
        ("halb active, keepalived standby", &Mixed::HalbActive),
        ("keepalived active, halb standby", &Mixed::HalbStandby),
    ];
    println!("| pair | fault | nobody answers | no request answered | moves | holders |");
    println!("|---|---|---|---|---|---|");
    let mut late = Vec::new();
    for (name, kind) in pairs {
        for (fault, it) in play(kind, &Fault::ALL) {
            let Figures { address, service, moves, holders, .. } = it;
            let fault = fault.title();
            println!(
                "| {name} | {fault} | {address:.1?} | {service:.1?} | {moves} | {holders:?} |"
            );
            if name.starts_with("halb active") && address > Setting::Second.down_interval() + MARGIN
            {
                late.push((fault, address));
            }
        }
    }
    assert!(late.is_empty(), "later than three adverts and the skew: {late:?}");
}

/// What the machine may add.
const MARGIN: Duration = Duration::from_millis(200);
