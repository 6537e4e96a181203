//! HAProxy's two characters of each way in which a TCP session ends (configuration.txt, "Session
//! state at disconnection"), produced on real sockets.
//!
//! `PC`, which HAProxy writes when its own process has no socket left, is `RC` here: that limit is
//! the host's.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::time::Duration;

use halb_lb::config::{Backend, Frontend, QueueLimit, SideOptions};
use halb_lb::driver::SessionFilter;
use halb_lb::snapshot::{Cause, ConnectionRecord, Health, Phase, Termination};
use socket2::SockRef;

use crate::common::{
    PATIENCE, Running, backend, eventually, frontend, greeter, is_stuck, sides, start, take,
};

/// A timeout that is meant to pass.
const BRIEF: Duration = Duration::from_millis(150);

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A listener whose queue is full, as silent as a host that is gone, and what fills it.
fn black_hole() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let filling = std::iter::from_fn(connect).take(64).collect::<Vec<_>>();
    assert!(filling.len() < 64, "the queue never fills");
    (listener, filling)
}

/// A session that stands: the engine, the client, the server's end.
fn standing(front: Frontend, change: impl Fn(&mut Backend)) -> (Running, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut to = backend("back", &[listener.local_addr().unwrap()]);
    change(&mut to);
    let running = start(vec![front], vec![to]);
    let mut client = running.connect();
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.write_all(b"x").unwrap();
    assert_eq!(take(&mut client, 1), "x");
    (running, client, server)
}

/// An engine before a server with one place, which is taken; and who took it.
fn at_its_limit(queue: QueueLimit) -> (Running, TcpStream) {
    let mut to = backend("back", &[greeter("x")]);
    to.servers[0].maxconn = NonZeroU32::new(1);
    to.queue = queue;
    let running = start(vec![frontend("back")], vec![to]);
    let mut first = running.connect();
    assert_eq!(take(&mut first, 1), "x");
    (running, first)
}

fn one_attempt(server: SocketAddr) -> Backend {
    Backend { retries: 0, connect_timeout: BRIEF, ..backend("back", &[server]) }
}

/// What a client leaves behind that only connects and waits.
fn of_a_patient_client(front: Frontend, to: Backend) -> ConnectionRecord {
    let running = start(vec![front], vec![to]);
    let mut client = running.connect();
    assert!(client.read(&mut [0; 1]).is_err(), "who was served nothing is reset");
    running.record()
}

/// Fills the way to a client that reads nothing, so far that halb holds bytes and takes no more,
/// and no further: what the server says next still reaches halb's socket.
fn fill(server: &mut TcpStream, running: &Running) {
    let chunk = [42; 16 << 10];
    let handle = running.engine.handle();
    let mut sent = 1; // the greeting
    let mut is_full = false;
    while !is_full {
        server.write_all(&chunk).unwrap();
        sent += chunk.len() as u64;
        eventually("it is passed on or stuck", || {
            is_full = is_stuck(running);
            is_full || handle.sessions(None, 1)[0].bytes_out == sent
        });
    }
}

fn both_done() -> ConnectionRecord {
    let (running, client, server) = standing(frontend("back"), |_| {});
    drop((client, server));
    running.record()
}

fn client_leaves_while_halb_connects() -> ConnectionRecord {
    let (hole, _filling) = black_hole();
    let to = backend("back", &[hole.local_addr().unwrap()]);
    let running = start(vec![frontend("back")], vec![to]);
    let client = running.connect();
    let handle = running.engine.handle();
    eventually("it connects", || handle.snapshot().backends[0].servers[0].connections == 1);
    reset(client);
    running.record()
}

fn client_resets() -> ConnectionRecord {
    let (running, client, _server) = standing(frontend("back"), |_| {});
    reset(client);
    running.record()
}

fn client_resets_before_its_last_bytes() -> ConnectionRecord {
    let (running, client, mut server) = standing(frontend("back"), |_| {});
    fill(&mut server, &running);
    drop(server);
    // Its FIN stands behind bytes that the client has no room for; loopback brings it at once.
    reset(client);
    running.record()
}

fn client_is_silent() -> ConnectionRecord {
    let front = Frontend { idle_timeout: Some(BRIEF), ..frontend("back") };
    let (running, mut client, _server) = standing(front, |_| {});
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    running.record()
}

fn client_leaves_the_queue() -> ConnectionRecord {
    let (running, _first) = at_its_limit(QueueLimit { max: 8, timeout: PATIENCE });
    let client = running.connect();
    eventually("it waits", || running.engine.handle().snapshot().backends[0].queued == 1);
    reset(client);
    running.record()
}

