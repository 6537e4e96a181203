//! When the machine itself stood still: a processor that its hypervisor gave to others, for one.
//!
//! A thread on each processor, scheduled before everything else, sleeps for a millisecond at a time
//! and notes when it comes back late. Where it was late, so was whoever else ran there, and what
//! was measured says nothing about the program under test.

use std::{
    io,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, gettid},
};

/// Threads that watch the machine until it is dropped.
#[derive(Debug)]
pub struct Witness {
    stalls: Arc<Mutex<Vec<Stall>>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
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
        let mut witness =
            Self { stalls: Arc::default(), over: Arc::default(), threads: Vec::new() };
        for processor in 0..thread::available_parallelism()?.get() {
            let (stalls, over) = (Arc::clone(&witness.stalls), Arc::clone(&witness.over));
            let (report, begun) = std::sync::mpsc::channel();
            witness.threads.push(thread::spawn(move || {
                let begun = go_before_everything_else(processor);
                let is_begun = begun.is_ok();
                // Whoever asked waits for it below.
                let _ = report.send(begun);
                if is_begun {
                    watch(&stalls, &over);
                }
            }));
            begun.recv().unwrap_or_else(|_| Err(io::Error::other("the witness panicked")))?;
        }
        Ok(witness)
    }

    /// The stalls so far of at least this length, in the order of their ends.
    #[must_use]
    pub fn stalls(&self, least: Duration) -> Vec<Stall> {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.iter().filter(|stall| stall.to - stall.from >= least).copied().collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a witness of the machine panicked");
            }
        }
    }
}

/// Binds this thread to a processor, and schedules it before all others there.
fn go_before_everything_else(processor: usize) -> io::Result<()> {
    let mut here = CpuSet::new();
    here.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &here)?;
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "99", &gettid().to_string()]);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn watch(stalls: &Mutex<Vec<Stall>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
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
    fn it_watches_each_processor_until_it_is_dropped() {
        let witness = Witness::start().unwrap();
        assert_eq!(witness.threads.len(), thread::available_parallelism().unwrap().get());
        assert!(witness.stalls(Duration::from_secs(60)).is_empty());
        let stall = Stall { from: Instant::now(), to: Instant::now() + Duration::from_secs(61) };
        witness.stalls.lock().unwrap().push(stall);
        assert_eq!(witness.stalls(Duration::from_secs(60)), [stall]);
    }
}
