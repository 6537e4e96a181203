use std::num::NonZeroU32;

use super::*;
use crate::config::{Check, Initial, Pace, Probe, Threshold};
use crate::outcome::{FailureKind, Layer};

mod properties;
mod simulation;

const SECOND: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn target(id: &str) -> Target {
    let count = |n| NonZeroU32::new(n).unwrap();
    Target {
        id: id.into(),
        address: "192.0.2.1:6443".parse().unwrap(),
        check: Check {
            probe: Probe::Tcp,
            pace: Pace {
                interval: 2 * SECOND,
                fast_interval: None,
                down_interval: None,
                timeout: SECOND,
            },
            threshold: Threshold { rise: count(2), fall: count(3) },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}

fn targets(count: usize) -> Vec<Target> {
    (0..count).map(|n| target(&format!("b/s{n}"))).collect()
}

fn passed() -> Outcome {
    Outcome::passed(Layer::Connect, "connected")
}

fn failed() -> Outcome {
    Outcome::failed(FailureKind::Connect, "connection refused")
}

impl Fleet {
    /// What must hold after every call.
    fn check_invariants(&self) {
        assert_eq!(self.order.len(), self.monitors.len());
        assert!(self.probes.len() <= PROBES_MAX);
        let mut timers = 0;
        for (id, monitor) in &self.monitors {
            let running = self.probes.iter().filter(|(_, owner)| *owner == id).map(|(p, _)| *p);
            assert_eq!(running.collect::<Vec<_>>(), Vec::from_iter(monitor.probe()), "{id}");
            timers += match monitor.timer() {
                Timer::Due(at) => usize::from(self.due.contains(&(at, id.clone()))),
                Timer::Deadline(at) => usize::from(self.deadlines.contains(&(at, id.clone()))),
                Timer::None => 0,
            };
            let health = monitor.health();
            let up = health.value() >= health.threshold().rise.get();
            assert_eq!(health.verdict() == Verdict::Up, up);
        }
        assert_eq!(timers, self.due.len() + self.deadlines.len(), "each timer is armed once");
    }

    fn take_actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.poll_action()).collect()
    }

    fn take_started(&mut self) -> Vec<(ProbeId, Arc<Target>)> {
        let started = |action| match action {
            Action::StartProbe { probe, target, .. } => Some((probe, target)),
            Action::ExpireProbe(_)
            | Action::AbortProbe(_)
            | Action::Changed(_)
            | Action::Moved(_) => None,
        };
        self.take_actions().into_iter().filter_map(started).collect()
    }
}

#[test]
fn first_checks_are_spread_over_the_shortest_interval_by_position() {
    let (mut fleet, begin) = (Fleet::new(1), Instant::now());
    let mut four = targets(4);
    four[2].check.pace.interval = SECOND;
    fleet.apply(begin, four);
    let mut starts = Vec::new();
    let mut now = begin;
    while starts.len() < 4 {
        for (probe, target) in fleet.take_started() {
            starts.push((target.id.clone(), now - begin));
            fleet.handle_outcome(now, probe, passed());
        }
        now = fleet.poll_timeout().unwrap();
        fleet.handle_timeout(now);
    }
    let expected = [("b/s0", 0), ("b/s1", 250), ("b/s2", 500), ("b/s3", 750)];
    assert_eq!(starts, expected.map(|(id, at)| (id.to_string(), ms(at))));
}

#[test]
fn a_new_target_reports_its_first_verdict() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    let mut down = target("b/down");
    down.check.initial = Initial::Down;
    fleet.apply(now, vec![target("b/up"), down]);
    let verdicts: Vec<_> = fleet
        .take_actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Changed(change) => Some((change.id.to_string(), change.verdict, change.reason)),
            Action::StartProbe { .. }
            | Action::ExpireProbe(_)
            | Action::AbortProbe(_)
            | Action::Moved(_) => None,
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            ("b/up".to_string(), Verdict::Up, Reason::Initial),
            ("b/down".to_string(), Verdict::Down, Reason::Initial),
        ]
    );
}

#[test]
fn at_most_so_many_probes_run_and_the_rest_wait_their_turn() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    let late = now + 2 * SECOND;
    let mut many = targets(PROBES_MAX + 2);
    many.iter_mut().for_each(|target| target.check.pace.timeout = 60 * SECOND);
    fleet.apply(now, many);
    fleet.handle_timeout(late);
    let started = fleet.take_started();
    assert_eq!(started.len(), PROBES_MAX);
    assert!(fleet.poll_timeout().unwrap() > late, "it doesn't spin while there is no room");
    fleet.handle_outcome(late, started[9].0, passed());
    let next = fleet.take_started();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].1.id, format!("b/s{PROBES_MAX}"), "longest due first");
    assert!(fleet.pause(late, &started[5].1.id));
    assert_eq!(fleet.take_started().len(), 1, "an aborted probe makes room");
}

#[test]
fn a_reload_keeps_the_state_of_kept_ids_and_drops_the_others() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    fleet.apply(now, vec![target("b/keep"), target("b/go")]);
    fleet.handle_timeout(now + SECOND);
    for (probe, _) in fleet.take_started() {
        fleet.handle_outcome(now + SECOND, probe, failed());
    }
    fleet.handle_timeout(now + 4 * SECOND);
    let running = fleet.take_started();
    assert_eq!(running.len(), 2);

    fleet.apply(now + 4 * SECOND, vec![target("b/new"), target("b/keep")]);
    let actions = fleet.take_actions();
    let aborted = Action::AbortProbe(running.iter().find(|(_, t)| t.id == "b/go").unwrap().0);
    assert_eq!(actions[0], aborted);
    let status = fleet.status(now + 4 * SECOND);
    assert_eq!(status.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["b/new", "b/keep"]);
    assert_eq!((status[1].verdict, status[1].checks, status[1].checking), (Verdict::Down, 1, true));
    fleet.check_invariants();
}

