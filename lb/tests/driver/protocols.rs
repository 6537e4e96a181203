//! PROXY headers and ClientHellos however they arrive, and what goes on behind them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use halb_lb::config::{Backend, Frontend, ProxyVersion, SniPattern, SniRoute};
use halb_lb::names::BackendName;
use halb_lb::snapshot::{Cause, Phase, Termination};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::SockRef;

use crate::common::{PATIENCE, Running, backend, eventually, frontend, start, take};

/// A client's and a server's address, as a PROXY header tells them.
const SOURCE: &str = "203.0.113.7:4711";
const DESTINATION: &str = "192.0.2.1:6443";

const HEADER_V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 6443\r\n";

/// The same in version 2 (proxy-protocol.txt, section 2.2), with a TLV of type NOOP behind.
const HEADER_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\
    \xcb\0\x71\x07\xc0\0\x02\x01\x12\x67\x19\x2b\x04\0\x01\0";

/// `LOCAL`: the proxy speaks for itself, whatever addresses follow.
const HEADER_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\
    \xcb\0\x71\x07\xc0\0\x02\x01\x12\x67\x19\x2b";

/// Long enough to be met only by who waits for it.
const LATE: Duration = Duration::from_millis(400);

fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn everything(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Writes pieces as segments of their own, with a moment between them.
fn write_pieces(mut client: &TcpStream, bytes: &[u8], len: usize) {
    client.set_nodelay(true).unwrap();
    for piece in bytes.chunks(len) {
        client.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
}

fn expecting_headers(inspect_timeout: Duration) -> Frontend {
    Frontend { accept_proxy: true, inspect_timeout, ..frontend("back") }
}

#[test]
fn a_header_may_come_byte_by_byte_and_stands_for_the_client_from_then_on() {
    for header in [HEADER_V1, HEADER_V2] {
        let (listener, address) = server();
        let running = start(vec![expecting_headers(PATIENCE)], vec![backend("back", &[address])]);
        let mut client = running.connect();
        write_pieces(&client, header, 1);
        client.write_all(b"payload").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let server = accept(&listener);
        assert_eq!(everything(&server), b"payload");
        let listed = running.engine.handle().sessions(None, 10);
        assert_eq!(listed[0].client.to_string(), SOURCE);
        assert_eq!(listed[0].bytes_in, 7);
        drop((server, client));
        let record = running.record();
        assert_eq!((record.client.to_string().as_str(), record.bytes_in), (SOURCE, 7));
        let counted = running.engine.handle().snapshot().frontends[0].bytes_in;
        assert_eq!(counted, 7, "no counter has the header in it");
    }
}

#[test]
fn a_header_and_the_payload_may_come_in_one_segment() {
    let (listener, address) = server();
    let running = start(vec![expecting_headers(PATIENCE)], vec![backend("back", &[address])]);
    let mut client = running.connect();
    client.write_all(&[HEADER_V2, HEADER_V1, b"that was no second header"].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let payload = everything(&accept(&listener));
    assert_eq!(payload, [HEADER_V1, b"that was no second header"].concat());
}

#[test]
fn a_proxy_that_speaks_for_itself_is_the_client() {
    let (listener, address) = server();
    let running = start(vec![expecting_headers(PATIENCE)], vec![backend("back", &[address])]);
    let mut client = running.connect();
    client.write_all(HEADER_LOCAL).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(everything(&accept(&listener)), b"");
    let own = client.local_addr().unwrap();
    drop(client);
    assert_eq!(running.record().client, own);
}

#[test]
fn a_bad_header_costs_no_server_and_is_counted_as_denied() {
    let (_listener, address) = server();
    let running = start(vec![expecting_headers(PATIENCE)], vec![backend("back", &[address])]);
    let mut client = running.connect();
    client.write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 66443\r\n").unwrap();
    assert!(client.read(&mut [0; 1]).is_err(), "a reset, not a clean end");
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Proxy, Phase::Request));
    assert_eq!((record.backend, record.bytes_in), (None, 0));
    let snapshot = running.engine.handle().snapshot();
    assert_eq!((snapshot.frontends[0].accepted, snapshot.frontends[0].denied), (1, 1));
    assert_eq!(snapshot.backends[0].servers[0].established, 0);
}

#[test]
fn half_a_header_has_its_time_and_no_more() {
    let (listener, address) = server();
    let running = start(vec![expecting_headers(LATE)], vec![backend("back", &[address])]);
    let (first, rest) = HEADER_V1.split_at(20);
    let mut slow = running.connect();
    slow.write_all(first).unwrap();
    let mut silent = running.connect();
    thread::sleep(LATE / 4);
    slow.write_all(rest).unwrap();
    slow.write_all(b"in time").unwrap();
    let mut server = accept(&listener);
    assert_eq!(take(&mut server, 7), "in time");
    assert!(silent.read(&mut [0; 1]).is_err(), "closed when its time was up");
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::ClientTimeout, Phase::Request));
    assert!(record.total >= LATE, "{:?}", record.total);
    // The time is for the header alone: the session goes on.
    slow.write_all(b"still there").unwrap();
    assert_eq!(take(&mut server, 11), "still there");
    assert_eq!(running.engine.handle().snapshot().frontends[0].denied, 1);
}

