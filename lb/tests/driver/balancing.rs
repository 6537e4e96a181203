//! The engine before real sockets: who gets a connection, and what follows when a server fails.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::common::{backend, eventually, frontend, greeter, start, take};
use halb_lb::snapshot::{Cause, Phase, Termination};

#[test]
fn connections_go_round_robin_and_bytes_go_both_ways() {
    let servers = [greeter("a"), greeter("b"), greeter("c")];
    let running = start(vec![frontend("back")], vec![backend("back", &servers)]);
    let mut seen = String::new();
    for round in 0..6 {
        let mut client = running.connect();
        seen += &take(&mut client, 1);
        let text = format!("hello {round}");
        client.write_all(text.as_bytes()).unwrap();
        assert_eq!(take(&mut client, text.len()), text);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "the server's FIN comes through");
        let record = running.record();
        assert_eq!(record.termination, Termination(Cause::Normal, Phase::Done));
        assert_eq!((record.bytes_in, record.bytes_out), (7, 8));
    }
    let mut sorted: Vec<char> = seen.chars().collect();
    sorted[..3].sort_unstable();
    sorted[3..].sort_unstable();
    assert_eq!(sorted, ['a', 'b', 'c', 'a', 'b', 'c'], "strict turns, got {seen}");
}

#[test]
fn a_refused_connect_moves_to_another_server_and_is_reported() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let running = start(vec![frontend("back")], vec![backend("back", &[gone, greeter("b")])]);
    for _ in 0..4 {
        let mut client = running.connect();
        assert_eq!(take(&mut client, 1), "b");
    }
    let failed = running.failures.recv_timeout(crate::common::PATIENCE).unwrap();
    assert_eq!(failed.to_string(), "back/s0");
}

#[test]
fn without_a_server_the_client_is_closed_at_once() {
    let running = start(vec![frontend("back")], vec![backend("back", &[])]);
    let mut client = running.connect();
    assert!(client.read(&mut [0; 8]).is_err(), "reset, not a clean end");
    assert_eq!(running.record().termination, Termination(Cause::Server, Phase::Connect));
}

#[test]
fn bulk_survives_the_way_through_pipes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let payload: Vec<u8> = (0..32_000_000).map(|n: u32| (n % 251).to_le_bytes()[0]).collect();
    let expected = payload.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&payload).unwrap();
    });
    let running = start(vec![frontend("back")], vec![backend("back", &[address])]);
    let mut client = running.connect();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
    eventually("it was spliced", || running.engine.handle().snapshot().process.pipes > 0);
}