#[test]
fn of_two_targets_with_one_id_the_first_counts() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    let mut other = target("b/s");
    other.check.initial = Initial::Down;
    fleet.apply(now, vec![target("b/s"), other]);
    let status = fleet.status(now);
    assert_eq!((status.len(), status[0].verdict), (1, Verdict::Up));
    fleet.check_invariants();
}

#[test]
fn an_answer_of_an_aborted_probe_is_ignored() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    fleet.apply(now, targets(1));
    let (probe, _) = fleet.take_started()[0];
    fleet.pause(now, "b/s0");
    assert_eq!(fleet.take_actions(), [Action::AbortProbe(probe)]);
    fleet.resume(now, "b/s0");
    fleet.handle_outcome(now, probe, failed());
    let status = fleet.status(now);
    assert_eq!((status[0].checks, status[0].verdict), (0, Verdict::Up));
}

#[test]
fn a_process_that_stood_still_blames_no_server() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    fleet.apply(now, targets(1));
    let (probe, _) = fleet.take_started()[0];
    fleet.handle_timeout(now + 60 * SECOND);
    let actions = fleet.take_actions();
    assert_eq!(actions[0], Action::AbortProbe(probe));
    assert!(matches!(actions[1], Action::StartProbe { .. }), "asked again at once: {actions:?}");
    let status = fleet.status(now + 60 * SECOND);
    assert_eq!((status[0].verdict, status[0].inconclusive), (Verdict::Up, 1));
}

#[test]
fn commands_for_an_unknown_target_say_so() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    assert!(!fleet.pause(now, "b/none"));
    assert!(!fleet.resume(now, "b/none"));
    fleet.handle_connect_failed(now, "b/none");
    assert_eq!((fleet.poll_action(), fleet.poll_timeout()), (None, None));
}

#[test]
fn health_that_moves_without_a_flip_is_reported_too() {
    let (mut fleet, now) = (Fleet::new(1), Instant::now());
    let mut fully_up = targets(1);
    fully_up[0].check.initial = Initial::FullyUp;
    fleet.apply(now, fully_up);
    let probe = fleet.take_started()[0].0;
    fleet.handle_outcome(now + ms(3), probe, failed());
    let change = HealthChange {
        id: "b/s0".into(),
        verdict: Verdict::Up,
        progress: (2, 3),
        reason: Reason::Check(failed()),
        took: Some(ms(3)),
    };
    assert_eq!(change.reason.to_string(), "L4CON: connection refused");
    assert_eq!(fleet.take_actions(), [Action::Moved(change)]);
}

#[test]
fn jitter_stays_within_its_bound_and_uses_it() {
    let mut spread = Spread(7);
    let jitter: Vec<_> = (0..1000).map(|_| spread.up_to_percent(SECOND)).collect();
    let (min, max) = (jitter.iter().min().unwrap(), jitter.iter().max().unwrap());
    assert!(*max <= SECOND * JITTER_PERCENT / 100, "{max:?}");
    assert!(*min < ms(5) && *max > ms(45), "{min:?} {max:?}");
}

#[test]
fn a_fleet_goes_on_where_another_one_ended() {
    let mut now = Instant::now();
    let mut old = Fleet::new(1);
    old.apply(now, targets(2));
    old.pause(now, "b/s1");
    // Three failures take the first one down.
    for _ in 0..4 {
        for (probe, _) in old.take_started() {
            old.handle_outcome(now + ms(3), probe, failed());
        }
        now = old.poll_timeout().unwrap();
        old.handle_timeout(now);
    }
    for (probe, _) in old.take_started() {
        old.handle_outcome(now + ms(3), probe, failed());
    }
    now += ms(500);
    let left = old.status(now);
    assert_eq!((left[0].verdict, left[0].flips), (Verdict::Down, 1));
    assert!(left[0].failures >= 3 && left[1].paused);

    let mut new = Fleet::new(2);
    new.apply_with(now, targets(3), &left);
    new.check_invariants();
    let taken = new.status(now);
    assert_eq!(taken[..2], left[..], "verdict, counters, history and maintenance are kept");
    assert_eq!(taken[2].checks, 0, "one that nobody knew begins anew");
    let told: Vec<_> = new
        .take_actions()
        .into_iter()
        .filter_map(|action| match action {
            Action::Changed(change) => Some(change.verdict),
            Action::StartProbe { .. }
            | Action::ExpireProbe(_)
            | Action::AbortProbe(_)
            | Action::Moved(_) => None,
        })
        .collect();
    assert_eq!(told, [Verdict::Down, left[1].verdict, Verdict::Up]);
    // Its next check is due an interval after the last one began there.
    let begun = left[0].last.as_ref().unwrap();
    let due = now + 2 * SECOND - begun.ago - begun.took;
    while new.poll_timeout().unwrap() < due {
        let at = new.poll_timeout().unwrap();
        new.handle_timeout(at);
        assert!(new.take_started().iter().all(|(_, target)| target.id != "b/s0"));
    }
    new.handle_timeout(due);
    assert!(new.take_started().iter().any(|(_, target)| target.id == "b/s0"));
}
