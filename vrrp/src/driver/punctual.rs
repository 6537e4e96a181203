//! What the VRRP thread and the guard process ask for themselves, so that nothing keeps them from
//! being on time: scheduling, memory, and descriptors of nobody else.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use std::fs;
use std::num::NonZeroU8;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sched::{CloneFlags, unshare};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Schedules the calling thread under `SCHED_FIFO` with this priority, 1 to 99. Threads and
/// processes that it starts are scheduled as any other.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or where the control group has no real-time budget.
pub(super) fn schedule(priority: NonZeroU8) -> Result<(), Errno> {
    set_policy(libc::SCHED_FIFO, priority.get().into())
}

/// Schedules the calling thread as any other. Nothing can refuse that.
pub(super) fn schedule_as_usual() {
    let _ = set_policy(libc::SCHED_OTHER, 0);
}

/// Whether the calling thread is scheduled under `SCHED_FIFO`.
pub(super) fn is_real_time() -> bool {
    // SAFETY: it takes a number, and 0 is the calling thread.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    c_int::try_from(policy)
        .is_ok_and(|policy| policy & !libc::SCHED_RESET_ON_FORK == libc::SCHED_FIFO)
}

/// By the system call itself: musl's function of this name refuses.
fn set_policy(policy: c_int, priority: c_int) -> Result<(), Errno> {
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameter is one int that outlives the call.
    let done =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    Errno::result(done).map(drop)
}

/// Set by the handler of `SIGXCPU`.
static DEMOTED: AtomicBool = AtomicBool::new(false);

/// From now on `SIGXCPU`, which the kernel sends to a real-time thread that runs for longer than
/// `RLIMIT_RTTIME` without a pause, demotes that thread instead of killing the process.
///
/// # Errors
/// None that is known.
pub(super) fn demote_on_overrun() -> Result<(), Errno> {
    let action = SigAction::new(SigHandler::Handler(demote), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing but system calls and one atomic store, and leaves errno as
    // it was.
    unsafe { sigaction(Signal::SIGXCPU, &action) }.map(drop)
}

/// True once after a thread was demoted.
pub(super) fn take_demotion() -> bool {
    DEMOTED.swap(false, Ordering::Relaxed)
}

extern "C" fn demote(_: c_int) {
    let errno = Errno::last_raw();
    if is_real_time() {
        schedule_as_usual();
        DEMOTED.store(true, Ordering::Relaxed);
    }
    Errno::set_raw(errno);
}

/// Keeps what this process touches, now and later, from being swapped out. What it never touches
/// takes no memory.
///
/// # Errors
/// `ENOMEM` or `EPERM` where `RLIMIT_MEMLOCK` is finite and `CAP_IPC_LOCK` is missing, even if
/// the process is within the limit: one that grows to it later could allocate nothing more.
pub(super) fn lock_memory() -> Result<(), Errno> {
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if limit != RLIM_INFINITY && !may_lock_beyond_limits() {
        return Err(Errno::ENOMEM);
    }
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    mlockall(MlockAllFlags::from_bits_retain(flags))
}

/// `CAP_IPC_LOCK`, by its number in linux/capability.h.
fn may_lock_beyond_limits() -> bool {
    const CAP_IPC_LOCK: u64 = 1 << 14;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    effective.is_some_and(|capabilities| capabilities & CAP_IPC_LOCK != 0)
}

/// Gives the calling thread a descriptor table of its own, with nothing in it but these. The rest
/// of the process keeps all of its descriptors; the calling thread must own no others.
///
/// # Errors
/// The kernel's reason.
pub(super) fn own_descriptors(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_FILES)?;
    match close_others(keep) {
        // Before Linux 5.9.
        Err(Errno::ENOSYS) => close_others_one_by_one(keep),
        outcome => outcome,
    }
}

fn close_others(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let numbers = keep.iter().filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok());
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let mut first = 0;
    for number in numbers {
        if let Some(last) = number.checked_sub(1).filter(|last| *last >= first) {
            close(first, last)?;
        }
        first = number + 1;
    }
    close(first, u32::MAX)
}

fn close(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the table was made for the calling thread alone, which owns nothing in this range.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(result).map(drop)
}

fn close_others_one_by_one(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let listed = fs::read_dir("/proc/thread-self/fd");
    let listed =
        listed.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // The listing's own descriptor is among them, and closed by the end of this line.
    let numbers: Vec<c_int> = numbers.collect();
    for number in
        numbers.into_iter().filter(|number| !keep.iter().any(|fd| fd.as_raw_fd() == *number))
    {
        // SAFETY: as above; one that is closed already is refused.
        unsafe { libc::close(number) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::sync::mpsc;
    use std::thread;

    use nix::fcntl::{FcntlArg, fcntl};

    use super::*;

    #[test]
    fn a_thread_with_its_own_descriptors_keeps_those_it_named_and_no_others() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (kept, other) = io::pipe().unwrap();
        thread::scope(|scope| {
            let outcome = scope.spawn(|| {
                own_descriptors(&[kept.as_fd(), io::stderr().as_fd()]).unwrap();
                let is_open = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_GETFD).is_ok();
                [kept.as_fd(), io::stderr().as_fd(), writer.as_fd(), other.as_fd()].map(is_open)
            });
            assert_eq!(outcome.join().unwrap(), [true, true, false, false]);
        });
        // Here nothing has changed.
        (&writer).write_all(b"x").unwrap();
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }

    #[test]
    fn an_old_kernel_is_helped_by_its_list_of_descriptors() {
        let (kept, other) = io::pipe().unwrap();
        thread::scope(|scope| {
            let outcome = scope.spawn(|| {
                unshare(CloneFlags::CLONE_FILES).unwrap();
                close_others_one_by_one(&[kept.as_fd(), io::stderr().as_fd()]).unwrap();
                let is_open = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_GETFD).is_ok();
                [kept.as_fd(), io::stderr().as_fd(), other.as_fd()].map(is_open)
            });
            assert_eq!(outcome.join().unwrap(), [true, true, false]);
        });
    }

    #[test]
    fn a_port_is_free_as_soon_as_the_process_closes_it_whatever_the_thread_had_copied() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (separated, wait) = mpsc::channel();
        let (done, end) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            own_descriptors(&[io::stderr().as_fd()]).unwrap();
            separated.send(()).unwrap();
            let _ = end.recv();
        });
        wait.recv().unwrap();
        drop(listener);
        TcpListener::bind(address).expect("nobody keeps the port");
        drop(done);
        thread.join().unwrap();
    }

    #[test]
    #[ignore = "needs root"]
    fn what_a_real_time_thread_starts_is_not_real_time() {
        let of_child = thread::spawn(|| {
            schedule(NonZeroU8::MIN).unwrap();
            assert!(is_real_time());
            thread::spawn(is_real_time).join().unwrap()
        });
        assert!(!of_child.join().unwrap());
    }
}
