//! Properties over random worlds: peers that send, stop, finish, reset and stop reading at any
//! moment, also between a readiness and the read that follows it.
//!
//! What holds after every single step (order, nothing twice, nothing read while something is held,
//! FIN after the last byte, bounded turns, no spinning, no lost edge) is asserted in
//! [`super::rig`]; here is what holds of whole sessions.

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::{Conditions, PIPE_MAX, Rig};
use super::socket::OPEN;
use crate::session::relay::{CHUNK, ReadOutcome, Step, WriteOutcome};
use crate::session::{Ending, Side};

#[derive(Debug, Clone)]
enum Op {
    /// A segment, or as many as these in a row.
    Says(Side, usize, usize),
    Fin(Side),
    Closes(Side),
    Rst(Side),
    Room(Side, usize),
    WakeForNothing(Side),
    /// Pipes run out, or are to be had again.
    Pipe(Option<usize>),
    /// So many steps, without a look at readiness.
    Steps(usize),
    /// One turn.
    Turn,
    /// Until there is nothing to do.
    Run,
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![1..4_usize, 1..3000_usize, Just(CHUNK), Just(4 * CHUNK), CHUNK - 1..5 * CHUNK]
}

fn pipes() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![Just(None), Just(Some(4096)), Just(Some(64 * 1024)), Just(Some(PIPE_MAX))]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (sides(), sizes(), 1..4_usize).prop_map(|(side, size, times)| Op::Says(side, size, times)),
        2 => (sides(), 1..3_usize, 30..300_usize)
            .prop_map(|(side, size, times)| Op::Says(side, size, times)),
        1 => (sides(), 10..40_usize).prop_map(|(side, times)| Op::Says(side, 5 * CHUNK, times)),
        1 => sides().prop_map(Op::Fin),
        1 => sides().prop_map(Op::Closes),
        1 => sides().prop_map(Op::Rst),
        3 => (sides(), prop_oneof![Just(0), 1..9_usize, sizes()])
            .prop_map(|(side, room)| Op::Room(side, room)),
        2 => sides().prop_map(|side| Op::Room(side, OPEN)),
        1 => sides().prop_map(Op::WakeForNothing),
        1 => pipes().prop_map(Op::Pipe),
        4 => (1..6_usize).prop_map(Op::Steps),
        3 => Just(Op::Turn),
        3 => Just(Op::Run),
    ]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    (prop_oneof![Just(0), 1..200_usize], pipes(), any::<bool>())
        .prop_map(|(prefix, pipe, full_edges)| Conditions { prefix, pipe, full_edges })
}

fn apply(rig: &mut Rig, op: &Op) {
    match *op {
        Op::Says(side, size, times) => {
            for _ in 0..times {
                rig.socket(side).says(size);
            }
        }
        Op::Fin(side) => rig.socket(side).fin(),
        Op::Closes(side) => rig.socket(side).close(),
        Op::Rst(side) => rig.socket(side).rst(),
        Op::Room(side, room) => rig.socket(side).set_room(room),
        Op::WakeForNothing(side) => rig.socket(side).wake_for_nothing(),
        Op::Pipe(pipe) => rig.set_pipe(pipe),
        Op::Steps(count) => (0..count).for_each(|_| {
            rig.step();
        }),
        Op::Turn => {
            rig.turn();
        }
        Op::Run => rig.run(),
    }
}

/// Plays the ops, then lets both peers read whatever comes and halb run until it waits.
fn play(conditions: Conditions, ops: &[Op]) -> Rig {
    let mut rig = Rig::new(conditions);
    for op in ops {
        if rig.ending.is_some() {
            break;
        }
        apply(&mut rig, op);
    }
    for side in [Side::Client, Side::Server] {
        rig.socket(side).set_room(OPEN);
    }
    rig.run();
    rig
}

/// A FIN is passed on exactly if the side sent one; all that it sent arrives if the other side is
/// there to take it.
fn check_direction(rig: &Rig, from: Side) {
    let (source, sink) = (&rig.sockets[from.index()], &rig.sockets[from.other().index()]);
    let through = rig.relay.bytes_from(from);
    if sink.reset {
        assert!(sink.received <= source.sent);
        return;
    }
    assert_eq!(sink.received, source.sent, "all that {from:?} sent arrives");
    assert_eq!(sink.accepted, sink.received + sink.prefix_received);
    assert_eq!(through, sink.received as u64, "the prefix is not payload");
    assert_eq!(sink.fin_received(), source.fin_sent, "a FIN arrives exactly if one was sent");
}

/// How the session must have ended, given what the peers did.
fn check_ending(rig: &Rig) {
    let [client, server] = &rig.sockets;
    match rig.ending {
        Some(Ending::Finished) => assert!(client.fin_sent && server.fin_sent),
        Some(Ending::Reset(side)) => assert!(rig.sockets[side.index()].reset),
        Some(Ending::Idle(_) | Ending::FinTimeout(_) | Ending::Expired) => {
            panic!("no time has passed")
        }
        None => {
            assert!(!client.reset && !server.reset, "a reset ends a session");
            assert!(!(client.fin_sent && server.fin_sent), "two FINs end a session");
        }
    }
}

fn poke(rig: &mut Rig) {
    let now = rig.now;
    for side in [Side::Client, Side::Server] {
        rig.relay.readable(side, true);
        rig.relay.writable(side);
        rig.relay.broken(side);
        rig.relay.begin_turn();
        rig.relay.read(side, CHUNK, ReadOutcome::Gone, now);
        rig.relay.spliced(side, ReadOutcome::WouldBlock, now);
        rig.relay.wrote(side, WriteOutcome::WouldBlock, now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_one_peer_sends_reaches_the_other_up_to_a_reset(
        conditions in conditions(),
        ops in vec(ops(), 1..60),
    ) {
        let rig = play(conditions, &ops);
        check_ending(&rig);
        check_direction(&rig, Side::Client);
        check_direction(&rig, Side::Server);
        let prefix = rig.sockets[Side::Server.index()].prefix_received;
        prop_assert!(prefix == conditions.prefix || rig.sockets[Side::Server.index()].reset
            || rig.sockets[Side::Client.index()].reset);
    }

    #[test]
    fn a_session_without_resets_ends_once_both_peers_have_finished(
        conditions in conditions(),
        ops in vec(ops(), 1..60),
    ) {
        let harmless = |op: &Op| !matches!(op, Op::Rst(_) | Op::Closes(_));
        let ops: Vec<Op> = ops.into_iter().filter(harmless).collect();
        let mut rig = play(conditions, &ops);
        for side in [Side::Client, Side::Server] {
            rig.socket(side).fin();
        }
        rig.run();
        prop_assert_eq!(rig.ending, Some(Ending::Finished));
        check_direction(&rig, Side::Client);
        check_direction(&rig, Side::Server);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn after_the_end_nothing_else_is_asked_for(
        conditions in conditions(),
        ops in vec(ops(), 1..60),
    ) {
        let mut rig = play(conditions, &ops);
        rig.socket(Side::Server).rst();
        rig.run();
        let ending = rig.ending.expect("a reset ends a session");
        poke(&mut rig);
        prop_assert_eq!(rig.relay.poll(), Step::End(ending));
    }
}
