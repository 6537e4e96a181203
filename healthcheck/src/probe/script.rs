//! A program that judges the server: started directly, in a process group of its own that is
//! killed as a whole when its time is up.
//!
//! One short-lived thread per run waits for the process. It sees the end before the process is
//! reaped, so the group's number can't have gone to a stranger when the group is killed; and it
//! needs no handler for SIGCHLD, which a library has no business to install.

use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::shortage;
use crate::config::ScriptProbe;
use crate::outcome::{DETAIL_LEN_MAX, FailureKind, Layer, Outcome};

mod child;

/// Where programs of a script are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Stack of the thread that waits: it calls a handful of functions. Small, since a daemon with
/// locked memory pays for all of it.
const WAITER_STACK: usize = 128 * 1024;

/// Lets one run of a target's script in at a time, even where a killed one won't die.
#[derive(Default)]
pub(super) struct Gate {
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

/// Runs the script. Has no deadline of its own: dropping the future kills the process group.
pub(super) async fn run(
    script: &ScriptProbe,
    server: SocketAddr,
    gate: &Gate,
) -> Result<Outcome, Outcome> {
    let Some(permit) = gate.enter() else {
        let detail = "the previous run was killed and has not ended yet";
        return Ok(Outcome::failed(FailureKind::ScriptTimeout, detail));
    };
    let fail = |what: &str, error: &io::Error| shortage::outcome(FailureKind::Script, what, error);
    let (reader, writer) = io::pipe().map_err(|error| fail("pipe", &error))?;
    let mut output = pipe::Receiver::from_owned_fd(reader.into())
        .map(Output::new)
        .map_err(|error| fail("pipe", &error))?;
    let command = command(script, server, &writer).map_err(|error| fail("pipe", &error))?;
    drop(writer);

    let (leash, mut ended) =
        start(command, permit).map_err(|error| fail("thread to wait in", &error))?;
    let status = loop {
        tokio::select! {
            status = &mut ended => break status,
            () = output.read_more(), if output.open => {}
        }
    };
    drop(leash);
    let line = output.end();
    let status = status
        .map_err(|_| Outcome::inconclusive("the thread that waits for the script has gone"))?
        .map_err(|error| fail(&format!("cannot start {}", program(script)), &error))?;
    Ok(judge(status, &line))
}

fn program(script: &ScriptProbe) -> &str {
    script.command.first().map_or("", String::as_str)
}

fn judge(status: ExitStatus, line: &str) -> Outcome {
    let colon = if line.is_empty() { "" } else { ": " };
    if status.success() {
        return Outcome::passed(Layer::Script, &format!("exit status 0{colon}{line}"));
    }
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    Outcome::failed(FailureKind::Script, &format!("{end}{colon}{line}"))
}

fn command(script: &ScriptProbe, server: SocketAddr, output: &PipeWriter) -> io::Result<Command> {
    let (address, port) = (server.ip().to_string(), server.port().to_string());
    let fill = |argument: &String| argument.replace("{address}", &address).replace("{port}", &port);
    let mut command = Command::new(program(script));
    command
        .args(script.command.iter().skip(1).map(fill))
        .env_clear()
        .env("PATH", PATH)
        .env("HALB_SERVER_ADDRESS", &address)
        .env("HALB_SERVER_PORT", &port)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .process_group(0);
    child::ordinary(&mut command);
    Ok(command)
}

/// How a run stands; shared by the thread that waits and the future that may be dropped.
enum Run {
    Starting,
    Running(Pid),
    /// Nobody wants the answer any more.
    Unwanted,
    Reaped,
}

/// Kills the process group when dropped, unless it has ended.
struct Leash(Arc<Mutex<Run>>);

impl Drop for Leash {
    fn drop(&mut self) {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *run {
            Run::Starting => *run = Run::Unwanted,
            Run::Running(group) => kill_group(group),
            Run::Unwanted | Run::Reaped => {}
        }
    }
}

/// Fails only if the group has gone already.
fn kill_group(group: Pid) {
    let _ = killpg(group, Signal::SIGKILL);
}

type Ended = oneshot::Receiver<io::Result<ExitStatus>>;

fn start(mut command: Command, permit: Permit) -> io::Result<(Leash, Ended)> {
    let run = Arc::new(Mutex::new(Run::Starting));
    let leash = Leash(run.clone());
    let (sender, ended) = oneshot::channel();
    thread::Builder::new().name("halb-script".into()).stack_size(WAITER_STACK).spawn(
        move || {
            let child = command.spawn();
            // It holds the writing end of the pipe.
            drop(command);
            let status = child.and_then(|child| wait(child, &run));
            drop(permit);
            // Not sent if the check is over.
            let _ = sender.send(status);
        },
    )?;
    Ok((leash, ended))
}

fn wait(mut child: Child, run: &Mutex<Run>) -> io::Result<ExitStatus> {
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    {
        let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*run, Run::Unwanted) {
            kill_group(pid);
        }
        *run = Run::Running(pid);
    }
    // WNOWAIT leaves the process a zombie, which keeps its number.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
    kill_group(pid); // whatever it left running
    let status = child.wait();
    *run = Run::Reaped;
    status
}

/// What the script writes: the beginning is kept, the rest read and thrown away so that the script
/// never blocks on a full pipe.
struct Output {
    pipe: pipe::Receiver,
    kept: Vec<u8>,
    open: bool,
}

impl Output {
    fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe, kept: Vec::new(), open: true }
    }

    /// Waits for more; cancel-safe, since nothing is read before it is there.
    async fn read_more(&mut self) {
        self.open = self.pipe.readable().await.is_ok();
        let mut chunk = [0; 4096];
        match self.pipe.try_read(&mut chunk) {
            Ok(0) => self.open = false,
            Ok(len) => {
                let room = DETAIL_LEN_MAX - self.kept.len();
                self.kept.extend_from_slice(&chunk[..len.min(room)]);
            }
            Err(error) => self.open = error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// The script has ended: takes what is still in the pipe, past the runtime, which may not know
    /// yet that there is something, and returns the first line.
    fn end(mut self) -> String {
        let Ok(pipe) = self.pipe.into_nonblocking_fd() else { return first_line(&self.kept) };
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_has_not_ended_keeps_the_next_one_out() {
        let gate = Gate::default();
        let script = ScriptProbe { command: vec!["/bin/true".into()] };
        let server = "192.0.2.1:1".parse().unwrap();
        let before = gate.enter().expect("nothing runs");
        let outcome = run(&script, server, &gate).await.unwrap();
        assert_eq!(outcome.code().as_str(), "PROCTOUT");
        drop(before);
        let outcome = run(&script, server, &gate).await.unwrap();
        assert_eq!(outcome.code().as_str(), "PROCOK");
    }
}
