//! How a thread is scheduled: by `chrt`, since no crate here wraps the call.

use std::{io, process::Command};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, gettid},
};

/// What the kernel makes of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    /// Before everything else; takes root.
    First,
    /// When nobody else wants the processor.
    Last,
}

/// Binds this thread to a processor, and has it scheduled there by a policy.
///
/// # Errors
/// The kernel refuses it, or `chrt` (Debian package util-linux) isn't installed.
pub(crate) fn bind(processor: usize, policy: Policy) -> io::Result<()> {
    let mut here = CpuSet::new();
    here.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &here)?;
    let (class, priority) = match policy {
        Policy::First => ("--fifo", "99"),
        Policy::Last => ("--idle", "0"),
    };
    let mut command = Command::new("chrt");
    command.args([class, "--pid", priority, &gettid().to_string()]);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
