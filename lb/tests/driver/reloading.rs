//! Changes of the configuration under a running engine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use halb_lb::config::{Backend, Config, Frontend, OnDown};
use halb_lb::driver::ApplyError;
use halb_lb::names::{BackendName, FrontendName, ServerName, ServerRef};
use halb_lb::snapshot::{Admin, Health};

use crate::common::{
    PATIENCE, backend, connect, eventually, frontend, greeter, start, start_config, take,
};

fn config(frontend: Frontend, backends: Vec<Backend>) -> Config {
    Config::new(vec![frontend], backends, None).unwrap()
}

/// A frontend on a port that stays the same over reloads.
fn fixed(backend: &str, address: &str) -> Frontend {
    let mut front = frontend(backend);
    front.binds = vec![address.parse().unwrap()];
    front
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn server(name: &str) -> ServerRef {
    ServerRef { backend: BackendName::new("back").unwrap(), server: ServerName::new(name).unwrap() }
}

#[test]
fn a_reload_keeps_sessions_and_moves_new_ones() {
    let (old, new) = (greeter("o"), greeter("n"));
    let front = frontend("back");
    let running = start(vec![front.clone()], vec![backend("back", &[old])]);
    let handle = running.engine.handle();
    let mut before = running.connect();
    assert_eq!(take(&mut before, 1), "o");

    let applied = handle.apply(config(front, vec![backend("back", &[new])])).unwrap();
    assert!(applied.changes.iter().any(|change| change == "server back/s0 removed, it drains"));
    assert_eq!(take(&mut running.connect(), 1), "n");
    before.write_all(b"still there").unwrap();
    assert_eq!(take(&mut before, 11), "still there");

    let servers = || handle.snapshot().backends[0].servers.clone();
    assert!(servers().iter().any(|server| server.removed && server.connections == 1));
    drop(before);
    eventually("the drained server is forgotten", || servers().len() == 1);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    let servers = [greeter("a")];
    let front = frontend("back");
    let running = start(vec![front.clone()], vec![backend("back", &servers)]);
    let handle = running.engine.handle();
    handle.set_admin(&server("s0"), Admin::Drain).unwrap();
    let applied = handle.apply(config(front, vec![backend("back", &servers)])).unwrap();
    assert_eq!(applied.changes, Vec::<String>::new());
    assert_eq!(handle.snapshot().backends[0].servers[0].admin, Admin::Drain, "drain survives");
}

#[test]
fn an_address_in_use_changes_nothing_and_says_which() {
    let front = frontend("back");
    let running = start(vec![front.clone()], vec![backend("back", &[greeter("a")])]);
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bad = front;
    bad.binds.push(occupied.local_addr().unwrap());
    let error = running
        .engine
        .handle()
        .apply(config(bad, vec![backend("back", &[greeter("b")])]))
        .unwrap_err();
    assert!(matches!(error, ApplyError::Listen { address, .. }
        if address == occupied.local_addr().unwrap()));
    assert_eq!(take(&mut running.connect(), 1), "a");
}

#[test]
fn a_failed_reload_leaves_leaving_listeners_on_their_way() {
    let backends = vec![backend("back", &[greeter("a")])];
    let mut second = frontend("back");
    second.name = FrontendName::new("second").unwrap();
    second.binds = vec![format!("127.0.0.1:{}", free_port()).parse().unwrap()];
    let first = fixed("back", &format!("127.0.0.1:{}", free_port()));
    let running = start(vec![first.clone(), second.clone()], backends.clone());
    let handle = running.engine.handle();
    handle.apply(config(first.clone(), backends.clone())).unwrap();

    // The second frontend is on its way out, and is wanted again with an address that is taken.
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bad = second.clone();
    bad.binds.push(occupied.local_addr().unwrap());
    let again = Config::new(vec![first, bad], backends, None).unwrap();
    assert!(handle.apply(again).is_err());
    eventually("the second frontend is gone", || TcpStream::connect(second.binds[0]).is_err());
    assert_eq!(take(&mut running.connect(), 1), "a", "the first one serves on");
}

#[test]
fn a_server_that_begins_as_down_gets_nobody_before_its_first_verdict() {
    let front = frontend("back");
    let both = backend("back", &[greeter("a"), greeter("b")]);
    let begin = Config::new(vec![front.clone()], vec![both.clone()], None).unwrap();
    let running = start_config(begin.with_servers_down([server("s1")]), 4096);
    let answers = || (0..4).map(|_| take(&mut running.connect(), 1)).collect::<String>();
    assert_eq!(answers(), "aaaa");
    let handle = running.engine.handle();
    // Nobody waits for a verdict: the threads hear of it a moment later.
    handle.set_health(&server("s1"), Health::Up);
    eventually("both serve", || answers().matches('b').count() == 2);
    // A reload that changes something else doesn't take the verdict back.
    let mut changed = both;
    changed.retries = 1;
    let again = config(front, vec![changed]).with_servers_down([server("s1")]);
    handle.apply(again).unwrap();
    assert_eq!(answers().matches('b').count(), 2);
}

#[test]
fn a_wildcard_listener_can_be_replaced_by_a_narrower_one() {
    let port = free_port();
    let backends = vec![backend("back", &[greeter("a")])];
    let running = start(vec![fixed("back", &format!("0.0.0.0:{port}"))], backends.clone());
    let narrow = fixed("back", &format!("127.0.0.1:{port}"));
    let applied = running.engine.handle().apply(config(narrow, backends)).unwrap();
    assert_eq!(applied.changes.len(), 3, "{:?}", applied.changes);
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(take(&mut client, 1), "a");
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err());
}

