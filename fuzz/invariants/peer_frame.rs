//! What must hold for the link between two nodes on any datagram, signed or not.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use halb_peer::config::{Channel, Channels, Config, Key, Keys};
use halb_peer::frame::{Echo, Header, Keyring, Session, parse};
use halb_peer::link::{Event, Link};

/// Panics if a promise of the link is broken for `input`, taken as a datagram of a stranger, and
/// taken as what somebody with the key says and does.
pub(crate) fn check(input: &[u8]) {
    unsigned(input);
    signed(input);
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 7112))
}

fn keys() -> Keys {
    let sign = Key::from_hex(&"0123456789abcdef".repeat(4)).expect("64 digits");
    Keys { sign, also: None }
}

fn link(now: Instant) -> Link {
    let channels: Vec<_> = Channel::new(1).into_iter().collect();
    let config = Config { peer: peer(), keys: keys(), channels: Channels::of(&channels) };
    let mut link = Link::new(config, ours(), now);
    link.handle_timeout(now);
    assert!(link.poll_transmit().is_some(), "the first hello");
    link
}

fn ours() -> Session {
    Session::from_random(1)
}

/// Nothing comes of it but a count, whatever it is: the seeds don't know the key.
fn unsigned(input: &[u8]) {
    let now = Instant::now();
    let mut link = link(now);
    link.handle_datagram(now, peer(), input);
    let signed = parse(input).and_then(|frame| frame.verify(&Keyring::new(&keys())).map(|_| ()));
    if let Err(refusal) = signed {
        assert_eq!(link.poll_event(), Some(Event::Refused { from: peer(), refusal }));
        assert_eq!(link.poll_event(), None);
        assert_eq!(link.poll_transmit(), None, "a stranger is answered");
    }
}

/// Bytes of a step that aren't payload.
const STEP: usize = 8;

/// Each step is a frame with fields of the input's choice, signed with the right key.
fn signed(input: &[u8]) {
    let keyring = Keyring::new(&keys());
    let mut now = Instant::now();
    let mut link = link(now);
    let (mut rest, mut sent) = (input, 1_u64);
    while let Some((step, tail)) = rest.split_first_chunk::<STEP>() {
        let [channel, from, to, sequence, echo, held, wait, len] = *step;
        let (payload, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        now += Duration::from_millis(u64::from(wait) * 20);
        let to = (to > 0).then(|| Session::from_random(u64::from(to)));
        let header = Header {
            channel,
            from: Session::from_random(u64::from(from)),
            to,
            sequence: NonZeroU64::MIN.saturating_add(u64::from(sequence)),
            echo: NonZeroU64::new(u64::from(echo))
                .map(|sequence| Echo { sequence, held: Duration::from_millis(u64::from(held)) }),
        };
        let frame = keyring.seal(&header, payload).expect("at most 255 bytes");
        let read = parse(&frame).and_then(|frame| frame.verify(&keyring)).expect("just sealed");
        assert_eq!((read.header, read.payload), (header, payload));
        let told = give(&mut link, now, &frame);
        if told {
            assert_eq!(header.to, Some(ours()), "for another session");
            assert!(header.from != ours(), "our own");
            assert!((1..=sent).contains(&u64::from(echo)), "echoes what wasn't sent");
            assert_eq!(header.channel, 1, "on another channel");
            assert!(!give(&mut link, now, &frame), "twice");
        }
        link.handle_timeout(now);
        assert!(link.poll_timeout().0 > now);
        let answers = std::iter::from_fn(|| link.poll_transmit()).count();
        assert!(answers <= 3, "{answers} frames for one, its copy and a hello");
        sent += u64::try_from(answers).expect("few");
        while link.poll_event().is_some() {}
    }
}

/// True if a message came of it.
fn give(link: &mut Link, now: Instant, frame: &[u8]) -> bool {
    link.handle_datagram(now, peer(), frame);
    let told: Vec<_> = std::iter::from_fn(|| link.poll_event()).collect();
    assert!(told.len() <= 2, "{told:?}");
    told.iter().any(|event| matches!(event, Event::Received { .. }))
}
