//! What the VRRP thread and the guard process ask for themselves, so that nothing keeps them from
//! being on time: scheduling, memory, and descriptors of nobody else.
#![expect(unsafe_code, reason = "these calls have no safe wrapper")]

use std::num::NonZeroU8;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Schedules the calling thread under `SCHED_FIFO` with this priority, 1 to 99. Threads and
/// processes that it starts are scheduled as any other.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or where the control group has no real-time budget.
pub(super) fn schedule(priority: NonZeroU8) -> Result<(), Errno> {
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    let parameters = libc::sched_param { sched_priority: priority.get().into() };
    // SAFETY: 0 names the calling thread, and the kernel only reads the parameters.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    Errno::result(result).map(drop)
}

/// Keeps what this process touches, now and later, from being swapped out. What it never touches
/// takes no memory.
///
/// # Errors
/// `ENOMEM` or `EPERM` where `RLIMIT_MEMLOCK` is too low and `CAP_IPC_LOCK` is missing.
pub(super) fn lock_memory() -> Result<(), Errno> {
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: takes flags only, and changes nothing that the program can see.
    Errno::result(unsafe { libc::mlockall(flags) }).map(drop)
}

/// Gives the calling thread a descriptor table of its own, with nothing in it but these. The rest
/// of the process keeps all of its descriptors; the calling thread must own no others.
///
/// # Errors
/// The kernel's reason; `ENOSYS` before Linux 5.9.
pub(super) fn own_descriptors(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_FILES)?;
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

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
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
}
