//! Messages, changes and ends of links on loopback.

use std::error::Error as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use halb_lab::{Loopback, eventually_async};
use halb_peer::config::Config;
use halb_peer::driver::{self, ApplyError, MESSAGES_MAX, Settings, StartError, Unsent};
use halb_peer::frame::{PAYLOAD_LEN_MAX, PayloadTooLong, SignedWith, parse};
use halb_peer::link::{Event, State};

use crate::support::{NEW, Node, OLD, PATIENCE, PORT, channel, keys, pair, settings};

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_both_ways_with_the_address_of_their_sender() {
    let pair = pair().await;
    pair.a.handle.send(channel(), b"from a").unwrap();
    pair.b.handle.send(channel(), &[7; PAYLOAD_LEN_MAX]).unwrap();
    pair.b.wait_for_message(b"from a").await;
    pair.a.wait_for_message(&[7; PAYLOAD_LEN_MAX]).await;
    assert_eq!(pair.b.messages(), [(pair.a.status().bound, b"from a".to_vec())]);
    assert_eq!(pair.a.events()[0], Event::Up { anew: true });
    let status = pair.a.status();
    assert!(status.link.refused.is_empty() && status.failures.latest.is_none(), "{status:?}");
    eventually_async("a round trip is measured", PATIENCE, async || {
        pair.a.status().link.round_trip
    })
    .await;
    let round_trip = pair.a.status().link.round_trip.unwrap();
    assert!(round_trip < PATIENCE, "{round_trip:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_hello_goes_out_at_once() {
    let addresses = [Loopback::claim().unwrap(), Loopback::claim().unwrap()];
    let peer = UdpSocket::bind(addresses[1].port(PORT)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let _node = Node::start(settings(addresses[0].port(PORT), addresses[1].port(PORT)));
    let mut hello = [0; 2_000];
    let (len, from) = peer.recv_from(&mut hello).unwrap();
    assert_eq!(from, addresses[0].port(PORT));
    let sequence = parse(&hello[..len]).unwrap().claims().sequence;
    assert_eq!(sequence.get(), 1, "the first was not sent, or lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rolled_while_the_link_is_up() {
    let pair = pair().await;
    let steps = [
        (&pair.a, OLD, Some(NEW)),
        (&pair.b, NEW, Some(OLD)),
        (&pair.a, NEW, None),
        (&pair.b, NEW, None),
    ];
    for (number, (node, sign, also)) in steps.into_iter().enumerate() {
        let link = Config { keys: keys(sign, also), ..node.settings.link.clone() };
        node.handle.apply(Settings { link, ..node.settings.clone() }).await.unwrap();
        let word = [u8::try_from(number).unwrap()];
        pair.a.handle.send(channel(), &word).unwrap();
        pair.b.handle.send(channel(), &word).unwrap();
        pair.a.wait_for_message(&word).await;
        pair.b.wait_for_message(&word).await;
    }
    for node in [&pair.a, &pair.b] {
        let status = node.status().link;
        assert_eq!((status.state, status.signed_with), (State::Up, Some(SignedWith::Sign)));
        assert_eq!(status.counts.sessions, 1);
        assert!(status.refused.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_stops_and_begins_anew_is_up_at_once_and_its_port_is_free_between() {
    let pair = pair().await;
    pair.b.handle.shutdown().await;
    assert_eq!(pair.b.handle.send(channel(), b"word"), Err(Unsent::Stopped));
    let again = pair.b.handle.apply(pair.b.settings.clone()).await;
    assert!(matches!(again, Err(ApplyError::Stopped)), "{again:?}");
    pair.b.handle.shutdown().await;
    let b = Node::start(pair.b.settings.clone());
    b.wait_for(State::Up).await;
    eventually_async("the other start is noticed", PATIENCE, async || {
        pair.a.status().link.counts.sessions == 2
    })
    .await;
    pair.a.handle.send(channel(), b"welcome").unwrap();
    b.wait_for_message(b"welcome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_last_handle() {
    let address = Loopback::claim().unwrap();
    let node = Node::start(settings(address.port(PORT), address.port(PORT + 1)));
    assert_eq!(node.status().bound, address.port(PORT));
    drop(node);
    eventually_async("its port is free", PATIENCE, async || {
        UdpSocket::bind(address.port(PORT)).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let address = Loopback::claim().unwrap();
    let _taken = UdpSocket::bind(address.port(PORT)).unwrap();
    let settings = settings(address.port(PORT), address.port(PORT + 1));
    let error = driver::start(settings, Arc::new(|_| {})).unwrap_err();
    let StartError::Open(open) = &error else { panic!("{error:?}") };
    assert_eq!(open.source.kind(), ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("the peer link can't listen on UDP {}", address.port(PORT))
    );
    assert!(error.source().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_listens_changes_without_a_restart_or_stays_if_it_cannot() {
    let pair = pair().await;
    let at_a = pair.a.settings.bind;
    let taken = Loopback::claim().unwrap();
    let _taken = UdpSocket::bind(taken.port(PORT)).unwrap();
    let elsewhere = Settings { bind: taken.port(PORT), ..pair.a.settings.clone() };
    let error = pair.a.handle.apply(elsewhere).await.unwrap_err();
    let ApplyError::Open(open) = error else { panic!("{error:?}") };
    assert_eq!(open.bind, taken.port(PORT));
    assert_eq!(pair.a.status().bound, at_a);
    pair.a.handle.send(channel(), b"still there").unwrap();
    pair.b.wait_for_message(b"still there").await;
    // All addresses, on a port that its own socket has.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for bind in [SocketAddr::new(at_a.ip(), port), SocketAddr::from(([0, 0, 0, 0], port)), at_a] {
        pair.a.handle.apply(Settings { bind, ..pair.a.settings.clone() }).await.unwrap();
        assert_eq!(pair.a.status().bound, bind);
        if bind != at_a {
            let shared = UdpSocket::bind(bind).unwrap_err();
            assert_eq!(shared.kind(), ErrorKind::AddrInUse, "nobody else shares it");
        }
    }
    pair.a.handle.send(channel(), b"back again").unwrap();
    pair.b.wait_for_message(b"back again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_of_the_peer_is_another_peer() {
    let pair = pair().await;
    let address = Loopback::claim().unwrap();
    let c = Node::start(settings(address.port(PORT), pair.a.status().bound));
    let link = Config { peer: address.port(PORT), ..pair.a.settings.link.clone() };
    pair.a.handle.apply(Settings { link, ..pair.a.settings.clone() }).await.unwrap();
    c.wait_for(State::Up).await;
    pair.a.wait_for(State::Up).await;
    pair.a.handle.send(channel(), b"to c").unwrap();
    c.wait_for_message(b"to c").await;
    pair.b.wait_for(State::Silent).await;
    assert_eq!(pair.a.status().link.peer, address.port(PORT));
}

#[tokio::test]
async fn messages_that_nobody_takes_are_dropped_and_said_to_be() {
    // On one thread, the task has no turn until this test waits.
    let address = Loopback::claim().unwrap();
    let node = Node::start(settings(address.port(PORT), address.port(PORT + 1)));
    for _ in 0..MESSAGES_MAX {
        node.handle.send(channel(), b"word").unwrap();
    }
    assert_eq!(node.handle.send(channel(), b"word"), Err(Unsent::Busy));
    assert_eq!(node.status().dropped, 1);
    let long = [0; PAYLOAD_LEN_MAX + 1];
    let too_long = Err(Unsent::TooLong(PayloadTooLong(long.len())));
    assert_eq!(node.handle.send(channel(), &long), too_long);
    eventually_async("the task takes them", PATIENCE, async || {
        node.status().link.counts.messages_unsent == u64::try_from(MESSAGES_MAX).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_that_the_kernel_refuses_is_counted_with_its_reason() {
    let address = Loopback::claim().unwrap();
    // A socket that wasn't made for it may not send there, so nothing is sent.
    let broadcast = SocketAddr::from(([255, 255, 255, 255], PORT));
    let started = Instant::now();
    let node = Node::start(settings(address.port(PORT), broadcast));
    let (at, said) =
        eventually_async("the failure is told", PATIENCE, async || node.status().failures.latest)
            .await;
    assert!(at >= started);
    assert!(said.starts_with("can't send to 255.255.255.255:7112: "), "{said}");
    assert!(node.status().failures.unsent > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_on_no_interface_yet_can_be_listened_on() {
    for (bind, peer) in
        [("192.0.2.1:0", "127.0.0.1:9"), ("[2001:db8::1]:0", "[::1]:9"), ("[::]:0", "[::1]:9")]
    {
        let bind: SocketAddr = bind.parse().unwrap();
        let node = Node::start(settings(bind, peer.parse().unwrap()));
        assert_eq!(node.status().bound.ip(), bind.ip());
        assert_ne!(node.status().bound.port(), 0);
    }
}
