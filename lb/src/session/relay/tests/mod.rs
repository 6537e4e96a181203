//! The relay as a table of inputs and the step that follows; its matrix, properties and clock are
//! in the modules below.

mod clock;
mod matrix;
mod properties;
mod rig;
mod socket;

use std::time::{Duration, Instant};

use Input::{
    Broken, Closing, Expire, NewTurn, NoPipe, Read, Readable, ShutDown, Spliced, Writable, Wrote,
};
use ReadOutcome::{Eof, Gone, WouldBlock};
use Side::{Client, Server};

use super::{
    BULK_CHUNK, CHUNK, Ending, Limits, ReadOutcome, Relay, SPLICE_MIN, Step, TURN_BYTES,
    WriteOutcome,
};
use crate::session::Side;

/// One call of the machine.
#[derive(Debug, Clone, Copy)]
enum Input {
    Readable(Side),
    Closing(Side),
    Broken(Side),
    Writable(Side),
    /// The answer to a read of at most one chunk, or of a large one where that was asked for.
    Read(Side, ReadOutcome),
    Spliced(Side, ReadOutcome),
    NoPipe(Side),
    Wrote(Side, WriteOutcome),
    ShutDown(Side),
    NewTurn,
    /// The idle limit has passed.
    Expire,
}

const IDLE: Duration = Duration::from_secs(60);
const LIMITS: Limits =
    Limits { idle: Some(IDLE), fin: [Duration::from_secs(5); 2], expires_at: None };

/// Feeds one input; reads are answered with the length that was asked for.
fn feed(relay: &mut Relay, input: Input, now: Instant) {
    match input {
        Readable(side) => relay.readable(side, false),
        Closing(side) => relay.readable(side, true),
        Broken(side) => relay.broken(side),
        Writable(side) => relay.writable(side),
        Read(from, outcome) => {
            let Step::Read { from: asked, max } = relay.poll() else {
                panic!("no read was asked for, but {:?}", relay.poll());
            };
            assert_eq!(from, asked);
            relay.read(from, max, outcome, now);
        }
        Spliced(from, outcome) => {
            assert_eq!(relay.poll(), Step::Splice { from });
            relay.spliced(from, outcome, now);
        }
        NoPipe(from) => {
            assert_eq!(relay.poll(), Step::Splice { from });
            relay.no_pipe(from);
        }
        Wrote(to, outcome) => {
            assert_eq!(relay.poll(), Step::Write { to });
            relay.wrote(to, outcome, now);
        }
        ShutDown(to) => {
            assert_eq!(relay.poll(), Step::ShutdownWrite { to });
            relay.shut_down(to, now);
        }
        NewTurn => relay.begin_turn(),
        Expire => relay.expire(&LIMITS, now + IDLE),
    }
}

fn after(prefix: usize, inputs: &[Input]) -> Relay {
    let now = Instant::now();
    let mut relay = Relay::new(prefix, now);
    for input in inputs {
        feed(&mut relay, *input, now);
    }
    relay
}

const fn got(count: usize) -> ReadOutcome {
    ReadOutcome::Bytes(count)
}

const fn put(count: usize) -> WriteOutcome {
    WriteOutcome::Bytes(count)
}

const READ: Step = Step::Read { from: Client, max: CHUNK };
const READ_BULK: Step = Step::Read { from: Client, max: BULK_CHUNK };
const SPLICE: Step = Step::Splice { from: Client };
const WRITE: Step = Step::Write { to: Server };
const SHUT: Step = Step::ShutdownWrite { to: Server };

