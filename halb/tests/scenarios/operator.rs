//! Orders of an operator, as the traffic feels them.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::process::{Exit, Signal};
use halb_lab::subject::Here;
use halb_lab::{Loopback, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::files::{Files, HALB};
use crate::support::greeters::{Greeter, visit};

/// Three servers that say their names, and what halb needs to stand before them.
struct Pool {
    home: Loopback,
    _servers: [Greeter; 3],
}

const NAMES: [&str; 3] = ["one", "two", "six"];

/// Bytes of each name.
const NAME: usize = 3;

impl Pool {
    fn new() -> Self {
        let home = Loopback::claim().unwrap();
        let servers = [0, 1, 2].map(|n| Greeter::listen(NAMES[n], server(&home, n)));
        Self { home, _servers: servers }
    }

    fn frontend(&self) -> SocketAddr {
        self.home.port(6443)
    }

    fn configuration(&self, rest: &str) -> String {
        let line = |n: usize| format!("{} = \"{}\"\n", NAMES[n], server(&self.home, n));
        format!(
            "[frontend.web]\nbind = [\"{}\"]\nbackend = \"pool\"\n\
             [backend.pool]\non_down_spread = \"0s\"\n\
             check = {{ type = \"tcp\", interval = \"100ms\", timeout = \"10s\", rise = 1 }}\n\
             [backend.pool.server]\n{}\
             [admin]\nhttp = \"{}\"\n{rest}\n",
            self.frontend(),
            [0, 1, 2].map(line).concat(),
            self.home.port(8404),
        )
    }

    /// Who serves how many of `count` new connections.
    fn shares(&self, count: usize) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..count {
            *shares.entry(visit(self.frontend(), NAME).1).or_default() += 1;
        }
        shares
    }

    /// A connection that stands, to the server of that name.
    fn connected_to(&self, name: &str) -> TcpStream {
        let visits = (0..10).map(|_| visit(self.frontend(), NAME));
        visits.into_iter().find(|(_, met)| met == name).expect("one of ten meets it").0
    }
}

fn server(home: &Loopback, index: usize) -> SocketAddr {
    home.port([8001, 8002, 8003][index])
}

fn of(shares: &[(&str, usize)]) -> BTreeMap<String, usize> {
    shares.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// Whether the server at the other end still answers.
fn answers(client: &mut TcpStream) -> bool {
    let mut word = [0; 5];
    client.write_all(b"hello").is_ok() && client.read_exact(&mut word).is_ok() && &word == b"hello"
}

#[test]
fn drain_keeps_connections_maint_ends_them_and_ready_gives_the_share_back() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration(""));
    assert_eq!(pool.shares(9), of(&[("one", 3), ("six", 3), ("two", 3)]));
    let (mut to_two, mut to_one) = (pool.connected_to("two"), pool.connected_to("one"));

    halb.done(&["server", "drain", "pool/two"]);
    assert_eq!(pool.shares(8), of(&[("one", 4), ("six", 4)]));
    assert!(answers(&mut to_two), "drain keeps what is there");

    halb.done(&["server", "maint", "pool/two"]);
    assert!(!answers(&mut to_two), "maintenance doesn't");
    assert!(answers(&mut to_one), "others feel nothing");
    assert_eq!(pool.shares(8), of(&[("one", 4), ("six", 4)]));

    halb.done(&["server", "ready", "pool/two"]);
    halb.wait_for_state("two", "UP");
    assert_eq!(pool.shares(9), of(&[("one", 3), ("six", 3), ("two", 3)]));
}

#[test]
fn a_weight_changes_the_share_until_it_is_taken_back() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration(""));
    halb.done(&["server", "weight", "pool/one", "3"]);
    assert_eq!(pool.shares(15), of(&[("one", 9), ("six", 3), ("two", 3)]));
    halb.done(&["server", "weight", "pool/one", "0"]);
    assert_eq!(pool.shares(6), of(&[("six", 3), ("two", 3)]));
    halb.done(&["server", "weight", "pool/one"]);
    assert_eq!(pool.shares(9), of(&[("one", 3), ("six", 3), ("two", 3)]));
}

