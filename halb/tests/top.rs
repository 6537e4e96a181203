//! `halb top` as people meet it: the real binary in a real terminal (tmux) before real daemons.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

#[path = "scenarios/support/files.rs"]
mod files;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use halb::status::Admin;
use halb_lab::{Host, Lab, Loopback, Process, eventually};
use tempfile::TempDir;

use files::{Files, HALB};

/// What anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with `halb top` in it; its server ends with it.
struct Terminal {
    directory: TempDir,
    _server: Process,
}

impl Terminal {
    /// A terminal of 80 columns and 24 lines, in which a shell says how the command ended.
    fn open(node: &Node, environment: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut server = Command::new("tmux");
        server.arg("-S").arg(directory.path().join("tmux")).args(["-f", "/dev/null", "-D"]);
        let terminal = Self { _server: Process::spawn(server).unwrap(), directory };
        let socket = node.files.path("admin.sock");
        let command = format!(
            "export LC_ALL=C.UTF-8 {environment}; {HALB} top --socket {}; echo it ended with $?; cat",
            socket.display()
        );
        eventually("the terminal opens", PATIENCE, || {
            terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", &command])
        });
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("tmux");
        // Never a server of its own, which would outlive the test: the one above may not be up yet.
        command.arg("-N").arg("-S").arg(self.directory.path().join("tmux")).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]).unwrap();
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap()
    }

    /// Waits for a screen that `holds`.
    fn shows(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        eventually(what, PATIENCE, || {
            let screen = self.screen();
            if holds(&screen) { Ok(screen) } else { Err(Box::new(screen)) }
        })
    }

    fn says(&self, words: &str) -> String {
        self.shows(words, |screen| screen.contains(words))
    }

    /// Waits for a screen whose first line begins so and whose second one holds that.
    fn begins(&self, first: &str, second: &str) -> String {
        self.shows(&format!("{first} … {second}"), |screen| {
            let mut lines = screen.lines();
            lines.next().is_some_and(|line| line.starts_with(first))
                && lines.next().is_some_and(|line| line.contains(second))
        })
    }
}

/// A daemon's files, and the servers behind it.
struct Node {
    files: Files,
    address: Loopback,
    servers: Vec<Option<TcpListener>>,
}

impl Node {
    /// Before three servers on loopback.
    fn new() -> Self {
        let address = Loopback::claim().unwrap();
        let servers: Vec<_> =
            (0..3).map(|_| Some(TcpListener::bind(address.port(0)).unwrap())).collect();
        let node = Self { files: Files::new(""), address, servers };
        node.write("");
        node
    }

    fn write(&self, more: &str) {
        let server = |(index, listener): (usize, &Option<TcpListener>)| {
            let address = listener.as_ref().unwrap().local_addr().unwrap();
            format!("kmaster{} = \"{address}\"\n", index + 1)
        };
        let servers: String = self.servers.iter().enumerate().map(server).collect();
        let text = format!(
            "[frontend.kubernetes]\nbind = [\"{frontend}\"]\nbackend = \"masters\"\n\
             [backend.masters]\n\
             check = {{ type = \"tcp\", interval = \"500ms\", timeout = \"500ms\", fall = 3, rise = 1 }}\n\
             [backend.masters.server]\n{servers}{rest}{more}",
            frontend = self.address.port(6443),
            rest = rest(&self.files),
        );
        self.files.write(&text);
    }

    fn start(&self) -> Process {
        let process = Process::spawn(self.files.run(Command::new(HALB))).unwrap();
        process.wait_for_line("halb serves", PATIENCE).unwrap();
        process
    }

    fn is(&self, server: usize, wanted: Admin) {
        eventually(&format!("{wanted:?}"), PATIENCE, || {
            let admin = self.files.status().backends[0].servers[server].admin;
            if admin == wanted { Ok(()) } else { Err(admin) }
        });
    }
}

#[test]
#[ignore = "needs tmux"]
fn keys_sort_drain_a_server_and_bring_it_back() {
    let node = Node::new();
    let _daemon = node.start();
    let terminal = Terminal::open(&node, "NO_COLOR=1");
    terminal.begins("All is well: 3 of 3 servers up", "");
    terminal.says("> masters/kmaster1");
    terminal.press("Down");
    terminal.says("> masters/kmaster2");
    terminal.press("d");
    terminal.says("Drain masters/kmaster2?");
    terminal.press("n");
    terminal.says("nothing was changed");
    node.is(1, Admin::Ready);
    terminal.press("d");
    terminal.says("y: yes");
    terminal.press("y");
    terminal.says("masters/kmaster2 drains: no new connections, 0 connections left");
    node.is(1, Admin::Drain);
    terminal.begins("Serving: 2 of 3 servers up", "kmaster2 of masters is in DRAIN as ordered");
    terminal.shows("it went to the top, and is still chosen", |screen| {
        screen
            .find(">-masters/kmaster2")
            .is_some_and(|at| screen[at..].contains("masters/kmaster1"))
    });
    terminal.press("r");
    terminal.says("masters/kmaster2 into service again?");
    terminal.press("y");
    node.is(1, Admin::Ready);
    terminal.press("1");
    terminal.press("1");
    terminal.shows("the names are turned round", |screen| {
        screen.contains("1 SERVER^")
            && screen.find("masters/kmaster3") < screen.find("masters/kmaster1")
    });
    terminal.press("?");
    terminal.says("Any key goes back.");
    terminal.press("Escape");
    terminal.tmux(&["resize-window", "-x", "160", "-y", "40"]).unwrap();
    terminal.shows("a wide picture", |screen| {
        screen.contains("ADDRESS") && screen.lines().count() > 24
    });
    terminal.press("q");
    let left = terminal.says("it ended with 0");
    assert!(!left.contains("masters/kmaster1"), "the screen is as it was before: {left}");
}

