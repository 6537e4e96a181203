//! Processors that don't go to sleep.
//!
//! A processor with nothing to do halts, and a virtual one is then given to others: how long the
//! hypervisor takes to bring it back is in every wait of a machine that is half idle. Threads that
//! run when nobody else wants to keep it from halting, as `idle=poll` does on the kernel's command
//! line, and give way to everybody.

use std::{hint, io};

use crate::{each::OnEach, scheduling::Policy};

/// Keeps all processors awake until it is dropped.
#[derive(Debug)]
pub struct Awake {
    _threads: OnEach,
}

impl Awake {
    /// Begins.
    ///
    /// # Errors
    /// A thread can't be made to give way to everybody: `chrt` (Debian package util-linux) isn't
    /// installed, or the kernel refuses it.
    pub fn start() -> io::Result<Self> {
        let spin = || (0..SPINS).for_each(|_| hint::spin_loop());
        Ok(Self { _threads: OnEach::start(Policy::Last, spin)? })
    }
}

/// Between two looks at whether it is over: some microseconds.
const SPINS: u32 = 256;

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// Threads of this process that run when nobody else wants to: `SCHED_IDLE`, 5, is the policy
    /// that is the 41st field of their `stat` (proc(5)).
    fn those_that_give_way() -> usize {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let gives_way = |task: &fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let after_name = stat.rsplit(')').next().unwrap_or_default();
            after_name.split_whitespace().nth(38) == Some("5")
        };
        tasks.map(Result::unwrap).filter(gives_way).count()
    }

    #[test]
    fn it_gives_way_on_each_processor_and_ends_when_dropped() {
        let awake = Awake::start().unwrap();
        assert_eq!(those_that_give_way(), thread::available_parallelism().unwrap().get());
        drop(awake);
        assert_eq!(those_that_give_way(), 0);
    }
}
