//! Who gets the next connection, and what becomes of the others, while servers come and go and an
//! operator changes his mind.

use std::collections::{BTreeSet, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use halb_lb::config::{Backend, Balance, Frontend, OnDown, Weight};
use halb_lb::names::{BackendName, ServerName, ServerRef};
use halb_lb::snapshot::{Admin, Cause, Health, Phase, ServerSnapshot, Termination};
use socket2::{Domain, Socket, Type};

use crate::common::{
    PATIENCE, Running, backend, connect, eventually, frontend, greeter, start, take,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn reference(name: &str) -> ServerRef {
    ServerRef { backend: BackendName::new("back").unwrap(), server: ServerName::new(name).unwrap() }
}

/// An engine before servers that say their names: s0 is "a", s1 "b", s2 "c".
fn before(servers: usize, change: impl Fn(&mut Backend)) -> Running {
    let mut to = backend("back", &NAMES.map(greeter)[..servers]);
    change(&mut to);
    start(vec![frontend("back")], vec![to])
}

/// A client that was served, and by whom.
fn served(running: &Running) -> (TcpStream, String) {
    let mut client = running.connect();
    let name = take(&mut client, 1);
    (client, name)
}

/// Who serves so many connections, one after the other, each held to the end of the count.
fn shares(running: &Running, connections: usize) -> HashMap<String, usize> {
    let clients: Vec<_> = (0..connections).map(|_| served(running)).collect();
    let mut shares = HashMap::new();
    clients.iter().for_each(|(_, name)| *shares.entry(name.clone()).or_default() += 1);
    shares
}

fn counts<const N: usize>(shares: &HashMap<String, usize>, names: [&str; N]) -> [usize; N] {
    names.map(|name| shares.get(name).copied().unwrap_or(0))
}

fn server(running: &Running, index: usize) -> ServerSnapshot {
    running.engine.handle().snapshot().backends[0].servers[index].clone()
}

/// Tells a verdict and waits until it is in force.
fn set_health(running: &Running, index: usize, health: Health) {
    running.engine.handle().set_health(&reference(&format!("s{index}")), health);
    eventually("the verdict is in force", || server(running, index).health == health);
}

fn is_still_served(client: &mut TcpStream) -> bool {
    client.write_all(b"ping").is_ok() && take(client, 4) == "ping"
}

#[test]
fn a_weight_set_at_run_time_shares_out_the_next_connections() {
    let running = before(2, |_| {});
    let handle = running.engine.handle();
    let set = |weight| handle.set_weight(&reference("s0"), weight).unwrap();
    set(Weight::new(3));
    assert_eq!(counts(&shares(&running, 16), ["a", "b"]), [12, 4]);
    assert_eq!(server(&running, 0).weight, 3);
    set(Weight::new(0));
    assert_eq!(counts(&shares(&running, 6), ["a", "b"]), [0, 6]);
    set(None);
    assert_eq!(counts(&shares(&running, 6), ["a", "b"]), [3, 3], "as configured");
    let unknown = handle.set_weight(&reference("s9"), None);
    assert_eq!(unknown.unwrap_err().to_string(), "there is no server 'back/s9'");
}

#[test]
fn drain_keeps_what_is_there_and_takes_nothing_new() {
    let running = before(2, |_| {});
    let handle = running.engine.handle();
    let (mut old, name) = served(&running);
    let index = NAMES.iter().position(|known| *known == name).unwrap();
    let other = NAMES[1 - index];
    handle.set_admin(&reference(&format!("s{index}")), Admin::Drain).unwrap();
    assert_eq!(counts(&shares(&running, 6), [&name, other]), [0, 6]);
    assert!(is_still_served(&mut old));
    assert_eq!(server(&running, index).connections, 1);
    // A check that fails meanwhile ends the old sessions: the server is gone.
    set_health(&running, index, Health::Down);
    assert!(old.read(&mut [0; 1]).is_err());
    set_health(&running, index, Health::Up);
    assert_eq!(counts(&shares(&running, 4), [&name, other]), [0, 4], "drain outlasts it");
    handle.set_admin(&reference(&format!("s{index}")), Admin::Ready).unwrap();
    assert_eq!(counts(&shares(&running, 4), [&name, other]), [2, 2]);
}

#[test]
fn maintenance_of_the_only_server_refuses_clients_until_it_is_over() {
    let running = before(1, |to| to.on_down = OnDown::Keep);
    let handle = running.engine.handle();
    let (mut old, _) = served(&running);
    handle.set_admin(&reference("s0"), Admin::Maint).unwrap();
    assert!(running.connect().read(&mut [0; 1]).is_err(), "at once");
    assert!(is_still_served(&mut old), "on_down = keep holds here too");
    handle.set_admin(&reference("s0"), Admin::Ready).unwrap();
    assert_eq!(served(&running).1, "a");
}

#[test]
fn a_server_that_returns_gets_its_share_little_by_little() {
    let running = before(2, |to| to.slow_start = Some(Duration::from_secs(2)));
    assert_eq!(counts(&shares(&running, 8), ["a", "b"]), [4, 4], "not at the start");
    set_health(&running, 0, Health::Down);
    set_health(&running, 0, Health::Up);
    let mut percent = 0;
    while percent < 100 {
        let got = counts(&shares(&running, 12), ["a", "b"])[0];
        let now = server(&running, 0).slow_start_percent;
        assert!(now >= percent, "it only rises: {percent} to {now}");
        percent = now;
        // With p % of the other's weight, of which the fraction isn't told; one more for what the
        // rotation owes.
        let most = 12 * usize::from(percent + 1) / (101 + usize::from(percent)) + 1;
        assert!(got <= most, "{got} of 12 at {percent} per cent");
    }
    assert_eq!(counts(&shares(&running, 12), ["a", "b"]), [6, 6]);
}

/// When each client sees its connection reset, counted from now.
fn reset_times(mut clients: Vec<TcpStream>) -> Vec<Duration> {
    let begin = Instant::now();
    let mut times = Vec::new();
    for client in &clients {
        client.set_nonblocking(true).unwrap();
    }
    eventually("all are reset", || {
        clients.retain_mut(|client| match client.read(&mut [0; 1]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                times.push(begin.elapsed());
                false
            }
            other => panic!("neither silent nor reset: {other:?}"),
        });
        clients.is_empty()
    });
    times
}

#[test]
fn the_sessions_of_a_dead_server_are_reset_one_by_one_over_the_spread() {
    let spread = Duration::from_secs(1);
    let running = before(1, |to| to.on_down = OnDown::Reset { spread });
    let clients: Vec<_> = (0..50).map(|_| served(&running).0).collect();
    running.engine.handle().set_health(&reference("s0"), Health::Down);
    let times = reset_times(clients);
    // 50 moments out of a second: on average 20 ms apart.
    let moments: BTreeSet<u128> = times.iter().map(|time| time.as_millis() / 10).collect();
    assert!(moments.len() >= 20, "{} distinct moments: {times:?}", moments.len());
    assert!(times[49] - times[0] > spread / 2, "{:?} to {:?}", times[0], times[49]);
    let ends: Vec<_> = (0..50).map(|_| running.record().termination).collect();
    assert!(ends.iter().all(|end| *end == Termination(Cause::Down, Phase::Data)), "{ends:?}");
}

#[test]
fn where_sessions_are_kept_a_verdict_ends_none() {
    let running = before(1, |to| to.on_down = OnDown::Keep);
    let (mut client, _) = served(&running);
    set_health(&running, 0, Health::Down);
    assert!(running.connect().read(&mut [0; 1]).is_err(), "nothing new comes");
    assert!(is_still_served(&mut client));
    assert_eq!(server(&running, 0).connections, 1);
}

/// An address that refuses until `listen` is called.
fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Pause between two attempts at the same server; shorter than the default only by way of the
/// connect timeout.
const PAUSE: Duration = Duration::from_millis(200);

#[test]
fn without_redispatch_the_same_server_is_tried_again_after_the_pause() {
    let (socket, address) = bound();
    let mut to = backend("back", &[address, greeter("x")]);
    (to.redispatch, to.retries, to.connect_timeout) = (false, 50, PAUSE);
    let running = start(vec![frontend("back")], vec![to]);
    let begin = Instant::now();
    // The first turn falls to one of the two servers; one client of two meets the one that
    // refuses, and waits for it.
    let mut clients = [running.connect(), running.connect()];
    eventually("it was tried twice", || server(&running, 0).connect_errors >= 2);
    assert!(begin.elapsed() >= PAUSE, "{:?}", begin.elapsed());
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.write_all(b"y").unwrap();
    let mut greetings = clients.each_mut().map(|client| take(client, 1));
    greetings.sort_unstable();
    assert_eq!(greetings, ["x", "y"]);
    drop((clients, accepted));
    let records = [running.record(), running.record()];
    let retried = records.iter().find(|record| record.retries > 0).unwrap();
    assert!(!retried.redispatched && retried.total >= PAUSE * retried.retries);
    assert_eq!(running.engine.handle().snapshot().backends[0].redispatches, 0);
}

#[test]
fn attempts_have_an_end_and_each_but_the_first_counts_as_a_retry() {
    let (_socket, address) = bound();
    let mut to = backend("back", &[address]);
    (to.retries, to.connect_timeout) = (2, PAUSE);
    let running = start(vec![frontend("back")], vec![to]);
    assert!(running.connect().read(&mut [0; 1]).is_err());
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Server, Phase::Connect));
    assert_eq!((record.retries, record.redispatched), (2, false));
    assert!(record.total >= 2 * PAUSE, "{:?}", record.total);
    let snapshot = running.engine.handle().snapshot();
    assert_eq!(
        (snapshot.backends[0].retries, snapshot.backends[0].servers[0].connect_errors),
        (2, 3)
    );
}

