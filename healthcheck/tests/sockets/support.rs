//! Servers that answer, stay silent or misbehave, and checks of them.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_healthcheck::Checks;
use halb_healthcheck::config::{
    Check, HttpProbe, Initial, Pace, Probe, Target, Threshold, TlsOptions, Verify,
};
use halb_healthcheck::outcome::Outcome;
use halb_healthcheck::status::LastCheck;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Long enough for any answer on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Short: for servers that are not going to answer.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn target(address: SocketAddr, probe: Probe) -> Target {
    let count = |n| NonZeroU32::new(n).unwrap();
    Target {
        id: "b/s".into(),
        address,
        check: Check {
            probe,
            pace: Pace {
                interval: ms(100),
                fast_interval: None,
                down_interval: None,
                timeout: PATIENCE,
            },
            threshold: Threshold { rise: count(2), fall: count(3) },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}

pub(crate) fn get(path: &str) -> HttpProbe {
    HttpProbe {
        method: "GET".into(),
        path: path.into(),
        host: None,
        headers: Vec::new(),
        bearer_token_file: None,
        expect_status: vec![200..=299],
        expect_body: None,
    }
}

pub(crate) fn unverified() -> TlsOptions {
    TlsOptions { verify: Verify::None, server_name: None, client: None }
}

/// Code and detail of one check.
pub(crate) async fn ask(address: SocketAddr, probe: Probe) -> (&'static str, String) {
    told(&ask_once(target(address, probe)).await.outcome)
}

/// The same with little time.
pub(crate) async fn ask_shortly(address: SocketAddr, probe: Probe) -> (&'static str, String) {
    let mut target = target(address, probe);
    target.check.pace.timeout = SHORT;
    let LastCheck { outcome, took, .. } = ask_once(target).await;
    assert!(took < PATIENCE, "{took:?}");
    told(&outcome)
}

/// The first check of a target, and the only one.
pub(crate) async fn ask_once(mut target: Target) -> LastCheck {
    target.check.pace.interval = PATIENCE;
    let (checks, _events) = Checks::start(7);
    checks.apply(vec![target]).await;
    let last = until("a check", async || checks.status().await.remove(0).last).await;
    checks.shutdown().await;
    last
}

fn told(outcome: &Outcome) -> (&'static str, String) {
    (outcome.code().as_str(), outcome.detail().to_owned())
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port that refuses unless somebody listens, and that nobody else gets meanwhile.
pub(crate) struct Port {
    placeholder: Socket,
}

impl Port {
    pub(crate) fn new() -> Self {
        let placeholder = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // So that another socket can listen beside it.
        placeholder.set_reuse_address(true).unwrap();
        placeholder.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        Self { placeholder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.placeholder.local_addr().unwrap().as_socket().unwrap()
    }

    /// Accepts connections until it is dropped.
    pub(crate) fn listen(&self) -> std::net::TcpListener {
        std::net::TcpListener::bind(self.address()).unwrap()
    }
}

/// Accepts and says nothing, ever.
pub(crate) async fn silent() -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// What a server saw of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) peer: SocketAddr,
    pub(crate) head: String,
}

/// Answers every request with these bytes and closes; tells the requests.
pub(crate) async fn answering(
    answer: impl Into<Vec<u8>>,
) -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
    let answer: Arc<[u8]> = answer.into().into();
    let (listener, address) = listener().await;
    let (seen, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let (answer, seen) = (answer.clone(), seen.clone());
            tokio::spawn(async move {
                let head = read_head(&mut stream).await;
                // The test may not be interested, and the client may have enough.
                let _ = seen.send(Seen { peer, head });
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    (address, requests)
}

pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    // A client may speak TLS to it.
    String::from_utf8_lossy(&head).into_owned()
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Polls until it is so; panics when patience is over.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(ms(5)).await;
    }
}
