//! One command on one host: begun as root if need be, fed, listened to, ended in time.
//!
//! What is sent as the command of a channel goes through the user's login shell, whichever that is,
//! and is seen by everybody on the host. So it is always the same short line, in words that all
//! shells read alike; the script comes behind it on standard input, and after it what the script
//! reads. sudo's password goes the same way, when sudo asks and only then.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{self, SystemRandom};
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelWriteHalf};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::inventory::Sudo;
use crate::secret::Secret;

use super::access::Asked;
use super::preface::Preface;
use super::session::Session;
use super::target::Target;
use super::{Shared, ends::OutputEnd};

/// What a host is to do.
#[derive(Debug, Clone)]
pub struct Job {
    /// For the host's POSIX shell.
    pub script: String,
    /// What the script reads.
    pub input: Input,
    /// Whether it runs as root.
    pub root: bool,
    /// How long it may take, from when it is sent. The host ends it then, even if nobody is
    /// connected any more.
    pub limit: Duration,
}

impl Job {
    /// A script that runs as root and reads nothing.
    pub fn root(script: impl Into<String>, limit: Duration) -> Self {
        Self { script: script.into(), input: Input::from(""), root: true, limit }
    }

    /// Gives it something to read.
    #[must_use]
    pub fn reading(mut self, input: Input) -> Self {
        self.input = input;
        self
    }
}

/// What a script reads. It shows nobody what that is.
#[derive(Clone)]
pub enum Input {
    /// All of it at once, then the end.
    Bytes(Arc<[u8]>),
    /// A byte, again and again at this interval, for as long as somebody is there.
    Heartbeat(Duration),
}

impl Input {
    /// How many bytes it has; none for what never ends.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Heartbeat(_) => 0,
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn send(&self, write: &ChannelWriteHalf<Msg>) -> Result<(), russh::Error> {
        match self {
            Self::Bytes(bytes) => {
                for chunk in bytes.chunks(CHUNK) {
                    write.data_bytes(chunk.to_vec()).await?;
                }
                write.eof().await
            }
            Self::Heartbeat(interval) => loop {
                write.data_bytes(HEARTBEAT.as_bytes()).await?;
                sleep(*interval).await;
            },
        }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().into())
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "({} bytes)", bytes.len()),
            Self::Heartbeat(interval) => write!(f, "(a heartbeat every {interval:?})"),
        }
    }
}

/// What a heartbeat sends.
pub const HEARTBEAT: &str = ".";

/// Bytes of input that are copied at a time.
const CHUNK: usize = 256 * 1024;

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// The end of what it printed, at most [`OUTPUT_MAX`] bytes.
    pub stdout: Vec<u8>,
    /// The end of what it complained, at most [`OUTPUT_MAX`] bytes.
    pub stderr: Vec<u8>,
}

impl Output {
    /// What it printed, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(u32),
    /// By this signal.
    Signal(String),
}

impl Exit {
    /// Whether it ended well.
    #[must_use]
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Bytes that are kept of each stream, its end: enough for all facts of a host, some 50 kB, and for
/// any message.
pub const OUTPUT_MAX: usize = 1024 * 1024;

/// How much longer than the host itself the operator's side waits for a command's end.
const PATIENCE: Duration = Duration::from_secs(15);

/// `timeout` of coreutils ended the command.
const EXIT_TIMED_OUT: u32 = 124;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The connection ended before the command did; what became of it is unknown.
    #[error("the connection was lost")]
    Lost(#[source] Option<russh::Error>),
    /// It took too long, and the host ended it.
    #[error("it took longer than {} s", limit.as_secs())]
    TimedOut {
        /// What it was given.
        limit: Duration,
    },
    /// The password is not the user's. It was tried once: a second attempt may lock the account.
    #[error("the sudo password of {user} is wrong (it was tried once)")]
    WrongPassword {
        /// The user.
        user: String,
    },
    /// sudo asks and nobody knows.
    #[error("{}", no_password(user, *expected))]
    NoPassword {
        /// The user.
        user: String,
        /// Whether the inventory says that sudo asks.
        expected: bool,
    },
    /// sudo doesn't run it.
    #[error("{user} can't become root by sudo: {said}")]
    NotRoot {
        /// The user.
        user: String,
        /// What sudo said.
        said: String,
    },
    /// The command didn't begin.
    #[error("the host runs no command: {said}")]
    NotBegun {
        /// What it said instead.
        said: String,
    },
}

fn no_password(user: &str, expected: bool) -> String {
    if expected {
        format!(
            "sudo asks for the password of {user}, and nobody is there to give it: run it from a \
             terminal, or say where the password is"
        )
    } else {
        format!("sudo asks for the password of {user}: say `sudo: password` in the inventory")
    }
}

impl RunError {
    /// Whether the same may come out otherwise over a new connection.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::TimedOut { .. }
            | Self::WrongPassword { .. }
            | Self::NoPassword { .. }
            | Self::NotRoot { .. }
            | Self::NotBegun { .. } => false,
        }
    }
}

