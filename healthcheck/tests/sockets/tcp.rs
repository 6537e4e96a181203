use std::net::{SocketAddr, TcpListener, TcpStream};

use halb_healthcheck::config::Probe;
use halb_healthcheck::outcome::Outcome;

use crate::support::{Port, answering, ask, ask_once, ask_shortly, get, ok, target};

#[tokio::test]
async fn a_listening_server_passes_and_its_program_learns_nothing_of_the_check() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..20 {
        assert_eq!(ask(address, Probe::Tcp).await, ("L4OK", "connected".into()));
    }
    let client = TcpStream::connect(address).unwrap().local_addr().unwrap();
    let accepted = std::iter::from_fn(|| Some(listener.accept().unwrap().1));
    let noticed = accepted.take_while(|peer| *peer != client).count();
    // The last ACK is held back for 200 ms; a check that is slower than that gets noticed.
    assert!(noticed < 10, "{noticed} of 20 checks were noticed");
}

#[tokio::test]
async fn a_refused_connection_is_a_failure() {
    let port = Port::new();
    assert_eq!(
        ask(port.address(), Probe::Tcp).await,
        ("L4CON", "connect: Connection refused".into())
    );
}

/// Trap 7: an own timer, not the kernel's 127 seconds.
#[tokio::test]
async fn an_unanswered_connection_attempt_ends_at_the_deadline() {
    // A full accept queue drops SYNs, as a black hole does.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap();
    let fill = || {
        let filler =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        // In progress at best; it takes a place in the queue all the same.
        let _ = filler.connect(&address);
        filler
    };
    let _fillers: Vec<_> = (0..8).map(|_| fill()).collect();
    let (code, detail) = ask_shortly(address.as_socket().unwrap(), Probe::Tcp).await;
    assert_eq!((code, &*detail), ("L4TOUT", "connection attempt unanswered after 300ms"));
}

/// Trap 28: checks take the path that the traffic takes.
#[tokio::test]
async fn checks_come_from_the_configured_source_address() {
    let (address, mut requests) = answering(ok("")).await;
    let mut target = target(address, Probe::Http(get("/")));
    target.check.source = Some("127.0.0.2".parse().unwrap());
    let outcome = ask_once(target).await.outcome;
    assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome}");
    assert_eq!(requests.recv().await.unwrap().peer.ip().to_string(), "127.0.0.2");
}

#[tokio::test]
async fn a_source_address_that_this_host_does_not_have_is_no_failure_of_the_server() {
    let (address, _requests) = answering(ok("")).await;
    let mut target = target(address, Probe::Tcp);
    target.check.source = Some("192.0.2.1".parse().unwrap());
    let outcome = ask_once(target).await.outcome;
    assert!(matches!(outcome, Outcome::Inconclusive { .. }), "{outcome}");
}
