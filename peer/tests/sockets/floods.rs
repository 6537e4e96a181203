//! Strangers, and somebody who has the peer's place but not its key.

use std::net::UdpSocket;

use halb_lab::{Loopback, eventually_async};
use halb_peer::frame::FRAME_LEN_MAX;
use halb_peer::link::{Event, State};
use halb_peer::refusal::{Reason, Refusal};

use crate::support::{NEW, Node, PATIENCE, PORT, channel, keys, pair};

/// Datagrams of a flood; bounded, and more than a socket's buffer holds.
const FLOOD: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_elsewhere_is_counted_by_sender_and_messages_pass_through_it() {
    let pair = pair().await;
    let stranger = Loopback::claim().unwrap();
    let socket = UdpSocket::bind(stranger.port(0)).unwrap();
    let sender = socket.local_addr().unwrap();
    for round in 0..FLOOD / 100 {
        for _ in 0..100 {
            socket.send_to(b"halb or not", pair.b.status().bound).unwrap();
        }
        if round % 50 == 0 {
            pair.a.handle.send(channel(), &[1]).unwrap();
        }
    }
    // A flood may cost messages, and leaves nothing behind.
    eventually_async("a message passes", PATIENCE, async || {
        pair.a.handle.send(channel(), b"after it").unwrap();
        pair.b.messages().iter().any(|(_, payload)| payload == b"after it")
    })
    .await;
    let refused = pair.b.refused(Reason::NotPeer).unwrap();
    assert_eq!(refused.from, sender);
    assert!(refused.count > 100, "{refused:?}");
    assert_eq!(pair.b.status().link.state, State::Up);
    let refusal = Refusal::NotPeer { peer: pair.a.status().bound };
    let told: Vec<_> = pair.b.events().into_iter().filter(is_refusal).collect();
    assert_eq!(told, [Event::Refused { from: sender, refusal }], "told once");
}

fn is_refusal(event: &Event) -> bool {
    match event {
        Event::Refused { .. } => true,
        Event::Up { .. } | Event::Down | Event::Received { .. } => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_the_peers_place_without_its_key_or_version_is_named() {
    let pair = pair().await;
    let at_a = pair.a.status().bound;
    pair.a.handle.shutdown().await;
    let impostor = UdpSocket::bind(at_a).unwrap();
    let at_b = pair.b.status().bound;
    let table = [
        (b"GET / HTTP/1.1".to_vec(), Reason::NotOurs),
        (b"halb\x07 and whatever version 7 says".to_vec(), Reason::Version),
        (b"halb\x01".to_vec(), Reason::TooShort),
        ([b"halb\x01".as_slice(), &[0; FRAME_LEN_MAX]].concat(), Reason::TooLong),
    ];
    for (datagram, reason) in table {
        impostor.send_to(&datagram, at_b).unwrap();
        assert_eq!(pair.b.wait_for_refusal(reason).await.from, at_a);
    }
    assert_eq!(pair.b.wait_for_refusal(Reason::Version).await.refusal, Refusal::Version(7));
    for _ in 0..FLOOD {
        impostor.send_to(&[b"halb\x01\x00\x00\x00".as_slice(), &[9; 68]].concat(), at_b).unwrap();
    }
    pair.b.wait_for_refusal(Reason::WrongKey).await;
    pair.b.wait_for_refusal(Reason::Flood).await;
    drop(impostor);
    // The true one is there again and is heard.
    let a = Node::start(pair.a.settings.clone());
    a.wait_for(State::Up).await;
    pair.b.wait_for(State::Up).await;
    a.handle.send(channel(), b"it is me").unwrap();
    pair.b.wait_for_message(b"it is me").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_different_keys_each_name_the_other() {
    let addresses = [Loopback::claim().unwrap(), Loopback::claim().unwrap()];
    let [at_a, at_b] = [addresses[0].port(PORT), addresses[1].port(PORT)];
    let mut other = crate::support::settings(at_b, at_a);
    other.link.keys = keys(NEW, None);
    let (a, b) = (Node::start(crate::support::settings(at_a, at_b)), Node::start(other));
    assert_eq!(a.wait_for_refusal(Reason::WrongKey).await.from, at_b);
    assert_eq!(b.wait_for_refusal(Reason::WrongKey).await.from, at_a);
    assert_eq!((a.status().link.state, b.status().link.state), (State::Waiting, State::Waiting));
}