#[test]
#[ignore = "needs tmux"]
fn each_trouble_is_told_in_the_first_lines_and_goes_again() {
    let mut node = Node::new();
    let daemon = node.start();
    let terminal = Terminal::open(&node, "NO_COLOR=1");
    terminal.begins("All is well: 3 of 3 servers up", "");
    fs::write(node.files.path("good.toml"), fs::read(node.files.path("halb.toml")).unwrap())
        .unwrap();
    node.write("[backend.masters]\nblance = \"random\"\n");
    assert_eq!(node.files.halb(&["reload"]).code, 3);
    terminal.begins("Serving, but the last reload failed: 3 of 3", "! last reload failed");
    fs::copy(node.files.path("good.toml"), node.files.path("halb.toml")).unwrap();
    assert_eq!(node.files.halb(&["reload"]).code, 0);
    terminal.begins("All is well", "");
    node.servers[1] = None;
    let screen =
        terminal.begins("Serving, but a server is DOWN: 2 of 3", "! kmaster2 of masters is DOWN");
    assert!(!screen.contains('\u{1b}'));
    terminal.says("!masters/kmaster2");
    node.servers.clear();
    terminal
        .begins("NOT READY, no server is left: 0 of 3", "!! no server of backend masters is up");
    daemon.kill().unwrap();
    terminal.begins("NO ANSWER from halb for", "!! no halb runs on");
    terminal.says("ago: NOT READY, no server is left: 0 of 3");
    terminal.press("d");
    terminal.says("halb gives no answer, so it can't be ordered anything");
    drop(daemon);
    let _daemon = node.start();
    terminal
        .begins("NOT READY, no server is left: 0 of 3", "!! no server of backend masters is up");
}

#[test]
#[ignore = "needs tmux"]
fn colours_come_and_go_with_the_environment() {
    let node = Node::new();
    let _daemon = node.start();
    let mut node = node;
    node.servers[2] = None;
    let coloured = |environment| {
        let terminal = Terminal::open(&node, environment);
        terminal.says("! kmaster3 of masters is DOWN");
        terminal.tmux(&["capture-pane", "-p", "-e"]).unwrap().contains("[38;5;3m")
    };
    assert!(coloured("NO_COLOR="));
    assert!(!coloured("NO_COLOR=1"));
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let output = Command::new(HALB).args(["top", "--socket", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("halb status --watch"), "{said}");
}

/// A node of a pair in the lab; the passwords decide whether they hear each other.
fn balancer(host: &Host, other: &str, password: &str) -> (Files, Process) {
    let files = Files::new("");
    let key = files.path("peer.key");
    fs::write(&key, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    files.write(&format!(
        "[frontend.kubernetes]\nbind = [\"*:6443\"]\nbackend = \"masters\"\n\
         [backend.masters.server]\nkmaster1 = \"127.0.0.1:7001\"\n\
         [vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = 1\nversion = 2\nadvert_interval = \"1s\"\n\
         auth_pass = \"{password}\"\naddresses = [\"172.16.16.100\"]\n\
         [peer]\naddress = \"{other}:7112\"\nkey_file = \"{}\"\n{}",
        key.display(),
        rest(&files),
    ));
    let process = host.spawn(files.run(Command::new(HALB))).unwrap();
    (files, process)
}

/// The end of a configuration: where the daemon listens and keeps what it knows.
fn rest(files: &Files) -> String {
    format!(
        "[admin]\nhttp = false\nsocket = \"{}\"\n[global]\nstate_dir = \"{}\"\n",
        files.path("admin.sock").display(),
        files.path("").display(),
    )
}

#[test]
#[ignore = "needs root"]
fn two_nodes_that_hold_one_address_are_the_first_words() {
    let lab = Lab::new().unwrap();
    let hosts = [("lb1", "172.16.16.51"), ("lb2", "172.16.16.52")]
        .map(|(name, address)| lab.host(name, &format!("{address}/24")).unwrap());
    let (files, _one) = balancer(&hosts[0], "172.16.16.52", "mysecret");
    let _two = balancer(&hosts[1], "172.16.16.51", "another");
    let node = Node { files, address: Loopback::claim().unwrap(), servers: Vec::new() };
    let terminal = Terminal::open(&node, "NO_COLOR=1");
    let screen = terminal.shows("a split brain", |screen| {
        screen.starts_with("SPLIT BRAIN, two nodes hold the address")
            && screen.contains("!! this node     ACTIVE")
            && screen.contains("!! 172.16.16.52  ACTIVE")
    });
    assert!(screen.contains("PEER 172.16.16.52:7112  UP"), "{screen}");
}
