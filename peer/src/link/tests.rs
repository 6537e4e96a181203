use super::*;
use crate::config::{Channels, Key, Keys};

const A: &str = "192.0.2.1:7112";
const B: &str = "192.0.2.2:7112";

fn config(peer: &str) -> Config {
    let sign = Key::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    let channels = Channels::of(&[Channel::new(1).unwrap()]);
    Config { peer: peer.parse().unwrap(), keys: Keys { sign, also: None }, channels }
}

#[test]
fn two_ends_find_each_other_within_one_hello() {
    let now = Instant::now();
    let mut a = Link::new(config(B), Session::from_random(1), now);
    let mut b = Link::new(config(A), Session::from_random(2), now);
    a.handle_timeout(now);
    for _ in 0..4 {
        while let Some(transmit) = a.poll_transmit() {
            b.handle_datagram(now, A.parse().unwrap(), &transmit.bytes);
        }
        while let Some(transmit) = b.poll_transmit() {
            a.handle_datagram(now, B.parse().unwrap(), &transmit.bytes);
        }
    }
    for end in [&mut a, &mut b] {
        assert_eq!(end.status().state, State::Up);
        assert_eq!(end.poll_event(), Some(Event::Up { anew: true }));
    }
    assert_eq!(a.status().counts.frames_sent + b.status().counts.frames_sent, 5);
}
