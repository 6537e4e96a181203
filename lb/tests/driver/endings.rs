//! How sessions end on real sockets: FIN and RST in each order, from each side.

use std::io::{IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use halb_lb::config::{Config, Frontend};
use halb_lb::driver::{Engine, Options, SessionFilter};
use halb_lb::snapshot::{Cause, Health, Phase, Termination};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, getpeername, sendmsg};
use socket2::SockRef;

use crate::common::{
    PATIENCE, Running, backend, eventually, frontend, greeter, is_stuck, start, take,
};

/// A client and the server's end of the same session, with halb in between.
struct Pair {
    running: Running,
    client: TcpStream,
    server: TcpStream,
}

fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = engine_before(&listener);
    let client = running.connect();
    let (server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let handle = running.engine.handle();
    eventually("the session stands", || handle.snapshot().backends[0].servers[0].established == 1);
    Pair { running, client, server }
}

fn engine_before(listener: &TcpListener) -> Running {
    let address: SocketAddr = listener.local_addr().unwrap();
    start(vec![frontend("back")], vec![backend("back", &[address])])
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

fn is_reset(stream: &mut TcpStream) -> bool {
    stream
        .read(&mut [0; 16])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_client_that_is_done_first_still_gets_its_answer() {
    let Pair { running, mut client, mut server } = pair();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"question", "all bytes, then the FIN");
    server.write_all(b"answer").unwrap();
    drop(server);
    assert_eq!(rest(&mut client), b"answer");
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Normal, Phase::Done));
    assert_eq!((record.bytes_in, record.bytes_out), (8, 6));
}

#[test]
fn a_server_that_is_done_first_still_hears_the_client() {
    let Pair { running, mut client, mut server } = pair();
    server.write_all(b"banner").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"banner");
    client.write_all(b"late words").unwrap();
    drop(client);
    assert_eq!(rest(&mut server), b"late words");
    assert_eq!(running.record().termination, Termination(Cause::Normal, Phase::Done));
}

#[test]
fn a_clients_reset_reaches_the_server() {
    let Pair { running, client, mut server } = pair();
    reset(client);
    assert!(is_reset(&mut server));
    assert_eq!(running.record().termination, Termination(Cause::Client, Phase::Data));
}

#[test]
fn a_servers_reset_reaches_the_client() {
    let Pair { running, mut client, server } = pair();
    reset(server);
    assert!(is_reset(&mut client));
    assert_eq!(running.record().termination, Termination(Cause::Server, Phase::Data));
}

#[test]
fn an_answer_before_a_reset_is_delivered_first() {
    let Pair { running: _running, mut client, mut server } = pair();
    client.write_all(&[7; 100_000]).unwrap();
    server.write_all(b"413 too large").unwrap();
    drop(server); // with unread bytes: the kernel sends a reset
    let mut answer = [0; 13];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"413 too large");
}

#[test]
fn a_reset_after_half_close_ends_both_directions() {
    let Pair { running: _running, mut client, mut server } = pair();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"");
    reset(server);
    assert!(is_reset(&mut client));
}

#[test]
fn a_client_that_leaves_while_halb_connects_costs_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).listen(0).unwrap();
    let full = fill_accept_queue(listener.local_addr().unwrap());
    let running = engine_before(&listener);
    let client = running.connect();
    let handle = running.engine.handle();
    eventually("the connect is under way", || handle.sessions(None, 10).len() == 1);
    reset(client);
    assert_eq!(running.record().termination, Termination(Cause::Client, Phase::Connect));
    drop(full);
}

/// Fills the accept queue of a listener that nobody accepts from: further SYNs are dropped, as by
/// a host that is gone.
fn fill_accept_queue(address: SocketAddr) -> Vec<TcpStream> {
    let mut filling = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        filling.push(stream);
        assert!(filling.len() < 64, "the queue never fills");
    }
    filling
}

#[test]
fn a_black_holed_connect_ends_by_its_own_timeout_and_moves_on() {
    let black_hole = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&black_hole).listen(0).unwrap();
    let hole = black_hole.local_addr().unwrap();
    let _full = fill_accept_queue(hole);
    let good = greeter("g");
    let mut to = backend("back", &[hole, good]);
    to.connect_timeout = Duration::from_millis(150);
    let running = start(vec![frontend("back")], vec![to]);
    for _ in 0..2 {
        assert_eq!(take(&mut running.connect(), 1), "g");
    }
    let snapshot = running.engine.handle().snapshot();
    assert_eq!(snapshot.backends[0].redispatches, 1);
    assert_eq!(snapshot.backends[0].servers[0].connect_errors, 1);
}

#[test]
fn sessions_of_a_server_that_goes_down_are_reset() {
    let Pair { running, mut client, mut server } = pair();
    let handle = running.engine.handle();
    let reference = handle.sessions(None, 1)[0].server.clone().unwrap();
    handle.set_health(&reference, Health::Down);
    assert!(is_reset(&mut client));
    assert!(is_reset(&mut server));
    assert_eq!(running.record().termination, Termination(Cause::Down, Phase::Data));
}

