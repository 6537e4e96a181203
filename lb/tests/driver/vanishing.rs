//! Peers that vanish, or break while bytes are on their way to them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::{Host, Lab};
use halb_lb::config::{Keepalive, SideOptions};
use halb_lb::snapshot::{Cause, Phase, Termination};
use socket2::SockRef;

use crate::common::{
    PATIENCE, Running, backend, eventually, frontend, is_stuck, patterned, sides, start, take,
};

/// Bytes that no way through the kernel's buffers holds: some are always with halb.
const MORE_THAN_FITS: usize = 32 << 20;

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A session whose server has more to say than its client, who doesn't read, has room for: halb
/// holds bytes in a pipe. The server's end and what it says.
struct Stuck {
    running: Running,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
    sent: Vec<u8>,
}

fn stuck() -> Stuck {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = start(vec![frontend("back")], vec![backend("back", &[address])]);
    let client = running.connect();
    let (mut server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    let mut sent = patterned(1, MORE_THAN_FITS);
    let mut len = 0;
    eventually("nothing moves any more", || {
        if let Ok(count) = server.write(&sent[len..]) {
            len += count;
            return false;
        }
        is_stuck(&running)
    });
    assert_eq!(
        running.engine.handle().snapshot().process.pipes,
        1,
        "bulk on its way lies in a pipe"
    );
    server.set_nonblocking(false).unwrap();
    sent.truncate(len);
    Stuck { running, listener, client, server, sent }
}

#[test]
fn bytes_for_a_client_that_breaks_go_nowhere_else() {
    let Stuck { running, listener, client, mut server, sent } = stuck();
    reset(client);
    let failed = loop {
        if let Err(error) = server.write_all(&sent) {
            break error.kind();
        }
    };
    assert!(matches!(failed, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe));
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Client, Phase::Data));
    assert!(record.bytes_out < sent.len() as u64);
    let handle = running.engine.handle();
    assert_eq!(handle.snapshot().process.pipes, 0, "a pipe with bytes in it isn't kept");

    let mut next = running.connect();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"fresh").unwrap();
    assert_eq!(take(&mut next, 5), "fresh");
}

#[test]
fn what_a_server_said_before_it_broke_is_passed_on_in_order() {
    let Stuck { running, client: mut slow, server, sent, .. } = stuck();
    reset(server);
    // A reset takes away what the server's kernel still had to send, and nothing else.
    let mut received = Vec::new();
    let _cut_short = slow.read_to_end(&mut received);
    assert!(received.len() > 1 << 20 && sent.starts_with(&received), "{} bytes", received.len());
    let record = running.record();
    assert_eq!(record.termination, Termination(Cause::Server, Phase::Data));
    assert_eq!(record.bytes_out, received.len() as u64);
}

#[test]
fn without_a_user_timeout_a_client_that_does_not_read_is_waited_for() {
    let Stuck { running, mut client, mut server, sent, .. } = stuck();
    // Far longer than where a timeout of a second ends it.
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(running.engine.handle().connections(), 1);
    let writing = thread::spawn(move || server.write_all(b"the end").map(|()| drop(server)));
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    writing.join().unwrap().unwrap();
    assert!(received == [&sent, &b"the end"[..]].concat(), "{} bytes", received.len());
}

/// A host for halb and one whose link can be cut.
fn two_hosts() -> (Lab, Host, Host) {
    let lab = Lab::new().unwrap();
    let balancer = lab.host("loadbalancer01", "172.16.16.51/24").unwrap();
    let other = lab.host("client", "172.16.16.9/24").unwrap();
    (lab, balancer, other)
}

fn listen_on(host: &Host) -> (TcpListener, SocketAddr) {
    let listener = host.run(|| TcpListener::bind((host.ip(), 0)).unwrap());
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An engine on a host, with these options for each side.
fn engine_on(host: &Host, server: SocketAddr, client: SideOptions, to: SideOptions) -> Running {
    let mut front = frontend("back");
    front.binds = vec![SocketAddr::new(host.ip(), 0)];
    front.client = client;
    let mut back = backend("back", &[server]);
    back.server = to;
    host.run(|| start(vec![front], vec![back]))
}

fn probing() -> SideOptions {
    let second = Duration::from_secs(1);
    let count = NonZeroU32::new(2).unwrap();
    SideOptions { keepalive: Some(Keepalive { idle: second, interval: second, count }), ..sides() }
}

fn impatient() -> SideOptions {
    SideOptions { user_timeout: Some(Duration::from_secs(1)), ..sides() }
}

fn session(running: &Running, from: &Host, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = running.address;
    let mut client = from.run(move || TcpStream::connect(address).unwrap());
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.write_all(b"x").unwrap();
    assert_eq!(take(&mut client, 1), "x");
    (client, server)
}

#[test]
#[ignore = "needs root"]
fn a_client_that_vanishes_is_noticed_by_probes_or_by_what_it_leaves_unacknowledged() {
    let (_lab, balancer, far) = two_hosts();
    let (listener, server) = listen_on(&balancer);
    let start = |client| engine_on(&balancer, server, client, sides());
    let [probed, written_to, forgotten] = [probing(), impatient(), sides()].map(start);
    let (_client, mut at_probed) = session(&probed, &far, &listener);
    let (_client, mut at_written_to) = session(&written_to, &far, &listener);
    let (_client, mut at_forgotten) = session(&forgotten, &far, &listener);
    far.link_down().unwrap();
    let cut = Instant::now();
    at_written_to.write_all(b"are you there?").unwrap();
    at_forgotten.write_all(b"are you there?").unwrap();
    for (running, server) in [(&written_to, &mut at_written_to), (&probed, &mut at_probed)] {
        assert!(server.read(&mut [0; 1]).is_err(), "its server is told by a reset");
        let termination = running.record().termination;
        assert_eq!(termination, Termination(Cause::Client, Phase::Data));
        assert!(
            cut.elapsed() >= Duration::from_millis(900),
            "it had its time: {:?}",
            cut.elapsed()
        );
    }
    let handle = forgotten.engine.handle();
    assert_eq!(
        handle.connections(),
        1,
        "where nothing is set, the kernel waits for a quarter hour"
    );
}

#[test]
#[ignore = "needs root"]
fn a_server_that_vanishes_is_noticed_and_its_client_told() {
    let (_lab, balancer, far) = two_hosts();
    let (listener, server) = listen_on(&far);
    let start = |to| engine_on(&balancer, server, sides(), to);
    let [probed, written_to] = [probing(), impatient()].map(start);
    let (mut of_probed, _server) = session(&probed, &balancer, &listener);
    let (mut of_written_to, _server) = session(&written_to, &balancer, &listener);
    far.link_down().unwrap();
    of_written_to.write_all(b"are you there?").unwrap();
    for (running, client) in [(&written_to, &mut of_written_to), (&probed, &mut of_probed)] {
        assert!(client.read(&mut [0; 1]).is_err(), "a reset, so that nothing looks whole");
        assert_eq!(running.record().termination, Termination(Cause::Server, Phase::Data));
    }
}
