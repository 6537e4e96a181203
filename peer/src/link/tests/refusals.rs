//! What is refused, and how it is told.

use super::*;

/// Reasons with their count.
fn refused(link: &Link) -> Vec<(Reason, u64)> {
    let refused = link.status().refused;
    refused.iter().map(|refused| (refused.refusal.reason(), refused.count)).collect()
}

fn told(link: &mut Link) -> Vec<(SocketAddr, Refusal)> {
    let told = |event| match event {
        Event::Refused { from, refusal } => Some((from, refusal)),
        Event::Up { .. } | Event::Down | Event::Received { .. } => None,
    };
    events(link).into_iter().filter_map(told).collect()
}

/// A message of A, as B would take it.
fn message(pair: &mut Pair) -> Vec<u8> {
    pair.send(A, b"word");
    pair.taken(A).remove(0)
}

#[test]
fn each_reason_is_counted_and_told_with_its_sender_and_delivers_nothing() {
    type Change = fn(&mut Pair, Vec<u8>) -> (&'static str, Vec<u8>, Refusal);
    let table: [Change; 11] = [
        |_, frame| ("192.0.2.9:7112", frame, Refusal::NotPeer { peer: place(A) }),
        |_, frame| ("192.0.2.1:7113", frame, Refusal::NotPeer { peer: place(A) }),
        |_, frame| (A, frame[1..].to_vec(), Refusal::NotOurs),
        |_, frame| (A, [&b"halb\x02"[..], &frame[5..]].concat(), Refusal::Version(2)),
        |_, frame| (A, frame[..20].to_vec(), Refusal::TooShort(20)),
        |_, frame| (A, [frame, vec![0; 1_200]].concat(), Refusal::TooLong),
        |_, frame| (A, [frame, vec![0]].concat(), Refusal::Malformed("length")),
        |_, frame| (A, [&frame[..80 - 1], &[!frame[79]]].concat(), Refusal::WrongKey),
        |pair, _| {
            pair.send(B, b"word");
            (A, pair.taken(B).remove(0), Refusal::Reflected)
        },
        |pair, frame| {
            pair.run_cut_off(AGE_MAX + HELLO_INTERVAL);
            events(&mut pair.b);
            (A, frame, Refusal::Stale)
        },
        |pair, frame| {
            pair.deliver(A, &frame);
            events(&mut pair.b);
            (A, frame, Refusal::Replayed)
        },
    ];
    for change in table {
        let mut pair = Pair::up();
        let frame = message(&mut pair);
        let (from, datagram, refusal) = change(&mut pair, frame);
        let before = pair.b.status();
        pair.b.handle_datagram(pair.now, place(from), &datagram);
        let refused_event = Event::Refused { from: place(from), refusal };
        assert_eq!(events(&mut pair.b), [refused_event]);
        let after = pair.b.status();
        let entry = after.refused.iter().find(|entry| entry.refusal == refusal).unwrap();
        assert_eq!((entry.from, entry.at, entry.count), (place(from), pair.now, 1));
        assert_eq!(after.counts.messages_received, before.counts.messages_received);
        assert_eq!(after.heard, before.heard, "it is no sign of life");
        assert!(pair.taken(B).is_empty(), "it is not answered");
    }
}

#[test]
fn a_channel_that_nobody_listens_on_is_refused_and_its_sender_is_heard() {
    let mut pair = Pair::up();
    pair.run(HELLO_INTERVAL / 2);
    for number in [2, Channel::MAX] {
        let now = pair.now;
        pair.a.send(now, Channel::new(number).unwrap(), b"word").unwrap();
        pair.exchange();
        assert_eq!(pair.b.status().heard, Some(now));
    }
    assert_eq!(told(&mut pair.b), [(place(A), Refusal::UnknownChannel(2))]);
    assert_eq!(refused(&pair.b), [(Reason::UnknownChannel, 2)]);
}

#[test]
fn a_wrong_key_is_told_once_until_something_valid_came_and_a_minute_passed() {
    let mut pair = Pair::up();
    let mut forged = message(&mut pair);
    *forged.last_mut().unwrap() ^= 1;
    let forge = |pair: &mut Pair| {
        pair.deliver(A, &forged);
        told(&mut pair.b).len()
    };
    assert_eq!(forge(&mut pair), 1);
    for _ in 0..1_000 {
        pair.run_cut_off(100 * MILLISECOND);
        assert_eq!(forge(&mut pair), 0, "nothing valid came");
    }
    pair.run(2 * HELLO_INTERVAL);
    assert_eq!(forge(&mut pair), 1, "something valid came, and a minute passed");
    pair.run(2 * HELLO_INTERVAL);
    assert_eq!(forge(&mut pair), 0, "a minute did not pass");
    pair.run(TELL_PAUSE);
    assert_eq!(forge(&mut pair), 1);
    assert_eq!(pair.b.refused(Reason::WrongKey), 1_004);
}

#[test]
fn nodes_with_different_keys_never_hear_each_other_and_say_why() {
    let mut pair = Pair::new();
    pair.b.apply(pair.now, Config { keys: keys(NEW, None), ..config(A) });
    pair.run(Duration::from_secs(60));
    for (end, other) in [(&mut pair.a, B), (&mut pair.b, A)] {
        assert_eq!(end.status().state, State::Waiting);
        assert_eq!(told(end), [(place(other), Refusal::WrongKey)]);
        assert_eq!(refused(end), [(Reason::WrongKey, 61)]);
        assert_eq!(end.status().counts.frames_sent, 61, "they are answered by nobody");
    }
}

#[test]
fn a_flood_in_the_peers_name_costs_a_bounded_number_of_looks_and_the_link_stays_up() {
    let mut pair = Pair::up();
    let mut forged = message(&mut pair);
    // A session that strangers make up; whoever knows the right one has the pair's budget.
    forged[8] ^= 1;
    let seconds = 20_u64;
    for _ in 0..seconds * 10 {
        pair.run(100 * MILLISECOND);
        for _ in 0..1_000 {
            pair.deliver(A, &forged);
        }
    }
    let looked_at = pair.b.refused(Reason::WrongKey);
    let bound = u64::from(STRANGERS_RATE.burst) + u64::from(STRANGERS_RATE.per_second) * seconds;
    assert!((bound - 100..=bound).contains(&looked_at), "{looked_at}");
    assert_eq!(pair.b.refused(Reason::Flood), seconds * 10_000 - looked_at);
    assert_eq!(pair.b.status().state, State::Up);
    let told: Vec<_> = told(&mut pair.b).into_iter().map(|(_, refusal)| refusal).collect();
    assert_eq!(told, [Refusal::WrongKey, Refusal::Flood], "and once each");
    pair.send(A, b"through the flood");
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"through the flood"]);
}