#[test]
fn killing_the_sessions_of_a_server_ends_all_of_them_and_no_other() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration(""));
    let mut clients: Vec<_> = (0..30).map(|_| visit(pool.frontend(), NAME)).collect();
    let listed = halb.done(&["sessions", "list", "--server", "pool/two"]);
    assert!(listed.starts_with("10 of 10 connections"), "{listed}");
    assert_eq!(halb.done(&["sessions", "kill", "--server", "pool/two"]), "10 connections ended\n");
    for (client, name) in &mut clients {
        assert_eq!(answers(client), name != "two", "{name}");
    }
    eventually("they are gone from the books", PATIENCE, || {
        (halb.server("two").connections, halb.server("one").connections) == (0, 10)
    });
}

#[test]
fn sigterm_waits_for_a_connection_in_use_and_ends_with_0() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration("[global]\ndrain_timeout = \"1h\""));
    let (mut client, _) = visit(pool.frontend(), NAME);
    halb.signal(Signal::SIGTERM).unwrap();
    halb.wait_for_line("stopping", PATIENCE).unwrap();
    eventually("new clients are refused", PATIENCE, || {
        TcpStream::connect(pool.frontend()).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    });
    assert!(answers(&mut client), "the connection is in use");
    assert_eq!(halb.exit(), None);
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!(halb.wait(PATIENCE).unwrap(), Exit::Code(0));
}

#[test]
fn a_second_sigterm_resets_what_is_left() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration("[global]\ndrain_timeout = \"1h\""));
    let (mut client, _) = visit(pool.frontend(), NAME);
    halb.signal(Signal::SIGTERM).unwrap();
    halb.wait_for_line("stopping", PATIENCE).unwrap();
    halb.signal(Signal::SIGTERM).unwrap();
    assert_eq!(halb.wait(PATIENCE).unwrap(), Exit::Code(0));
    let end = client.read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_second_instance_on_the_same_port_says_so_and_takes_no_client() {
    let pool = Pool::new();
    let halb = Daemon::start(&Here, &pool.configuration(""));
    let others = pool.configuration("").replace(
        &pool.home.port(8404).to_string(),
        &Loopback::claim().unwrap().port(8404).to_string(),
    );
    let files = Files::new(&others);
    let second = files.run(Command::new(HALB)).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&pool.frontend().to_string()), "{said}");
    assert!(said.to_lowercase().contains("in use"), "{said}");
    assert!(!files.path("admin.sock").exists(), "it leaves nothing");
    assert_eq!(pool.shares(9), of(&[("one", 3), ("six", 3), ("two", 3)]));
    assert_eq!(halb.exit(), None);
}

#[test]
fn a_log_that_nobody_reads_delays_no_client_and_what_is_lost_is_counted() {
    /// Names as long as they may be make long lines.
    const LONG: &str = "a-name-of-64-characters-makes-lines-long-and-fills-the-buffers-so";
    /// Between two looks at the count of lost lines.
    const VISITS: usize = 250;
    let pool = Pool::new();
    let name = &LONG[..64];
    let configuration = pool.configuration("[log]\nformat = \"json\"");
    let configuration = configuration.replace("frontend.web", &format!("frontend.{name}"));
    let configuration = configuration.replace("backend.pool", &format!("backend.{name}"));
    let configuration = configuration.replace("\"pool\"", &format!("\"{name}\""));
    let files = Files::new(&configuration);
    let mut command = files.run(Command::new(HALB));
    let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let _log_that_nobody_reads = child.stderr.take();
    eventually("it serves", PATIENCE, || files.halb(&["status"]).code == 0);

    // What the pipe and two buffers of a mebibyte hold, and then some more.
    let mut slowest = Duration::ZERO;
    let deadline = Instant::now() + 2 * PATIENCE;
    while files.status().process.log_lines_dropped == 0 {
        assert!(Instant::now() < deadline, "no line is lost");
        let took = thread::scope(|scope| {
            let visits = || {
                let visit = |_| {
                    let begun = Instant::now();
                    visit(pool.frontend(), NAME);
                    begun.elapsed()
                };
                (0..VISITS).map(visit).max().unwrap()
            };
            let threads = [(); 4].map(|()| scope.spawn(visits));
            threads.map(|thread| thread.join().unwrap()).into_iter().max().unwrap()
        });
        slowest = slowest.max(took);
    }
    println!("slowest visit: {slowest:?}");
    assert!(slowest < PATIENCE / 6, "{slowest:?}");
    assert_eq!(pool.shares(9), of(&[("one", 3), ("six", 3), ("two", 3)]));
    assert_eq!(files.status().backends[0].servers_up, 3, "checks go on");
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let ended = eventually("it ends though nobody reads its last words", PATIENCE, || {
        child.try_wait().unwrap()
    });
    assert_eq!(ended.code(), Some(0));
}
