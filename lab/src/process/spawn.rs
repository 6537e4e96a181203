//! Starting a process so that it can't outlive the program that started it.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, parent_id},
    },
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::{prctl, signal::Signal},
    unistd::Pid,
};

use super::{Shared, State, output::Output};

/// Starts the process on a keeper thread of its own, which stays until the process has ended.
pub(super) fn keep(
    program: String,
    namespace: Option<Arc<OwnedFd>>,
    mut command: Command,
) -> io::Result<Arc<Shared>> {
    let (report, started) = mpsc::channel();
    thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        let begun = namespace
            .map_or(Ok(()), |fd| setns(&*fd, CloneFlags::CLONE_NEWNET).map_err(io::Error::from))
            .and_then(|()| begin(program, &mut command));
        // The command still holds the writing end of the pipe, and the reader waits for its close.
        drop(command);
        match begun {
            Ok(shared) => {
                // A caller that is gone drops the receiver; the group then dies with the program.
                let _ = report.send(Ok(Arc::clone(&shared)));
                shared.watch_over();
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        }
    })?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper thread panicked")))
}

/// Forks and executes, with output into a pipe that a reader thread empties.
fn begin(program: String, command: &mut Command) -> io::Result<Arc<Shared>> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    die_with_this_thread(command);
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        program,
        pid: Pid::from_raw(pid),
        output: Output::default(),
        state: Mutex::new(State { exit: None, child: Some(child) }),
        ended: Condvar::new(),
    });
    let for_reader = Arc::clone(&shared);
    thread::Builder::new()
        .name("output".to_owned())
        .spawn(move || for_reader.output.read_from(reader))?;
    Ok(shared)
}

/// Has the kernel kill the process when the thread that starts it ends, however it ends.
#[expect(unsafe_code, reason = "the death signal must be set between fork and exec")]
fn die_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    let tie = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above, and then no signal comes any more.
        if parent_id() == parent { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only prctl(2) and getppid(2) are called; nothing allocates,
    // locks or touches a descriptor, and the closure owns its only capture, an integer.
    unsafe { command.pre_exec(tie) };
}