fn queue_is_full() -> ConnectionRecord {
    let (running, _first) = at_its_limit(QueueLimit { max: 0, timeout: PATIENCE });
    assert!(running.connect().read(&mut [0; 1]).is_err());
    running.record()
}

fn queue_takes_too_long() -> ConnectionRecord {
    let (running, _first) = at_its_limit(QueueLimit { max: 8, timeout: BRIEF });
    assert!(running.connect().read(&mut [0; 1]).is_err());
    running.record()
}

fn no_server() -> ConnectionRecord {
    of_a_patient_client(frontend("back"), backend("back", &[]))
}

fn server_refuses() -> ConnectionRecord {
    of_a_patient_client(frontend("back"), one_attempt(nobody()))
}

fn server_does_not_answer() -> ConnectionRecord {
    let (hole, _filling) = black_hole();
    of_a_patient_client(frontend("back"), one_attempt(hole.local_addr().unwrap()))
}

fn server_resets() -> ConnectionRecord {
    let (running, mut client, server) = standing(frontend("back"), |_| {});
    reset(server);
    assert!(client.read(&mut [0; 1]).is_err());
    running.record()
}

fn server_is_silent_after_the_clients_fin() -> ConnectionRecord {
    let (running, client, _server) = standing(frontend("back"), |to| {
        to.server = SideOptions { fin_timeout: BRIEF, ..sides() };
    });
    client.shutdown(Shutdown::Write).unwrap();
    running.record()
}

fn client_is_silent_after_the_servers_fin() -> ConnectionRecord {
    let client = SideOptions { fin_timeout: BRIEF, ..sides() };
    let (running, _client, server) = standing(Frontend { client, ..frontend("back") }, |_| {});
    server.shutdown(Shutdown::Write).unwrap();
    running.record()
}

fn this_host_has_no_such_address() -> ConnectionRecord {
    let mut to = one_attempt(nobody());
    to.source = Some([192, 0, 2, 1].into());
    of_a_patient_client(frontend("back"), to)
}

fn server_goes_down() -> ConnectionRecord {
    let (running, mut client, _server) = standing(frontend("back"), |_| {});
    let handle = running.engine.handle();
    let server = handle.sessions(None, 1)[0].server.clone().unwrap();
    handle.set_health(&server, Health::Down);
    assert!(client.read(&mut [0; 1]).is_err());
    running.record()
}

fn operator_kills_it() -> ConnectionRecord {
    let (running, mut client, _server) = standing(frontend("back"), |_| {});
    assert_eq!(running.engine.handle().kill(&SessionFilter::All), 1);
    assert!(client.read(&mut [0; 1]).is_err());
    running.record()
}

fn frontend_has_no_backend() -> ConnectionRecord {
    let front = Frontend { default_backend: None, ..frontend("back") };
    of_a_patient_client(front, backend("back", &[nobody()]))
}

fn header_does_not_come() -> ConnectionRecord {
    let front = Frontend { accept_proxy: true, inspect_timeout: BRIEF, ..frontend("back") };
    of_a_patient_client(front, backend("back", &[nobody()]))
}

#[test]
fn each_end_has_haproxys_two_characters() {
    use {Cause as By, Phase as In};
    type Case = (&'static str, Cause, Phase, fn() -> ConnectionRecord);
    let table: [Case; 19] = [
        ("--", By::Normal, In::Done, both_done),
        ("CC", By::Client, In::Connect, client_leaves_while_halb_connects),
        ("CD", By::Client, In::Data, client_resets),
        ("CL", By::Client, In::Last, client_resets_before_its_last_bytes),
        ("cD", By::ClientTimeout, In::Data, client_is_silent),
        ("cD", By::ClientTimeout, In::Data, client_is_silent_after_the_servers_fin),
        ("CQ", By::Client, In::Queue, client_leaves_the_queue),
        ("PQ", By::Proxy, In::Queue, queue_is_full),
        ("sQ", By::ServerTimeout, In::Queue, queue_takes_too_long),
        ("SC", By::Server, In::Connect, no_server),
        ("SC", By::Server, In::Connect, server_refuses),
        ("sC", By::ServerTimeout, In::Connect, server_does_not_answer),
        ("SD", By::Server, In::Data, server_resets),
        ("sD", By::ServerTimeout, In::Data, server_is_silent_after_the_clients_fin),
        ("RC", By::Resource, In::Connect, this_host_has_no_such_address),
        ("DD", By::Down, In::Data, server_goes_down),
        ("KD", By::Killed, In::Data, operator_kills_it),
        ("PR", By::Proxy, In::Request, frontend_has_no_backend),
        ("cR", By::ClientTimeout, In::Request, header_does_not_come),
    ];
    for (pair, cause, phase, case) in table {
        assert_eq!(case().termination, Termination(cause, phase), "should be {pair}");
    }
}
