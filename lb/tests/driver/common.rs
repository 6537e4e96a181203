//! What the tests of the driver share: a running engine before servers of the test's own, all on
//! loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use halb_lb::config::{
    Backend, Balance, Config, Frontend, OnDown, QueueLimit, Server, SideOptions, Weight,
};
use halb_lb::driver::{Engine, Options};
use halb_lb::names::{BackendName, FrontendName, ServerName, ServerRef};
use halb_lb::snapshot::ConnectionRecord;

/// Longest wait for anything in a test; far above what it takes, so that only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn sides() -> SideOptions {
    SideOptions { keepalive: None, user_timeout: None, fin_timeout: Duration::from_secs(30) }
}

pub(crate) fn frontend(backend: &str) -> Frontend {
    Frontend {
        name: FrontendName::new("front").unwrap(),
        binds: vec!["127.0.0.1:0".parse().unwrap()],
        default_backend: Some(BackendName::new(backend).unwrap()),
        routes: Vec::new(),
        maxconn: None,
        backlog: NonZeroU32::new(1024).unwrap(),
        accept_rate: None,
        allow: Vec::new(),
        deny: Vec::new(),
        accept_proxy: false,
        inspect_timeout: Duration::from_secs(5),
        idle_timeout: None,
        max_age: None,
        client: sides(),
        access_log: true,
    }
}

pub(crate) fn backend(name: &str, servers: &[SocketAddr]) -> Backend {
    let server = |(index, address): (usize, &SocketAddr)| Server {
        name: ServerName::new(&format!("s{index}")).unwrap(),
        address: Some(*address),
        weight: Weight::DEFAULT,
        backup: false,
        maxconn: None,
    };
    Backend {
        name: BackendName::new(name).unwrap(),
        balance: Balance::RoundRobin,
        servers: servers.iter().enumerate().map(server).collect(),
        connect_timeout: Duration::from_secs(2),
        retries: 3,
        redispatch: true,
        queue: QueueLimit { max: 1024, timeout: Duration::from_secs(5) },
        on_down: OnDown::Reset { spread: Duration::ZERO },
        slow_start: None,
        server: sides(),
        source: None,
        send_proxy: None,
    }
}

/// A running engine, its address and its access log.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    pub(crate) records: Receiver<Box<ConnectionRecord>>,
    pub(crate) failures: Receiver<ServerRef>,
}

pub(crate) fn start(frontends: Vec<Frontend>, backends: Vec<Backend>) -> Running {
    start_with(frontends, backends, 4096)
}

pub(crate) fn start_with(
    frontends: Vec<Frontend>,
    backends: Vec<Backend>,
    fd_limit: u64,
) -> Running {
    start_config(Config::new(frontends, backends, None).unwrap(), fd_limit)
}

pub(crate) fn start_config(config: Config, fd_limit: u64) -> Running {
    let (record_sink, records) = sync_channel(1024);
    let (failed, failures) = sync_channel(1024);
    let engine = Engine::start(
        config,
        Options {
            workers: 2,
            fd_limit,
            fds_elsewhere: 0,
            records: Some(record_sink),
            connect_failed: Arc::new(move |server| drop(failed.try_send(server.clone()))),
        },
    )
    .unwrap();
    let address = engine.handle().snapshot().frontends[0].listeners[0].address;
    Running { engine, address, records, failures }
}

/// A client.
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Running {
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    pub(crate) fn record(&self) -> ConnectionRecord {
        *self.records.recv_timeout(PATIENCE).expect("a connection ends with a record")
    }
}

/// True if no byte of the only session has moved for a while, and not just because its worker was
/// kept from running: it goes round once between the two looks.
pub(crate) fn is_stuck(running: &Running) -> bool {
    let handle = running.engine.handle();
    let is_idle = || handle.sessions(None, 1)[0].idle > Duration::from_millis(300);
    is_idle() && is_idle()
}

/// A server that says its name first, then echoes.
pub(crate) fn greeter(name: &'static str) -> SocketAddr {
    greet(TcpListener::bind("127.0.0.1:0").unwrap(), name)
}

/// Makes a greeter of a listener.
pub(crate) fn greet(listener: TcpListener, name: &'static str) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let _ = stream.write_all(name.as_bytes());
                let mut buffer = [0; 4096];
                while let Ok(count) = stream.read(&mut buffer) {
                    if count == 0 || stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Reads exactly so many bytes as text.
pub(crate) fn take(stream: &mut TcpStream, count: usize) -> String {
    let mut buffer = vec![0; count];
    stream.read_exact(&mut buffer).unwrap();
    String::from_utf8(buffer).unwrap()
}

/// Bytes that tell where they were taken from: no stretch of them repeats another.
pub(crate) fn patterned(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // An LCG (Knuth's MMIX); its upper half is as good as random for this.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    bytes.truncate(len);
    bytes
}

/// Polls until it is so.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