/// Hears each piece of output as it comes.
pub type Tap<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// Runs a job over a session.
pub(super) async fn run(
    session: &Session,
    target: &Target,
    shared: &Shared,
    job: &Job,
    tap: Tap<'_>,
) -> Result<Output, RunError> {
    let lost = |error| RunError::Lost(Some(error));
    let channel = session.channel().await.map_err(lost)?;
    let words = Words::new(job, target);
    channel.exec(true, words.line.as_str()).await.map_err(lost)?;
    Conversation::new(channel, words, target, shared, job).finish(tap).await
}

/// What both sides say to recognise each other's turns.
struct Words {
    line: String,
    mark: String,
    prompt: String,
    sudo: bool,
}

impl Words {
    fn new(job: &Job, target: &Target) -> Self {
        // Without a random number both are merely easier to say by accident.
        let random = rand::generate::<[u8; 8]>(&SystemRandom::new());
        let number = u64::from_be_bytes(random.map(rand::Random::expose).unwrap_or_default());
        let (mark, prompt) = (format!("halb-begins-{number:x}"), format!("halb-sudo-{number:x}:"));
        let sudo = job.root && target.sudo != Sudo::No;
        let limit = job.limit.as_secs().max(1);
        let script_len = job.script.len();
        let sh = format!(
            "timeout -k 10 {limit} sh -c 'LC_ALL=C; export LC_ALL; echo; echo {mark}; echo >&2; \
             echo {mark} >&2; eval \"$(head -c {script_len})\"'"
        );
        let line = if sudo { format!("sudo -S -p {prompt} -- {sh}") } else { sh };
        Self { line, mark: format!("\n{mark}\n"), prompt, sudo }
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), russh::Error>> + Send + 'a>>;

/// The two sides' turns.
struct Conversation<'a> {
    read: russh::ChannelReadHalf,
    write: WriteEnd,
    target: &'a Target,
    shared: &'a Shared,
    job: &'a Job,
    sudo: bool,
    stdout: Preface,
    stderr: Preface,
    output: OutputEnd,
    complaints: OutputEnd,
    exit: Option<Exit>,
    refused: bool,
}

/// The operator's end of a channel. Who drops a job before its end has the host notice: the connection
/// stays, and a command that reads or writes would do so for as long as that.
struct WriteEnd {
    half: Option<ChannelWriteHalf<Msg>>,
}

impl WriteEnd {
    fn half(&self) -> &ChannelWriteHalf<Msg> {
        self.half.as_ref().expect("it is taken out when it is dropped, or the channel has ended")
    }

    /// The host has closed its end.
    fn has_ended(&mut self) {
        self.half = None;
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        if let (Some(half), Ok(runtime)) = (self.half.take(), Handle::try_current()) {
            runtime.spawn(async move {
                // A connection that is lost has no channels.
                let _ = half.close().await;
            });
        }
    }
}

/// What is to be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The host has not said what it waits for.
    Listen,
    Password,
    Script,
    /// All was said.
    Done,
}

impl<'a> Conversation<'a> {
    fn new(
        channel: Channel<Msg>,
        words: Words,
        target: &'a Target,
        shared: &'a Shared,
        job: &'a Job,
    ) -> Self {
        let (read, write) = channel.split();
        let preface = Preface::new(&words.mark, &words.prompt);
        Self {
            read,
            write: WriteEnd { half: Some(write) },
            target,
            shared,
            job,
            sudo: words.sudo,
            stdout: preface.clone(),
            stderr: preface,
            output: OutputEnd::new(OUTPUT_MAX),
            complaints: OutputEnd::new(OUTPUT_MAX),
            exit: None,
            refused: false,
        }
    }

