//! Somebody records what goes over the network and sends it again, later and elsewhere.

use super::*;

/// Everything that was ever sent by this end, sent again.
fn play(pair: &mut Pair, sender: &'static str) {
    let frames: Vec<_> =
        pair.recorded.iter().filter(|(from, _)| *from == sender).cloned().collect();
    for (_, frame) in frames {
        pair.now += 20 * MILLISECOND;
        pair.deliver(sender, &frame);
        pair.taken(A);
        pair.taken(B);
    }
}

/// A link over which some time passed and some words went.
fn with_history() -> Pair {
    let mut pair = Pair::up();
    for round in 0..5_u8 {
        pair.run(HELLO_INTERVAL);
        pair.send(A, &[b'a', round]);
        pair.send(B, &[b'b', round]);
        pair.exchange();
    }
    assert_eq!(payloads(&mut pair.b).len(), 5);
    assert_eq!(payloads(&mut pair.a).len(), 5);
    pair
}

#[test]
fn within_a_session_a_recording_is_refused_whole() {
    let mut pair = with_history();
    let before = pair.b.status().counts;
    play(&mut pair, A);
    assert_eq!(payloads(&mut pair.b), Vec::<Vec<u8>>::new());
    let after = pair.b.status().counts;
    assert_eq!(before.frames_received, after.frames_received);
    assert_eq!(after.sessions, 1);
}

#[test]
fn a_recording_means_nothing_to_a_node_that_began_anew() {
    let mut pair = with_history();
    pair.b = Link::new(config(A), Session::from_random(0xb2), pair.now);
    play(&mut pair, A);
    assert_eq!(pair.b.status().state, State::Waiting, "nobody is there");
    assert_eq!(events(&mut pair.b), []);
    assert_eq!(pair.b.status().counts.frames_received, 0);
    pair.run(HELLO_INTERVAL);
    assert_eq!(pair.b.status().state, State::Up);
    play(&mut pair, A);
    assert_eq!(payloads(&mut pair.b), Vec::<Vec<u8>>::new());
    assert_eq!(pair.b.status().counts.sessions, 1);
}

#[test]
fn a_recording_of_an_earlier_start_of_the_peer_never_brings_that_start_back() {
    let mut pair = with_history();
    // A last word that the network swallowed, so that it never came, then another start.
    pair.send(A, b"swallowed");
    pair.taken(A);
    pair.a = Link::new(config(B), Session::from_random(0xa2), pair.now);
    pair.run(Duration::ZERO);
    assert_eq!(events(&mut pair.b), [Event::Up { anew: true }]);
    play(&mut pair, A);
    assert_eq!(payloads(&mut pair.b), Vec::<Vec<u8>>::new());
    assert_eq!(pair.b.status().counts.sessions, 2);
    pair.send(A, b"of the new start");
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"of the new start"]);
}

#[test]
fn what_was_held_back_longer_than_its_age_allows_is_refused() {
    for (held, taken) in [(AGE_MAX - 300 * MILLISECOND, true), (AGE_MAX + MILLISECOND, false)] {
        let mut pair = Pair::up();
        pair.run(HELLO_INTERVAL);
        pair.send(A, b"take over");
        let frame = pair.taken(A).remove(0);
        pair.run_cut_off(held);
        pair.deliver(A, &frame);
        assert_eq!(payloads(&mut pair.b).len(), usize::from(taken), "{held:?}");
        assert_eq!(pair.b.refused(Reason::Stale), u64::from(!taken));
    }
}

#[test]
fn a_node_that_is_not_heard_is_told_stale_rather_than_believed() {
    let mut pair = Pair::up();
    for _ in 0..100 {
        pair.now += 100 * MILLISECOND;
        pair.a.handle_timeout(pair.now);
        pair.b.handle_timeout(pair.now);
        // The way from B to A is cut.
        pair.taken(B);
        for frame in pair.taken(A) {
            pair.deliver(A, &frame);
        }
    }
    assert_eq!(pair.b.status().state, State::Silent);
    assert!(pair.b.refused(Reason::Stale) > 0);
    pair.run(2 * HELLO_INTERVAL);
    assert_eq!((pair.a.status().state, pair.b.status().state), (State::Up, State::Up));
}

