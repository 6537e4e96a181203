//! Figures of the guard, as docs/measurements.md has them.

use std::fs;
use std::time::{Duration, Instant};

use halb_lab::eventually;
use halb_lab::process::Signal;
use nix::sys::signal::kill;

use crate::{Daemon, PATIENCE, SOCKETS, Stage, address, guard_of, routers};

/// Trials of each measurement.
const TRIALS: usize = 20;

/// Prints a row of the soak report, and returns it if the worst is beyond the bound.
fn tell(what: &str, mut times: Vec<Duration>, bound: Duration) -> Option<String> {
    times.sort();
    let [median, worst] = [times[times.len() / 2], times[times.len() - 1]];
    let row = format!("| {what} | {median:.1?} | {worst:.1?} |");
    println!("{row}");
    (worst > bound).then_some(row)
}

#[test]
#[ignore = "needs root"]
fn measure_the_guard() {
    println!("| what | median | worst |\n|---|---|---|");
    let late =
        [after_a_kill(), after_a_kill_of_routers(), after_a_freeze(), what_it_costs()].concat();
    assert!(late.is_empty(), "beyond their bounds: {late:#?}");
}

/// What took longer than 50 ms.
fn after_a_kill() -> Vec<String> {
    let bound = Duration::from_millis(50);
    let mut late = Vec::new();
    for realtime in [0, 50] {
        let daemon = Daemon { realtime, sockets: SOCKETS, ..Daemon::default() };
        let mut stage = Stage::begin_as(&daemon);
        let trial = |trial| {
            if trial > 0 {
                stage.restart(&daemon);
            }
            let (mark, killed) = (stage.capture.mark(), Instant::now());
            stage.daemon.signal(Signal::SIGKILL).unwrap();
            stage.check_release(killed, mark)
        };
        let (farewells, removals) = (0..TRIALS).map(trial).unzip();
        let what = format!("kill -9 with {SOCKETS} sockets, {}", scheduling(realtime));
        late.extend(tell(&format!("{what}: priority 0 at the peer"), farewells, bound));
        late.extend(tell(&format!("{what}: address gone"), removals, bound));
    }
    late
}

/// The same with the whole driver, whose thread has sockets that take the kernel time to close.
fn after_a_kill_of_routers() -> Vec<String> {
    let trial = |_| {
        let (_lab, first, second, _capture) = routers::pair();
        let killed = Instant::now();
        first.daemon.signal(Signal::SIGKILL).unwrap();
        eventually("the second is active", PATIENCE, || second.holds());
        first.watch.last(address(), false, killed).unwrap() - killed
    };
    let times = (0..TRIALS / 4).map(trial).collect();
    let what = "kill -9 of an active node: address gone";
    tell(what, times, Duration::from_millis(50)).into_iter().collect()
}

/// What took longer than the limit and 20 ms.
fn after_a_freeze() -> Vec<String> {
    let mut late = Vec::new();
    for (limit_millis, realtime) in [(30, 0), (30, 50), (300, 0), (300, 50)] {
        let limit = Duration::from_millis(limit_millis);
        let daemon = Daemon { limit, realtime, ..Daemon::default() };
        let mut stage = Stage::begin_as(&daemon);
        let trial = |trial| {
            if trial > 0 {
                stage.restart(&daemon);
            }
            let (mark, stopped) = (stage.capture.mark(), Instant::now());
            stage.daemon.signal(Signal::SIGSTOP).unwrap();
            let farewell = stage.farewell(mark).at.saturating_duration_since(stopped);
            let gone = stage.gone(stopped);
            stage.daemon.kill().unwrap();
            stage.wait_for_guards_end();
            (farewell, gone)
        };
        let (farewells, removals) = (0..TRIALS).map(trial).unzip();
        let what = format!("SIGSTOP, limit {limit:?}, {}", scheduling(realtime));
        let bound = limit + Duration::from_millis(20);
        late.extend(tell(&format!("{what}: priority 0 at the peer"), farewells, bound));
        late.extend(tell(&format!("{what}: address gone"), removals, bound));
    }
    late
}

fn scheduling(realtime: usize) -> &'static str {
    if realtime == 0 { "guard scheduled as usual" } else { "guard in real time" }
}

/// What took a mebibyte of its own, or kept the thread for a millisecond.
fn what_it_costs() -> Vec<String> {
    let mut stage = Stage::begin_as(&Daemon { ballast_mib: 500, ..Daemon::default() });
    let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", stage.guard)).unwrap();
    let kib = |name: &str| -> u32 {
        let line = memory.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let own = kib("Private_Dirty:");
    println!("| memory of a guard, with its share of the program | {} KiB | |", kib("Pss:"));
    println!("| memory of a guard, its own | {own} KiB | |");
    let mut replaced = Vec::new();
    for _ in 0..5 {
        let (lines, killed) = (stage.daemon.line_count(), Instant::now());
        kill(stage.guard, Signal::SIGKILL).unwrap();
        stage.daemon.wait_for_line_after(lines, "guard 0", PATIENCE).unwrap();
        stage.guard = guard_of(&stage.daemon);
        replaced.push(killed.elapsed());
    }
    // Each after a longer pause than the one before.
    println!("| a killed guard: another is ready and known to be | {:.1?} | |", replaced[0]);
    stage.daemon.stop(PATIENCE).unwrap();
    let line = stage.daemon.wait_for_line("longest tend: ", PATIENCE).unwrap();
    let micros: u64 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    println!("| the thread is kept by that, with 500 MiB locked | | {micros}µs |");
    let (memory, time) = (format!("{own} KiB"), format!("{micros} us"));
    [(own >= 1024).then_some(memory), (micros >= 1000).then_some(time)]
        .into_iter()
        .flatten()
        .collect()
}
