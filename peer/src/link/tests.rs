use super::*;
use crate::config::{Channels, Key, Keys};
use crate::frame::{PAYLOAD_LEN_MAX, PayloadTooLong, parse};

mod changes;
mod properties;
mod recordings;
mod refusals;

const A: &str = "192.0.2.1:7112";
const B: &str = "192.0.2.2:7112";
const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";
const MILLISECOND: Duration = Duration::from_millis(1);

fn place(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn channel() -> Channel {
    Channel::new(1).unwrap()
}

/// Sixteen digits, four times.
fn keys(sign: &str, also: Option<&str>) -> Keys {
    let key = |digits: &str| Key::from_hex(&digits.repeat(4)).unwrap();
    Keys { sign: key(sign), also: also.map(key) }
}

fn config(peer: &str) -> Config {
    let channels = Channels::of(&[channel()]);
    Config { peer: place(peer), keys: keys(OLD, None), channels }
}

/// Two ends on a network that does what a test says.
struct Pair {
    a: Link,
    b: Link,
    now: Instant,
    /// All that was sent, oldest first, with its sender.
    recorded: Vec<(&'static str, Vec<u8>)>,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let a = Link::new(config(B), Session::from_random(0xa1), now);
        let b = Link::new(config(A), Session::from_random(0xb1), now);
        Self { a, b, now, recorded: Vec::new() }
    }

    /// Both are up and have told so.
    fn up() -> Self {
        let mut pair = Self::new();
        pair.run(Duration::ZERO);
        assert_eq!(events(&mut pair.a), [Event::Up { anew: true }]);
        assert_eq!(events(&mut pair.b), [Event::Up { anew: true }]);
        pair
    }

    fn end(&mut self, name: &str) -> &mut Link {
        if name == A { &mut self.a } else { &mut self.b }
    }

    /// What the end wants to send, recorded.
    fn taken(&mut self, name: &'static str) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while let Some(transmit) = self.end(name).poll_transmit() {
            assert_eq!(transmit.to, place(if name == A { B } else { A }));
            self.recorded.push((name, transmit.bytes.clone()));
            taken.push(transmit.bytes);
        }
        taken
    }

    fn deliver(&mut self, sender: &str, datagram: &[u8]) {
        let now = self.now;
        self.end(if sender == A { B } else { A }).handle_datagram(now, place(sender), datagram);
    }

    /// Carries frames until there are none.
    fn exchange(&mut self) {
        for _ in 0..10 {
            for sender in [A, B] {
                for datagram in self.taken(sender) {
                    self.deliver(sender, &datagram);
                }
            }
        }
        assert!(self.taken(A).is_empty() && self.taken(B).is_empty(), "they never stop talking");
    }

    /// Lets time pass on a network without fault or delay.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self.a.poll_timeout().0.min(self.b.poll_timeout().0);
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
            self.exchange();
        }
        self.now = end;
    }

    /// Lets time pass on a network that carries nothing.
    fn run_cut_off(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += 10 * MILLISECOND;
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
            self.taken(A);
            self.taken(B);
        }
    }

    fn send(&mut self, from: &str, payload: &[u8]) {
        let now = self.now;
        self.end(from).send(now, channel(), payload).unwrap();
    }
}

fn events(link: &mut Link) -> Vec<Event> {
    std::iter::from_fn(|| link.poll_event()).collect()
}

fn payloads(link: &mut Link) -> Vec<Vec<u8>> {
    let payload = |event| match event {
        Event::Received { payload, .. } => Some(payload),
        Event::Up { .. } | Event::Down | Event::Refused { .. } => None,
    };
    events(link).into_iter().filter_map(payload).collect()
}

#[test]
fn two_ends_find_each_other_with_the_first_hello_of_one() {
    let mut pair = Pair::new();
    pair.a.handle_timeout(pair.now);
    pair.exchange();
    for end in [&mut pair.a, &mut pair.b] {
        assert_eq!(end.status().state, State::Up);
        assert_eq!(events(end), [Event::Up { anew: true }]);
        assert_eq!(end.status().counts.sessions, 1);
        assert!(end.status().refused.is_empty());
    }
    assert_eq!(
        pair.recorded.len(),
        5,
        "as the head of the module draws it, and an answer to the last"
    );
}

