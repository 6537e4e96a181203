use std::num::NonZeroU32;

use super::*;
use crate::config::{Check, Initial, Pace, Probe, Threshold};
use crate::outcome::{FailureKind, Layer};

const SECOND: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn target() -> Target {
    let count = |n| NonZeroU32::new(n).unwrap();
    Target {
        id: "masters/kmaster1".into(),
        address: "192.0.2.1:6443".parse().unwrap(),
        check: Check {
            probe: Probe::Tcp,
            pace: Pace {
                interval: 2 * SECOND,
                fast_interval: Some(ms(500)),
                down_interval: Some(5 * SECOND),
                timeout: SECOND,
            },
            threshold: Threshold { rise: count(2), fall: count(3) },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}

fn passed() -> Outcome {
    Outcome::passed(Layer::Connect, "connected")
}

fn failed() -> Outcome {
    Outcome::failed(FailureKind::Connect, "connection refused")
}

/// A monitor and the time, without jitter.
struct Bench {
    monitor: Monitor,
    now: Instant,
    begin: Instant,
    probes: u64,
}

impl Bench {
    fn new(target: Target) -> Self {
        let now = Instant::now();
        Self { monitor: Monitor::new(Arc::new(target), now, now), now, begin: now, probes: 0 }
    }

    fn start(&mut self) -> Instant {
        self.probes += 1;
        self.monitor.start(self.now, ProbeId(self.probes))
    }

    fn finish(&mut self, outcome: Outcome) -> Movement {
        self.monitor.finish(self.now, outcome, |_| Duration::ZERO).expect("a check runs").1
    }

    /// Runs one check from its due time that takes `took`; returns when the next is due, counted
    /// from that start.
    fn check(&mut self, took: Duration, outcome: Outcome) -> Duration {
        let Timer::Due(due) = self.monitor.timer() else { panic!("not waiting") };
        self.now = due;
        self.start();
        self.now += took;
        self.finish(outcome);
        self.due().saturating_sub(due - self.begin)
    }

    fn due(&self) -> Duration {
        let Timer::Due(due) = self.monitor.timer() else { panic!("not waiting") };
        due - self.begin
    }

    fn fully_up() -> Self {
        let mut bench = Self::new(target());
        bench.check(ms(1), passed());
        assert!(bench.monitor.health().is_fully_up());
        bench
    }
}

#[test]
fn the_interval_follows_the_health_as_in_haproxy() {
    let interval_at = |initial| {
        let mut target = target();
        target.check.initial = initial;
        Bench::new(target).monitor.interval()
    };
    assert_eq!(interval_at(Initial::FullyUp), 2 * SECOND);
    assert_eq!(interval_at(Initial::Up), ms(500), "unchecked");
    assert_eq!(interval_at(Initial::Down), ms(500), "coming up");
    assert_eq!(interval_at(Initial::FullyDown), 5 * SECOND);

    let mut plain = target();
    plain.check.pace.fast_interval = None;
    plain.check.pace.down_interval = None;
    for initial in [Initial::FullyUp, Initial::Up, Initial::Down, Initial::FullyDown] {
        plain.check.initial = initial;
        assert_eq!(Bench::new(plain.clone()).monitor.interval(), 2 * SECOND, "{initial:?}");
    }
}

#[test]
fn the_cadence_runs_from_start_to_start() {
    let mut bench = Bench::fully_up();
    assert_eq!(bench.check(ms(900), passed()), 2 * SECOND);
    assert_eq!(bench.check(ms(3), passed()), 2 * SECOND);
    assert_eq!(bench.check(ms(1000), failed()), ms(1000), "500 ms are over when it ends");
}

#[test]
fn a_check_that_outlasts_the_interval_delays_the_next_one_which_starts_at_once() {
    let mut bench = Bench::fully_up();
    assert_eq!(bench.check(ms(2300), passed()), ms(2300));
    assert_eq!(bench.check(ms(10), passed()), 2 * SECOND, "the cadence continues from there");
}

#[test]
fn late_starts_do_not_drift_and_are_not_caught_up() {
    let mut bench = Bench::fully_up();
    let scheduled = bench.due();
    bench.now = bench.begin + scheduled + ms(5);
    bench.start();
    bench.finish(passed());
    assert_eq!(bench.due(), scheduled + 2 * SECOND, "5 ms late, and back in step");

    bench.now += 3600 * SECOND;
    bench.start();
    bench.finish(passed());
    let next = bench.due();
    assert_eq!(next, bench.now - bench.begin, "an hour late: one check more");
    bench.check(ms(1), passed());
    assert_eq!(bench.due(), next + 2 * SECOND, "and no more than that");
}

#[test]
fn jitter_only_shortens_an_interval() {
    let mut bench = Bench::fully_up();
    bench.now = bench.begin + bench.due();
    bench.start();
    let start = bench.now - bench.begin;
    bench.monitor.finish(bench.now, passed(), |interval| interval / 20);
    assert_eq!(bench.due(), start + ms(1900));
}

#[test]
fn a_pace_of_zero_does_not_spin_and_a_huge_one_does_not_overflow() {
    for (given, floor) in [(Duration::ZERO, PACE_MIN), (Duration::MAX, PACE_MAX)] {
        let mut target = target();
        target.check.pace =
            Pace { interval: given, fast_interval: None, down_interval: None, timeout: given };
        let mut bench = Bench::new(target);
        assert_eq!(bench.start(), bench.now + floor);
        bench.finish(passed());
        assert_eq!(bench.due(), floor);
    }
}

#[test]
fn a_deadline_is_reported_once_and_then_waits_for_the_driver() {
    let mut bench = Bench::fully_up();
    bench.now = bench.begin + bench.due();
    let deadline = bench.start();
    assert_eq!(bench.monitor.timer(), Timer::Deadline(deadline));
    bench.now = deadline - ms(1);
    assert_eq!(bench.monitor.expire(bench.now), None);
    bench.now = deadline;
    assert_eq!(bench.monitor.expire(bench.now), Some(Expiry::Server));
    assert_eq!(bench.monitor.timer(), Timer::None);
    assert_eq!(bench.monitor.expire(bench.now), None);
    assert_eq!(bench.finish(failed()), Movement::Moved);
}

#[test]
fn a_deadline_missed_by_this_process_is_not_held_against_the_server_once() {
    let mut bench = Bench::fully_up();
    let late = STALL_MIN + ms(1);
    for expected in [Expiry::Stall(late), Expiry::Server, Expiry::Stall(late)] {
        let deadline = bench.start();
        bench.now = deadline + late;
        assert_eq!(bench.monitor.expire(bench.now), Some(expected));
        bench.finish(Outcome::inconclusive("test"));
    }
}

#[test]
fn an_inconclusive_check_moves_nothing_and_is_counted() {
    let mut bench = Bench::fully_up();
    let health = bench.monitor.health();
    for _ in 0..10 {
        assert_eq!(bench.check(ms(1), Outcome::inconclusive("too many open files")), 2 * SECOND);
    }
    let status = bench.monitor.status(bench.now);
    assert_eq!(bench.monitor.health(), health);
    assert_eq!((status.checks, status.failures, status.inconclusive), (11, 0, 10));
    assert_eq!(status.history.last().map(|m| m.result), Some(MarkResult::Inconclusive));
}

#[test]
fn a_failed_connect_brings_the_next_check_forward_but_not_too_often() {
    let mut bench = Bench::fully_up();
    let start = bench.now - ms(1);
    bench.monitor.hurry(bench.now);
    assert_eq!(bench.monitor.timer(), Timer::Due(start + ms(500)), "fast_interval bounds it");
    bench.now = start + ms(700);
    bench.monitor.hurry(bench.now);
    assert_eq!(bench.monitor.timer(), Timer::Due(start + ms(500)), "it never moves back");
    bench.start();
    bench.monitor.hurry(bench.now);
    bench.now += ms(600);
    bench.finish(passed());
    assert_eq!(bench.monitor.timer(), Timer::Due(bench.now), "one that ran meanwhile is repeated");
}

#[test]
fn without_a_fast_interval_failed_connects_are_bounded_by_the_gap() {
    let mut quick = target();
    quick.check.pace.fast_interval = None;
    let mut bench = Bench::new(quick.clone());
    bench.check(ms(1), passed());
    bench.monitor.hurry(bench.now);
    assert_eq!(bench.due(), PASSIVE_GAP);

    quick.check.pace.interval = PASSIVE_GAP / 2;
    let mut bench = Bench::new(quick);
    bench.check(ms(1), passed());
    bench.monitor.hurry(bench.now);
    assert_eq!(bench.due(), PASSIVE_GAP / 2, "the interval is shorter");
}

#[test]
fn a_failed_connect_says_nothing_of_a_server_that_is_not_passive_or_down_or_paused() {
    let mut deaf = target();
    deaf.check.passive = false;
    let mut down = target();
    down.check.initial = Initial::FullyDown;
    for target in [deaf, down] {
        let mut bench = Bench::new(target);
        bench.check(ms(1), Outcome::inconclusive("test"));
        let timer = bench.monitor.timer();
        bench.monitor.hurry(bench.now);
        assert_eq!(bench.monitor.timer(), timer);
    }
    let mut bench = Bench::fully_up();
    bench.monitor.pause();
    bench.monitor.hurry(bench.now);
    assert_eq!(bench.monitor.timer(), Timer::None);
}

#[test]
fn maintenance_aborts_the_probe_and_afterwards_one_failure_takes_the_server_down() {
    let mut bench = Bench::fully_up();
    bench.start();
    assert_eq!(bench.monitor.pause(), Some(ProbeId(2)));
    assert_eq!(bench.monitor.pause(), None);
    assert_eq!(bench.monitor.timer(), Timer::None);
    assert!(bench.monitor.finish(bench.now, failed(), |_| Duration::ZERO).is_none());
    bench.now += 60 * SECOND;
    assert_eq!(bench.monitor.resume(bench.now), Movement::Moved);
    assert_eq!(bench.monitor.timer(), Timer::Due(bench.now), "checked at once");
    assert_eq!(bench.monitor.resume(bench.now), Movement::None, "not in maintenance");
    bench.start();
    assert_eq!(bench.finish(failed()), Movement::Flipped);
}

#[test]
fn a_server_that_was_down_comes_up_with_the_end_of_its_maintenance() {
    let mut bench = Bench::fully_up();
    for _ in 0..3 {
        bench.check(ms(1), failed());
    }
    assert_eq!(bench.monitor.health().verdict(), Verdict::Down);
    bench.monitor.pause();
    assert_eq!(bench.monitor.resume(bench.now), Movement::Flipped);
}

#[test]
fn another_address_is_checked_at_once_and_one_answer_decides() {
    let mut bench = Bench::fully_up();
    bench.start();
    let mut other = target();
    other.address = "192.0.2.9:6443".parse().unwrap();
    bench.now += ms(10);
    let stale = bench.monitor.reconfigure(bench.now, Arc::new(other));
    assert_eq!(stale, Some(ProbeId(2)));
    assert_eq!(bench.monitor.timer(), Timer::Due(bench.now));
    assert_eq!(bench.monitor.health().verdict(), Verdict::Up);
    bench.start();
    assert_eq!(bench.finish(failed()), Movement::Flipped);
}

#[test]
fn another_probe_is_tried_at_once_and_the_health_stays() {
    let mut bench = Bench::fully_up();
    let mut other = target();
    other.check.source = Some("192.0.2.100".parse().unwrap());
    bench.now += ms(10);
    assert_eq!(bench.monitor.reconfigure(bench.now, Arc::new(other)), None);
    assert_eq!(bench.monitor.timer(), Timer::Due(bench.now));
    assert!(bench.monitor.health().is_fully_up());
}

#[test]
fn another_pace_or_threshold_keeps_the_running_check_and_the_counters() {
    let mut bench = Bench::fully_up();
    let start = bench.now - ms(1);
    let mut other = target();
    other.check.pace.interval = SECOND;
    other.check.threshold.fall = NonZeroU32::new(9).unwrap();
    assert_eq!(bench.monitor.reconfigure(bench.now, Arc::new(other.clone())), None);
    assert_eq!(bench.monitor.timer(), Timer::Due(start + SECOND), "a shorter interval holds now");
    let status = bench.monitor.status(bench.now);
    assert_eq!((status.checks, status.progress()), (1, (9, 9)));
    bench.start();
    other.check.pace.interval = 60 * SECOND;
    assert_eq!(bench.monitor.reconfigure(bench.now, Arc::new(other)), None);
    assert_eq!(bench.monitor.probe(), Some(ProbeId(2)));
}

#[test]
fn a_new_description_does_not_end_maintenance() {
    let mut bench = Bench::fully_up();
    bench.monitor.pause();
    let mut other = target();
    other.address = "192.0.2.9:6443".parse().unwrap();
    bench.monitor.reconfigure(bench.now, Arc::new(other));
    assert_eq!(bench.monitor.timer(), Timer::None);
}

#[test]
fn the_history_holds_the_last_checks_only() {
    let mut bench = Bench::fully_up();
    for _ in 0..HISTORY_LEN {
        bench.check(ms(2), passed());
    }
    let status = bench.monitor.status(bench.now);
    assert_eq!(status.history.len(), HISTORY_LEN);
    assert_eq!(status.history[0], Mark { result: MarkResult::Passed, took: ms(2) });
    assert_eq!(status.checks, 1 + HISTORY_LEN as u64);
}

#[test]
fn times_in_the_status_count_from_the_flip_and_from_the_last_check() {
    let mut bench = Bench::new(target());
    assert_eq!(bench.monitor.status(bench.now).code().to_string(), "INI");
    bench.check(ms(7), failed());
    bench.now += ms(40);
    let status = bench.monitor.status(bench.now);
    let last = status.last.clone().unwrap();
    assert_eq!((status.verdict, status.since), (Verdict::Down, ms(40)));
    assert_eq!((last.took, last.ago, last.outcome), (ms(7), ms(40), failed()));
    assert_eq!(status.code().to_string(), "L4CON");
}
