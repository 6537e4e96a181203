//! The daemon as an operator and a service manager meet it: the real binary, real signals, the
//! real socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

#[path = "../scenarios/support/files.rs"]
mod files;
mod memory;
mod names;
mod service_manager;
mod upgrade;

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use halb::status::ReloadFailure;
use halb::status::Status;
use halb_lab::Loopback;
use halb_lab::Process;
use halb_lab::eventually;
use halb_lab::process::Exit;
use halb_lab::process::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// Two servers that accept and never answer, and a configuration before them.
struct Site {
    directory: TempDir,
    address: Loopback,
    servers: Vec<std::net::TcpListener>,
}

impl Site {
    fn new() -> Self {
        let address = Loopback::claim().unwrap();
        let servers: Vec<_> =
            (0..2).map(|_| std::net::TcpListener::bind(address.port(0)).unwrap()).collect();
        let site = Self { directory: TempDir::new().unwrap(), address, servers };
        site.write_config("");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the configuration with `rest` at its end.
    fn write_config(&self, rest: &str) {
        let [one, two] = [0, 1].map(|index: usize| self.servers[index].local_addr().unwrap());
        let text = format!(
            r#"
[frontend.web]
bind = ["{frontend}"]
backend = "pool"
[backend.pool]
check = {{ type = "tcp", interval = "100ms", timeout = "50ms", fall = 2, rise = 1 }}
[backend.pool.server]
one = "{one}"
two = "{two}"
[admin]
http = "{http}"
socket = "{socket}"
{rest}
"#,
            frontend = self.address.port(8080),
            http = self.address.port(8404),
            socket = self.path("admin.sock").display(),
        );
        fs::write(self.path("halb.toml"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.arg("run").arg("--config").arg(self.path("halb.toml"));
        command
    }

    fn start(&self) -> Process {
        let process = Process::spawn(self.command()).unwrap();
        process.wait_for_line("halb serves", PATIENCE).unwrap();
        process
    }

    /// Runs a command against the daemon; its exit code and what it said.
    fn halb(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.args(arguments).arg("--config").arg(self.path("halb.toml"));
        let socket = self.path("admin.sock");
        let output = command.arg("--socket").arg(socket).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn status(&self) -> Status {
        let (code, said) = self.halb(&["status", "--json"]);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.port(8080)).unwrap()
    }

    /// A session that stands, and the server's end of it.
    fn session(&self) -> (TcpStream, TcpStream) {
        for server in &self.servers {
            server.set_nonblocking(true).unwrap();
        }
        let mut client = self.connect();
        io::Write::write_all(&mut client, b"hello").unwrap();
        let deadline = Instant::now() + PATIENCE;
        // Checks connect too; a session is the connection on which the client's word arrives.
        while Instant::now() < deadline {
            for server in &self.servers {
                let Ok((mut stream, _)) = server.accept() else { continue };
                stream.set_nonblocking(false).unwrap();
                let mut word = [0; 5];
                if io::Read::read_exact(&mut stream, &mut word).is_ok() && &word == b"hello" {
                    return (client, stream);
                }
            }
            std::thread::yield_now();
        }
        panic!("no session within {PATIENCE:?}");
    }
}

#[test]
fn the_log_level_follows_an_order_for_its_time_and_the_status_says_so() {
    let site = Site::new();
    let daemon = site.start();
    let ordered = || site.status().process.log_level_ordered;
    assert_eq!(ordered(), None);
    let (code, said) = site.halb(&["log", "level", "debug", "--for", "1h"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("logging from debug on for 1"), "{said}");
    let now = ordered().expect("the status says so");
    assert_eq!((now.level.as_str(), now.file.as_str()), ("debug", "info"));
    let (_, told) = site.halb(&["status"]);
    assert!(told.contains("the log level is debug by an order"), "{told}");
    assert_eq!(site.halb(&["reload"]).0, 0);
    assert!(ordered().is_some(), "a reload leaves it");
    let (code, said) = site.halb(&["log", "level", "trace", "--for", "1s"]);
    assert_eq!(code, 0, "{said}");
    daemon.wait_for_line("logging as the file says again", PATIENCE).unwrap();
    assert_eq!(ordered(), None);
}

#[test]
fn a_reload_is_applied_or_changes_nothing_and_says_why() {
    let site = Site::new();
    let daemon = site.start();

    site.write_config("[frontend.more]\nbind = [\"127.0.0.1:0\"]\n");
    let (code, said) = site.halb(&["reload"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    let status = site.status();
    assert_eq!(status.frontends.len(), 1);
    assert_eq!((status.reload.applied, status.reload.failed), (0, 1));
    assert!(status.reload.last.unwrap().error.is_some());
    let (_, text) = site.halb(&["status"]);
    assert!(text.contains("last reload failed"), "{text}");

    let more = site.address.port(8081);
    site.write_config(&format!(
        "[global]\nworkers = 7\n[frontend.more]\nbind = [\"{more}\"]\nbackend = \"pool\"\n"
    ));
    let (code, said) = site.halb(&["reload"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("waits for a restart: global.workers"), "{said}");
    TcpStream::connect(more).unwrap();
    assert_eq!(site.status().frontends.len(), 2);

    site.write_config("");
    let mark = daemon.line_count();
    daemon.signal(Signal::SIGHUP).unwrap();
    daemon.wait_for_line_after(mark, "configuration reloaded", PATIENCE).unwrap();
    assert_eq!(site.status().frontends.len(), 1);
    let refused = TcpStream::connect(more).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_good_file_that_cannot_be_put_into_force_is_told_from_a_bad_one() {
    let site = Site::new();
    let _daemon = site.start();
    let taken = std::net::TcpListener::bind(site.address.port(0)).unwrap();
    let address = taken.local_addr().unwrap();
    site.write_config(&format!("[frontend.more]\nbind = [\"{address}\"]\nbackend = \"pool\"\n"));
    let (code, said) = site.halb(&["reload"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("can't listen on {address}")), "{said}");
    let failure = site.status().reload.last.unwrap().failure;
    assert_eq!(failure, Some(ReloadFailure::NotApplied));
    site.write_config("[global]\nwokers = 1\n");
    assert_eq!(site.halb(&["reload"]).0, 3);
    assert_eq!(site.status().reload.last.unwrap().failure, Some(ReloadFailure::BadFile));
    site.write_config("");
    assert_eq!(site.halb(&["reload"]).0, 0);
    assert_eq!(site.status().reload.last.unwrap().failure, None);
}

#[test]
fn a_reload_after_the_stop_has_begun_opens_no_listener() {
    let site = Site::new();
    site.write_config("[global]\ndrain_timeout = \"1h\"\n");
    let daemon = site.start();
    let _session = site.session();
    daemon.signal(Signal::SIGTERM).unwrap();
    daemon.wait_for_line("stopping", PATIENCE).unwrap();
    let (code, said) = site.halb(&["reload"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stopping"), "{said}");
    eventually("no new connection is accepted", PATIENCE, || {
        match TcpStream::connect(site.address.port(8080)) {
            Err(_) => Ok(()),
            Ok(_) => Err("accepted"),
        }
    });
}

#[test]
fn a_reload_keeps_sessions_and_what_the_operator_ordered() {
    let site = Site::new();
    let _daemon = site.start();
    let (mut client, mut server) = site.session();
    site.halb(&["server", "maint", "pool/two"]);
    site.write_config("[log]\nlevel = \"debug\"\n");
    assert_eq!(site.halb(&["reload"]).0, 0);
    io::Write::write_all(&mut server, b"still").unwrap();
    let mut word = [0; 5];
    io::Read::read_exact(&mut client, &mut word).unwrap();
    assert_eq!(&word, b"still");
    let status = site.status();
    assert_eq!(status.backends[0].servers[1].state, "MAINT");
}

#[test]
fn drain_maint_and_ready_reach_the_data_path_and_the_checks() {
    let site = Site::new();
    let _daemon = site.start();
    let two = || site.status().backends[0].servers[1].clone();
    let (code, said) = site.halb(&["server", "drain", "two"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "pool/two drains: no new connections, 0 connections left\n")
    );
    assert_eq!((two().state.as_str(), two().check.unwrap().paused), ("DRAIN", false));
    site.halb(&["server", "maint", "pool/two"]);
    assert_eq!((two().state.as_str(), two().check.unwrap().paused), ("MAINT", true));
    site.halb(&["server", "ready", "pool/two"]);
    eventually("two is up again", PATIENCE, || {
        let two = two();
        if two.state == "UP" { Ok(()) } else { Err(two.state) }
    });
    site.halb(&["server", "weight", "pool/two", "7"]);
    assert_eq!(two().weight, 7);
    site.halb(&["server", "weight", "pool/two"]);
    assert_eq!(two().weight, 1);
    let (code, said) = site.halb(&["server", "drain", "pool/three"]);
    assert_eq!(code, 1);
    assert!(said.contains("there are: pool/one, pool/two"), "{said}");
}

#[test]
fn sessions_are_listed_and_killed() {
    let site = Site::new();
    let daemon = site.start();
    let (mut client, _server) = site.session();
    let (code, said) = site.halb(&["sessions", "list", "--json"]);
    assert_eq!(code, 0, "{said}");
    let sessions: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(sessions[0]["client"], client.local_addr().unwrap().to_string());
    assert_eq!(sessions[0]["bytes_in"], 5);
    let id = sessions[0]["id"].to_string();
    assert!(site.halb(&["sessions", "list"]).1.contains("1 of 1 connection"));
    assert_eq!(site.halb(&["sessions", "kill", &id]), (0, "1 connection ended\n".to_owned()));
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let end = io::Read::read(&mut client, &mut [0]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert_eq!(site.halb(&["sessions", "kill", &id]).0, 1);
    let line = daemon.wait_for_line("access client=", PATIENCE).unwrap();
    assert!(line.contains(" end=K"), "{line}");
}

#[test]
fn sessions_at_a_removed_server_are_listed_and_killed_by_its_name() {
    let site = Site::new();
    let _daemon = site.start();
    let _session = site.session();
    let server = {
        let (_, said) = site.halb(&["sessions", "list", "--json"]);
        let sessions: serde_json::Value = serde_json::from_str(&said).unwrap();
        sessions[0]["server"].as_str().unwrap().to_owned()
    };
    let file = site.path("halb.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("[backend.pool", "[backend.other").replace("\"pool\"", "\"other\"");
    fs::write(&file, text).unwrap();
    assert_eq!(site.halb(&["reload"]).0, 0);
    let (code, said) = site.halb(&["sessions", "list", "--server", &server]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 of 1 connection"), "{said}");
    let (code, said) = site.halb(&["server", "ready", &server]);
    assert_eq!(code, 1, "it takes no orders any more: {said}");
    let killed = site.halb(&["sessions", "kill", "--server", &server]);
    assert_eq!(killed, (0, "1 connection ended\n".to_owned()));
}

#[test]
fn a_maxconn_that_does_not_fit_into_the_descriptors_is_told_at_the_start() {
    let site = Site::new();
    let text = fs::read_to_string(site.path("halb.toml")).unwrap();
    for (maxconn, warnings) in [(5000, 1), (50, 0)] {
        let limited = format!("maxconn = {maxconn}\n[backend.pool]");
        let limited = text.replace("[backend.pool]", &limited);
        let limited = format!("{limited}[global]\nmaxconn = {}\n", maxconn + 1);
        fs::write(site.path("halb.toml"), limited).unwrap();
        let halb = site.command();
        let mut command = Command::new("prlimit");
        command.arg("--nofile=600").arg(halb.get_program()).args(halb.get_args());
        let daemon = Process::spawn(command).unwrap();
        daemon.wait_for_line("halb serves", PATIENCE).unwrap();
        daemon.signal(Signal::SIGTERM).unwrap();
        assert_eq!(daemon.wait(PATIENCE).unwrap(), Exit::Code(0));
        let said = daemon.output();
        for words in ["not the 5001 of `maxconn`", "maxconn of frontend web is 5000, but"] {
            let warned = said.lines().filter(|line| line.contains("WARN") && line.contains(words));
            assert_eq!(warned.count(), warnings, "{maxconn}: {said}");
        }
    }
}

#[test]
fn verdicts_reach_readyz_status_metrics_and_the_log() {
    let mut site = Site::new();
    let daemon = site.start();
    // Nobody accepts any more, so checks are refused.
    let ports: Vec<_> = site.servers.iter().map(|s| s.local_addr().unwrap()).collect();
    site.servers.clear();
    daemon.wait_for_line("backend has no server left", PATIENCE).unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(site.address.port(8404)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: halb\r\n\r\n");
        io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        io::read_to_string(stream).unwrap()
    };
    eventually("readyz says no", PATIENCE, || {
        let answer = get("/readyz");
        if answer.contains(" 503 ") { Ok(()) } else { Err(answer) }
    });
    assert!(get("/livez").contains(" 200 "));
    assert!(get("/metrics").contains("halb_server_up{backend=\"pool\",server=\"one\"} 0"));
    let one = {
        let (code, said) = site.halb(&["status"]);
        assert_eq!(code, 0);
        said
    };
    assert!(one.starts_with("NOT READY, no server is left: 0 of 2 servers up"), "{one}");
    let _back = std::net::TcpListener::bind(ports[0]).unwrap();
    daemon.wait_for_line("server is UP", PATIENCE).unwrap();
}

#[test]
fn sigterm_lets_sessions_end_and_a_second_one_does_not() {
    let site = Site::new();
    site.write_config("[global]\ndrain_timeout = \"1h\"\n");
    let daemon = site.start();
    let (client, server) = site.session();
    daemon.signal(Signal::SIGTERM).unwrap();
    daemon.wait_for_line("stopping", PATIENCE).unwrap();
    eventually("no new connection is accepted", PATIENCE, || {
        match TcpStream::connect(site.address.port(8080)) {
            Err(_) => Ok(()),
            Ok(_) => Err("accepted"),
        }
    });
    assert!(site.status().process.stopping, "status answers while connections drain");
    assert_eq!(daemon.exit(), None);
    daemon.signal(Signal::SIGTERM).unwrap();
    assert_eq!(daemon.wait(PATIENCE).unwrap(), Exit::Code(0));
    assert!(!site.path("admin.sock").exists());
    drop((client, server));
}

#[test]
fn every_signal_that_asks_to_end_ends_in_good_order_and_the_others_do_nothing() {
    for end in [Signal::SIGINT, Signal::SIGUSR1] {
        let site = Site::new();
        site.write_config("");
        let daemon = site.start();
        for harmless in [Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGPIPE] {
            daemon.signal(harmless).unwrap();
        }
        // Signals are delivered before it answers.
        assert!(!site.status().process.stopping);
        assert_eq!(daemon.exit(), None);
        daemon.signal(end).unwrap();
        assert_eq!(daemon.wait(PATIENCE).unwrap(), Exit::Code(0), "{end}");
        assert!(!site.path("admin.sock").exists());
    }
}

#[test]
fn sigterm_without_sessions_ends_at_once_with_0() {
    let site = Site::new();
    site.write_config("[global]\ndrain_timeout = \"1h\"\n");
    let daemon = site.start();
    assert_eq!(daemon.stop(PATIENCE).unwrap(), Exit::Code(0));
}

#[test]
fn a_second_daemon_says_that_another_runs_and_leaves_it_alone() {
    let site = Site::new();
    let first = site.start();
    let second = Process::spawn(site.command()).unwrap();
    assert_eq!(second.wait(PATIENCE).unwrap(), Exit::Code(1));
    second.wait_for_line("another halb runs here", PATIENCE).unwrap();
    let third = {
        let mut command = site.command();
        command.arg("--socket").arg(site.path("other.sock"));
        Process::spawn(command).unwrap()
    };
    assert_eq!(third.wait(PATIENCE).unwrap(), Exit::Code(1));
    third.wait_for_line("can't serve status and metrics on", PATIENCE).unwrap();
    assert!(!site.path("other.sock").exists());
    site.connect();
    assert_eq!(first.exit(), None);
}

#[test]
fn a_reader_of_the_log_that_stalls_delays_nobody() {
    /// Several times what a pipe holds of access lines.
    const CONNECTIONS: usize = 2000;
    let site = Site::new();
    for server in &site.servers {
        let server = server.try_clone().unwrap();
        // Ends with the test program.
        std::thread::spawn(move || server.incoming().for_each(drop));
    }
    let mut child = site.command().stderr(Stdio::piped()).spawn().unwrap();
    let _log_that_nobody_reads = child.stderr.take();
    eventually("it serves", PATIENCE, || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.args(["status", "--socket"]).arg(site.path("admin.sock"));
        command.output().unwrap().status.success()
    });
    for _ in 0..CONNECTIONS {
        let mut client = site.connect();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = io::Read::read(&mut client, &mut [0]);
        assert!(matches!(end, Ok(0)), "{end:?}");
    }
    let accepted = site.status().frontends[0].accepted;
    assert_eq!(accepted, u64::try_from(CONNECTIONS).unwrap());
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let ended = eventually("it ends though nobody reads its last words", PATIENCE, || {
        child.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(0));
}
