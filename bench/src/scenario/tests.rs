use std::time::Instant;

use super::*;
use crate::load::{CONNECTIONS_MAX, Window};

const SCALE: Scale = Scale { idle: 4000, clients: 64, rate: 5000 };

/// An outcome of a second with what the tallies of each part hold.
fn outcome(scenario: Scenario, count: impl Fn(&mut Tally, Window)) -> Outcome {
    let from = Instant::now() + Duration::from_secs(10);
    let window = Window { from, to: from + Duration::from_secs(1) };
    let tallies = scenario.parts(&SCALE).into_iter().map(|_| {
        let mut tally = Tally::new(window);
        count(&mut tally, window);
        tally
    });
    Outcome {
        tallies: tallies.collect(),
        left_out: Some(0),
        lasted: Duration::from_secs(1),
        processor: Some(Duration::from_millis(500)),
        memory: Some(Memory { at_rest: 9_000_000, before: 10_000_000, during: 14_000_000 }),
    }
}

fn value(scenario: Scenario, outcome: &Outcome, metric: Metric) -> f64 {
    let found = scenario.metrics(outcome);
    found.iter().find(|(found, _)| *found == metric).unwrap().1
}

#[test]
fn every_scenario_fits_into_a_load_and_tells_something() {
    for scenario in Scenario::ALL {
        let parts = scenario.parts(&SCALE);
        let connections: usize = parts.iter().map(|part| part.connections).sum();
        assert!((1..=CONNECTIONS_MAX).contains(&connections), "{}", scenario.name());
        let outcome = outcome(scenario, |tally, window| {
            tally.done(window.from - Duration::from_millis(1), window.from);
            tally.received(1000, window.from);
            tally.held = 1;
        });
        let metrics = scenario.metrics(&outcome);
        assert!(!metrics.is_empty());
        assert!(metrics.iter().all(|(_, value)| value.is_finite() && *value > 0.0), "{metrics:?}");
        assert!(scenario.curve().is_none_or(|part| part < parts.len()));
    }
}

#[test]
fn processor_time_is_shared_out_over_what_was_done() {
    let outcome = outcome(Scenario::Requests, |tally, window| {
        for _ in 0..1000 {
            tally.done(window.from - Duration::from_millis(3), window.from);
        }
    });
    assert_eq!(value(Scenario::Requests, &outcome, Metric::RequestCpu), 0.0005);
    assert_eq!(value(Scenario::Requests, &outcome, Metric::RequestRate), 1000.0);
    let median = value(Scenario::Requests, &outcome, Metric::RequestMedian);
    assert!((0.002_99..0.003_01).contains(&median), "{median}");
}

#[test]
fn memory_is_shared_out_over_the_connections_that_stand() {
    let outcome = outcome(Scenario::Idle, |tally, _| tally.held = 4000);
    assert_eq!(value(Scenario::Idle, &outcome, Metric::IdleMemory), 1000.0);
    assert_eq!(value(Scenario::Idle, &outcome, Metric::AtRest), 9_000_000.0);
}

#[test]
fn bulk_both_ways_counts_both() {
    let outcome = outcome(Scenario::Duplex, |tally, window| {
        tally.sent(500_000_000, window.from);
        tally.received(500_000_000, window.from);
    });
    assert_eq!(value(Scenario::Duplex, &outcome, Metric::DuplexCpu), 0.5);
    assert_eq!(value(Scenario::Duplex, &outcome, Metric::DuplexRate), 8.0);
}

#[test]
fn what_nobody_could_look_at_is_left_out() {
    let mut outcome = outcome(Scenario::Requests, |_, _| {});
    (outcome.processor, outcome.memory) = (None, None);
    let metrics = Scenario::Requests.metrics(&outcome);
    let names: Vec<_> = metrics.iter().map(|(metric, _)| *metric).collect();
    assert_eq!(names, [Metric::RequestRate]);
}

#[test]
fn the_offered_rate_is_spread_evenly_over_time() {
    let parts = Scenario::Offered.parts(&SCALE);
    let Work::Exchanges { pace: Pace::Every(every), .. } = parts[0].work else {
        panic!("open loop")
    };
    assert_eq!(every, Duration::from_micros(12_800));
    assert_eq!((parts[0].spread, parts[0].connections), (every, 64));
}
