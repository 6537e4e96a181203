//! What outstays its welcome: peers that neither read nor leave, and descriptors of sessions that
//! have ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use halb_lb::snapshot::Cause;
use socket2::SockRef;

use crate::common::{backend, eventually, frontend, greeter, start, take};
use crate::part::Part;

/// A server that writes as long as anybody lets it.
fn gusher() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || while client.write_all(&[b'x'; 65_536]).is_ok() {});
        }
    });
    address
}

#[test]
fn a_window_that_stays_closed_ends_the_session_by_the_user_timeout() {
    let mut front = frontend("back");
    let patience = Duration::from_secs(1);
    front.client.user_timeout = Some(patience);
    let running = start(vec![front], vec![backend("back", &[gusher()])]);
    let mut client = running.connect();
    take(&mut client, 1);
    // Its kernel goes on acknowledging window probes, so that nothing else would end this.
    let record = running.record();
    assert_eq!(record.termination.0, Cause::Client);
    assert!(record.total >= patience, "it had its time: {:?}", record.total);
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Sessions that end in each way that a client can bring about.
fn sessions(engine: &Part) {
    let mut fin = engine.connect();
    take(&mut fin, 1);
    let mut half = engine.connect();
    half.write_all(&[b'y'; 100_000]).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    half.read_to_end(&mut Vec::new()).unwrap();
    let mut abort = engine.connect();
    take(&mut abort, 1);
    SockRef::from(&abort).set_linger(Some(Duration::ZERO)).unwrap();
    let _leaves_at_once = TcpStream::connect(engine.address).unwrap();
}

#[test]
fn ended_sessions_leave_no_descriptor_behind() {
    const ROUNDS: u64 = 50;
    /// Empty pipes that the workers may keep for the next bulk transfer, two descriptors each.
    const SPARE: u64 = 2 * 2 * 8;
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let engine = Part::engine(4096, 4096, &[greeter("x"), refusing]);
    let at_rest = engine.descriptors();
    (0..ROUNDS).for_each(|_| sessions(&engine));
    eventually("all sessions have ended", || engine.figure("connections") == 0);
    let left = engine.descriptors().saturating_sub(at_rest);
    assert!(left <= SPARE && SPARE < ROUNDS, "{left} descriptors are left of {ROUNDS} rounds");
}
