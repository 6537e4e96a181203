//! A part of a test in a process of its own (`src/bin/halb-lb-part.rs`).

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::common::{self, PATIENCE};

/// Longest wait for an answer: opening thousands of connections takes a while.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A running part; ends when it is dropped.
pub(crate) struct Part {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Where it listens; for clients, where they connect.
    pub(crate) address: SocketAddr,
}

impl Part {
    /// An engine told that it may open `told` descriptors, of which it really has `allowed`.
    pub(crate) fn engine(told: u64, allowed: u64, servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(ToString::to_string);
        let arguments: Vec<String> =
            ["engine".to_owned(), told.to_string()].into_iter().chain(servers).collect();
        Self::start(allowed, &arguments)
    }

    /// A server that greets with one byte and keeps each client until it leaves.
    pub(crate) fn server(allowed: u64) -> Self {
        Self::start(allowed, &["server".to_owned()])
    }

    /// Clients of `engine`, none at first.
    pub(crate) fn clients(allowed: u64, engine: SocketAddr) -> Self {
        Self::start(allowed, &["clients".to_owned(), engine.to_string()])
    }

    fn start(allowed: u64, arguments: &[String]) -> Self {
        let mut child = command(allowed, arguments).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (said, answers) = sync_channel(1);
        thread::spawn(move || output.lines().try_for_each(|line| said.send(line.unwrap())));
        let address = answers.recv_timeout(PATIENCE).expect("it says where it listens");
        let (commands, address) = (child.stdin.take(), address.parse().unwrap());
        Self { child, commands, answers, address }
    }

    /// Sends a command and waits for the answer.
    pub(crate) fn ask(&self, command: &str) -> String {
        let mut commands = self.commands.as_ref().unwrap();
        writeln!(commands, "{command}").unwrap();
        match self.answers.recv_timeout(ANSWER_MAX) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => panic!("no answer to {command}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it ended at {command}"),
        }
    }

    /// An engine's counters by name.
    pub(crate) fn figures(&self) -> HashMap<String, u64> {
        let answer = self.ask("figures");
        let pairs = answer.split(' ').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, figure)| (name.to_owned(), figure.parse().unwrap())).collect()
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        self.figures()[name]
    }

    pub(crate) fn connect(&self) -> TcpStream {
        common::connect(self.address)
    }

    /// Descriptors that it has open.
    pub(crate) fn descriptors(&self) -> u64 {
        self.descriptors_below(u64::MAX)
    }

    /// Descriptors that it has open and whose number is below `limit`: those above, which it was
    /// started with, don't count for a limit.
    pub(crate) fn descriptors_below(&self, limit: u64) -> u64 {
        let number = |fd: fs::DirEntry| fd.file_name().to_str().unwrap().parse::<u64>().unwrap();
        let open = fs::read_dir(self.proc("fd")).unwrap().map(|fd| number(fd.unwrap()));
        open.filter(|number| *number < limit).count() as u64
    }

    /// Bytes of memory that are its own, and its part of those that it shares (proc(5)).
    pub(crate) fn proportional_set_size(&self) -> u64 {
        let rollup = fs::read_to_string(self.proc("smaps_rollup")).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Time that its threads have spent on a processor.
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(self.proc("task")).unwrap();
        let of_task = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        Duration::from_nanos(tasks.map(|task| of_task(task.unwrap())).sum())
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.commands.take());
        // It is a child that no one else reaps, so the signal finds it or nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that starts a part with `allowed` descriptors and pipes to talk through.
pub(crate) fn command(allowed: u64, arguments: &[String]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {allowed} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_halb-lb-part")]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
