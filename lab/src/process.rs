//! Processes that a test, a drill or the demo starts: their output, their signals, their end.
//!
//! ```text
//!   keeper thread   enters the namespace, forks, waits for the end (without reaping)
//!   reader thread   output pipe ─► bounded ring of lines ─► wait_for_line
//!   Process         signals; on drop: SIGKILL to the group, reap
//! ```
//!
//! # Invariants
//! - A process and its group end with its [`Process`], after a panic too; the process itself also
//!   when the program that started it is killed (`PR_SET_PDEATHSIG`, which the kernel ties to the
//!   keeper thread: the reason why that thread lives as long as the process).
//! - The process isn't reaped before its `Process` is dropped, so its id is never someone else's
//!   and a signal can't hit a stranger.
//! - A test that fails shows what its processes last said.

mod hold;
mod listening;
mod output;
mod spawn;
#[cfg(test)]
mod tests;
mod usage;

use std::{
    fmt, io,
    os::fd::OwnedFd,
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub use nix::sys::signal::Signal;
use nix::{
    sys::{
        signal::{kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

pub use self::hold::Held;
use self::output::Output;
pub use self::usage::Usage;

/// A running process, or what is left of one that ended; killed with its group on drop.
#[derive(Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited by itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal(Signal),
}

/// Why something asked of a process didn't happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It couldn't be started.
    #[error("{program} can't be started")]
    Start {
        /// The program as it was named.
        program: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A signal couldn't be sent.
    #[error("{program} can't be sent {signal}")]
    Signal {
        /// The program as it was named.
        program: String,
        /// The signal.
        signal: Signal,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Its threads couldn't be stopped.
    #[error("threads of {program} can't be stopped")]
    Hold {
        /// The program as it was named.
        program: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// It ended while something was expected from it.
    #[error("{program} ended ({exit}) before {expected}; its last words:\n{output}")]
    Ended {
        /// The program as it was named.
        program: String,
        /// How it ended.
        exit: Exit,
        /// What was expected.
        expected: String,
        /// The last lines of its output.
        output: String,
    },
    /// What was expected didn't happen in time.
    #[error("{program}: not within {limit:?}: {expected}; its last words:\n{output}")]
    Late {
        /// The program as it was named.
        program: String,
        /// The time it had.
        limit: Duration,
        /// What was expected.
        expected: String,
        /// The last lines of its output.
        output: String,
    },
}

/// What the handle, the keeper and the host that the process runs on have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    program: String,
    pid: Pid,
    output: Output,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    exit: Option<Exit>,
    /// Taken when it is reaped.
    child: Option<Child>,
}

impl Process {
    /// Starts a process here, in the namespaces of this program.
    ///
    /// Standard input is empty, standard output and error go to one pipe, in the order written.
    /// The process leads a process group of its own.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn spawn(command: Command) -> Result<Self, Error> {
        Self::spawn_in(None, command)
    }

    /// Starts a process in a network namespace, or here where none is given.
    pub(crate) fn spawn_in(
        namespace: Option<Arc<OwnedFd>>,
        command: Command,
    ) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let shared = spawn::keep(program.clone(), namespace, command)
            .map_err(|source| Error::Start { program, source })?;
        Ok(Self { shared })
    }

    /// The process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid.as_raw().unsigned_abs()
    }

    /// How it ended; none while it runs.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.shared.state().exit
    }

    /// What it has said: the newest lines, as many as are kept, joined by newlines.
    #[must_use]
    pub fn output(&self) -> String {
        self.shared.output.text()
    }

    /// How many lines it has said so far: a mark for [`Self::wait_for_line_after`].
    #[must_use]
    pub fn line_count(&self) -> u64 {
        self.shared.output.count()
    }

    /// Waits for a line that contains `pattern`, among those already said too, and returns it.
    ///
    /// # Errors
    /// [`Error::Ended`] when it ends without saying it, [`Error::Late`] when time is up.
    pub fn wait_for_line(&self, pattern: &str, limit: Duration) -> Result<String, Error> {
        self.wait_for_line_after(0, pattern, limit)
    }

    /// As [`Self::wait_for_line`], for lines said after the first `mark`.
    ///
    /// # Errors
    /// As [`Self::wait_for_line`].
    pub fn wait_for_line_after(
        &self,
        mark: u64,
        pattern: &str,
        limit: Duration,
    ) -> Result<String, Error> {
        let deadline = Instant::now() + limit;
        if let Some(line) = self.shared.output.find_after(mark, pattern, deadline) {
            return Ok(line);
        }
        // The pipe may be closed a moment before the end, or long before it.
        self.shared.wait(deadline.saturating_duration_since(Instant::now()));
        Err(self.shared.disappointed(format!("a line with {pattern:?}"), limit))
    }

    /// Sends a signal to the process alone. One that has ended no longer feels it.
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.shared.report(signal, kill(self.shared.pid, signal))
    }

    /// Sends a signal to the process and all of its group, as a power cut or a terminal would.
    ///
    /// # Errors
    /// [`Error::Signal`].
    pub fn signal_group(&self, signal: Signal) -> Result<(), Error> {
        self.shared.report(signal, killpg(self.shared.pid, signal))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait(&self, limit: Duration) -> Result<Exit, Error> {
        self.shared.wait(limit).ok_or_else(|| self.shared.disappointed("its end".to_owned(), limit))
    }

    /// Asks it to end by SIGTERM and waits.
    ///
    /// # Errors
    /// [`Error::Late`] when it doesn't end within `limit`; it is left running.
    pub fn stop(&self, limit: Duration) -> Result<Exit, Error> {
        self.signal(Signal::SIGTERM)?;
        self.wait(limit)
    }

    /// Kills it and its group, and waits until it is gone.
    ///
    /// # Errors
    /// [`Error::Late`] when the kernel hasn't ended it after [`DYING`].
    pub fn kill(&self) -> Result<Exit, Error> {
        self.signal_group(Signal::SIGKILL)?;
        self.wait(DYING)
    }

    /// For the host that it runs on, which takes it along when it goes.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("last words of {}:\n{}", self.shared, self.shared.output.text());
        }
        self.shared.kill_group();
        if self.shared.wait(DYING).is_none() {
            eprintln!("{} doesn't end after SIGKILL", self.shared);
        } else if let Some(mut child) = self.shared.state().child.take()
            && let Err(error) = child.wait()
        {
            eprintln!("{} can't be reaped: {error}", self.shared);
        }
    }
}

