use std::io::ErrorKind;
use std::net::TcpStream as Plain;
use std::time::Instant;

use nix::libc;

use super::*;
use crate::config::Keepalive;

fn options() -> SideOptions {
    let keepalive = Keepalive {
        idle: Duration::from_secs(11),
        interval: Duration::from_secs(12),
        count: NonZeroU32::new(13).unwrap(),
    };
    SideOptions {
        keepalive: Some(keepalive),
        user_timeout: Some(Duration::from_secs(14)),
        fin_timeout: Duration::from_secs(15),
    }
}

fn listening(address: &str) -> TcpListener {
    try_listening(address).unwrap()
}

fn try_listening(address: &str) -> io::Result<TcpListener> {
    let backlog = NonZeroU32::new(16).unwrap();
    listen(address.parse().unwrap(), backlog, &options(), false)
}

fn accepted(listener: &TcpListener) -> TcpStream {
    accepted_within(listener, Duration::from_secs(10))
}

fn accepted_within(listener: &TcpListener, time: Duration) -> TcpStream {
    let deadline = Instant::now() + time;
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(Instant::now() < deadline, "nobody was accepted");
        std::thread::yield_now();
    }
}

fn assert_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    assert!(socket.tcp_nodelay().unwrap(), "small writes wait for nobody");
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(11));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(12));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 13);
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(14)));
    assert_eq!(socket.linger().unwrap(), None, "closing sends what was written");
}

#[test]
fn accepted_sockets_have_the_options_of_their_listener() {
    let listener = listening("127.0.0.1:0");
    let _client = Plain::connect(listener.local_addr().unwrap()).unwrap();
    assert_options(&accepted(&listener));
}

#[test]
fn a_kept_listener_gives_later_connections_its_new_options() {
    let listener = listening("127.0.0.1:0");
    let off = SideOptions { keepalive: None, user_timeout: None, ..options() };
    reconfigure(&listener, NonZeroU32::new(16).unwrap(), &off).unwrap();
    let _client = Plain::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = accepted(&listener);
    let socket = SockRef::from(&accepted);
    assert!(!socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), None);
}

#[test]
fn connections_to_servers_have_the_options_and_leave_by_their_source() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let source = "127.0.0.9".parse().unwrap();
    let stream = connect(server.local_addr().unwrap(), Some(source)).unwrap();
    let (_, peer) = server.accept().unwrap();
    assert_eq!(peer.ip(), source);
    send_at_once(&stream).unwrap();
    watch_peer(&stream, &options()).unwrap();
    assert_options(&stream);
}

#[test]
fn with_a_source_address_the_port_is_chosen_with_the_server_in_view() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let source = Some([127, 0, 0, 9].into());
    let stream = connect(server.local_addr().unwrap(), source).unwrap();
    assert!(nix::sys::socket::getsockopt(&stream, sockopt::IpBindAddressNoPort).unwrap());
}

#[test]
fn a_client_that_says_nothing_is_accepted() {
    let listener = listening("127.0.0.1:0");
    let silent = Plain::connect(listener.local_addr().unwrap()).unwrap();
    // TCP_DEFER_ACCEPT would keep it waiting for a second and more.
    let accepted = accepted_within(&listener, Duration::from_millis(900));
    assert_eq!(accepted.peer_addr().unwrap(), silent.local_addr().unwrap());
}

/// Clients that find room in the queue of a listener that accepts nobody.
fn fill(listener: &TcpListener) -> Vec<Plain> {
    let address = listener.local_addr().unwrap();
    let knock = || Plain::connect_timeout(&address, Duration::from_millis(500)).ok();
    std::iter::from_fn(knock).take(100).collect()
}

#[test]
fn the_backlog_is_as_long_as_it_was_asked_for_and_grows_with_a_reload() {
    let listener = listening("127.0.0.1:0");
    reconfigure(&listener, NonZeroU32::new(3).unwrap(), &options()).unwrap();
    let first = fill(&listener);
    // The kernel takes one more than the backlog says.
    assert_eq!(first.len(), 4);
    reconfigure(&listener, NonZeroU32::new(5).unwrap(), &options()).unwrap();
    let client_that_knocks_again = 1;
    let second = fill(&listener).len();
    assert!((2 - client_that_knocks_again..=2).contains(&second), "{second}");
}

#[test]
fn an_error_of_accept_is_about_one_client_or_about_now() {
    use nix::errno::Errno;
    for (errno, expected) in [
        (Errno::EAGAIN, Refused::Nobody),
        (Errno::ECONNABORTED, Refused::ThatOne),
        (Errno::EPROTO, Refused::ThatOne),
        (Errno::EMFILE, Refused::ForNow),
        (Errno::ENFILE, Refused::ForNow),
        (Errno::ENOMEM, Refused::ForNow),
        (Errno::ENOBUFS, Refused::ForNow),
        (Errno::EACCES, Refused::ForNow),
    ] {
        assert_eq!(refused(&io::Error::from(errno)), expected, "{errno}");
    }
}

#[test]
fn an_ipv6_listener_leaves_the_port_of_ipv4_alone() {
    // The port that IPv6 was given may be somebody's on IPv4; not twenty times in a row.
    let both = || {
        let six = listening("[::]:0");
        let port = six.local_addr().unwrap().port();
        Some((six, try_listening(&format!("0.0.0.0:{port}")).ok()?, port))
    };
    let (six, four, port) = (0..20).find_map(|_| both()).unwrap();
    let client = Plain::connect(("127.0.0.1", port)).unwrap();
    let seen = accepted(&four).peer_addr().unwrap();
    assert_eq!(seen, client.local_addr().unwrap());
    assert_eq!(six.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_reset_discards_and_a_plain_close_delivers() {
    use std::io::{Read, Write};
    for (abort, expected) in [(false, Ok(4)), (true, Err(ErrorKind::ConnectionReset))] {
        let listener = listening("127.0.0.1:0");
        let mut client = Plain::connect(listener.local_addr().unwrap()).unwrap();
        let mut stream = accepted(&listener);
        stream.write_all(b"last").unwrap();
        let mut text = Vec::new();
        if abort {
            client.read_exact(&mut [0; 4]).unwrap(); // a reset would overtake it on arrival
            reset(stream);
        } else {
            drop(stream);
        }
        assert_eq!(client.read_to_end(&mut text).map_err(|error| error.kind()), expected);
    }
}

#[test]
fn a_failed_connect_is_blamed_on_whom_it_should_be() {
    use ConnectFailure::{Local, Refused, TimedOut};
    let table = [
        (libc::ECONNREFUSED, Refused),
        (libc::ECONNRESET, Refused),
        (libc::EHOSTUNREACH, Refused),
        (libc::ENETUNREACH, Refused),
        (libc::ETIMEDOUT, TimedOut),
        (libc::EADDRINUSE, Local),
        (libc::EADDRNOTAVAIL, Local),
        (libc::EMFILE, Local),
        (libc::ENFILE, Local),
        (libc::ENOBUFS, Local),
        (libc::ENOMEM, Local),
        (libc::EPERM, Local),
    ];
    for (number, blame) in table {
        let error = io::Error::from_raw_os_error(number);
        assert_eq!(classify(&error), blame, "{error}");
    }
}