#[test]
fn leastconn_fills_up_where_sessions_have_ended() {
    let running = before(3, |to| to.balance = Balance::LeastConn);
    let mut clients: Vec<_> = (0..9).map(|_| served(&running)).collect();
    let held = |clients: &[(TcpStream, String)]| {
        NAMES.map(|name| clients.iter().filter(|(_, at)| at == name).count())
    };
    assert_eq!(held(&clients), [3, 3, 3]);
    clients.retain(|(_, name)| name != "b");
    eventually("they are gone", || server(&running, 1).connections == 0);
    clients.extend((0..3).map(|_| served(&running)));
    assert_eq!(held(&clients), [3, 3, 3], "the next three went to the idle one");
}

/// An engine that takes its clients' addresses from PROXY headers.
fn by_hash(balance: Balance) -> Running {
    let front = Frontend { accept_proxy: true, ..frontend("back") };
    let to = Backend { balance, ..backend("back", &NAMES.map(greeter)) };
    start(vec![front], vec![to])
}

/// Who serves each of 48 clients: 16 addresses with three ports each.
fn by_client(running: &Running) -> Vec<String> {
    let one = |number: usize| {
        let (address, port) = (number / 3, 1_000 + number);
        let mut client = running.connect();
        write!(client, "PROXY TCP4 192.0.2.{address} 192.0.2.200 {port} 6443\r\n").unwrap();
        take(&mut client, 1)
    };
    (0..48).map(one).collect()
}

