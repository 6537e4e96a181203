//! The guard and a daemon that dies, freezes or stops, as processes on a host of a lab.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod bounds;
mod measuring;
mod routers;

use std::env;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::capture::Advert;
use halb_lab::net::{INTERFACE, Watch};
use halb_lab::process::{Exit, Signal};
use halb_lab::{Capture, Host, Lab, Process, eventually};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::kill;
use nix::unistd::Pid;

const OWN: &str = "10.9.0.1";
const VIRTUAL: &str = "10.9.0.100";

/// Sockets of a daemon with 4,500 clients, as many as nine thousand connections have on one side.
const SOCKETS: usize = 9_000;

/// What a busy machine may add to whatever is waited for.
const SLACK: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// Usual limit of a freeze here; long enough that a busy machine alone doesn't exceed it.
const LIMIT: Duration = Duration::from_millis(400);

/// How the daemon is started.
struct Daemon {
    limit: Duration,
    /// Priority of its guard; 0: none.
    realtime: usize,
    sockets: usize,
    /// Memory that it keeps.
    ballast_mib: usize,
    /// Where it works, and dumps core.
    folder: PathBuf,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { limit: LIMIT, realtime: 0, sockets: 0, ballast_mib: 0, folder: env::temp_dir() }
    }
}

impl Daemon {
    /// With the address on the host, and its guard ready.
    fn start(&self, node: &Host) -> (Process, Pid) {
        node.add_address(&format!("{VIRTUAL}/32")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb-vrrp-part"));
        command.args(["holder", INTERFACE, OWN, VIRTUAL]).current_dir(&self.folder);
        let limit_millis = usize::try_from(self.limit.as_millis()).unwrap();
        let numbers = [limit_millis, self.realtime, self.sockets, self.ballast_mib];
        command.args(numbers.map(|number| number.to_string()));
        let process = node.spawn(command).unwrap();
        process.wait_for_line("holding ", PATIENCE).unwrap();
        let guard = guard_of(&process);
        assert_eq!(realtime_priority(guard), self.realtime);
        (process, guard)
    }
}

/// A daemon that holds the virtual address on one host, and a peer that listens.
struct Stage {
    daemon: Process,
    guard: Pid,
    watch: Watch,
    capture: Capture,
    node: Host,
    _peer: Host,
    _lab: Lab,
}

impl Stage {
    fn begin(limit: Duration, sockets: usize) -> Self {
        Self::begin_as(&Daemon { limit, sockets, ..Daemon::default() })
    }

    fn begin_as(daemon: &Daemon) -> Self {
        let lab = Lab::new().unwrap();
        let node = lab.host("node", &format!("{OWN}/24")).unwrap();
        let peer = lab.host("peer", "10.9.0.2/24").unwrap();
        let capture = Capture::start(&peer).unwrap();
        let watch = node.watch_addresses().unwrap();
        let (daemon, guard) = daemon.start(&node);
        Self { daemon, guard, watch, capture, node, _peer: peer, _lab: lab }
    }

    /// Another daemon, in place of one whose end is over. On the same host: while the kernel
    /// removes a namespace, it keeps everybody from changing addresses.
    fn restart(&mut self, daemon: &Daemon) {
        (self.daemon, self.guard) = daemon.start(&self.node);
    }

    fn has_address(&self) -> bool {
        self.node.holds(address()).unwrap()
    }

    /// Waits until the address is gone, and says how long after `since` that was.
    fn gone(&self, since: Instant) -> Duration {
        let at = eventually("the address is gone", PATIENCE, || {
            self.watch.last(address(), false, since)
        });
        assert!(!self.has_address());
        at - since
    }

    /// Waits for the advert that gives the address up.
    fn farewell(&self, mark: usize) -> Advert {
        let advert = self.capture.wait_for("priority 0", mark, PATIENCE, |advert| {
            advert.priority == 0 && advert.router_id == 51
        });
        assert_eq!((advert.source, advert.hop_limit), (OWN.parse().unwrap(), 255));
        assert_eq!(advert.addresses, [address()]);
        advert
    }

    fn farewells(&self, mark: usize) -> usize {
        self.capture.adverts_since(mark).iter().filter(|advert| advert.priority == 0).count()
    }

    fn wait_for_guards_end(&self) {
        eventually("the guard has ended", PATIENCE, || !is_running(self.guard));
    }

