//! Adverts while other processes keep every core busy: which interval holds, in real time and
//! without.

use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::net::Watch;
use halb_lab::witness::Stall;
use halb_lab::{Process, Witness};

use super::{PACE, millis};
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

/// Processes that do nothing but count; more than cores.
const BUSY: usize = 4;

/// The shortest interval that version 3 knows.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long, where `HALB_BUSY_SECONDS` says nothing else.
const TEN_MINUTES: u64 = 600;

/// A stall of the machine that can be taken for a death at this interval: with what is left of an
/// interval it makes the freeze limit of 30 ms.
const STALL: Duration = Duration::from_millis(15);

/// Changes within this time are one move, there and back.
const ONE_MOVE: Duration = Duration::from_secs(1);

/// Nodes on busy cores, and what became of their address.
struct Watched {
    adverts: usize,
    /// The longest time between two adverts.
    longest: Duration,
    /// Moves while the machine ran.
    moves: usize,
    /// Moves while the machine itself stood still.
    excused: usize,
}

#[test]
#[ignore = "needs root; a measurement of twelve minutes"]
fn measure_adverts_on_busy_cores() {
    let seconds =
        env::var("HALB_BUSY_SECONDS").map_or(TEN_MINUTES, |seconds| seconds.parse().unwrap());
    let (whole, part) = (Duration::from_secs(seconds), Duration::from_secs(seconds) / 10);
    let witness = Witness::start().unwrap();
    let _busy: Vec<_> = (0..BUSY).map(|_| spin()).collect();
    println!("**Adverts while {BUSY} processes keep the cores busy**");
    println!(
        "| adverts every | scheduled | for | adverts | longest time between two, ms | moves | \
         moves while the machine itself stood still |\n|---|---|---|---|---|---|---|"
    );
    let mut moved = Vec::new();
    for (interval, realtime, time, holds) in [
        (SHORTEST, true, whole, true),
        (SHORTEST, false, part, false),
        (10 * SHORTEST, false, part, true),
    ] {
        let seen = watch(interval, realtime, time, &witness);
        let scheduled = if realtime { "in real time" } else { "as usual" };
        println!(
            "| {interval:?} | {scheduled} | {time:?} | {} | {} | {} | {} |",
            seen.adverts,
            millis(seen.longest),
            seen.moves,
            seen.excused,
        );
        moved.extend((holds && seen.moves > 0).then_some((interval, scheduled, seen.moves)));
    }
    let stalls = witness.stalls(STALL);
    let worst = stalls.iter().map(|stall| stall.to - stall.from).max().unwrap_or_default();
    println!("**Processors that stood still for {} ms or more**", STALL.as_millis());
    println!("| times | longest, ms |\n|---|---|\n| {} | {} |", stalls.len(), millis(worst));
    assert!(moved.is_empty(), "the address moved: {moved:?}");
}

fn watch(interval: Duration, realtime: bool, time: Duration, witness: &Witness) -> Watched {
    let segment = Segment::with(VIP, PACE);
    let router = |priority| Router { interval, realtime, ..Router::fast(priority) };
    let _members = segment.pair([Kind::Halb, Kind::Halb], router);
    let begun = Instant::now();
    let (mut longest, mut adverts) = (Duration::ZERO, 0);
    let mut mark = segment.seen.mark();
    while begun.elapsed() < time {
        // In pieces, so that the capture forgets nothing in between.
        thread::sleep(Duration::from_secs(5).min(time));
        let next = segment.seen.mark();
        let seen = segment.adverts_of(0, mark);
        mark = next;
        adverts += seen.len();
        let gaps = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
        longest = longest.max(gaps.max().unwrap_or_default());
    }
    let stalls = witness.stalls(STALL);
    let (excused, moves): (Vec<_>, Vec<_>) = moves_since(&segment, begun)
        .into_iter()
        .partition(|at| stalls.iter().any(|stall| explains(stall, *at)));
    Watched { adverts, longest, moves: moves.len(), excused: excused.len() }
}

/// When the address began to move, on either node.
fn moves_since(segment: &Segment, begun: Instant) -> Vec<Instant> {
    let changes = segment.watches.iter().flat_map(Watch::changes);
    let mut times: Vec<_> = changes
        .filter(|change| change.address == VIP && change.at > begun)
        .map(|change| change.at)
        .collect();
    times.sort();
    let mut moves: Vec<Instant> = Vec::new();
    let mut last = None;
    for at in times {
        if last.is_none_or(|last| at - last > ONE_MOVE) {
            moves.push(at);
        }
        last = Some(at);
    }
    moves
}

/// Whether a stall can have brought about a move: the move comes while it lasts, as the other
/// processor goes on, or within a down interval after it.
fn explains(stall: &Stall, at: Instant) -> bool {
    at >= stall.from && at <= stall.to + 5 * SHORTEST
}

fn spin() -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]);
    Process::spawn(command).unwrap()
}
