use super::notices::add_all;
use super::*;
use crate::status::text::{Colour, WIDTH};

fn notices(peer: &Peer) -> Vec<String> {
    let mut said = Vec::new();
    add_all(peer, &mut |severity, text| said.push(format!("{} {text}", severity.sign())));
    said
}

#[test]
fn a_link_that_is_up_is_two_lines_and_no_notice() {
    let text = text::short(&samples::up(), Colour::Plain);
    assert_eq!(
        text,
        "\npeer 172.16.16.52:7112  UP  3 h 11 min\n  heard 400 ms ago, round trip 0.3 ms, 11,518 \
         messages in, 11,520 out\n"
    );
    assert!(notices(&samples::up()).is_empty());
}

#[test]
fn a_wrong_key_is_named_with_its_sender_and_what_to_do() {
    let text = text::full(&samples::wrong_key(), Colour::Plain);
    assert_eq!(
        text,
        "\npeer 172.16.16.52:7112  SILENT  1 min 35 s\n\
         \x20 heard 1 min 38 s ago, round trip 0.3 ms, 11,518 messages in, 11,520 out, 96\n\
         \x20   datagrams refused\n\
         \x20 this node listens on 0.0.0.0:7112\n\
         \x20 it signs with the key in line 1 of our key file\n\
         \x20 refused 96 (wrong_key), the last 700 ms ago from 172.16.16.52:7112: its\n\
         \x20   signature fits none of our keys; give both nodes the same key\n\
         \x20 3 failures, the last 30 s ago: can't send to 172.16.16.52:7112: Network is\n\
         \x20   unreachable (os error 101)\n"
    );
    assert_eq!(
        notices(&samples::wrong_key()),
        [
            "! the other balancer, 172.16.16.52:7112, has been silent for 1 min 35 s",
            "! peer link refused 96 datagrams, the last 700 ms ago from 172.16.16.52:7112: its \
             signature fits none of our keys; give both nodes the same key",
            "! peer link can't send to 172.16.16.52:7112: Network is unreachable (os error 101)",
            "! 1 message of the other balancer can't be read; run the same halb on both",
        ]
    );
}

#[test]
fn what_strangers_send_to_a_link_that_is_up_is_a_note_while_it_is_news() {
    let mut peer = Peer { refused: samples::wrong_key().refused, ..samples::up() };
    assert!(notices(&peer)[0].starts_with("- peer link refused 96 datagrams"));
    peer.refused[0].ago_seconds = 301.0;
    assert!(notices(&peer).is_empty());
}

#[test]
fn a_peer_that_starts_later_is_no_news_at_once() {
    let mut peer = Peer { state: State::Waiting, heard_ago_seconds: None, ..samples::up() };
    peer.since_seconds = 9.9;
    assert!(notices(&peer).is_empty());
    peer.since_seconds = 10.0;
    let expected = "! the other balancer, 172.16.16.52:7112, wasn't heard yet, for 10 s";
    assert_eq!(notices(&peer), [expected]);
    assert!(text::short(&peer, Colour::Plain).contains("never heard"));
}

#[test]
fn whatever_it_is_it_fits_a_terminal() {
    let mut peer = samples::wrong_key();
    peer.address = format!("[fe80::{}%eth0]:7112", "1234:".repeat(12));
    peer.refused[0].from = peer.address.clone();
    for line in text::full(&peer, Colour::Plain).lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
}

#[test]
fn the_status_tells_what_the_driver_says() {
    use halb_peer::link::{Counts, Refused as Refusal, State as LinkState, Status};
    let now = Instant::now() + Duration::from_secs(100);
    let at = |seconds| now - Duration::from_secs(seconds);
    let from = "192.0.2.9:53".parse().unwrap();
    let refusal = halb_peer::refusal::Refusal::Version(7);
    let link = Status {
        peer: "192.0.2.2:7112".parse().unwrap(),
        state: LinkState::Up,
        since: at(9),
        heard: Some(at(1)),
        round_trip: Some(Duration::from_millis(2)),
        signed_with: Some(SignedWith::Also),
        counts: Counts { messages_unsent: 4, sessions: 2, ..Counts::default() },
        refused: vec![Refusal { refusal, from, at: at(3), count: 5 }],
    };
    let latest = Some((at(2), "can't send".to_owned()));
    let failures = driver::Failures { unsent: 6, unreceived: 1, latest };
    let bound = "192.0.2.1:7112".parse().unwrap();
    let peer = build(&driver::Status { bound, link, dropped: 3, failures }, 8, now);
    assert_eq!((peer.state, peer.since_seconds), (State::Up, 9.0));
    assert_eq!((peer.heard_ago_seconds, peer.round_trip_seconds), (Some(1.0), Some(0.002)));
    assert_eq!((peer.key_line, peer.starts), (Some(2), 2));
    assert_eq!((peer.messages_unsent, peer.messages_unreadable, peer.failures), (7, 8, 7));
    let refused = &peer.refused[0];
    assert_eq!((refused.reason.as_str(), refused.count), ("version", 5));
    assert_eq!((refused.from.as_str(), refused.ago_seconds), ("192.0.2.9:53", 3.0));
    assert!(refused.text.contains("version 7"), "{}", refused.text);
    assert_eq!(peer.last_failure.unwrap().ago_seconds, 2.0);
}
