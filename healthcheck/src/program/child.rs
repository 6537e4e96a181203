//! Takes from a program's process what halb needs for itself: capabilities and priority.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;

/// The process will run with no ambient capabilities, with normal scheduling, and die with the
/// thread that started it (which waits for it) if halb is killed.
#[expect(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
pub(super) fn ordinary(command: &mut Command) {
    // SAFETY: the closure makes system calls only and touches no memory but its own stack, so it
    // is async-signal-safe; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            done(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))?;
            done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))?;
            let normal = libc::sched_param { sched_priority: 0 };
            // The system call itself: musl's function of that name always fails.
            let policy = libc::SCHED_OTHER;
            match libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const normal) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