fn assert_sticks(running: &Running) -> Vec<String> {
    let before = by_client(running);
    assert_eq!(by_client(running), before, "each client comes back to its server");
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3, "all servers have clients");
    set_health(running, 1, Health::Down);
    for (was, is) in before.iter().zip(by_client(running)) {
        assert!(is != "b" && (was == "b" || *was == is), "{was} to {is}: only b's clients move");
    }
    set_health(running, 1, Health::Up);
    assert_eq!(by_client(running), before, "and they come back with it");
    before
}

#[test]
fn clients_that_write_in_small_pieces_are_not_kept_waiting() {
    let running = by_hash(Balance::Source);
    let begun = Instant::now();
    // Each piece of the header is a segment, and the next one waits for its acknowledgement (RFC 896).
    by_client(&running);
    let took = begun.elapsed();
    // Delayed, each would take 40 ms.
    assert!(took < Duration::from_millis(48 * 30), "{took:?}");
}

#[test]
fn by_source_an_address_keeps_its_server() {
    let running = by_hash(Balance::Source);
    let servers = assert_sticks(&running);
    assert!(servers.chunks(3).all(|ports| ports.iter().all(|server| *server == ports[0])));
}

#[test]
fn by_flow_an_address_and_port_keep_their_server() {
    let running = by_hash(Balance::Flow);
    let servers = assert_sticks(&running);
    let spread = servers.chunks(3).any(|ports| ports.iter().any(|server| *server != ports[0]));
    assert!(spread, "ports of one address part");
}

