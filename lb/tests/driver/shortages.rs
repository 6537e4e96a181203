//! This host runs out of descriptors, ports or pipes: nobody spins, no server is blamed, and all
//! goes on when there is enough again.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use halb_lab::{Host, Lab};
use halb_lb::config::Backend;
use halb_lb::snapshot::{Cause, Phase, ServerSnapshot, Termination};
use socket2::{Domain, SockRef, Socket, Type};

use crate::common::{
    PATIENCE, Running, backend, eventually, frontend, greeter, patterned, start, take,
};
use crate::part::{self, Part};

/// Opens clients one by one, each served before the next, until the engine is short of
/// descriptors. The last one isn't served.
fn clients_until_short(engine: &Part) -> (Vec<TcpStream>, TcpStream) {
    let mut served = Vec::new();
    loop {
        let mut client = engine.connect();
        let is_short = |figures: &std::collections::HashMap<String, u64>| {
            figures["is_short"] == 1 || figures["local_errors"] > 0
        };
        eventually("it is served, or the engine is short", || {
            let figures = engine.figures();
            is_short(&figures) || figures["established"] > served.len() as u64
        });
        if is_short(&engine.figures()) {
            return (served, client);
        }
        assert_eq!(take(&mut client, 1), "x");
        served.push(client);
    }
}

/// True if the server's greeting has come.
fn is_served(client: &mut TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    match client.read(&mut [0; 1]) {
        Ok(count) => count == 1,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("a waiting client was closed: {error}"),
    }
}

/// The engine works little although it is short of something.
fn assert_rests(engine: &Part) {
    let before = engine.cpu_time();
    thread::sleep(Duration::from_secs(1));
    let worked = engine.cpu_time() - before;
    assert!(worked < Duration::from_millis(300), "{worked:?} of work in a second of shortage");
}

#[test]
fn without_descriptors_accepting_rests_and_goes_on_when_there_are_some() {
    // An even number is left for connections, so that accept is the call that fails.
    let engine = Part::engine(4_096, even_for_connections(), &[greeter("x")]);
    let (served, first) = clients_until_short(&engine);
    let mut waiting: Vec<_> = (0..30).map(|_| engine.connect()).collect();
    waiting.push(first);
    assert_rests(&engine);
    let figures = engine.figures();
    assert_eq!((figures["is_short"], figures["local_errors"]), (1, 0), "{figures:?}");
    assert!(figures["accept_pauses"] < 60, "tried every 100 ms: {figures:?}");
    drop(served);
    eventually("all are served", || {
        waiting.retain_mut(|client| !is_served(client));
        waiting.is_empty()
    });
    let figures = engine.figures();
    assert_eq!((figures["is_short"], figures["connect_errors"]), (0, 0), "{figures:?}");
}

#[test]
fn a_connect_without_a_descriptor_blames_no_server_and_is_tried_again() {
    let engine = Part::engine(4_096, even_for_connections() + 1, &[greeter("x"), greeter("x")]);
    let (mut served, mut client) = clients_until_short(&engine);
    eventually("the connect failed", || engine.figure("local_errors") > 0);
    assert_rests(&engine);
    served.pop();
    assert_eq!(take(&mut client, 1), "x");
    assert_eq!(engine.figure("connect_errors"), 0);
}

/// A small limit under which an engine has an even number of descriptors left for connections.
fn even_for_connections() -> u64 {
    let held = Part::engine(4_096, FEW, &[]).descriptors_below(FEW);
    FEW + held % 2
}

/// Descriptors that are soon used up.
const FEW: u64 = 64;

#[test]
fn an_engine_that_has_too_few_descriptors_to_start_says_so_and_ends() {
    let arguments = ["engine", "4096", "127.0.0.1:1"].map(str::to_owned);
    let fewest = (4..64).find(|allowed| {
        let mut command = part::command(*allowed, &arguments);
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut errors = child.stderr.take().unwrap();
        drop(child.stdin.take()); // it ends at once if it starts
        let reader = thread::spawn(move || errors.read_to_string(&mut said).map(|_| said));
        let mut exit = None;
        eventually("it starts or ends", || {
            exit = child.try_wait().unwrap();
            exit.is_some()
        });
        let said = reader.join().unwrap().unwrap();
        let started = exit.unwrap().success();
        assert!(started || !said.contains("panicked"), "with {allowed} descriptors: {said}");
        started
    });
    assert!(fewest.is_some_and(|fewest| fewest > 8), "it starts with {fewest:?} descriptors");
}

