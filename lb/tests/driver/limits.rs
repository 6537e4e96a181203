//! Limits: who waits, who is refused, and that nobody is served beyond them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use halb_lb::config::{Config, MaxAge, QueueLimit};
use halb_lb::snapshot::{AcceptPause, Cause, Health, Phase, Termination};

use crate::common::{
    PATIENCE, Running, backend, eventually, frontend, greeter, start, start_config, start_with,
    take,
};

fn paused(running: &Running) -> Option<AcceptPause> {
    running.engine.handle().snapshot().frontends[0].listeners[0].paused
}

/// True if the client has been served nothing for a while, yet is still connected.
fn is_waiting(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let answer = stream.read(&mut [0; 1]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    answer.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn beyond_a_frontends_maxconn_clients_wait_and_are_served_as_others_leave() {
    let mut front = frontend("back");
    front.maxconn = NonZeroU32::new(2);
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    let mut first = running.connect();
    let mut second = running.connect();
    assert_eq!(take(&mut first, 1) + &take(&mut second, 1), "xx");
    let mut third = running.connect();
    assert!(is_waiting(&mut third));
    assert_eq!(paused(&running), Some(AcceptPause::Full));
    drop(first);
    assert_eq!(take(&mut third, 1), "x");
    assert_eq!(running.engine.handle().snapshot().frontends[0].accepted, 3);
}

#[test]
fn beyond_what_the_descriptors_carry_clients_wait() {
    // 204 descriptors: 200 kept, two connections of two.
    let running = start_with(vec![frontend("back")], vec![backend("back", &[greeter("x")])], 204);
    let process = running.engine.handle().snapshot().process;
    assert_eq!(process.connections_max, 2);
    assert!(process.connections_max_reason.contains("204"), "{}", process.connections_max_reason);
    let mut clients = [running.connect(), running.connect()];
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    let mut third = running.connect();
    assert!(is_waiting(&mut third));
    drop(clients);
    assert_eq!(take(&mut third, 1), "x");
}

#[test]
fn pipes_take_nothing_from_the_operators_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = backend("back", &[listener.local_addr().unwrap()]);
    let config = Config::new(vec![frontend("back")], vec![to], NonZeroU32::new(4)).unwrap();
    let running = start_config(config, 4096);
    let handle = running.engine.handle();
    // None of the clients reads, so that bytes stay in pipes.
    let mut pairs: Vec<_> = (0..4)
        .map(|_| {
            let client = running.connect();
            let (server, _) = listener.accept().unwrap();
            server.set_nonblocking(true).unwrap();
            (client, server)
        })
        .collect();
    let chunk = vec![7; 1 << 20];
    eventually("pipes are in use", || {
        for (_, server) in &mut pairs {
            let _ = server.write(&chunk); // full is what it is to be
        }
        handle.snapshot().process.pipes > 0
    });
    let process = handle.snapshot().process;
    assert_eq!((process.connections, process.connections_max), (4, 4));
}

#[test]
fn the_accept_rate_holds_clients_back_and_serves_them_all() {
    let mut front = frontend("back");
    front.accept_rate = NonZeroU32::new(50);
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..30).map(|_| running.connect()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    // A tenth of a second's worth (5) passes at once; 25 more at 50 a second take half a second.
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(480), "served in {took:?}");
}

#[test]
fn denied_clients_are_refused_and_counted() {
    let mut front = frontend("back");
    front.deny = vec!["127.0.0.1/32".parse().unwrap()];
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    assert!(running.connect().read(&mut [0; 1]).is_err());
    assert_eq!(running.record().termination, Termination(Cause::Proxy, Phase::Request));
    let snapshot = running.engine.handle().snapshot();
    assert_eq!((snapshot.frontends[0].denied, snapshot.frontends[0].accepted), (1, 0));
}

#[test]
fn clients_queue_for_a_full_server_and_leave_the_queue_in_order() {
    let mut to = backend("back", &[greeter("x")]);
    to.servers[0].maxconn = NonZeroU32::new(1);
    let running = start(vec![frontend("back")], vec![to]);
    let handle = running.engine.handle();
    let queued = |count| handle.snapshot().backends[0].queued == count;
    let mut served = running.connect();
    assert_eq!(take(&mut served, 1), "x");
    let mut second = running.connect();
    eventually("the second waits", || queued(1));
    let mut third = running.connect();
    eventually("the third waits", || queued(2));
    drop(served);
    assert_eq!(take(&mut second, 1), "x");
    assert!(is_waiting(&mut third));
    drop(second);
    assert_eq!(take(&mut third, 1), "x");
    eventually("the queue is empty", || queued(0));
}

