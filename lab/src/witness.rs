//! When the machine itself stood still: a processor that its hypervisor gave to others, for one.
//!
//! A thread on each processor, scheduled before everything else, sleeps for a millisecond at a time
//! and notes when it comes back late. Where it was late, so was whoever else ran there, and what
//! was measured says nothing about the program under test.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{each::OnEach, scheduling::Policy};

/// Threads that watch the machine until it is dropped.
#[derive(Debug)]
pub struct Witness {
    stalls: Arc<Mutex<Vec<Stall>>>,
    _threads: OnEach,
}

/// A time in which a processor did nothing that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When the thread should have been back.
    pub from: Instant,
    /// When it was.
    pub to: Instant,
}

impl Witness {
    /// Begins to watch all processors.
    ///
    /// # Errors
    /// When a thread can't be scheduled before everything else: it takes root, a kernel that gives
    /// real-time to this process's cgroup, and `chrt` (Debian package util-linux).
    pub fn start() -> io::Result<Self> {
        let stalls = Arc::<Mutex<Vec<Stall>>>::default();
        let kept = Arc::clone(&stalls);
        let threads = OnEach::start(Policy::First, move || watch(&kept))?;
        Ok(Self { stalls, _threads: threads })
    }

    /// The stalls so far of at least this length, in the order of their ends.
    #[must_use]
    pub fn stalls(&self, least: Duration) -> Vec<Stall> {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.iter().filter(|stall| stall.to - stall.from >= least).copied().collect()
    }
}

fn watch(stalls: &Mutex<Vec<Stall>>) {
    let from = Instant::now() + NAP;
    thread::sleep(NAP);
    let to = Instant::now();
    if to.saturating_duration_since(from) >= NOTED {
        let mut stalls = stalls.lock().unwrap_or_else(PoisonError::into_inner);
        if stalls.len() < STALLS {
            stalls.push(Stall { from, to });
        }
    }
}

const NAP: Duration = Duration::from_millis(1);

/// What is less is nobody's trouble.
const NOTED: Duration = Duration::from_millis(1);

/// Stalls that are kept, far more than a machine has on which anything can be measured.
const STALLS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn it_tells_stalls_by_their_length() {
        let witness = Witness::start().unwrap();
        assert!(witness.stalls(Duration::from_secs(60)).is_empty());
        let stall = Stall { from: Instant::now(), to: Instant::now() + Duration::from_secs(61) };
        witness.stalls.lock().unwrap().push(stall);
        assert_eq!(witness.stalls(Duration::from_secs(60)), [stall]);
    }
}
