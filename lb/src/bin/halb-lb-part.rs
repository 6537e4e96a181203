//! One part of a test in a process of its own, where the limits of a process, or what it holds,
//! are what the test is about: an engine, a server, or clients that keep their connections.
//!
//! It says where it listens on its first line. Then commands come as lines on standard input, each
//! answered by one line; the end of the input is its own end, so that it never outlives a test.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use std::{env, process, thread};

use halb_lb::config::{
    Backend, Balance, Config, Frontend, OnDown, QueueLimit, Server, SideOptions, Weight,
};
use halb_lb::driver::{Engine, Handle, Options};
use halb_lb::names::{BackendName, FrontendName, ServerName};
use halb_lb::snapshot::AcceptPause;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::SockRef;

const USAGE: &str = "usage: halb-lb-part engine FD_LIMIT SERVER… | server | clients ADDRESS";

/// Long enough for whatever a test does to an engine that is short of everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients in the middle of being opened; fewer than any backlog holds.
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["engine", fd_limit, servers @ ..] => engine(fd_limit.parse()?, servers),
        ["server"] => server(),
        ["clients", address] => clients(address.parse()?),
        _ => Err(USAGE.into()),
    }
}

/// Answers each command by `answer` until the input ends.
fn obey(
    mut answer: impl FnMut(&str) -> Result<String, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lines() {
        println!("{}", answer(&line?)?);
    }
    Ok(())
}

/// `figures` is answered with counters, `sessions` with how many are listed.
fn engine(fd_limit: u64, servers: &[&str]) -> Result<(), Box<dyn Error>> {
    let options = Options {
        workers: 2,
        fd_limit,
        fds_elsewhere: 0,
        records: None,
        connect_failed: Arc::new(|_| {}),
    };
    let engine = Engine::start(config(servers)?, options)?;
    let handle = engine.handle();
    println!("{}", handle.snapshot().frontends[0].listeners[0].address);
    obey(|command| match command {
        "figures" => Ok(figures(&handle)),
        "sessions" => Ok(handle.sessions(None, usize::MAX).len().to_string()),
        _ => Err("unknown command".into()),
    })
}

fn figures(handle: &Handle) -> String {
    let snapshot = handle.snapshot();
    let process = &snapshot.process;
    let servers = || snapshot.backends[0].servers.iter();
    let listener = &snapshot.frontends[0].listeners[0];
    let figures = [
        ("connections", process.connections),
        ("connections_max", process.connections_max),
        ("frontend_connections", snapshot.frontends[0].connections),
        ("server_connections", servers().map(|server| server.connections).sum()),
        ("worker_sessions", process.workers.iter().map(|worker| worker.sessions).sum()),
        ("accepted", snapshot.frontends[0].accepted),
        ("established", servers().map(|server| server.established).sum()),
        ("connect_errors", servers().map(|server| server.connect_errors).sum()),
        ("local_errors", servers().map(|server| server.local_errors).sum()),
        ("pipes", process.pipes),
        ("accept_pauses", process.accept_pauses),
        ("is_short", u64::from(listener.paused == Some(AcceptPause::Shortage))),
        ("is_full", u64::from(listener.paused == Some(AcceptPause::Full))),
    ];
    figures.map(|(name, figure)| format!("{name}={figure}")).join(" ")
}

fn config(servers: &[&str]) -> Result<Config, Box<dyn Error>> {
    let side = SideOptions { keepalive: None, user_timeout: None, fin_timeout: PATIENCE };
    let servers: Result<Vec<Server>, Box<dyn Error>> = servers
        .iter()
        .enumerate()
        .map(|(index, address)| {
            Ok(Server {
                name: ServerName::new(&format!("s{index}"))?,
                address: Some(address.parse()?),
                weight: Weight::DEFAULT,
                backup: false,
                maxconn: None,
            })
        })
        .collect();
    let backend = Backend {
        name: BackendName::new("back")?,
        balance: Balance::RoundRobin,
        servers: servers?,
        // Also the pause between two attempts.
        connect_timeout: Duration::from_millis(500),
        retries: 100,
        redispatch: true,
        queue: QueueLimit { max: 1024, timeout: PATIENCE },
        on_down: OnDown::Keep,
        slow_start: None,
        server: side,
        source: None,
        send_proxy: None,
    };
    let frontend = Frontend {
        name: FrontendName::new("front")?,
        binds: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        default_backend: Some(backend.name.clone()),
        routes: Vec::new(),
        maxconn: None,
        backlog: NonZeroU32::MIN.saturating_add(4095),
        accept_rate: None,
        allow: Vec::new(),
        deny: Vec::new(),
        accept_proxy: false,
        inspect_timeout: PATIENCE,
        idle_timeout: None,
        max_age: None,
        client: side,
        access_log: false,
    };
    Ok(Config::new(vec![frontend], vec![backend], None)?)
}

/// Greets each client with one byte and keeps it until it leaves.
fn server() -> Result<(), Box<dyn Error>> {
    const LISTENER: Token = Token(usize::MAX);
    let mut listener = mio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    SockRef::from(&listener).listen(4096)?;
    println!("{}", listener.local_addr()?);
    thread::spawn(|| {
        let ended = obey(|_| Err("no commands".into()));
        process::exit(i32::from(ended.is_err()));
    });
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Slab<mio::net::TcpStream> = Slab::new();
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let left = |mut client: &mio::net::TcpStream| match client.read(&mut [0; 64]) {
                    Ok(count) => count == 0,
                    Err(error) => error.kind() != io::ErrorKind::WouldBlock,
                };
                if clients.get(event.token().0).is_some_and(left) {
                    clients.remove(event.token().0);
                }
                continue;
            }
            while let Ok((mut client, _)) = listener.accept() {
                // A client that left already is noticed by the poll.
                let _ = client.write(b"x");
                let entry = clients.vacant_entry();
                poll.registry().register(&mut client, Token(entry.key()), Interest::READABLE)?;
                entry.insert(client);
            }
        }
    }
}

/// `open N` connects so many and waits until each was greeted; `close N` leaves with the oldest.
fn clients(engine: SocketAddr) -> Result<(), Box<dyn Error>> {
    println!("{engine}");
    let mut held: VecDeque<TcpStream> = VecDeque::new();
    obey(|command| {
        let (verb, count) = command.split_once(' ').ok_or("a verb and a number")?;
        let count: usize = count.parse()?;
        if verb == "close" {
            held.drain(..count.min(held.len()));
            return Ok(held.len().to_string());
        }
        let wanted = held.len() + count;
        while held.len() < wanted {
            let first = held.len();
            for _ in first..wanted.min(first + BATCH) {
                let client = TcpStream::connect(engine)?;
                client.set_read_timeout(Some(PATIENCE))?;
                held.push_back(client);
            }
            for client in held.range_mut(first..) {
                client.read_exact(&mut [0; 1])?;
            }
        }
        Ok(held.len().to_string())
    })
}