#[test]
fn turns_are_strict_however_many_clients_come_at_once() {
    const EACH: usize = 40;
    let running = before(3, |_| {});
    let workers = running.engine.handle().snapshot().process.workers.len();
    assert!(workers >= 2, "{workers} worker");
    let address = running.address;
    let client =
        move || (0..NAMES.len() * EACH / 8).for_each(|_| drop(take(&mut connect(address), 1)));
    let clients = (0..8).map(|_| thread::spawn(client)).collect::<Vec<_>>();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let established = [0, 1, 2].map(|index| server(&running, index).established);
    assert_eq!(established, [EACH as u64; 3]);
}

#[test]
fn who_accepts_a_connection_serves_it_unless_another_worker_has_an_eighth_less() {
    let running = before(1, |_| {});
    let is_shared = |clients: u64| {
        let workers = running.engine.handle().snapshot().process.workers;
        let held: Vec<u64> = workers.iter().map(|worker| worker.sessions).collect();
        let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
        assert!(*most <= least + least / 8 + 1, "{held:?}");
        assert_eq!(held.iter().sum::<u64>(), clients);
    };
    let one = || {
        let mut client = running.connect();
        take(&mut client, 1);
        client
    };
    // One after the other, so that the same worker could accept them all.
    let mut clients = Vec::new();
    for count in 1..=60 {
        clients.push(one());
        is_shared(count);
    }
}

#[test]
fn the_less_busy_of_two_drawn_at_random_evens_out() {
    let running = before(3, |to| to.balance = Balance::Random);
    let shares = counts(&shares(&running, 60), NAMES);
    // Were it one draw alone, half of the trials would leave this range.
    assert!(shares.iter().all(|share| (16..=24).contains(share)), "{shares:?}");
}

#[test]
fn backups_serve_only_while_nobody_else_does_and_then_together() {
    let running = before(3, |to| {
        to.servers[1].backup = true;
        to.servers[2].backup = true;
    });
    assert_eq!(counts(&shares(&running, 6), NAMES), [6, 0, 0]);
    set_health(&running, 0, Health::Down);
    assert_eq!(counts(&shares(&running, 6), NAMES), [0, 3, 3]);
    let (mut on_backup, _) = served(&running);
    set_health(&running, 0, Health::Up);
    assert_eq!(counts(&shares(&running, 6), NAMES), [6, 0, 0]);
    assert!(is_still_served(&mut on_backup), "its session stays");
}

#[test]
fn a_server_that_goes_down_in_mid_connect_gives_its_client_to_another() {
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&hole).listen(0).unwrap();
    let address = hole.local_addr().unwrap();
    let attempt = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let _filling: Vec<_> = std::iter::from_fn(attempt).take(64).collect();
    let mut to = backend("back", &[address, greeter("x")]);
    to.connect_timeout = PATIENCE * 10;
    let running = start(vec![frontend("back")], vec![to]);
    let mut clients = [running.connect(), running.connect()];
    eventually("one connects in vain", || server(&running, 0).connections == 1);
    running.engine.handle().set_health(&reference("s0"), Health::Down);
    clients.iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    assert_eq!(server(&running, 0).connect_errors, 0, "it was told, not found out");
}
