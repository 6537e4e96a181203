//! The hot path of the pure part, to be counted in instructions rather than timed: the count is
//! the same on a busy machine. `.ci/soak.d/instructions` counts and holds it to a bound.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use std::{env, process};

use halb_healthcheck::config::{Check, Initial, Pace, Probe, Target, Threshold};
use halb_healthcheck::fleet::{Action, Fleet};
use halb_healthcheck::outcome::{Layer, Outcome};

/// Does the work so many times: `instructions check-passed COUNT`.
fn main() {
    let mut arguments = env::args().skip(1);
    let work = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    match work.as_str() {
        "check-passed" => checks(count),
        // Without a name, as `cargo bench` runs it, there is nothing to do.
        "" | "--bench" => {}
        _ => {
            eprintln!("no work is called {work:?}");
            process::exit(2);
        }
    }
}

/// So many checks of three servers come due, are started and pass.
fn checks(count: u32) {
    let mut now = Instant::now();
    let mut fleet = Fleet::new(1);
    fleet.apply(now, [1, 2, 3].map(target).into());
    let mut passed = 0;
    while passed < count {
        fleet.handle_timeout(now);
        while let Some(action) = fleet.poll_action() {
            if let Action::StartProbe { probe, .. } = action {
                fleet.handle_outcome(now, probe, Outcome::passed(Layer::Connect, "connected"));
                passed += 1;
            }
        }
        now = fleet.poll_timeout().expect("checks never end").max(now);
    }
}

fn target(last: u8) -> Target {
    Target {
        id: format!("masters/kmaster{last}"),
        address: SocketAddr::from(([172, 16, 16, 100 + last], 6443)),
        check: Check {
            probe: Probe::Tcp,
            pace: Pace {
                interval: Duration::from_secs(2),
                fast_interval: None,
                down_interval: None,
                timeout: Duration::from_secs(1),
            },
            threshold: Threshold {
                rise: NonZeroU32::new(2).expect("two is not zero"),
                fall: NonZeroU32::new(3).expect("three is not zero"),
            },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}