#[test]
fn a_flood_that_knows_both_sessions_is_bounded_too() {
    let mut pair = Pair::up();
    let mut forged = message(&mut pair);
    *forged.last_mut().unwrap() ^= 1;
    pair.now += HELLO_INTERVAL / 2;
    for _ in 0..50_000 {
        pair.deliver(A, &forged);
    }
    assert_eq!(pair.b.refused(Reason::WrongKey), u64::from(PAIR_RATE.burst));
    assert_eq!(pair.b.refused(Reason::Flood), 50_000 - u64::from(PAIR_RATE.burst));
    pair.now += 10 * MILLISECOND;
    pair.send(A, b"after the flood");
    pair.exchange();
    assert_eq!(payloads(&mut pair.b), [b"after the flood"]);
}

#[test]
fn events_that_nobody_takes_do_not_pile_up() {
    let mut pair = Pair::up();
    for _ in 0..10 * EVENTS_MAX {
        pair.now += MILLISECOND;
        pair.send(A, b"word");
        pair.exchange();
    }
    let waiting = events(&mut pair.b).len();
    assert!((EVENTS_MAX..EVENTS_MAX + 3).contains(&waiting), "{waiting}");
    assert!(pair.b.refused(Reason::Flood) > 0);
}

#[test]
fn reasons_have_words_of_their_own_and_refusals_say_what_to_do() {
    let words: std::collections::BTreeSet<_> =
        Reason::ALL.iter().map(|reason| reason.word()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    assert!(Reason::ALL.is_sorted());
    let said = Refusal::WrongKey.to_string();
    assert_eq!(said, "its signature fits none of our keys; give both nodes the same key");
    let said = Refusal::Version(9).to_string();
    assert_eq!(said, "version 9 of the link is not ours, 1; run the same halb on both nodes");
}

#[test]
fn an_interface_counts_only_where_it_is_configured() {
    let table = [
        ("[fe80::1%2]:7112", "[fe80::1%2]:7112", true),
        ("[fe80::1%3]:7112", "[fe80::1%2]:7112", false),
        ("[fe80::1%3]:7112", "[fe80::1]:7112", true),
        ("[2001:db8::1]:7112", "[2001:db8::1]:7112", true),
        ("[::ffff:192.0.2.1]:7112", A, false),
        (A, A, true),
    ];
    for (from, peer, taken) in table {
        let pair = Pair::new();
        let mut link = Link::new(config(peer), Session::from_random(5), pair.now);
        link.handle_datagram(pair.now, place(from), b"anything");
        let reason = if taken { Reason::NotOurs } else { Reason::NotPeer };
        assert_eq!(link.refused(reason), 1, "{from} {peer}");
    }
}
