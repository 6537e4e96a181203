//! What keeps the thread punctual on a busy host: real-time scheduling, memory that stays, and
//! timers that the kernel doesn't gather. Whatever is refused is told and done without.

use std::hint::black_box;
use std::num::NonZeroU8;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_timerslack;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

use super::{DriverNotice, MemoryLock, Scheduling, punctual};

/// Shortest advert interval that holds on a busy host without real-time scheduling: threads of
/// the usual class have been seen to wait for tens of milliseconds where all cores are kept busy,
/// and three intervals must be longer than the longest wait.
pub(super) const INTERVAL_WITHOUT_REALTIME: Duration = Duration::from_millis(100);

/// Running for so long without a pause, the thread is out of control: a turn takes a millisecond.
const RUN_MAX: Duration = Duration::from_millis(200);

/// Stack that the thread will not need a page fault for.
const STACK_TOUCHED: usize = 256 << 10;

/// Stack of the thread; beyond what is touched lies what a panic needs.
pub(super) const STACK: usize = 4 * STACK_TOUCHED;

/// What was reached.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) scheduling: Scheduling,
    pub(super) memory: MemoryLock,
}

/// Prepares the calling thread. Nothing here can keep it from running.
pub(super) fn prepare(priority: Option<NonZeroU8>) -> Reached {
    // Signals are for other threads, but for those that tell of faults of this one.
    let _ = signals_of_faults().thread_set_mask();
    let _ = set_timerslack(1);
    touch_stack();
    let memory = punctual::lock_memory()
        .map_or_else(|errno| MemoryLock::Refused(refused_lock(errno)), |()| MemoryLock::Locked);
    Reached { scheduling: schedule(priority), memory }
}

/// Asks for the scheduling that is configured; of the calling thread.
pub(super) fn schedule(priority: Option<NonZeroU8>) -> Scheduling {
    let Some(priority) = priority else {
        // It may have been scheduled otherwise before a change of settings.
        punctual::schedule_as_usual();
        return Scheduling::Normal;
    };
    let granted = punctual::demote_on_overrun()
        .and_then(|()| limit_runs())
        .and_then(|()| punctual::schedule(priority));
    granted.map_or_else(
        |errno| Scheduling::Refused(refused_realtime(errno)),
        |()| Scheduling::Fifo(priority.get()),
    )
}

/// What is worth telling of it.
pub(super) fn notices(reached: &Reached) -> impl Iterator<Item = DriverNotice> {
    let interval = INTERVAL_WITHOUT_REALTIME;
    let scheduling = match &reached.scheduling {
        Scheduling::Normal | Scheduling::Fifo(_) => None,
        Scheduling::Refused(why) => {
            Some(DriverNotice::RealtimeRefused { why: why.clone(), interval })
        }
        Scheduling::Demoted => Some(DriverNotice::Demoted { interval }),
    };
    let memory = match &reached.memory {
        MemoryLock::Locked => None,
        MemoryLock::Refused(why) => Some(DriverNotice::MemoryNotLocked { why: why.clone() }),
    };
    scheduling.into_iter().chain(memory)
}

/// The kernel sends `SIGXCPU` to a real-time thread that runs for so long, which demotes it. The
/// hard limit, at which it would kill the process, stays what it is.
fn limit_runs() -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME)?;
    let micros = u64::try_from(RUN_MAX.as_micros()).unwrap_or(u64::MAX);
    let soft = if hard == RLIM_INFINITY { micros } else { micros.min(hard / 2) };
    setrlimit(Resource::RLIMIT_RTTIME, soft, hard)
}

/// Every signal but those that a thread brings upon itself.
fn signals_of_faults() -> SigSet {
    let mut blocked = SigSet::all();
    let faults = [
        Signal::SIGXCPU,
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGABRT,
        Signal::SIGSYS,
        Signal::SIGTRAP,
    ];
    faults.into_iter().for_each(|signal| blocked.remove(signal));
    blocked
}

#[inline(never)]
fn touch_stack() {
    black_box(&mut [0_u8; STACK_TOUCHED]);
}

fn refused_realtime(errno: Errno) -> String {
    let hint = if errno == Errno::EPERM {
        "give the daemon CAP_SYS_NICE, as halb.service does; in a cgroup with a CPU controller of \
         version 1, give the group cpu.rt_runtime_us"
    } else {
        "real-time scheduling isn't to be had on this kernel"
    };
    format!("{}: {hint}", errno.desc())
}

fn refused_lock(errno: Errno) -> String {
    let hint = "give the daemon CAP_IPC_LOCK or LimitMEMLOCK=infinity, as halb.service does";
    format!("{}: {hint}", errno.desc())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn refusals_say_what_to_do_and_which_interval_holds() {
        let reached = Reached {
            scheduling: Scheduling::Refused(refused_realtime(Errno::EPERM)),
            memory: MemoryLock::Refused(refused_lock(Errno::ENOMEM)),
        };
        let told: Vec<_> = notices(&reached).map(|notice| notice.to_string()).collect();
        assert!(told[0].contains("CAP_SYS_NICE") && told[0].contains("100ms"), "{}", told[0]);
        assert!(told[1].contains("CAP_IPC_LOCK"), "{}", told[1]);
        let reached = Reached { scheduling: Scheduling::Fifo(50), memory: MemoryLock::Locked };
        assert_eq!(notices(&reached).count(), 0);
    }

    /// On a thread of its own, whose scheduling ends with it.
    #[test]
    #[ignore = "needs root"]
    fn a_thread_that_runs_for_too_long_is_demoted_and_the_process_lives() {
        let priority = NonZeroU8::new(10);
        let demoted = thread::spawn(move || {
            let reached = prepare(priority);
            assert_eq!(reached.scheduling, Scheduling::Fifo(10));
            let begin = std::time::Instant::now();
            while !punctual::take_demotion() {
                assert!(begin.elapsed() < Duration::from_secs(5), "never demoted");
            }
            let took = begin.elapsed();
            assert!(!punctual::take_demotion(), "told once");
            assert!(!punctual::is_real_time());
            took
        });
        let took = demoted.join().unwrap();
        assert!(took >= RUN_MAX / 2, "{took:?}");
    }
}