#[test]
fn a_killed_session_is_reset_on_both_sides() {
    let Pair { running, mut client, mut server } = pair();
    let handle = running.engine.handle();
    let id = handle.sessions(None, 10)[0].id;
    assert_eq!(handle.kill(&SessionFilter::Id(id)), 1);
    assert!(is_reset(&mut client) && is_reset(&mut server));
    assert_eq!(running.record().termination.0, Cause::Killed);
    assert_eq!(handle.kill(&SessionFilter::All), 0);
    eventually("its server is free again", || {
        handle.snapshot().backends[0].servers[0].connections == 0
    });
}

#[test]
fn stopping_waits_for_sessions_and_resets_the_rest() {
    let Pair { running, mut client, server: _server } = pair();
    let address = running.address;
    let hurry = running.engine.hurry();
    let stopping = thread::spawn(move || running.engine.stop(PATIENCE));
    eventually("no new connection is accepted", || TcpStream::connect(address).is_err());
    client.write_all(b"still served").unwrap();
    hurry.now();
    assert!(stopping.join().unwrap().remaining >= 1, "the session was still open");
    assert!(is_reset(&mut client));
}

#[test]
fn a_worker_that_is_stuck_does_not_hold_up_the_end() {
    let (stuck, is_stuck) = mpsc::channel();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config::new(vec![frontend("back")], vec![backend("back", &[nobody])], None);
    let options = Options {
        workers: 1,
        fd_limit: 1024,
        fds_elsewhere: 0,
        records: None,
        // Against its contract, it blocks.
        connect_failed: Arc::new(move |_| {
            stuck.send(()).unwrap();
            thread::park();
        }),
    };
    let engine = Engine::start(config.unwrap(), options).unwrap();
    let address = engine.handle().snapshot().frontends[0].listeners[0].address;
    let _client = TcpStream::connect(address).unwrap();
    is_stuck.recv_timeout(PATIENCE).unwrap();
    let begin = Instant::now();
    assert_eq!(engine.stop(Duration::ZERO).remaining, 1);
    assert!(begin.elapsed() < PATIENCE, "it took {:?}", begin.elapsed());
}

#[test]
fn a_reader_that_sleeps_stops_the_writer_and_gets_every_byte() {
    let Pair { running, mut client, mut server } = pair();
    server.set_nonblocking(true).unwrap();
    let chunk = vec![42; 1 << 16];
    let mut sent = 0;
    // The server writes until nothing moves any more: both kernels and halb are full.
    eventually("the writer is stopped", || {
        match server.write(&chunk) {
            Ok(count) => sent += count,
            Err(_) => return is_stuck(&running),
        }
        false
    });
    assert!(sent < 64 << 20, "back pressure reached the server after {sent} bytes");
    server.set_nonblocking(false).unwrap();
    drop(server);
    let mut received = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        assert!(buffer[..count].iter().all(|byte| *byte == 42));
        received += count;
    }
    assert_eq!(received, sent);
}

/// Keeps this process's socket with that peer open, whatever becomes of its descriptor, as a child
/// does between fork and exec: a message on its way holds it.
fn hold_open(peer: SocketAddr) -> [UnixDatagram; 2] {
    let (here, there) = UnixDatagram::pair().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut numbers =
        descriptors.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
    let is_the_one = |number: &RawFd| {
        let found = getpeername::<SockaddrStorage>(*number).ok();
        let found = found.as_ref().and_then(SockaddrStorage::as_sockaddr_in);
        found.is_some_and(|found| SocketAddr::V4((*found).into()) == peer)
    };
    let found = [numbers.find(is_the_one).unwrap()];
    let rights = [ControlMessage::ScmRights(&found)];
    let text = [IoSlice::new(b"x")];
    sendmsg::<()>(here.as_raw_fd(), &text, &rights, MsgFlags::empty(), None).unwrap();
    [here, there]
}

#[test]
fn a_closed_socket_that_a_child_still_holds_disturbs_no_later_session() {
    let front = Frontend { accept_proxy: true, ..frontend("back") };
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    let handle = running.engine.handle();
    let mut first = running.connect();
    first.write_all(b"PROXY UNKNOWN\r\n").unwrap();
    assert_eq!(take(&mut first, 1), "x");
    let _held = hold_open(first.local_addr().unwrap());
    assert_eq!(handle.kill(&SessionFilter::All), 1);
    eventually("it is gone", || handle.connections() == 0);

    // One of them has the place of the first, whichever thread it was at.
    let mut next: Vec<_> = (0..4).map(|_| running.connect()).collect();
    eventually("they are there", || handle.connections() == 4);
    reset(first);
    for client in &mut next {
        client.write_all(b"PROXY UNKNOWN\r\n").unwrap();
        assert_eq!(take(client, 1), "x");
    }
}
