//! Upgrades of the node that holds the address, and of the other one: nothing moves, and nobody
//! misses an advert.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use halb_lab::eventually;
use halb_lab::net::Watch;
use halb_lab::process::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

/// Ends whatever daemon serves at last.
struct Successors<'a>(&'a Daemon);

impl Drop for Successors<'_> {
    fn drop(&mut self) {
        let said = self.0.files().halb(&["status", "--json"]).text;
        let Ok(status) = serde_json::from_str::<halb::status::Status>(&said) else { return };
        let formers = status.formers.iter().map(|former| former.pid);
        for pid in formers.chain([status.process.pid]) {
            let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
        }
    }
}

/// Upgrades the node with this number so often; the other one is `other`.
fn upgrades(node: usize, other: Kind, times: usize) {
    let segment = Segment::new();
    let kinds = if node == 0 { [Kind::Halb, other] } else { [other, Kind::Halb] };
    let members = segment.pair(kinds, Router::of_the_guides);
    let daemon = members[node].halb();
    let _successors = Successors(daemon);
    let (begun, mark) = (Instant::now(), segment.seen.mark());
    let mut before = daemon.status();
    for _ in 0..times {
        segment.next_advert(0);
        let said = daemon.done(&["upgrade"]);
        assert!(said.contains("serves"), "{said}");
        let now = daemon.status();
        assert_ne!(now.process.pid, before.process.pid);
        let counted = |status: &halb::status::Status| {
            let stats = &status.vrrp.as_ref().unwrap().instances[0].stats;
            stats["advert_sent"] + stats["advert_rcvd"]
        };
        assert!(counted(&now) >= counted(&before), "counters fell back");
        eventually("the new process is guarded", PATIENCE, || {
            let status = serde_json::to_value(daemon.status()).unwrap();
            let guard = &status["vrrp"]["thread"]["guard"];
            if guard == "watching" { Ok(()) } else { Err(guard.clone()) }
        });
        before = now;
    }
    nothing_has_moved(&segment, begun, mark);
    let own = segment.adverts_of(0, mark);
    assert!(own.iter().all(|advert| advert.priority == 101), "{own:?}");
    let gaps = own.windows(2).map(|two| two[1].at.saturating_duration_since(two[0].at));
    let longest = gaps.max().unwrap();
    // One that was left out would make it two seconds.
    assert!(longest < Duration::from_millis(1500), "no advert for {longest:?}");
}

/// The first node has held the address since, though the other one had time to take over.
fn nothing_has_moved(segment: &Segment, begun: Instant, mark: usize) {
    for _ in 0..4 {
        segment.next_advert(0);
    }
    let moves: Vec<_> = segment.watches.iter().flat_map(Watch::changes).collect();
    let moved = moves.iter().any(|change| change.at >= begun && change.address == VIP);
    assert!(!moved, "{moves:?}");
    assert_eq!(segment.holders(), [true, false]);
    assert_eq!(segment.adverts_of(1, mark), [], "the other one was active");
}

#[test]
#[ignore = "needs root and keepalived"]
fn upgrades_of_the_active_node_move_nothing_and_leave_out_no_advert() {
    std::thread::scope(|scope| {
        scope.spawn(|| upgrades(0, Kind::Keepalived, 3));
        scope.spawn(|| upgrades(0, Kind::Halb, 2));
    });
}

#[test]
#[ignore = "needs root"]
fn an_upgrade_of_the_backup_moves_nothing() {
    upgrades(1, Kind::Halb, 2);
}

#[test]
#[ignore = "needs root"]
fn measure_twenty_upgrades_of_the_active_node() {
    upgrades(0, Kind::Halb, 20);
}

/// A program that takes the role and dies before it serves leaves it where it was.
#[test]
#[ignore = "needs root"]
fn a_new_program_that_dies_with_the_role_leaves_it_to_the_old_one() {
    let segment = Segment::new();
    let members = segment.pair([Kind::Halb, Kind::Halb], Router::of_the_guides);
    let daemon = members[0].halb();
    let (begun, mark) = (Instant::now(), segment.seen.mark());
    let program = daemon.files().path("new");
    let say = r#"say() { printf "\\0\\0\\0\\$(printf %o ${#1})%s" "$1" >&0; }"#;
    let hello = r#"say '{"word":"hello","oldest":1,"newest":1,"halb_version":"9.9.9"}'"#;
    let text = format!("#!/bin/sh\n{say}\n{hello}\nsay '{{\"word\":\"ready\"}}'\n");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let said = daemon.files().halb(&["upgrade", "--binary", program.to_str().unwrap()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(daemon.status().process.pid, daemon.pid());
    nothing_has_moved(&segment, begun, mark);
}

/// Which death costs what is the same in a process that took over: its guard takes the address off.
#[test]
#[ignore = "needs root"]
fn the_guard_of_a_process_that_took_over_gives_the_address_up() {
    let segment = Segment::new();
    let members = segment.pair([Kind::Halb, Kind::Halb], Router::of_the_guides);
    let daemon = members[0].halb();
    daemon.done(&["upgrade"]);
    let status = daemon.status();
    assert_ne!(status.process.pid, daemon.pid());
    kill(Pid::from_raw(i32::try_from(status.process.pid).unwrap()), Signal::SIGKILL).unwrap();
    segment.wait_for_holder(1);
}