const TABLE: &[(&str, &[Input], Step)] = &[
    ("new", &[], Step::Wait),
    ("room alone is nothing to do", &[Writable(Client), Writable(Server)], Step::Wait),
    ("readiness: read", &[Readable(Client)], READ),
    ("nothing there", &[Readable(Client), Read(Client, WouldBlock)], Step::Wait),
    ("bytes: write them", &[Readable(Client), Read(Client, got(9))], WRITE),
    (
        "a short read says as much as EAGAIN",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, put(9))],
        Step::Wait,
    ),
    (
        "a full read doesn't",
        &[Readable(Client), Read(Client, got(CHUNK)), Wrote(Server, put(CHUNK))],
        READ,
    ),
    (
        "nor does a short one with a FIN behind it",
        &[Closing(Client), Read(Client, got(9)), Wrote(Server, put(9))],
        READ,
    ),
    (
        "a short write: wait for room",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, put(4))],
        Step::Wait,
    ),
    (
        "and read nothing meanwhile",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, put(4)),
            Closing(Client),
            Writable(Client),
        ],
        Step::Wait,
    ),
    (
        "but the other direction goes on",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, put(4)), Readable(Server)],
        Step::Read { from: Server, max: CHUNK },
    ),
    (
        "room: write the rest",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, put(4)), Writable(Server)],
        WRITE,
    ),
    (
        "no room at all: wait",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, WriteOutcome::WouldBlock)],
        Step::Wait,
    ),
    ("FIN: pass it on", &[Closing(Client), Read(Client, Eof)], SHUT),
    (
        "FIN passed on: the other direction stays open",
        &[Closing(Client), Read(Client, Eof), ShutDown(Server)],
        Step::Wait,
    ),
    (
        "a side that sent FIN isn't read again",
        &[Closing(Client), Read(Client, Eof), ShutDown(Server), Closing(Client)],
        Step::Wait,
    ),
    (
        "both FINs passed on: over",
        &[
            Closing(Client),
            Read(Client, Eof),
            ShutDown(Server),
            Closing(Server),
            Read(Server, Eof),
            ShutDown(Client),
        ],
        Step::End(Ending::Finished),
    ),
    ("reset: over", &[Closing(Client), Read(Client, Gone)], Step::End(Ending::Reset(Client))),
    (
        "a write finds the sink gone: hear what it still said",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, WriteOutcome::Gone)],
        Step::Read { from: Server, max: CHUNK },
    ),
    (
        "and pass it on, but read on behind it",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Gone),
            Read(Server, got(5)),
            Wrote(Client, put(5)),
        ],
        Step::Read { from: Server, max: CHUNK },
    ),
    (
        "the end of a reset stream is no FIN",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Gone),
            Read(Server, Eof),
        ],
        Step::End(Ending::Reset(Server)),
    ),
    (
        "nothing more from it: over",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Gone),
            Read(Server, WouldBlock),
        ],
        Step::End(Ending::Reset(Server)),
    ),
    (
        "after EPIPE it is one",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Closed),
            Read(Server, Eof),
        ],
        Step::ShutdownWrite { to: Client },
    ),
    (
        "and the end is a reset all the same",
        &[
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Closed),
            Read(Server, Eof),
            ShutDown(Client),
        ],
        Step::End(Ending::Reset(Server)),
    ),
    (
        "a sink gone whose FIN was passed on before: over",
        &[
            Closing(Server),
            Read(Server, Eof),
            ShutDown(Client),
            Readable(Client),
            Read(Client, got(9)),
            Wrote(Server, WriteOutcome::Closed),
        ],
        Step::End(Ending::Reset(Server)),
    ),
    ("broken: read what is left", &[Broken(Client)], READ),
    (
        "broken after its FIN was passed on: over",
        &[Closing(Client), Read(Client, Eof), ShutDown(Server), Broken(Client)],
        Step::End(Ending::Reset(Client)),
    ),
    ("broken before its FIN was read: FIN first", &[Broken(Client), Read(Client, Eof)], SHUT),
    (
        "then over",
        &[Broken(Client), Read(Client, Eof), ShutDown(Server)],
        Step::End(Ending::Reset(Client)),
    ),
    ("silence: over", &[Expire], Step::End(Ending::Idle(Client))),
    (
        "silence with bytes held: the sink is to blame",
        &[Readable(Client), Read(Client, got(9)), Wrote(Server, put(4)), Expire],
        Step::End(Ending::Idle(Server)),
    ),
    (
        "silence after FIN: who is awaited is to blame",
        &[Closing(Client), Read(Client, Eof), ShutDown(Server), Expire],
        Step::End(Ending::FinTimeout(Server)),
    ),
    (
        "an end that has come isn't changed by time",
        &[Closing(Client), Read(Client, Gone), Expire],
        Step::End(Ending::Reset(Client)),
    ),
];

#[test]
fn each_input_leads_to_the_step_of_the_table() {
    for (name, inputs, expected) in TABLE {
        assert_eq!(after(0, inputs).poll(), *expected, "{name}: {inputs:?}");
    }
}