/// A host of its own whose connections have four ports to leave from.
fn host_with_four_ports() -> (Lab, Host) {
    let lab = Lab::new().unwrap();
    let host = lab.host("loadbalancer01", "172.16.16.51/24").unwrap();
    host.run(|| fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003").unwrap());
    (lab, host)
}

/// An engine on that host before servers on ports 6443 and up, one for each name.
fn engine_on(host: &Host, names: &[&'static str], change: impl Fn(&mut Backend)) -> Running {
    let listeners = (6443..).zip(names).map(|(port, name)| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        crate::common::greet(host.run(|| TcpListener::bind(address).unwrap()), name)
    });
    let mut front = frontend("back");
    front.binds = vec!["127.0.0.1:7443".parse().unwrap()];
    let mut to = backend("back", &listeners.collect::<Vec<_>>());
    to.connect_timeout = Duration::from_millis(200); // also the pause before the next attempt
    change(&mut to);
    host.run(|| start(vec![front.clone()], vec![to.clone()]))
}

/// A client whose own port isn't one of the four.
fn client_from(host: &Host, port: u16, to: SocketAddr) -> TcpStream {
    let client = host.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        TcpStream::from(socket)
    });
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn first_server(running: &Running) -> ServerSnapshot {
    running.engine.handle().snapshot().backends[0].servers[0].clone()
}

fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
#[ignore = "needs root"]
fn ports_that_run_out_are_this_hosts_fault_and_a_freed_one_is_used() {
    let (_lab, host) = host_with_four_ports();
    let running = engine_on(&host, &["x"], |to| to.retries = 100);
    let mut clients: Vec<_> =
        (50_000..50_004).map(|port| client_from(&host, port, running.address)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    let mut fifth = client_from(&host, 50_004, running.address);
    eventually("no port is left", || first_server(&running).local_errors > 0);
    reset(clients.remove(0));
    assert_eq!(take(&mut fifth, 1), "x");
    let server = first_server(&running);
    assert_eq!((server.established, server.connect_errors), (5, 0));
    assert!(running.failures.try_recv().is_err(), "no check is brought forward");
}

#[test]
#[ignore = "needs root"]
fn a_connection_that_finds_no_port_ends_with_rc() {
    let (_lab, host) = host_with_four_ports();
    let running = engine_on(&host, &["x"], |to| to.retries = 1);
    let mut clients: Vec<_> =
        (50_000..50_004).map(|port| client_from(&host, port, running.address)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    let mut fifth = client_from(&host, 50_004, running.address);
    assert!(fifth.read(&mut [0; 1]).is_err(), "reset");
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Resource, Phase::Connect));
    assert_eq!(record.retries, 1);
    let server = first_server(&running);
    assert_eq!((server.local_errors, server.connect_errors), (2, 0));
}

#[test]
#[ignore = "needs root"]
fn with_a_source_address_each_server_has_all_ports() {
    let (_lab, host) = host_with_four_ports();
    let running = engine_on(&host, &["x", "x"], |to| {
        to.source = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    });
    let mut clients: Vec<_> =
        (50_000..50_008).map(|port| client_from(&host, port, running.address)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    let snapshot = running.engine.handle().snapshot();
    let servers = &snapshot.backends[0].servers;
    assert_eq!([servers[0].connections, servers[1].connections], [4, 4], "eight out of four");
    assert_eq!(servers[0].local_errors + servers[1].local_errors, 0);
}

/// Bulk streams at a time: more than there are pipes.
const STREAMS: usize = 120;

/// Most pipes of a process.
const PIPES_MAX: u64 = 96;

/// Bytes of each stream: several times what the kernel's buffers on the way hold.
const STREAM_LEN: usize = 3 << 20;

/// Small segments, so that the kernel's buffers stay small too: they are sized by segments.
fn with_small_segments(socket: &SockRef<'_>) {
    socket.set_tcp_mss(1_400).unwrap();
}

/// A server that sends each client the same bytes.
fn bulk_server(payload: &Arc<[u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    with_small_segments(&SockRef::from(&listener));
    let address = listener.local_addr().unwrap();
    let payload = Arc::clone(payload);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let payload = Arc::clone(&payload);
            thread::spawn(move || stream.unwrap().write_all(&payload));
        }
    });
    address
}

#[test]
fn more_bulk_streams_than_pipes_are_copied_and_every_byte_arrives() {
    let payload: Arc<[u8]> = patterned(7, STREAM_LEN).into();
    let running = start(vec![frontend("back")], vec![backend("back", &[bulk_server(&payload)])]);
    let mut clients: Vec<_> = (0..STREAMS)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            with_small_segments(&SockRef::from(&socket));
            socket.connect(&running.address.into()).unwrap();
            TcpStream::from(socket)
        })
        .collect();
    let handle = running.engine.handle();
    let pipes = || handle.snapshot().process.pipes;
    // Nobody reads: each stream stops with bytes under way, in a pipe as far as there are any.
    eventually("every pipe is taken", || pipes() == PIPES_MAX);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(pipes());
                thread::sleep(Duration::from_millis(1));
            }
            most
        });
        let readers: Vec<_> = clients
            .chunks_mut(STREAMS / 4)
            .map(|clients| {
                scope.spawn(|| {
                    for client in clients {
                        let mut received = Vec::with_capacity(STREAM_LEN);
                        client.set_read_timeout(Some(PATIENCE)).unwrap();
                        client.read_to_end(&mut received).unwrap();
                        assert!(received[..] == payload[..], "{} bytes", received.len());
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
        assert!(watch.join().unwrap() <= PIPES_MAX);
    });
    drop(clients);
    eventually("all have ended", || handle.connections() == 0);
    assert!(pipes() <= 16, "{} pipes are kept: eight for each worker", pipes());
}