#[test]
fn a_message_arrives_once_with_its_sender_and_channel() {
    let mut pair = Pair::up();
    pair.send(A, b"word");
    pair.exchange();
    let told = events(&mut pair.b);
    let [Event::Received { from, channel: on, payload, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((*from, *on, payload.as_slice()), (place(A), channel(), b"word".as_slice()));
    assert_eq!(pair.a.status().counts.messages_sent, 1);
    assert_eq!(pair.b.status().counts.messages_received, 1);
}

#[test]
fn later_messages_have_larger_numbers_and_those_that_overtake_are_taken() {
    let mut pair = Pair::up();
    for word in [b"1", b"2", b"3"] {
        pair.send(A, word);
    }
    let mut frames = pair.taken(A);
    frames.swap(0, 2);
    frames.iter().for_each(|frame| pair.deliver(A, frame));
    let mut told: Vec<_> = events(&mut pair.b)
        .into_iter()
        .filter_map(|event| match event {
            Event::Received { sequence, payload, .. } => Some((sequence, payload)),
            Event::Up { .. } | Event::Down | Event::Refused { .. } => None,
        })
        .collect();
    told.sort();
    assert_eq!(
        told.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(),
        [b"1", b"2", b"3"]
    );
}

#[test]
fn nothing_is_sent_to_nobody_and_nothing_that_does_not_fit() {
    let mut pair = Pair::new();
    let now = pair.now;
    assert_eq!(pair.a.send(now, channel(), b"word"), Err(SendError::NobodyThere));
    let mut pair = Pair::up();
    let long = [0; PAYLOAD_LEN_MAX + 1];
    let too_long = Err(SendError::TooLong(PayloadTooLong(long.len())));
    assert_eq!(pair.a.send(now, channel(), &long), too_long);
    for _ in 0..TRANSMITS_MAX {
        pair.send(A, &long[1..]);
    }
    assert_eq!(pair.a.send(now, channel(), b""), Err(SendError::Full));
    assert_eq!(pair.a.status().counts.messages_unsent, 2);
    assert_eq!(pair.taken(A).len(), TRANSMITS_MAX);
    pair.send(A, b"");
}

#[test]
fn silence_is_told_when_the_last_fresh_frame_is_too_old_and_not_before() {
    let mut pair = Pair::up();
    pair.run(HELLO_INTERVAL * 10);
    let heard = pair.a.status().heard.unwrap();
    let silent_at = heard + AGE_MAX;
    assert!(events(&mut pair.a).is_empty());
    let mut due = pair.a.poll_timeout();
    while due.0 < silent_at {
        assert_eq!(due.1, "hello");
        pair.a.handle_timeout(due.0);
        assert_eq!(pair.a.status().state, State::Up);
        due = pair.a.poll_timeout();
    }
    assert_eq!(due, (silent_at, "silence"));
    pair.a.handle_timeout(silent_at - MILLISECOND / 1_000);
    assert_eq!(pair.a.status().state, State::Up);
    pair.a.handle_timeout(silent_at);
    assert_eq!(events(&mut pair.a), [Event::Down]);
    assert_eq!((pair.a.status().state, pair.a.status().since), (State::Silent, silent_at));
    assert_eq!(pair.a.poll_timeout().1, "hello", "it goes on asking");
}

#[test]
fn a_peer_that_comes_back_from_a_silence_remembers_and_is_remembered() {
    let mut pair = Pair::up();
    for _ in 0..3 {
        pair.run_cut_off(Duration::from_secs(60));
        assert_eq!(events(&mut pair.a), [Event::Down]);
        pair.run(2 * HELLO_INTERVAL);
        assert_eq!(events(&mut pair.a), [Event::Up { anew: false }]);
    }
    assert_eq!(pair.a.status().counts.sessions, 1);
    assert!(pair.a.status().refused.is_empty(), "a silence is nothing to complain of");
}

#[test]
fn a_peer_that_began_anew_is_known_at_once() {
    let mut pair = Pair::up();
    pair.b = Link::new(config(A), Session::from_random(0xb2), pair.now);
    pair.run(Duration::ZERO);
    assert_eq!(events(&mut pair.a), [Event::Up { anew: true }]);
    assert_eq!(events(&mut pair.b), [Event::Up { anew: true }]);
    pair.send(A, b"to the new one");
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"to the new one"]);
    assert_eq!(pair.a.status().counts.sessions, 2);
    assert!(pair.a.status().refused.is_empty(), "a restart is nothing to complain of");
    assert!(pair.b.status().refused.is_empty());
}

#[test]
fn the_round_trip_is_measured_without_the_time_that_the_peer_waited() {
    let mut pair = Pair::up();
    let delay = 3 * MILLISECOND;
    for _ in 0..100 {
        pair.now = pair.a.poll_timeout().0;
        pair.a.handle_timeout(pair.now);
        let frames = pair.taken(A);
        pair.now += delay;
        frames.iter().for_each(|frame| pair.deliver(A, frame));
        pair.now += 500 * MILLISECOND;
        pair.b.handle_timeout(pair.now);
        let frames = pair.taken(B);
        pair.now += delay;
        frames.iter().for_each(|frame| pair.deliver(B, frame));
    }
    let measured = pair.a.status().round_trip.unwrap();
    assert!(measured.abs_diff(2 * delay) < MILLISECOND / 10, "{measured:?}");
}

#[test]
fn hellos_keep_their_pace_and_a_late_clock_makes_no_crowd() {
    let mut pair = Pair::up();
    pair.run(Duration::from_secs(100));
    let hellos = pair.a.status().counts.frames_sent;
    assert!((100..=106).contains(&hellos), "{hellos}");
    pair.now += Duration::from_secs(3_600);
    pair.a.handle_timeout(pair.now);
    assert_eq!(pair.taken(A).len(), 1);
    assert_eq!(pair.a.poll_timeout().0, pair.now + HELLO_INTERVAL);
}

#[test]
fn a_clock_that_steps_back_harms_nothing() {
    let mut pair = Pair::up();
    pair.run(Duration::from_secs(5));
    pair.now -= Duration::from_secs(4);
    pair.send(A, b"word");
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"word"]);
    pair.a.handle_timeout(pair.now);
    assert_eq!(pair.a.status().state, State::Up);
}
