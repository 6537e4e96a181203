//! `halb upgrade` as clients and operators meet it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::{fs, io, thread};

use halb::status::{Admin, Status};
use halb_lab::eventually;
use halb_lab::process::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::{PATIENCE, Site};

/// Ends whatever daemon serves at last, and those before it.
pub(super) struct Successors<'a>(pub(super) &'a Site);

impl Drop for Successors<'_> {
    fn drop(&mut self) {
        let (code, said) = self.0.halb(&["status", "--json"]);
        let Ok(status) = serde_json::from_str::<Status>(&said) else {
            assert!(thread::panicking() || code != 0, "{said}");
            return;
        };
        let formers = status.formers.iter().map(|former| former.pid);
        for pid in formers.chain([status.process.pid]) {
            let pid = Pid::from_raw(i32::try_from(pid).unwrap());
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

impl Site {
    /// Servers that say everything back.
    fn echo(&self) {
        for server in &self.servers {
            let server = server.try_clone().unwrap();
            thread::spawn(move || serve(&server));
        }
    }

    fn frontend(&self) -> SocketAddr {
        self.address.port(8080)
    }
}

fn serve(server: &TcpListener) {
    while let Ok((mut stream, _)) = server.accept() {
        thread::spawn(move || {
            let mut word = [0; 64];
            while let Ok(len @ 1..) = stream.read(&mut word) {
                if stream.write_all(&word[..len]).is_err() {
                    return;
                }
            }
        });
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn request(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"hello")?;
    let mut word = [0; 5];
    stream.read_exact(&mut word)?;
    assert_eq!(&word, b"hello");
    Ok(())
}

/// Clients that go on until they are told to end: some connect for each request, some keep theirs.
struct Load {
    ended: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let mut load = Self {
            ended: Arc::default(),
            requests: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for _ in 0..2 {
            load.client("keeps its connection", {
                let mut kept = connect(address).unwrap();
                move || request(&mut kept)
            });
            load.client("connects anew", move || request(&mut connect(address)?));
        }
        load
    }

    fn client(
        &mut self,
        who: &'static str,
        mut act: impl FnMut() -> io::Result<()> + Send + 'static,
    ) {
        let (ended, requests) = (Arc::clone(&self.ended), Arc::clone(&self.requests));
        let failures = Arc::clone(&self.failures);
        self.clients.push(thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match act() {
                    Ok(()) => drop(requests.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => {
                        failures.lock().unwrap().push(format!("one that {who}: {error}"));
                        return;
                    }
                }
            }
        }));
    }

    /// Waits until each kind of client had some more requests.
    fn go_on(&self) {
        let before = self.requests.load(Ordering::Relaxed);
        eventually("clients are served", PATIENCE, || {
            let now = self.requests.load(Ordering::Relaxed);
            now > before + 100 || !self.failures.lock().unwrap().is_empty()
        });
    }

    /// Requests that were answered, and what failed.
    fn end(self) -> (u64, Vec<String>) {
        self.ended.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let failures = self.failures.lock().unwrap().clone();
        (self.requests.load(Ordering::Relaxed), failures)
    }
}

#[test]
fn three_upgrades_under_load_lose_no_request_no_order_and_no_count() {
    upgrades_under_load(3);
}

/// The same twenty times in a row.
#[test]
#[ignore = "measures"]
fn measure_twenty_upgrades_under_load() {
    let requests = upgrades_under_load(20);
    println!(
        "| upgrades in a row | requests meanwhile | failed |\n|---|---|---|\n| 20 | {requests} | 0 |"
    );
}

/// Requests that were answered meanwhile.
fn upgrades_under_load(times: usize) -> u64 {
    let site = Site::new();
    site.echo();
    let _daemon = site.start();
    let _successors = Successors(&site);
    let mut idle = connect(site.frontend()).unwrap();
    request(&mut idle).unwrap();
    for order in [&["server", "drain", "two"][..], &["server", "weight", "one", "7"]] {
        let (code, said) = site.halb(order);
        assert_eq!(code, 0, "{said}");
    }
    let load = Load::start(site.frontend());
    let mut before = site.status();
    for _ in 0..times {
        load.go_on();
        let (code, said) = site.halb(&["upgrade"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("serves"), "{said}");
        load.go_on();
        let now = site.status();
        assert_ne!(now.process.pid, before.process.pid);
        assert!(now.frontends[0].accepted > before.frontends[0].accepted, "counters fell back");
        let [one, two] = now.backends[0].servers.as_slice() else { panic!("two servers") };
        assert_eq!((one.admin, one.weight), (Admin::Ready, 7));
        assert_eq!(two.admin, Admin::Drain);
        let [old, new] = [&before, &now].map(|status| {
            status.backends[0].servers[0].check.as_ref().map(|check| (check.checks, check.flips))
        });
        assert!(new >= old, "checks began anew: {old:?}, {new:?}");
        let kept: u64 = now.formers.iter().map(|former| former.connections).sum();
        assert!(kept >= 3, "three connections were kept: {:?}", now.formers);
        before = now;
    }
    request(&mut idle).unwrap();
    let (requests, failures) = load.end();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(requests > 100);
    drop(idle);
    eventually("the former daemons end with their connections", PATIENCE, || {
        site.status().formers.is_empty()
    });
    let first = site.status();
    // Every connection was counted once, whoever served it.
    assert!(first.frontends[0].accepted >= before.frontends[0].accepted);
    assert!(first.frontends[0].bytes_in >= requests * 5);
    requests
}

/// A program that takes over nothing: what it is, and what is told of it.
const FAILURES: &[(&str, &str, &str)] = &[
    ("fails", "exit 7", "exit status: 7"),
    ("crashes", "kill -SEGV $$", "signal: 11"),
    ("talks nonsense", "printf nonsense >&0; exec sleep 600", "makes no sense"),
    ("refuses", "say '{\"word\":\"refused\",\"why\":\"not today\"}'", "not today"),
    (
        "is of another age",
        "say '{\"word\":\"hello\",\"oldest\":77,\"newest\":78,\"halb_version\":\"9.9.9\"}'",
        "systemctl restart halb",
    ),
    ("is silent", "exec sleep 600", "no sign of life"),
    (
        "ends when it is ready",
        "say '{\"word\":\"hello\",\"oldest\":1,\"newest\":1,\"halb_version\":\"9.9.9\"}'; \
         say '{\"word\":\"ready\"}'",
        "exit status: 0",
    ),
];

#[test]
fn however_a_new_daemon_fails_the_old_one_goes_on_and_says_why() {
    let site = Site::new();
    site.echo();
    let daemon = site.start();
    let mut kept = connect(site.frontend()).unwrap();
    request(&mut kept).unwrap();
    let mut holds = |what: &str| {
        request(&mut kept).unwrap();
        request(&mut connect(site.frontend()).unwrap()).unwrap();
        let status = site.status();
        assert_eq!(status.process.pid, daemon.pid(), "{what}");
        assert!(status.formers.is_empty() && status.readiness.ready, "{what}");
    };
    let program = site.path("new");
    for (what, does, told) in FAILURES {
        // A word is behind its length.
        let say = r#"say() { printf "\\0\\0\\0\\$(printf %o ${#1})%s" "$1" >&0; }"#;
        fs::write(&program, format!("#!/bin/sh\n{say}\n{does}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let (code, said) = site.halb(&["upgrade", "--binary", program.to_str().unwrap()]);
        assert_eq!(code, 1, "one that {what}: {said}");
        assert!(said.contains(told), "one that {what}: {said}");
        holds(what);
    }
    let (code, said) = site.halb(&["upgrade", "--binary", "/nowhere/halb"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("can't start /nowhere/halb"), "{said}");

    site.write_config("[global]\nwokers = 1\n");
    let (code, said) = site.halb(&["upgrade"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("unknown key"), "{said}");
    holds("a bad configuration");

    let taken = TcpListener::bind(site.address.port(0)).unwrap();
    let address = taken.local_addr().unwrap();
    site.write_config(&format!("[frontend.more]\nbind = [\"{address}\"]\nbackend = \"pool\"\n"));
    let (code, said) = site.halb(&["upgrade"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("can't listen on {address}")), "{said}");
    holds("a port in use");

    site.write_config("");
    let _successors = Successors(&site);
    let (code, said) = site.halb(&["upgrade"]);
    assert_eq!(code, 0, "after all these: {said}");
    request(&mut kept).unwrap();
}

#[test]
fn connections_that_outlast_their_time_are_closed_and_a_stop_reaches_those_before() {
    let site = Site::new();
    site.echo();
    site.write_config("[global]\nupgrade_drain_timeout = \"1s\"\n");
    let _daemon = site.start();
    let mut kept = connect(site.frontend()).unwrap();
    request(&mut kept).unwrap();
    let _successors = Successors(&site);
    assert_eq!(site.halb(&["upgrade"]).0, 0);
    // Read until it ends: it is closed, with a reset.
    assert!(matches!(kept.read(&mut [0; 8]), Ok(0) | Err(_)));
    eventually("the former daemon ends", PATIENCE, || site.status().formers.is_empty());

    site.write_config("[global]\nupgrade_drain_timeout = \"1h\"\ndrain_timeout = \"1s\"\n");
    assert_eq!(site.halb(&["upgrade"]).0, 0);
    eventually("who has no connection ends", PATIENCE, || site.status().formers.is_empty());
    let mut kept = connect(site.frontend()).unwrap();
    request(&mut kept).unwrap();
    assert_eq!(site.halb(&["upgrade"]).0, 0);
    request(&mut kept).unwrap();
    let status = site.status();
    let [former] = status.formers.as_slice() else { panic!("{:?}", status.formers) };
    let former = former.pid;
    let new = Pid::from_raw(i32::try_from(status.process.pid).unwrap());
    kill(new, Signal::SIGTERM).unwrap();
    assert!(matches!(kept.read(&mut [0; 8]), Ok(0) | Err(_)));
    eventually("both have ended", PATIENCE, || {
        let gone = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat"));
        let pids = [new.as_raw(), i32::try_from(former).unwrap()];
        // A zombie has ended, too.
        let ended = |pid: &i32| gone(*pid).map_or(true, |stat| stat.contains(") Z "));
        pids.iter().all(ended)
    });
    assert!(!site.path("admin.sock").exists(), "the last one removes the socket's file");
}

#[test]
fn a_reload_that_may_upgrade_only_reloads_while_the_same_binary_is_installed() {
    let site = Site::new();
    let daemon = site.start();
    let (code, said) = site.halb(&["upgrade", "--if-changed"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("reloaded"), "{said}");
    assert_eq!(site.status().process.pid, daemon.pid());
}

/// By another process: a file that this one has open for writing can't be run, and a program that
/// another thread is just starting may have it open, too.
fn copy_to(path: &std::path::Path) {
    let copied =
        std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_halb")).arg(path).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_package_that_replaces_the_binary_is_taken_up_by_the_next_reload() {
    let site = Site::new();
    let installed = site.path("halb");
    copy_to(&installed);
    let mut command = std::process::Command::new(&installed);
    command.arg("run").arg("--config").arg(site.path("halb.toml"));
    let daemon = halb_lab::Process::spawn(command).unwrap();
    daemon.wait_for_line("halb serves", PATIENCE).unwrap();
    let _successors = Successors(&site);
    // As dpkg and rpm do it: a new file takes the name of the old one.
    copy_to(&site.path("halb.new"));
    fs::rename(site.path("halb.new"), &installed).unwrap();
    let (code, said) = site.halb(&["upgrade", "--if-changed"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("serves"), "{said}");
    let status = site.status();
    assert_ne!(status.process.pid, daemon.pid());
    let running = fs::read_link(format!("/proc/{}/exe", status.process.pid)).unwrap();
    assert_eq!(running, installed);
}