#[test]
fn nothing_in_an_introduction_counts() {
    let mut pair = Pair::up();
    pair.send(A, b"to the old one");
    let frame = pair.taken(A).remove(0);
    pair.b = Link::new(config(A), Session::from_random(0xb2), pair.now);
    pair.deliver(A, &frame);
    assert_eq!(events(&mut pair.b), []);
    assert_eq!(pair.b.status().state, State::Waiting);
    assert_eq!(pair.b.status().counts.introductions, 1);
    assert_eq!(pair.taken(B).len(), 1, "it is answered, so that its sender can prove itself");
}

#[test]
fn frames_sent_back_to_their_sender_are_neither_taken_nor_answered_for_ever() {
    let mut pair = with_history();
    let frames = pair.recorded.clone();
    for (sender, frame) in &frames {
        let now = pair.now;
        let peer = if *sender == A { B } else { A };
        pair.end(sender).handle_datagram(now, place(peer), frame);
    }
    assert_eq!(pair.a.refused(Reason::Reflected) + pair.b.refused(Reason::Reflected), {
        u64::try_from(frames.len()).unwrap()
    });
    // Those of an earlier start of its own.
    pair.a = Link::new(config(B), Session::from_random(0xa2), pair.now);
    for (_, frame) in frames.iter().filter(|(sender, _)| *sender == A) {
        pair.now += 20 * MILLISECOND;
        let now = pair.now;
        pair.a.handle_datagram(now, place(B), frame);
        pair.exchange();
    }
    assert_eq!(payloads(&mut pair.a), Vec::<Vec<u8>>::new());
    assert_eq!(pair.a.status().counts.sessions, 1);
}

#[test]
fn a_recorded_introduction_provokes_at_most_one_frame_from_each_side() {
    let mut pair = with_history();
    pair.a = Link::new(config(B), Session::from_random(0xa2), pair.now);
    pair.run(HELLO_INTERVAL / 2);
    let hello = pair.recorded.iter().find(|(sender, _)| *sender == A).unwrap().1.clone();
    let claims = *parse(&hello).unwrap().claims();
    assert_eq!((claims.from, claims.to), (Session::from_random(0xa1), None));
    let before = pair.recorded.len();
    pair.deliver(A, &hello);
    pair.exchange();
    assert_eq!(pair.recorded.len() - before, 1);
    assert_eq!(pair.b.status().counts.sessions, 2);
}

/// Else a frame to an earlier start of ours could be played to us, and its echo, older than our
/// start, would make us look older than we are.
#[test]
fn only_frames_that_name_us_are_echoed() {
    let mut pair = Pair::up();
    pair.send(A, b"to the old one");
    let frame = pair.taken(A).remove(0);
    pair.b = Link::new(config(A), Session::from_random(0xb2), pair.now);
    pair.deliver(A, &frame);
    let answer = pair.taken(B).remove(0);
    let answer = *parse(&answer).unwrap().claims();
    assert_eq!((answer.to, answer.echo), (Some(Session::from_random(0xa1)), None));
}

#[test]
fn an_echo_of_a_number_that_was_never_sent_is_no_proof() {
    let mut pair = Pair::up();
    let other = Keyring::new(&keys(OLD, None));
    pair.send(A, b"word");
    let frame = pair.taken(A).remove(0);
    let mut header = *parse(&frame).unwrap().claims();
    header.echo.as_mut().unwrap().sequence = std::num::NonZeroU64::MAX;
    pair.deliver(A, &other.seal(&header, b"word").unwrap());
    assert_eq!(pair.b.refused(Reason::Stale), 1);
    assert_eq!(payloads(&mut pair.b), Vec::<Vec<u8>>::new());
}
