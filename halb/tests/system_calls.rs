//! How often halb asks the kernel for something: what a request and a connection cost is mostly the
//! kernel's time, and the number of calls is the same on a machine that is busy with other things.
//! HAProxy does the same work in the same test.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use halb_lab::process::Signal;
use halb_lab::subject::{Balancer, Here, Task};
use halb_lab::{Loopback, Process};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// Requests, or connections, that are counted. What a program does once, or by the clock, is below a
/// hundredth of their calls.
const COUNTED: u32 = 2_000;

/// Bytes of a request and of its answer.
const REQUEST: usize = 200;

/// Calls by name, as strace saw them.
#[derive(Debug)]
struct Calls(BTreeMap<String, u32>);

impl Calls {
    /// How often for each request or connection.
    fn each(&self, name: &str) -> f64 {
        f64::from(self.0.get(name).copied().unwrap_or(0)) / f64::from(COUNTED)
    }

    fn all(&self) -> f64 {
        f64::from(self.0.values().sum::<u32>()) / f64::from(COUNTED)
    }
}

/// Answers each request with as many bytes, and connections in turn.
fn serve(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut request = [0; REQUEST];
                while stream.read_exact(&mut request).is_ok() && stream.write_all(&request).is_ok()
                {
                }
            });
        }
    });
}

fn exchange(stream: &mut TcpStream) {
    stream.write_all(&[7; REQUEST]).unwrap();
    stream.read_exact(&mut [0; REQUEST]).unwrap();
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// The calls that a balancer makes during some work, each of its threads.
fn calls_of(balancer: Balancer, work: impl Fn(SocketAddr)) -> Calls {
    let home = Loopback::claim().unwrap();
    let listener = TcpListener::bind(home.free_port().unwrap()).unwrap();
    let task = Task {
        listen: home.free_port().unwrap(),
        servers: vec![listener.local_addr().unwrap()],
        threads: 2,
        connections: 1_000,
        halb: PathBuf::from(env!("CARGO_BIN_EXE_halb")),
    };
    serve(listener);
    let subject = balancer.start(&Here, &task).unwrap();
    exchange(&mut connect(task.listen));

    let directory = TempDir::new().unwrap();
    let summary = directory.path().join("summary");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "calls,name", "-p", &subject.pid().to_string(), "-o"]);
    let strace = Process::spawn({
        strace.arg(&summary);
        strace
    });
    let strace = strace.unwrap();
    strace.wait_for_line("attached", SOON).unwrap();
    work(task.listen);
    strace.signal(Signal::SIGINT).unwrap();
    strace.wait(SOON).unwrap();

    let text = std::fs::read_to_string(&summary).unwrap();
    let row = |line: &str| {
        let (calls, name) = line.trim().split_once(' ')?;
        Some((name.trim().to_owned(), calls.parse().ok()?))
    };
    let mut calls: BTreeMap<String, u32> = text.lines().filter_map(row).collect();
    calls.remove("total");
    assert!(!calls.is_empty(), "{text}");
    Calls(calls)
}

#[test]
#[ignore = "needs haproxy and strace"]
fn a_request_on_a_kept_connection_takes_no_more_calls_than_with_haproxy() {
    let requests = |address| {
        let mut stream = connect(address);
        (0..COUNTED).for_each(|_| exchange(&mut stream));
    };
    let [halb, haproxy] = [Balancer::Halb, Balancer::Haproxy].map(|it| calls_of(it, requests));
    // Read and write towards the server, and back; and a wait for each of the two.
    for (name, most) in [("recvfrom", 2.01), ("sendto", 2.01), ("epoll_wait", 2.05)] {
        assert!(halb.each(name) <= most, "{name}: {halb:#?}");
    }
    assert!(halb.all() <= 6.15, "{halb:#?}");
    assert!(halb.all() <= haproxy.all(), "halb: {halb:#?}\nHAProxy: {haproxy:#?}");
}

#[test]
#[ignore = "needs haproxy and strace"]
fn a_connection_with_one_request_takes_hardly_more_calls_than_with_haproxy() {
    let connections = |address| (0..COUNTED).for_each(|_| exchange(&mut connect(address)));
    let [halb, haproxy] = [Balancer::Halb, Balancer::Haproxy].map(|it| calls_of(it, connections));
    assert!(halb.all() <= haproxy.all() * 1.1, "halb: {halb:#?}\nHAProxy: {haproxy:#?}");
}
