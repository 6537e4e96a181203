//! What a reload changes.

use super::*;

fn apply(pair: &mut Pair, name: &'static str, sign: &str, also: Option<&str>) {
    let (now, peer) = (pair.now, if name == A { B } else { A });
    pair.end(name).apply(now, Config { keys: keys(sign, also), ..config(peer) });
}

#[test]
fn a_key_is_rolled_in_three_steps_with_the_link_up_throughout() {
    let mut pair = Pair::up();
    let steps = [
        (A, OLD, Some(NEW)),
        (B, OLD, Some(NEW)),
        (A, NEW, Some(OLD)),
        (B, NEW, Some(OLD)),
        (A, NEW, None),
        (B, NEW, None),
    ];
    let mut seen = Vec::new();
    for (name, sign, also) in steps {
        apply(&mut pair, name, sign, also);
        pair.run(10 * HELLO_INTERVAL);
        for end in [A, B] {
            pair.send(end, b"word");
        }
        pair.exchange();
        assert_eq!((payloads(&mut pair.a).len(), payloads(&mut pair.b).len()), (1, 1));
        let key = |link: &Link| link.status().signed_with.unwrap();
        seen.push((key(&pair.a), key(&pair.b)));
    }
    use SignedWith::{Also, Sign};
    let expected =
        [(Sign, Sign), (Sign, Sign), (Also, Also), (Sign, Sign), (Sign, Sign), (Sign, Sign)];
    assert_eq!(seen, expected, "what the peer signs with tells when a step is done on both");
    for end in [&pair.a, &pair.b] {
        assert!(end.status().refused.is_empty());
        assert_eq!(end.status().counts.sessions, 1);
    }
}

#[test]
fn a_key_that_is_changed_on_one_node_only_takes_the_link_down_and_back_with_the_other() {
    let mut pair = Pair::up();
    apply(&mut pair, A, NEW, None);
    pair.run(Duration::from_secs(10));
    assert_eq!((pair.a.status().state, pair.b.status().state), (State::Silent, State::Silent));
    apply(&mut pair, B, NEW, None);
    pair.run(2 * HELLO_INTERVAL);
    assert_eq!((pair.a.status().state, pair.b.status().state), (State::Up, State::Up));
    assert_eq!(pair.a.status().counts.sessions, 1);
}

#[test]
fn another_address_is_another_peer() {
    let mut pair = Pair::up();
    let since = pair.a.status().counts;
    pair.run(HELLO_INTERVAL / 2);
    pair.a.apply(pair.now, config("192.0.2.3:7112"));
    assert_eq!(events(&mut pair.a), [Event::Down]);
    let status = pair.a.status();
    assert_eq!((status.peer, status.state), (place("192.0.2.3:7112"), State::Waiting));
    assert_eq!((status.heard, status.since), (None, pair.now));
    assert_eq!(status.counts, since, "counters go on");
    let now = pair.now;
    assert_eq!(pair.a.send(now, channel(), b"word"), Err(SendError::NobodyThere));
    pair.a.handle_timeout(now);
    assert_eq!(pair.a.poll_transmit().unwrap().to, place("192.0.2.3:7112"));
    pair.run_cut_off_of(A);
    assert_eq!(pair.b.status().state, State::Silent);
    // And back: both ends know sessions of each other that still are.
    pair.a.apply(pair.now, config(B));
    pair.run(2 * HELLO_INTERVAL);
    assert_eq!((pair.a.status().state, pair.b.status().state), (State::Up, State::Up));
}

impl Pair {
    /// Time in which B hears nothing, until it notices.
    fn run_cut_off_of(&mut self, silent: &str) {
        assert_eq!(silent, A);
        let end = self.now + 2 * AGE_MAX;
        while self.now < end {
            self.now += 100 * MILLISECOND;
            self.b.handle_timeout(self.now);
            self.taken(B);
            self.a.handle_timeout(self.now);
            while self.a.poll_transmit().is_some() {}
        }
    }
}

#[test]
fn the_same_again_changes_nothing() {
    let mut pair = Pair::up();
    let before = (pair.a.status(), pair.a.poll_timeout());
    pair.a.apply(pair.now + MILLISECOND, config(B));
    assert_eq!((pair.a.status(), pair.a.poll_timeout()), before);
    assert_eq!(events(&mut pair.a), []);
}

#[test]
fn channels_can_be_added() {
    let mut pair = Pair::up();
    let second = Channel::new(2).unwrap();
    let config = Config { channels: Channels::of(&[channel(), second]), ..config(A) };
    pair.b.apply(pair.now, config);
    pair.a.send(pair.now, second, b"word").unwrap();
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"word"]);
}