    async fn finish(mut self, tap: Tap<'_>) -> Result<Output, RunError> {
        let patience = self.job.limit + PATIENCE;
        let mut deadline = Instant::now() + patience;
        let mut turn = Turn::Listen;
        let write = self.write.half();
        let mut sending: Option<Sending<'_>> = None;
        let mut heard = Heard {
            stdout: &mut self.stdout,
            stderr: &mut self.stderr,
            output: &mut self.output,
            complaints: &mut self.complaints,
            exit: &mut self.exit,
            refused: &mut self.refused,
        };
        loop {
            tokio::select! {
                message = self.read.wait() => match message {
                    Some(message) => heard.take(message, tap),
                    None => break,
                },
                sent = async { sending.as_mut().expect("it is there").await }, if sending.is_some() => {
                    sending = None;
                    // A host that has ended a command takes no more input; its end comes next.
                    if sent.is_err() { turn = Turn::Done; }
                }
                () = sleep_until(deadline) => {
                    return Err(RunError::TimedOut { limit: self.job.limit });
                }
            }
            if heard.stderr.prompts() > 1 {
                return Err(RunError::WrongPassword { user: self.target.login.user.clone() });
            }
            if heard.stderr.prompts() == 1 && turn == Turn::Listen {
                turn = Turn::Password;
                let password = password(self.target, self.shared).await?;
                // Whoever was asked took his time.
                deadline = Instant::now() + patience;
                sending = Some(Box::pin(async move {
                    write.data_bytes(format!("{}\n", password.expose()).into_bytes()).await
                }));
            }
            if heard.stdout.begun() && matches!(turn, Turn::Listen | Turn::Password) {
                turn = Turn::Script;
                let job = self.job;
                sending = Some(Box::pin(async move {
                    write.data_bytes(job.script.clone().into_bytes()).await?;
                    job.input.send(write).await
                }));
            }
        }
        drop(sending);
        self.write.has_ended();
        self.result()
    }

    fn result(self) -> Result<Output, RunError> {
        let begun = self.stdout.begun();
        let Some(exit) = self.exit else {
            if self.refused {
                return Err(RunError::NotBegun { said: "it refuses to run commands".to_owned() });
            }
            return Err(RunError::Lost(None));
        };
        if !begun {
            let said = [self.stderr.before(), self.stdout.before(), exit.to_string()];
            let said = said.into_iter().find(|said| !said.is_empty()).unwrap_or_default();
            let user = self.target.login.user.clone();
            return Err(if self.sudo {
                RunError::NotRoot { user, said }
            } else {
                RunError::NotBegun { said }
            });
        }
        if exit == Exit::Code(EXIT_TIMED_OUT) {
            return Err(RunError::TimedOut { limit: self.job.limit });
        }
        Ok(Output { exit, stdout: self.output.into_bytes(), stderr: self.complaints.into_bytes() })
    }
}

/// Where messages of the channel go.
struct Heard<'a> {
    stdout: &'a mut Preface,
    stderr: &'a mut Preface,
    output: &'a mut OutputEnd,
    complaints: &'a mut OutputEnd,
    exit: &'a mut Option<Exit>,
    refused: &'a mut bool,
}

impl Heard<'_> {
    fn take(&mut self, message: ChannelMsg, tap: Tap<'_>) {
        if let ChannelMsg::Data { data } = message {
            let said = self.stdout.feed(&data);
            self.output.push(&said);
            tap(&said);
        } else if let ChannelMsg::ExtendedData { data, .. } = message {
            let said = self.stderr.feed(&data);
            self.complaints.push(&said);
            tap(&said);
        } else if let ChannelMsg::ExitStatus { exit_status } = message {
            *self.exit = Some(Exit::Code(exit_status));
        } else if let ChannelMsg::ExitSignal { signal_name, .. } = message {
            *self.exit = Some(Exit::Signal(format!("{signal_name:?}")));
        } else if matches!(message, ChannelMsg::Failure) {
            *self.refused = true;
        }
    }
}

async fn password(target: &Target, shared: &Shared) -> Result<Secret, RunError> {
    let user = target.login.user.clone();
    let expected = target.sudo == Sudo::Password;
    if !expected {
        return Err(RunError::NoPassword { user, expected });
    }
    let answer = shared.access.get(Asked::SudoPassword(user.clone())).await;
    answer.ok_or(RunError::NoPassword { user, expected })
}