#[test]
fn a_client_that_leaves_in_its_header_is_a_client_that_left() {
    let running = start(vec![expecting_headers(PATIENCE)], vec![backend("back", &[])]);
    let with_reset = |reset| {
        let mut client = running.connect();
        client.write_all(&HEADER_V1[..9]).unwrap();
        eventually("it is there", || running.engine.handle().connections() == 1);
        if reset {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    };
    for reset in [true, false] {
        with_reset(reset);
        let termination = running.record().termination;
        assert_eq!(termination, Termination(Cause::Client, Phase::Request), "reset: {reset}");
    }
    assert_eq!(running.engine.handle().snapshot().frontends[0].denied, 0);
}

#[test]
fn both_ends_of_an_accepted_header_are_passed_on() {
    let v1 = [HEADER_V1, b"hello"].concat();
    let noop_tlv = 4;
    let mut v2 = HEADER_V2[..HEADER_V2.len() - noop_tlv].to_vec();
    v2[15] = 12;
    v2.extend(b"hello");
    for (version, expected) in [(ProxyVersion::V1, v1), (ProxyVersion::V2, v2)] {
        let (listener, address) = server();
        let to = Backend { send_proxy: Some(version), ..backend("back", &[address]) };
        let running = start(vec![expecting_headers(PATIENCE)], vec![to]);
        let mut client = running.connect();
        client.write_all(HEADER_V2).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let server = accept(&listener);
        assert_eq!(everything(&server), expected, "{version:?} for {SOURCE} and {DESTINATION}");
        drop((server, client));
        assert_eq!(running.record().bytes_in, 5);
    }
}

#[test]
fn a_sent_header_does_not_wait_for_the_clients_first_byte() {
    let (listener, address) = server();
    let to = Backend { send_proxy: Some(ProxyVersion::V1), ..backend("back", &[address]) };
    let running = start(vec![frontend("back")], vec![to]);
    let mut client = running.connect();
    let mut server = accept(&listener);
    let own = (client.local_addr().unwrap(), running.address);
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", own.0.port(), own.1.port());
    assert_eq!(take(&mut server, header.len()), header, "servers that speak first need it");
    server.write_all(b"220 ready").unwrap();
    assert_eq!(take(&mut client, 9), "220 ready");
}

/// Three servers behind one frontend: for one name, for all below a domain, and for the rest.
struct Routed {
    running: Running,
    servers: [TcpListener; 3],
}

const EXACT: usize = 0;
const BELOW: usize = 1;
const DEFAULT: usize = 2;

fn routed(inspect_timeout: Duration) -> Routed {
    routed_by(Frontend { inspect_timeout, ..frontend("default") })
}

fn routed_by(mut front: Frontend) -> Routed {
    let servers = [server(), server(), server()];
    let names = ["exact", "below", "default"];
    let backends = (0..3).map(|index| backend(names[index], &[servers[index].1]));
    let route = |sni, to: usize| SniRoute { sni, backend: BackendName::new(names[to]).unwrap() };
    front.routes = vec![
        route(SniPattern::Exact("api.example.com".into()), EXACT),
        route(SniPattern::Below("example.com".into()), BELOW),
    ];
    let running = start(vec![front], backends.collect());
    Routed { running, servers: servers.map(|(listener, _)| listener) }
}

impl Routed {
    /// What the server gets that this client is sent to; the client has said it all.
    fn heard_by(&self, server: usize, client: &TcpStream) -> Vec<u8> {
        client.shutdown(Shutdown::Write).unwrap();
        everything(&accept(&self.servers[server]))
    }
}

/// A real ClientHello: for a name, or without one (rustls sends none for an IP address).
fn hello(name: &'static str) -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
    let config = Arc::new(config.with_no_client_auth());
    let mut client = ClientConnection::new(config, name.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn each_name_goes_its_way_and_no_byte_is_lost_however_the_hello_comes() {
    let routed = routed(PATIENCE);
    let ways = [
        ("api.example.com", EXACT),
        ("API.Example.COM", EXACT),
        ("www.example.com", BELOW),
        ("a.b.example.com", BELOW),
        ("example.com", DEFAULT),
        ("api.example.org", DEFAULT),
        ("192.0.2.1", DEFAULT),
    ];
    for (name, way) in ways {
        let mut sent = hello(name);
        let len = sent.len();
        sent.extend(b"early data");
        for pieces in [1, 2, 7] {
            let client = routed.running.connect();
            write_pieces(&client, &sent[..len], len.div_ceil(pieces));
            (&client).write_all(&sent[len..]).unwrap();
            let heard = routed.heard_by(way, &client);
            assert!(heard == sent, "{name} in {pieces}: {} of {}", heard.len(), sent.len());
        }
    }
}

#[test]
fn what_is_no_tls_goes_to_the_default_at_once() {
    let routed = routed(Duration::from_secs(3_600));
    let mut client = routed.running.connect();
    client.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    assert_eq!(routed.heard_by(DEFAULT, &client), b"SSH-2.0-OpenSSH_9.2\r\n");
}

#[test]
fn who_says_too_little_goes_to_the_default_when_the_time_is_up() {
    let routed = routed(LATE);
    let beginning = &hello("api.example.com")[..60];
    let mut unfinished = routed.running.connect();
    unfinished.write_all(beginning).unwrap();
    let mut first = accept(&routed.servers[DEFAULT]);
    assert_eq!(take_bytes(&mut first, 60), beginning);
    let mut silent = routed.running.connect();
    let mut second = accept(&routed.servers[DEFAULT]);
    second.write_all(b"a server may speak first").unwrap();
    assert_eq!(take(&mut silent, 24), "a server may speak first");
    drop((unfinished, silent, first, second));
    for _ in 0..2 {
        let record = routed.running.record();
        assert!(record.wait >= LATE, "inspection counts as waiting: {:?}", record.wait);
        assert_eq!(record.backend.unwrap().as_str(), "default");
    }
}

fn take_bytes(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn half_a_hello_and_a_fin_go_to_the_default_at_once() {
    let routed = routed(Duration::from_secs(3_600));
    let mut client = routed.running.connect();
    let beginning = &hello("api.example.com")[..60];
    client.write_all(beginning).unwrap();
    assert_eq!(routed.heard_by(DEFAULT, &client), beginning);
}

#[test]
fn without_a_default_an_unknown_name_is_refused() {
    let routed = routed_by(Frontend { default_backend: None, ..frontend("default") });
    let mut client = routed.running.connect();
    client.write_all(&hello("api.example.org")).unwrap();
    assert!(client.read(&mut [0; 1]).is_err(), "reset");
    let record = routed.running.record();
    assert_eq!(record.termination, Termination(Cause::Proxy, Phase::Request));
    assert_eq!(record.backend, None);
    assert_eq!(routed.running.engine.handle().snapshot().frontends[0].denied, 1);
    let mut client = routed.running.connect();
    let known = hello("api.example.com");
    client.write_all(&known).unwrap();
    assert_eq!(routed.heard_by(EXACT, &client), known);
}

#[test]
fn a_hello_may_stand_behind_a_header() {
    let front = Frontend { accept_proxy: true, ..frontend("default") };
    let routed = routed_by(front);
    let hello = hello("api.example.com");
    for piece in [1_000_000, 25] {
        let client = routed.running.connect();
        write_pieces(&client, &[HEADER_V2, &hello].concat(), piece);
        assert_eq!(routed.heard_by(EXACT, &client), hello);
        drop(client);
        assert_eq!(routed.running.record().client.to_string(), SOURCE);
    }
}

#[test]
fn ipv6_goes_all_the_way_with_a_source_address_and_a_header() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let to = Backend {
        source: Some("::1".parse().unwrap()),
        send_proxy: Some(ProxyVersion::V1),
        ..backend("back", &[listener.local_addr().unwrap()])
    };
    let front = Frontend { binds: vec!["[::1]:0".parse().unwrap()], ..frontend("back") };
    let running = start(vec![front], vec![to]);
    let mut client = running.connect();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (own, engine) = (client.local_addr().unwrap().port(), running.address.port());
    let expected = format!("PROXY TCP6 ::1 ::1 {own} {engine}\r\nhello");
    assert_eq!(everything(&accept(&listener)), expected.as_bytes());
}
