//! Programs that halb starts: scripts of checks and trackers, hooks.
//!
//! A program is an argument vector, never a line for a shell. It runs in a process group of its
//! own that is ended as a whole, without halb's capabilities, scheduling, environment and
//! descriptors (which close themselves on exec), with `/` as its directory and nothing to read.
//!
//! One short-lived thread per run waits for the process. It sees the end before the process is
//! reaped, so the group's number can't have gone to a stranger when the group is killed; and it
//! needs no handler for SIGCHLD, which a library has no business to install.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, thread};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time;

use crate::outcome::DETAIL_LEN_MAX;

mod child;
mod owners;

pub use owners::{NotOurs, only_owners_may_change};

/// Where programs of a script are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Stack of the thread that waits: it calls a handful of functions. Small, since a daemon with
/// locked memory pays for all of it.
const WAITER_STACK: usize = 128 * 1024;

/// From SIGTERM to SIGKILL, where a program is asked to end: keepalived's 2 s.
pub const GRACE: Duration = Duration::from_secs(2);

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path and its arguments.
    pub words: Vec<String>,
    /// Its environment, beside `PATH`.
    pub environment: Vec<(String, String)>,
    /// Whose program it may be.
    pub trust: Trust,
}

/// Whose programs are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Whatever has the path.
    Anyone,
    /// Only one that nobody but root and the daemon's own user may change, see
    /// [`only_owners_may_change`]; looked at before each start.
    OwnersOnly,
}

/// How a program ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The first line that it wrote, if it wrote any.
    pub line: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "exit status {code}")?,
            (None, Some(signal)) => write!(f, "killed by signal {signal}")?,
            (None, None) => self.status.fmt(f)?,
        }
        if self.line.is_empty() { Ok(()) } else { write!(f, ": {}", self.line) }
    }
}

/// Why there is no end of a program to tell of.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run before has not ended.
    #[error("the previous run was killed and has not ended yet")]
    Busy,
    /// Others might have put something else in its place.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// It can't be started.
    #[error("cannot start {program}")]
    Start {
        /// Its path.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This host lacks what a run needs.
    #[error("{what}")]
    Host {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that waits was lost.
    #[error("the thread that waits for the program has gone")]
    Lost,
}

/// Lets one run in at a time, even where a killed one won't die.
#[derive(Debug, Default)]
pub struct Gate {
    taken: Arc<AtomicBool>,
}

/// Held by the thread that waits, until the process is reaped.
struct Permit {
    taken: Arc<AtomicBool>,
}

impl Gate {
    fn enter(&self) -> Option<Permit> {
        let free = !self.taken.swap(true, Ordering::AcqRel);
        free.then(|| Permit { taken: self.taken.clone() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Release);
    }
}

/// A program that runs. Its process group is killed when this is dropped.
pub struct Running {
    leash: Leash,
    ended: oneshot::Receiver<Result<ExitStatus, RunError>>,
    output: Output,
}

/// Starts a program, on the current tokio runtime (which needs I/O and time). What blocks, such as
/// a file system that hangs, blocks a thread of the run alone.
///
/// # Errors
/// [`RunError::Busy`] and [`RunError::Host`]; the rest comes with [`Running::ended`].
pub fn start(program: &Program, gate: &Gate) -> Result<Running, RunError> {
    let host = |what| move |source| RunError::Host { what, source };
    let permit = gate.enter().ok_or(RunError::Busy)?;
    let (reader, writer) = io::pipe().map_err(host("pipe"))?;
    let output = pipe::Receiver::from_owned_fd(reader.into()).map_err(host("pipe"))?;
    let command = command(program, &writer).map_err(host("pipe"))?;
    drop(writer);
    let (leash, ended) =
        wait_in_thread(program.clone(), command, permit).map_err(host("thread to wait in"))?;
    Ok(Running { leash, ended, output: Output::new(output) })
}

impl Running {
    /// Waits for its end; may be called again when it was dropped, but not after its answer.
    ///
    /// # Errors
    /// It could not be started after all.
    pub async fn ended(&mut self) -> Result<Ended, RunError> {
        let status = loop {
            tokio::select! {
                status = &mut self.ended => break status,
                () = self.output.read_more(), if self.output.open => {}
            }
        };
        let status = status.map_err(|_| RunError::Lost)??;
        Ok(Ended { status, line: self.output.end() })
    }

    /// Asks its process group to end, and kills what is left after [`GRACE`]. Returns once it is gone,
    /// so that the next run may start; one that a disk holds is waited for as long again.
    pub async fn stop(mut self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            self.leash.signal(signal);
            // However it ends: its time was up.
            if time::timeout(GRACE, self.ended()).await.is_ok() {
                return;
            }
        }
    }
}

fn command(program: &Program, output: &PipeWriter) -> io::Result<Command> {
    let mut words = program.words.iter();
    let mut command = Command::new(words.next().map_or_else(|| OsStr::new(""), OsStr::new));
    command
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .process_group(0);
    child::ordinary(&mut command);
    Ok(command)
}

/// How a run stands; shared by the thread that waits and [`Running`], which may be dropped.
enum Run {
    Starting,
    Running(Pid),
    /// Nobody wants the answer any more.
    Unwanted,
    Reaped,
}

/// Kills the process group when dropped, unless it has ended.
struct Leash(Arc<Mutex<Run>>);

impl Leash {
    fn signal(&self, signal: Signal) {
        if let Run::Running(group) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            signal_group(group, signal);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *run {
            Run::Starting => *run = Run::Unwanted,
            Run::Running(group) => signal_group(group, Signal::SIGKILL),
            Run::Unwanted | Run::Reaped => {}
        }
    }
}

/// Fails only if the group has gone already.
fn signal_group(group: Pid, signal: Signal) {
    let _ = killpg(group, signal);
}

type Waiting = (Leash, oneshot::Receiver<Result<ExitStatus, RunError>>);

fn wait_in_thread(program: Program, mut command: Command, permit: Permit) -> io::Result<Waiting> {
    let run = Arc::new(Mutex::new(Run::Starting));
    let leash = Leash(run.clone());
    let (sender, ended) = oneshot::channel();
    thread::Builder::new().name("halb-script".into()).stack_size(WAITER_STACK).spawn(
        move || {
            let child = spawn(&program, &mut command);
            // It holds the writing end of the pipe.
            drop(command);
            let status = child.and_then(|child| wait(&program, child, &run));
            drop(permit);
            // Not sent if nobody wants it.
            let _ = sender.send(status);
        },
    )?;
    Ok((leash, ended))
}

fn spawn(program: &Program, command: &mut Command) -> Result<Child, RunError> {
    let path = Path::new(command.get_program());
    match program.trust {
        Trust::Anyone => {}
        Trust::OwnersOnly => only_owners_may_change(path)?,
    }
    command.spawn().map_err(|source| failed(program, source))
}

fn failed(program: &Program, source: io::Error) -> RunError {
    RunError::Start { program: program.words.first().cloned().unwrap_or_default(), source }
}

fn wait(program: &Program, mut child: Child, run: &Mutex<Run>) -> Result<ExitStatus, RunError> {
    let pid =
        i32::try_from(child.id()).map_err(|error| failed(program, io::Error::other(error)))?;
    let pid = Pid::from_raw(pid);
    {
        let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*run, Run::Unwanted) {
            signal_group(pid, Signal::SIGKILL);
        }
        *run = Run::Running(pid);
    }
    // WNOWAIT leaves the process a zombie, which keeps its number.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
    signal_group(pid, Signal::SIGKILL); // whatever it left running
    let status = child.wait().map_err(|source| failed(program, source));
    *run = Run::Reaped;
    status
}

