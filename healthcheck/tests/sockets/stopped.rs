//! A server whose process is stopped: the kernel accepts on, and nobody answers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use halb_healthcheck::config::Probe;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{ask, ask_shortly, get, ok, until};

/// Says where the server listens, and makes it stay.
const ANNOUNCE: &str = "HALB_TEST_STAND_IN";

fn answer_one(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 1024];
    // A check of the connection alone sends nothing.
    let _ = stream.read(&mut request);
    let _ = stream.write_all(ok("").as_bytes());
}

/// Run by the other test as a process of its own, where it serves until it is killed.
#[test]
fn the_stand_in_server_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    if std::env::var_os(ANNOUNCE).is_some() {
        println!("{ANNOUNCE} {address}");
        loop {
            answer_one(&listener);
        }
    }
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    answer_one(&listener);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, ok(""));
}

/// The server process; ends with the test.
struct StandIn(Child);

impl StandIn {
    fn start() -> (Self, SocketAddr) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stopped::the_stand_in_server_answers", "--nocapture"])
            .env(ANNOUNCE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let server = Self(child);
        let address = output
            .lines()
            .find_map(|line| line.unwrap().split(&format!("{ANNOUNCE} ")).nth(1)?.parse().ok());
        (server, address.expect("it announces its address"))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    /// Returns when no thread of it runs any more.
    async fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        until("it has stopped", async || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
            let stats = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("stat")));
            let stopped = |stat: String| stat.rsplit(") ").next().unwrap().starts_with('T');
            stats.map(Result::unwrap).all(stopped).then_some(())
        })
        .await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_stopped_server_passes_a_bare_connection_but_no_request() {
    let (server, address) = StandIn::start();
    assert_eq!(ask(address, Probe::Http(get("/"))).await.0, "L7OK");
    server.stop().await;
    assert_eq!(ask_shortly(address, Probe::Http(get("/"))).await.0, "L7TOUT");
    assert_eq!(ask(address, Probe::Tcp).await.0, "L4OK", "why tcp checks are not enough");
    server.signal(Signal::SIGCONT);
    assert_eq!(ask(address, Probe::Http(get("/"))).await.0, "L7OK");
}
