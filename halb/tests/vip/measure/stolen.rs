//! Processor time that the hypervisor gave to others.
//!
//! On a virtual machine a processor can be away for tens of milliseconds, and nothing in the machine
//! can do anything about it, a real-time thread included. The kernel counts this time as `steal`
//! (proc_stat(5)), in ticks of 10 ms. A measurement that was late has to ask, and says so.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// What the kernel counts in: USER_HZ is 100 on every architecture that halb runs on.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The time between two looks.
const PACE: Duration = Duration::from_millis(5);

/// Looks that are kept: ten seconds of them, longer than any trial.
const KEPT: usize = 2000;

/// Looks at when, and at what had been stolen of all processors by then.
type Looks = Mutex<VecDeque<(Instant, Duration)>>;

/// A witness of what the hypervisor takes, for as long as it lives.
pub(super) struct Stolen(Arc<Looks>);

impl Stolen {
    pub(super) fn watch() -> Self {
        let looks = Arc::default();
        let seen = Arc::downgrade(&looks);
        thread::spawn(move || look_until_dropped(&seen));
        Self(looks)
    }

    /// What was stolen between two times, to the tick, once the later one has been looked at.
    pub(super) fn between(&self, from: Instant, until: Instant) -> Duration {
        // What was stolen is counted at the next tick of that processor.
        let until = until + TICK;
        loop {
            let looks = self.0.lock().unwrap();
            if looks.back().is_some_and(|(at, _)| *at >= until) {
                let before = looks.iter().rfind(|(at, _)| *at <= from).expect("a look before it");
                let after = looks.iter().find(|(at, _)| *at >= until).expect("just seen");
                return after.1.saturating_sub(before.1);
            }
            drop(looks);
            thread::sleep(PACE);
        }
    }
}

fn look_until_dropped(seen: &Weak<Looks>) {
    while let Some(looks) = seen.upgrade() {
        let look = (Instant::now(), stolen());
        let mut looks = looks.lock().unwrap();
        looks.push_back(look);
        if looks.len() > KEPT {
            looks.pop_front();
        }
        drop(looks);
        thread::sleep(PACE);
    }
}

/// What was stolen of all processors since the machine started: the eighth number of the first line.
fn stolen() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let ticks = text.lines().next().and_then(|all| all.split_whitespace().nth(8)).unwrap();
    TICK * ticks.parse().unwrap()
}