/// What the program writes: the beginning is kept, the rest read and thrown away so that it never
/// blocks on a full pipe.
struct Output {
    pipe: Option<pipe::Receiver>,
    kept: Vec<u8>,
    open: bool,
}

impl Output {
    fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe: Some(pipe), kept: Vec::new(), open: true }
    }

    /// Waits for more; cancel-safe, since nothing is read before it is there.
    async fn read_more(&mut self) {
        let Some(pipe) = &self.pipe else {
            self.open = false;
            return;
        };
        self.open = pipe.readable().await.is_ok();
        let mut chunk = [0; 4096];
        match pipe.try_read(&mut chunk) {
            Ok(0) => self.open = false,
            Ok(len) => {
                let room = DETAIL_LEN_MAX - self.kept.len();
                self.kept.extend_from_slice(&chunk[..len.min(room)]);
            }
            Err(error) => self.open = error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// The program has ended: takes what is still in the pipe, past the runtime, which may not
    /// know yet that there is something, and returns the first line.
    fn end(&mut self) -> String {
        let pipe = self.pipe.take().map(pipe::Receiver::into_nonblocking_fd);
        let Some(Ok(pipe)) = pipe else { return first_line(&self.kept) };
        let mut pipe = File::from(pipe);
        let mut chunk = [0; DETAIL_LEN_MAX];
        while self.kept.len() < DETAIL_LEN_MAX {
            match pipe.read(&mut chunk[self.kept.len()..]) {
                Ok(len) if len > 0 => self.kept.extend_from_slice(&chunk[self.kept.len()..][..len]),
                // The end, or nothing there while a process outside of the group holds it open.
                Ok(_) | Err(_) => break,
            }
        }
        first_line(&self.kept)
    }
}

/// The first line that isn't blank.
fn first_line(output: &[u8]) -> String {
    let text = match str::from_utf8(output) {
        Ok(text) => text,
        // Cut in the middle of a character, or not text at all.
        Err(error) => str::from_utf8(&output[..error.valid_up_to()]).unwrap_or_default(),
    };
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