#[test]
fn a_second_engine_on_the_same_port_fails_loudly() {
    let port = free_port();
    let front = fixed("back", &format!("127.0.0.1:{port}"));
    let _first = start(vec![front.clone()], vec![backend("back", &[greeter("a")])]);
    let options = halb_lb::driver::Options {
        workers: 1,
        fd_limit: 1024,
        fds_elsewhere: 0,
        records: None,
        connect_failed: Arc::new(|_| {}),
    };
    let second = halb_lb::driver::Engine::start(
        config(front, vec![backend("back", &[greeter("b")])]),
        options,
    );
    let message = second.unwrap_err().to_string();
    assert_eq!(message, format!("can't listen on 127.0.0.1:{port}"));
}

#[test]
fn an_address_that_this_host_does_not_hold_can_be_bound() {
    // 192.0.2.0/24 is for documentation; the virtual IP of a standby node looks the same to bind.
    let port = free_port();
    let running = start(
        vec![fixed("back", &format!("192.0.2.1:{port}"))],
        vec![backend("back", &[greeter("a")])],
    );
    assert_eq!(running.address.ip().to_string(), "192.0.2.1");
}

#[test]
fn maintenance_resets_sessions_and_readiness_brings_the_server_back() {
    let front = frontend("back");
    let running = start(vec![front], vec![backend("back", &[greeter("a")])]);
    let handle = running.engine.handle();
    let mut client = running.connect();
    assert_eq!(take(&mut client, 1), "a");
    handle.set_admin(&server("s0"), Admin::Maint).unwrap();
    assert!(client.read(&mut [0; 1]).is_err());
    assert!(running.connect().read(&mut [0; 1]).is_err());
    handle.set_admin(&server("s0"), Admin::Ready).unwrap();
    assert_eq!(take(&mut running.connect(), 1), "a");
    assert!(handle.set_admin(&server("nobody"), Admin::Ready).is_err());
}

#[test]
fn no_request_fails_while_servers_and_listeners_come_and_go() {
    let (a, b, c) = (greeter("a"), greeter("b"), greeter("c"));
    let port = free_port();
    let wide = fixed("back", &format!("0.0.0.0:{port}"));
    let narrow = fixed("back", &format!("127.0.0.1:{port}"));
    let mut to = backend("back", &[a, b]);
    to.on_down = OnDown::Keep;
    let running = start(vec![wide.clone()], vec![to]);
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    request(SocketAddr::from(([127, 0, 0, 1], port)));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let handle = running.engine.handle();
    for round in 0..12 {
        let seen = served.load(Ordering::Relaxed);
        eventually("requests go on", || served.load(Ordering::Relaxed) > seen);
        let servers = if round % 2 == 0 { vec![b, c] } else { vec![c, a, b] };
        let mut to = backend("back", &servers);
        to.servers[0].maxconn = NonZeroU32::new(8);
        to.on_down = OnDown::Keep;
        let front = if round % 4 < 2 { wide.clone() } else { narrow.clone() };
        handle.apply(config(front, vec![to])).unwrap();
        handle.set_health(&server("s0"), if round % 3 == 0 { Health::Down } else { Health::Up });
        handle.set_health(&server("s0"), Health::Up);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request failed");
    }
}

fn request(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(take(&mut stream, 1).len(), 1);
    stream.write_all(b"ping").unwrap();
    assert_eq!(take(&mut stream, 4), "ping");
}

#[test]
fn another_engine_takes_the_listeners_over_and_no_client_is_refused() {
    let port = free_port();
    let front = fixed("back", &format!("127.0.0.1:{port}"));
    let old = start(vec![front.clone()], vec![backend("back", &[greeter("a")])]);
    let mut kept = old.connect();
    assert_eq!(take(&mut kept, 1), "a");
    let inherited = old.engine.handle().listeners().unwrap();
    let inherited = inherited.into_iter().map(|(at, socket)| (at, socket.into())).collect();
    let options = halb_lb::driver::Options {
        workers: 1,
        fd_limit: 1024,
        fds_elsewhere: 0,
        records: None,
        connect_failed: Arc::new(|_| {}),
    };
    let config = config(front, vec![backend("back", &[greeter("b")])]);
    let new = halb_lb::driver::Engine::take_over(config, options, inherited).unwrap();
    // Until it is told to, the old one alone accepts.
    for _ in 0..20 {
        assert_eq!(take(&mut connect(old.address), 1), "a");
    }
    assert_eq!(new.handle().snapshot().frontends[0].accepted, 0);
    new.handle().begin_accepting();
    let handle = old.engine.handle();
    let ended = thread::spawn(move || old.engine.stop(PATIENCE));
    eventually("the old one accepts no more", || {
        handle.snapshot().frontends[0].listeners.is_empty()
    });
    for _ in 0..20 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(take(&mut client, 1), "b");
    }
    // What the old one has goes on there until it ends.
    kept.write_all(b"x").unwrap();
    assert_eq!(take(&mut kept, 1), "x");
    drop(kept);
    assert_eq!(ended.join().unwrap().remaining, 0);
}
