//! Two daemons and the link between them: the real binary, real datagrams.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use halb::status::Status;
use halb::status::peer::{Peer, State};
use halb_lab::{Host, Lab, Loopback, Process, eventually};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 7112;
const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff101112131415161718191a1b1c1d1e1f";

/// One balancer: its files, and where it listens.
struct Node {
    directory: TempDir,
    address: Loopback,
    server: TcpListener,
}

impl Node {
    fn new() -> Self {
        let address = Loopback::claim().unwrap();
        let server = TcpListener::bind(address.port(0)).unwrap();
        Self { directory: TempDir::new().unwrap(), address, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn link(&self) -> SocketAddr {
        self.address.port(PORT)
    }

    fn write_key(&self, text: &str) {
        let path = self.path("peer.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the configuration with a link from `bind` to `peer`, or without one.
    fn write_config(&self, link: Option<(SocketAddr, SocketAddr)>) {
        let key = self.path("peer.key");
        let peer = link.map_or_else(String::new, |(bind, peer)| {
            let key = key.display();
            format!("[peer]\naddress = \"{peer}\"\nbind = \"{bind}\"\nkey_file = \"{key}\"\n")
        });
        let text = format!(
            "[frontend.web]\nbind = [\"{frontend}\"]\nbackend = \"pool\"\n\
             [backend.pool.server]\none = \"{server}\"\n\
             [admin]\nhttp = false\nsocket = \"{socket}\"\n\
             [global]\nstate_dir = \"{state}\"\n{peer}",
            frontend = self.address.port(8080),
            server = self.server.local_addr().unwrap(),
            socket = self.path("admin.sock").display(),
            state = self.directory.path().display(),
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

    fn halb(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        let socket = self.path("admin.sock");
        let output = command.args(arguments).arg("--socket").arg(socket).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn status(&self) -> Status {
        let (code, said) = self.halb(&["status", "--json"]);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn peer(&self) -> Peer {
        self.status().peer.unwrap()
    }

    fn wait_for(&self, state: State) -> Peer {
        eventually(&format!("the link is {state:?}"), PATIENCE, || {
            let peer = self.peer();
            if peer.state == state { Ok(peer) } else { Err(Box::new(peer)) }
        })
    }

    fn wait_for_refusal(&self, reason: &str) -> String {
        eventually(&format!("{reason} is counted"), PATIENCE, || {
            let peer = self.peer();
            let refused = peer.refused.iter().find(|refused| refused.reason == reason);
            refused.map(|refused| refused.from.clone()).ok_or_else(|| Box::new(peer))
        })
    }

    /// Reloads, and returns what was changed and what was not.
    fn reload(&self) -> (Vec<String>, Vec<String>) {
        let (code, said) = self.halb(&["reload"]);
        assert_eq!(code, 0, "{said}");
        let last = self.status().reload.last.unwrap();
        (last.changes, last.needs_restart)
    }
}

/// Two that have the same key and each other's address.
fn two() -> (Node, Node) {
    let (one, two) = (Node::new(), Node::new());
    for (node, other) in [(&one, &two), (&two, &one)] {
        node.write_key(OLD);
        node.write_config(Some((node.link(), other.link())));
    }
    (one, two)
}

#[test]
fn two_daemons_find_each_other_and_say_so() {
    let (one, two) = two();
    let (_first, second) = (one.start(), two.start());
    let peer = one.wait_for(State::Up);
    two.wait_for(State::Up);
    assert_eq!((peer.address, peer.bind), (two.link().to_string(), one.link().to_string()));
    assert_eq!((peer.starts, peer.key_line), (1, Some(1)));
    assert!(peer.refused.is_empty(), "{:?}", peer.refused);
    let (_, text) = one.halb(&["status"]);
    assert!(text.contains(&format!("peer {}  UP", two.link())), "{text}");
    second.wait_for_line("the other balancer is there", PATIENCE).unwrap();
    drop(second);
    one.wait_for(State::Silent);
    let _second = two.start();
    one.wait_for(State::Up);
    assert_eq!(one.peer().starts, 2);
}

#[test]
fn different_keys_are_named_and_mended_by_a_reload() {
    let (one, two) = two();
    two.write_key(NEW);
    let (_first, _second) = (one.start(), two.start());
    assert_eq!(one.wait_for_refusal("wrong_key"), two.link().to_string());
    assert_eq!(two.wait_for_refusal("wrong_key"), one.link().to_string());
    assert_eq!((one.peer().state, two.peer().state), (State::Waiting, State::Waiting));
    let (_, text) = one.halb(&["status"]);
    assert!(text.contains("fits none of our keys"), "{text}");
    // The first of two lines signs, and the second is accepted.
    one.write_key(&format!("{OLD}\n{NEW}\n"));
    assert_eq!(one.reload(), (vec!["peer link has other keys".to_owned()], Vec::new()));
    two.write_key(&format!("{NEW}\n{OLD}\n"));
    two.reload();
    one.wait_for(State::Up);
    assert_eq!(two.wait_for(State::Up).key_line, Some(2));
    one.write_key(NEW);
    one.reload();
    eventually("the other signs with the new one", PATIENCE, || two.peer().key_line == Some(1));
    assert_eq!(two.peer().starts, 1, "the link was up throughout");
    assert_eq!(one.reload(), (Vec::new(), Vec::new()), "nothing is left to change");
}

#[test]
fn a_reload_that_can_not_be_done_leaves_the_link_as_it_is() {
    let (one, two) = two();
    let (_first, _second) = (one.start(), two.start());
    one.wait_for(State::Up);
    let taken = UdpSocket::bind(one.address.port(0)).unwrap().local_addr().unwrap();
    let _taken = UdpSocket::bind(taken).unwrap();
    one.write_config(Some((taken, two.link())));
    let (changes, waiting) = one.reload();
    assert!(changes.is_empty(), "{changes:?}");
    assert!(waiting[0].starts_with("[peer] is as before: "), "{waiting:?}");
    assert!(waiting[0].contains(&taken.to_string()), "{waiting:?}");
    assert_eq!(one.wait_for(State::Up).bind, one.link().to_string());
    one.write_config(Some((one.link(), two.link())));
    one.write_key("no key");
    let (code, said) = one.halb(&["reload"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("64 hexadecimal digits"), "{said}");
    assert_eq!(one.peer().state, State::Up);
}

#[test]
fn a_key_that_is_not_there_is_waited_for_and_found_by_a_reload() {
    let (one, two) = two();
    fs::remove_file(one.path("peer.key")).unwrap();
    let (first, _second) = (one.start(), two.start());
    first.wait_for_line("can't read the key", PATIENCE).unwrap();
    one.write_key(OLD);
    let (changes, _) = one.reload();
    assert_eq!(changes, [format!("peer link to {} is on", two.link())]);
    one.wait_for(State::Up);
    fs::remove_file(one.path("peer.key")).unwrap();
    let (changes, _) = one.reload();
    assert!(changes[0].starts_with("peer link is as before, since"), "{changes:?}");
    assert_eq!(one.peer().state, State::Up);
}

#[test]
fn a_link_is_moved_taken_off_and_put_on_by_reloads() {
    let (one, two) = two();
    let (_first, _second) = (one.start(), two.start());
    one.wait_for(State::Up);
    one.write_config(None);
    assert_eq!(one.reload().0, [format!("peer link to {} is off", two.link())]);
    assert!(one.status().peer.is_none());
    two.wait_for(State::Silent);
    let elsewhere = one.address.port(PORT + 1);
    one.write_config(Some((elsewhere, two.link())));
    assert_eq!(one.reload().0, [format!("peer link to {} is on", two.link())]);
    assert_eq!(two.wait_for_refusal("not_peer"), elsewhere.to_string());
    two.write_config(Some((two.link(), elsewhere)));
    assert_eq!(two.reload().0, [format!("peer link goes to {elsewhere}")]);
    one.wait_for(State::Up);
    two.wait_for(State::Up);
}

#[test]
fn a_flood_and_old_versions_are_named_and_harm_nothing() {
    let (one, two) = two();
    let (_first, _second) = (one.start(), two.start());
    one.wait_for(State::Up);
    let stranger = UdpSocket::bind(one.address.port(0)).unwrap();
    let sender = stranger.local_addr().unwrap().to_string();
    for _ in 0..20_000 {
        stranger.send_to(b"halb\x01 and nothing that fits", one.link()).unwrap();
    }
    assert_eq!(one.wait_for_refusal("not_peer"), sender);
    // The true one is gone, and somebody has its place.
    drop(_second);
    let impostor = UdpSocket::bind(two.link()).unwrap();
    for _ in 0..20_000 {
        let forged = [b"halb\x01\x00\x00\x00".as_slice(), &[9; 68]].concat();
        impostor.send_to(&forged, one.link()).unwrap();
    }
    impostor.send_to(b"halb\x00", one.link()).unwrap();
    for reason in ["wrong_key", "flood", "version"] {
        // What a full buffer dropped is sent again.
        impostor.send_to(b"halb\x00", one.link()).unwrap();
        assert_eq!(one.wait_for_refusal(reason), two.link().to_string());
    }
    TcpStream::connect(one.address.port(8080)).unwrap();
    drop(impostor);
    let _second = two.start();
    one.wait_for(State::Up);
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_a_message() {
    let (one, two) = two();
    one.write_config(Some((one.link(), two.link())));
    let _taken = UdpSocket::bind(one.link()).unwrap();
    let daemon = Process::spawn(one.command()).unwrap();
    let said = daemon.wait_for_line("can't link to the other balancer", PATIENCE).unwrap();
    assert!(said.contains(&one.link().to_string()), "{said}");
    assert!(said.contains("peer.bind"), "{said}");
}

/// A balancer with a virtual IP on a host of its own.
struct Balancer {
    host: Host,
    directory: TempDir,
}

impl Balancer {
    fn new(lab: &Lab, name: &str, address: &str, priority: u8, peer: &str) -> Self {
        let host = lab.host(name, &format!("{address}/24")).unwrap();
        let directory = TempDir::new().unwrap();
        let at = directory.path().display();
        let text = format!(
            "[frontend.web]\nbind = [\"*:8080\"]\nbackend = \"pool\"\n\
             [backend.pool.server]\none = \"127.0.0.1:8081\"\n\
             [vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = 1\npriority = {priority}\n\
             advert_interval = \"1s\"\naddresses = [\"172.16.16.100\"]\n\
             [peer]\naddress = \"{peer}:7112\"\nkey_file = \"{at}/peer.key\"\n\
             [admin]\nhttp = false\nsocket = \"{at}/admin.sock\"\n\
             [global]\nstate_dir = \"{at}\"\n"
        );
        fs::write(directory.path().join("halb.toml"), text).unwrap();
        let key = directory.path().join("peer.key");
        fs::write(&key, OLD).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Self { host, directory }
    }

    fn start(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.arg("run").arg("--config").arg(self.directory.path().join("halb.toml"));
        let process = self.host.spawn(command).unwrap();
        process.wait_for_line("halb serves", PATIENCE).unwrap();
        process
    }

    /// The socket is a file, which every host sees.
    fn halb(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        let socket = self.directory.path().join("admin.sock");
        let output = command.args(arguments).arg("--socket").arg(socket).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn router(&self) -> halb::status::vrrp::Instance {
        let (code, said) = self.halb(&["status", "--json"]);
        assert_eq!(code, 0, "{said}");
        let status: Status = serde_json::from_str(&said).unwrap();
        status.vrrp.unwrap().instances.remove(0)
    }
}

#[test]
#[ignore = "needs root"]
fn words_go_over_the_link_and_a_yield_is_taken_by_invitation() {
    let lab = Lab::new().unwrap();
    let one = Balancer::new(&lab, "one", "172.16.16.51", 100, "172.16.16.52");
    let two = Balancer::new(&lab, "two", "172.16.16.52", 90, "172.16.16.51");
    let (_first, _second) = (one.start(), two.start());
    for node in [&one, &two] {
        eventually("the other's word is known", PATIENCE, || !node.router().words.is_empty());
    }
    eventually("the better one is active", PATIENCE, || one.router().state.word() == "active");
    let (_, text) = two.halb(&["vip", "explain"]);
    assert!(text.contains("peer 172.16.16.51:7112  UP"), "{text}");
    let (code, said) = one.halb(&["vip", "yield"]);
    assert_eq!(code, 0, "{said}");
    eventually("the other one is active", PATIENCE, || two.router().state.word() == "active");
    let last = two.router().transitions;
    assert!(last.iter().any(|count| count.reason == "invited"), "{last:?}");
    assert!(two.host.holds("172.16.16.100".parse().unwrap()).unwrap());
    eventually("it is on one node only", PATIENCE, || {
        !one.host.holds("172.16.16.100".parse().unwrap()).unwrap()
    });
}