#[test]
fn a_waiting_client_that_leaves_makes_room_for_the_next() {
    let mut to = backend("back", &[greeter("x")]);
    to.servers[0].maxconn = NonZeroU32::new(1);
    let running = start(vec![frontend("back")], vec![to]);
    let handle = running.engine.handle();
    let mut served = running.connect();
    assert_eq!(take(&mut served, 1), "x");
    let impatient = running.connect();
    eventually("it waits", || handle.snapshot().backends[0].queued == 1);
    socket2::SockRef::from(&impatient).set_linger(Some(Duration::ZERO)).unwrap();
    drop(impatient);
    eventually("it is gone", || handle.snapshot().backends[0].queued == 0);
    assert_eq!(running.record().termination, Termination(Cause::Client, Phase::Queue));
}

#[test]
fn the_queue_has_an_end_and_a_time_limit() {
    let mut to = backend("back", &[greeter("x")]);
    to.servers[0].maxconn = NonZeroU32::new(1);
    to.queue = QueueLimit { max: 1, timeout: Duration::from_millis(200) };
    let running = start(vec![frontend("back")], vec![to]);
    let mut served = running.connect();
    assert_eq!(take(&mut served, 1), "x");
    let mut waiting = running.connect();
    eventually("it waits", || running.engine.handle().snapshot().backends[0].queued == 1);
    assert!(running.connect().read(&mut [0; 1]).is_err(), "the queue is full");
    assert_eq!(running.record().termination, Termination(Cause::Proxy, Phase::Queue));
    assert!(waiting.read(&mut [0; 1]).is_err(), "it waited too long");
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::ServerTimeout, Phase::Queue));
    assert!(record.total >= Duration::from_millis(200));
}

#[test]
fn nobody_waits_for_servers_that_are_all_down() {
    let mut to = backend("back", &[greeter("x")]);
    to.servers[0].maxconn = NonZeroU32::new(1);
    let running = start(vec![frontend("back")], vec![to]);
    let handle = running.engine.handle();
    let mut served = running.connect();
    assert_eq!(take(&mut served, 1), "x");
    let server = handle.sessions(None, 1)[0].server.clone().unwrap();
    let mut waiting = running.connect();
    eventually("it waits", || handle.snapshot().backends[0].queued == 1);
    handle.set_health(&server, Health::Down);
    assert!(waiting.read(&mut [0; 1]).is_err());
    assert!(running.connect().read(&mut [0; 1]).is_err());
}

#[test]
fn silence_ends_a_session_where_an_idle_timeout_is_set_and_bytes_push_it_back() {
    let mut front = frontend("back");
    front.idle_timeout = Some(Duration::from_millis(300));
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    let mut client = running.connect();
    assert_eq!(take(&mut client, 1), "x");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(700) {
        client.write_all(b"y").unwrap();
        assert_eq!(take(&mut client, 1), "y");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    let record = running.record();
    assert_eq!(record.termination.0, Cause::ClientTimeout);
    assert!(record.total >= Duration::from_millis(950), "{:?}", record.total);
}

#[test]
fn a_half_closed_session_does_not_wait_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut to = backend("back", &[listener.local_addr().unwrap()]);
    to.server.fin_timeout = Duration::from_millis(200);
    let running = start(vec![frontend("back")], vec![to]);
    let mut client = running.connect();
    let (_silent, _) = listener.accept().unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(running.record().termination, Termination(Cause::ServerTimeout, Phase::Data));
}

#[test]
fn sessions_end_at_their_greatest_age_and_not_all_at_once() {
    const CLIENTS: usize = 16;
    let (age, jitter) = (Duration::from_millis(200), Duration::from_secs(2));
    let mut front = frontend("back");
    front.max_age = Some(MaxAge { age, jitter });
    let running = start(vec![front], vec![backend("back", &[greeter("x")])]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| running.connect()).collect();
    for client in &mut clients {
        assert_eq!(take(client, 1), "x");
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
    let ages: Vec<_> = (0..CLIENTS).map(|_| running.record().total).collect();
    let (least, most) = (*ages.iter().min().unwrap(), *ages.iter().max().unwrap());
    assert!(least >= age && most <= age + jitter + PATIENCE, "{ages:?}");
    assert!(most - least > jitter / 8, "one in a billion were it by chance: {ages:?}");
}