/// Inputs that carry so many chunks of `count` bytes from the client to the server.
fn chunks(times: usize, count: usize) -> Vec<Input> {
    let chunk = [Read(Client, got(count)), Wrote(Server, put(count))];
    [Readable(Client)].into_iter().chain(chunk.into_iter().cycle().take(2 * times)).collect()
}

fn splices(times: usize, count: usize) -> Vec<Input> {
    let chunk = [Spliced(Client, got(count)), Wrote(Server, put(count))];
    chunk.into_iter().cycle().take(2 * times).collect()
}

/// What a direction does after these inputs.
type Row<'a> = (&'a str, Vec<Vec<Input>>, Step);

fn check(table: &[Row<'_>]) {
    for (name, inputs, expected) in table {
        assert_eq!(after(0, &inputs.concat()).poll(), *expected, "{name}: {inputs:?}");
    }
}

#[test]
fn three_full_chunks_in_a_row_make_bulk() {
    check(&[
        ("two full chunks", vec![chunks(2, CHUNK)], READ),
        ("three", vec![chunks(3, CHUNK)], SPLICE),
        ("three, but not in a row", vec![chunks(2, CHUNK), chunks(1, 9), chunks(1, CHUNK)], READ),
        (
            "three, but the sink is slower",
            vec![
                chunks(2, CHUNK),
                vec![
                    Read(Client, got(CHUNK)),
                    Wrote(Server, put(1)),
                    Writable(Server),
                    Wrote(Server, WriteOutcome::WouldBlock),
                    Writable(Server),
                    Wrote(Server, put(CHUNK - 1)),
                ],
            ],
            SPLICE,
        ),
        (
            "two, the second to a slow sink, then one more",
            vec![
                chunks(1, CHUNK),
                vec![
                    Read(Client, got(CHUNK)),
                    Wrote(Server, put(1)),
                    Writable(Server),
                    Wrote(Server, put(CHUNK - 1)),
                ],
                chunks(1, CHUNK),
            ],
            READ,
        ),
    ]);
}

#[test]
fn three_small_splices_in_a_row_end_bulk() {
    check(&[
        ("two small splices", vec![chunks(3, CHUNK), splices(2, SPLICE_MIN - 1)], SPLICE),
        ("three", vec![chunks(3, CHUNK), splices(3, SPLICE_MIN - 1)], READ),
        (
            "three, but not in a row",
            vec![
                chunks(3, CHUNK),
                splices(2, SPLICE_MIN - 1),
                splices(1, SPLICE_MIN),
                splices(2, SPLICE_MIN - 1),
            ],
            SPLICE,
        ),
        (
            "an empty socket ends nothing",
            vec![chunks(3, CHUNK), vec![Spliced(Client, WouldBlock), Readable(Client)]],
            SPLICE,
        ),
    ]);
}

#[test]
fn without_a_pipe_bulk_is_copied_in_large_chunks() {
    check(&[
        ("no pipe: copy in large chunks", vec![chunks(3, CHUNK), vec![NoPipe(Client)]], READ_BULK),
        (
            "once, then ask for a pipe again",
            vec![
                chunks(3, CHUNK),
                vec![NoPipe(Client)],
                vec![Read(Client, got(BULK_CHUNK)), Wrote(Server, put(BULK_CHUNK))],
            ],
            SPLICE,
        ),
        (
            "also after a splice",
            vec![
                chunks(3, CHUNK),
                splices(1, CHUNK),
                vec![NoPipe(Client)],
                vec![Read(Client, got(BULK_CHUNK)), Wrote(Server, put(BULK_CHUNK))],
            ],
            SPLICE,
        ),
        (
            "a small copied chunk ends bulk",
            vec![
                chunks(3, CHUNK),
                vec![NoPipe(Client), Read(Client, got(9)), Wrote(Server, put(9))],
                vec![Readable(Client)],
            ],
            READ,
        ),
    ]);
}

#[test]
fn a_long_time_without_pipes_overflows_no_counter() {
    let mut inputs = chunks(3, CHUNK);
    for _ in 0..300 {
        inputs.extend([
            NoPipe(Client),
            Read(Client, got(BULK_CHUNK)),
            Wrote(Server, put(BULK_CHUNK)),
            NewTurn,
        ]);
    }
    inputs.extend(splices(3, 1));
    assert_eq!(after(0, &inputs).poll(), READ);
}

#[test]
fn splicing_goes_on_until_the_socket_is_empty() {
    let inputs = [chunks(3, CHUNK), splices(1, 17 * 1024)].concat();
    assert_eq!(after(0, &inputs).poll(), SPLICE, "a pipe has slots: short says nothing");
}

#[test]
fn the_prefix_goes_first_and_is_not_payload() {
    let relay = after(28, &[Readable(Client)]);
    assert_eq!(relay.poll(), WRITE, "nothing is read before the header is out");

    let relay = after(28, &[Readable(Client), Wrote(Server, put(20))]);
    assert_eq!(relay.poll(), Step::Wait, "a header written in part is finished first");
    assert_eq!(relay.held_from(Client), 8);

    let inputs = [
        Readable(Client),
        Wrote(Server, put(20)),
        Writable(Server),
        Wrote(Server, put(8)),
        Read(Client, got(5)),
        Wrote(Server, put(5)),
    ];
    let relay = after(28, &inputs);
    assert_eq!(relay.bytes_from(Client), 5);
    assert_eq!(relay.bytes_from(Server), 0);
}

#[test]
fn a_turn_ends_after_its_bytes_and_the_next_one_serves_the_other_direction_first() {
    let full = TURN_BYTES / CHUNK;
    let pull = [NoPipe(Client), Read(Client, got(BULK_CHUNK)), Wrote(Server, put(BULK_CHUNK))];
    let mut inputs = chunks(3, CHUNK);
    inputs.extend(pull.into_iter().cycle().take(3 * (full.div_ceil(4) - 1)));
    let short_of_a_turn = after(0, &inputs);
    assert_eq!(short_of_a_turn.poll(), SPLICE);

    inputs.push(Readable(Server));
    inputs.extend([NoPipe(Client), Read(Client, got(BULK_CHUNK))]);
    assert_eq!(after(0, &inputs).poll(), WRITE, "what was read is written in the same turn");

    inputs.push(Wrote(Server, put(BULK_CHUNK)));
    assert_eq!(after(0, &inputs).poll(), Step::Yield);

    inputs.push(NewTurn);
    assert_eq!(after(0, &inputs).poll(), Step::Read { from: Server, max: CHUNK });
}

#[test]
fn last_bytes_are_pending_only_between_the_servers_fin_and_the_clients_last_byte() {
    let slow_client = [Readable(Server), Read(Server, got(9)), Wrote(Client, put(4))];
    let and_then = |more: &[Input]| after(0, &[&slow_client, more].concat());
    assert!(!and_then(&[]).last_bytes_pending(), "the server may say more");
    assert!(!and_then(&[Broken(Server)]).last_bytes_pending(), "it may have been cut off");
    assert!(and_then(&[Closing(Server)]).last_bytes_pending());
    let all_out = [Closing(Server), Writable(Client), Wrote(Client, put(5))];
    assert!(!and_then(&all_out).last_bytes_pending());
    let lost = [Closing(Server), Writable(Client), Wrote(Client, WriteOutcome::Gone)];
    assert!(and_then(&lost).last_bytes_pending(), "the client left before it had them");
}

#[test]
fn a_deadline_beyond_the_clock_never_comes() {
    let limits = Limits { idle: Some(Duration::MAX), fin: [Duration::MAX; 2], expires_at: None };
    assert_eq!(after(0, &[]).deadline(&limits), None);
    let half_closed = after(0, &[Closing(Client), Read(Client, Eof), ShutDown(Server)]);
    assert_eq!(half_closed.deadline(&limits), None);
}

#[test]
fn last_bytes_for_a_slow_client_wait_under_the_idle_limit_not_the_fin_limit() {
    let inputs = [Closing(Server), Read(Server, got(9)), Wrote(Client, put(4))];
    let relay = after(0, &inputs);
    let (at, ending) = relay.deadline(&LIMITS).expect("there is an idle limit");
    assert_eq!(at, relay.active_at() + IDLE);
    assert_eq!(ending, Ending::Idle(Client), "no FIN was passed on yet");
}