    /// What is to be so after any death of the daemon.
    fn check_release(&self, died: Instant, mark: usize) -> (Duration, Duration) {
        let farewell = self.farewell(mark).at.saturating_duration_since(died);
        let gone = self.gone(died);
        self.wait_for_guards_end();
        assert_eq!(self.farewells(mark), 1, "it is said once");
        assert_eq!(self.capture.claims_since(mark), [], "nobody is told that the address is here");
        (farewell, gone)
    }
}

fn address() -> IpAddr {
    VIRTUAL.parse().unwrap()
}

/// The guard that the daemon told of last.
fn guard_of(daemon: &Process) -> Pid {
    eventually("a guard", PATIENCE, || {
        let output = daemon.output();
        let last = output.lines().rev().find_map(|line| line.strip_prefix("guard "))?;
        Some(last.parse().unwrap()).filter(|pid| *pid != 0).map(Pid::from_raw)
    })
}

/// Neither gone nor dead and not waited for.
fn is_running(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// 0 for a process that is scheduled as usual; proc(5), the 40th field.
fn realtime_priority(pid: Pid) -> usize {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(37).unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs root"]
fn a_killed_daemon_with_thousands_of_sockets_leaves_neither_address_nor_guard() {
    let stage = Stage::begin(LIMIT, SOCKETS);
    let (mark, killed) = (stage.capture.mark(), Instant::now());
    stage.daemon.signal(Signal::SIGKILL).unwrap();
    let (farewell, gone) = stage.check_release(killed, mark);
    println!("priority 0 after {farewell:?}, address gone after {gone:?}");
    assert!(farewell < SLACK && gone < SLACK);
}

#[test]
#[ignore = "needs root"]
fn a_daemon_that_aborts_with_a_core_dump_leaves_neither_address_nor_guard() {
    let scratch = tempfile::tempdir().unwrap();
    setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY).unwrap();
    let folder = scratch.path().to_owned();
    let stage = Stage::begin_as(&Daemon { ballast_mib: 200, folder, ..Daemon::default() });
    let (mark, aborted) = (stage.capture.mark(), Instant::now());
    stage.daemon.signal(Signal::SIGABRT).unwrap();
    let (farewell, gone) = stage.check_release(aborted, mark);
    println!("priority 0 after {farewell:?}, address gone after {gone:?}");
    assert!(farewell < LIMIT + SLACK && gone < LIMIT + SLACK);
    assert_eq!(stage.daemon.wait(PATIENCE).unwrap(), Exit::Signal(Signal::SIGABRT));
}

#[test]
#[ignore = "needs root"]
fn a_frozen_daemon_loses_the_address_and_knows_it_before_it_acts_again() {
    let stage = Stage::begin(LIMIT, 0);
    for round in 0..2 {
        let (mark, stopped) = (stage.capture.mark(), Instant::now());
        stage.daemon.signal(Signal::SIGSTOP).unwrap();
        let farewell = stage.farewell(mark).at - stopped;
        let gone = stage.gone(stopped);
        println!("priority 0 after {farewell:?}, address gone after {gone:?}");
        assert!(gone >= LIMIT / 2, "a daemon that beats is left alone");
        assert!(farewell < LIMIT + SLACK && gone < LIMIT + SLACK);

        let (thawed, lines) = (stage.capture.mark(), stage.daemon.line_count());
        stage.daemon.signal(Signal::SIGCONT).unwrap();
        stage.daemon.wait_for_line_after(lines, "revoked", PATIENCE).unwrap();
        stage.daemon.wait_for_line_after(lines, "acknowledged", PATIENCE).unwrap();
        let adverts = stage.capture.adverts_since(thawed);
        assert_eq!(adverts, [], "it acted before it looked");
        assert_eq!(stage.farewells(mark), 1);
        assert!(!stage.has_address());

        // Its guard goes on, and the next time is like the first.
        assert!(is_running(stage.guard));
        if round == 0 {
            stage.node.add_address(&format!("{VIRTUAL}/32")).unwrap();
            let mark = stage.capture.mark();
            stage.daemon.signal(Signal::SIGUSR2).unwrap();
            stage
                .capture
                .wait_for("it holds again", mark, PATIENCE, |advert| advert.priority == 100);
        }
    }
    assert_eq!(stage.daemon.stop(PATIENCE).unwrap(), Exit::Code(0));
    stage.wait_for_guards_end();
}

#[test]
#[ignore = "needs root"]
fn a_frozen_daemon_that_is_killed_then_gives_up_once() {
    let stage = Stage::begin(LIMIT, 0);
    let (mark, stopped) = (stage.capture.mark(), Instant::now());
    stage.daemon.signal(Signal::SIGSTOP).unwrap();
    stage.gone(stopped);
    stage.daemon.signal(Signal::SIGKILL).unwrap();
    stage.wait_for_guards_end();
    assert_eq!(stage.farewells(mark), 1);
    assert!(!stage.has_address());
}

#[test]
#[ignore = "needs root"]
fn what_a_daemon_does_in_an_act_that_outlasts_its_leave_is_undone() {
    let stage = Stage::begin(LIMIT, 0);
    let (mark, lines) = (stage.capture.mark(), stage.daemon.line_count());
    let begun = Instant::now();
    stage.daemon.signal(Signal::SIGUSR1).unwrap();
    stage.daemon.wait_for_line_after(lines, "in an act", PATIENCE).unwrap();
    stage.gone(begun);
    // As if the kernel did only now what the daemon asked for.
    let again = Instant::now();
    stage.node.add_address(&format!("{VIRTUAL}/32")).unwrap();
    stage.gone(again);
    stage.daemon.wait_for_line_after(lines, "acknowledged", PATIENCE).unwrap();
    assert_eq!(stage.farewells(mark), 1, "repeated, it would keep a backup waiting");
    assert!(!stage.has_address());
    // From now on the daemon answers for what is there.
    stage.node.add_address(&format!("{VIRTUAL}/32")).unwrap();
    thread::sleep(LIMIT);
    assert!(stage.has_address());
}

#[test]
#[ignore = "needs root"]
fn a_guard_that_dies_is_replaced_and_the_address_stays() {
    let mut stage = Stage::begin(LIMIT, 100);
    let (begun, mark) = (Instant::now(), stage.capture.mark());
    for _ in 0..3 {
        let (lines, killed) = (stage.daemon.line_count(), Instant::now());
        kill(stage.guard, Signal::SIGKILL).unwrap();
        let before = stage.guard;
        stage.daemon.wait_for_line_after(lines, "guard 0", PATIENCE).unwrap();
        stage.guard = guard_of(&stage.daemon);
        println!("another guard after {:?}", killed.elapsed());
        assert_ne!(stage.guard, before);
        stage.daemon.wait_for_line_after(lines, "Replaced", PATIENCE).unwrap();
    }
    assert_eq!(stage.watch.last(address(), false, begun), None, "the address stayed");
    assert_eq!(stage.farewells(mark), 0);

    let (mark, killed) = (stage.capture.mark(), Instant::now());
    stage.daemon.signal(Signal::SIGKILL).unwrap();
    stage.check_release(killed, mark);
}

#[test]
#[ignore = "needs root"]
fn a_clean_stop_leaves_no_guard_and_touches_nothing() {
    let stage = Stage::begin(LIMIT, 0);
    let mark = stage.capture.mark();
    assert_eq!(stage.daemon.stop(PATIENCE).unwrap(), Exit::Code(0));
    assert!(!is_running(stage.guard), "the daemon waits for it");
    assert!(stage.has_address(), "it is the daemon's to remove");
    assert_eq!(stage.farewells(mark), 0);
}

#[test]
#[ignore = "needs root"]
fn signals_that_stop_a_daemon_and_its_group_leave_the_guard_on_its_post() {
    let stage = Stage::begin(LIMIT, 0);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE] {
        kill(stage.guard, signal).unwrap();
    }
    let (mark, killed) = (stage.capture.mark(), Instant::now());
    stage.daemon.signal_group(Signal::SIGKILL).unwrap();
    stage.check_release(killed, mark);
}

#[test]
#[ignore = "needs root"]
fn a_host_that_stands_still_is_no_frozen_daemon() {
    let stage = Stage::begin(LIMIT, 0);
    let (begun, mark) = (Instant::now(), stage.capture.mark());
    kill(stage.guard, Signal::SIGSTOP).unwrap();
    stage.daemon.signal(Signal::SIGSTOP).unwrap();
    thread::sleep(LIMIT * 3);
    kill(stage.guard, Signal::SIGCONT).unwrap();
    stage.daemon.signal(Signal::SIGCONT).unwrap();
    stage.capture.wait_for("it goes on", mark, PATIENCE, |advert| advert.priority == 100);
    assert_eq!(stage.watch.last(address(), false, begun), None);
    assert_eq!(stage.farewells(mark), 0);
}

#[test]
fn a_guard_started_by_hand_says_that_it_is_of_no_use() {
    let part = env!("CARGO_BIN_EXE_halb-vrrp-part");
    let output = Command::new(part).arg("guard").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("ByHand"), "{said}");
}