impl Shared {
    /// Kills what is left of the group. The leader isn't reaped yet, so the id is still its own.
    pub(crate) fn kill_group(&self) {
        if self.state().child.is_some() {
            // An error says that nobody is left to kill, which is what is wanted.
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }

    fn wait(&self, limit: Duration) -> Option<Exit> {
        let (state, _) = self
            .ended
            .wait_timeout_while(self.state(), limit, |state| state.exit.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.exit
    }

    /// Blocks the keeper until the process has ended, and leaves it unreaped.
    fn watch_over(&self) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let exit = loop {
            match waitid(Id::Pid(self.pid), flags) {
                Ok(WaitStatus::Exited(_, code)) => break Exit::Code(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => break Exit::Signal(signal),
                // A status that isn't an end, or an interrupted wait: ask again.
                Ok(_) | Err(nix::Error::EINTR) => {}
                // Reaped by someone else (SIGCHLD ignored by the embedding program).
                Err(_) => break Exit::Code(-1),
            }
        };
        self.state().exit = Some(exit);
        self.ended.notify_all();
        self.output.leader_ended();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half-written here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, signal: Signal, sent: nix::Result<()>) -> Result<(), Error> {
        sent.map_err(|errno| Error::Signal {
            program: self.program.clone(),
            signal,
            source: errno.into(),
        })
    }

    fn disappointed(&self, expected: String, limit: Duration) -> Error {
        let (program, output) = (self.program.clone(), self.output.text());
        match self.state().exit {
            Some(exit) => Error::Ended { program, exit, expected, output },
            None => Error::Late { program, limit, expected, output },
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.program, self.pid)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by {signal}"),
        }
    }
}

/// How long the kernel may take to end a killed process: it closes thousands of sockets first.
pub const DYING: Duration = Duration::from_secs(10);
