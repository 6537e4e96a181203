//! A hundred adverts a second while other processes keep every core busy: the address stays.

use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::Process;

use super::{PACE, millis};
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

/// Processes that do nothing but count; more than cores.
const BUSY: usize = 4;

const INTERVAL: Duration = Duration::from_millis(10);

/// How long, where `HALB_BUSY_SECONDS` says nothing else.
const TEN_MINUTES: u64 = 600;

#[test]
#[ignore = "needs root; a measurement of ten minutes"]
fn measure_adverts_of_ten_milliseconds_on_busy_cores() {
    let seconds =
        env::var("HALB_BUSY_SECONDS").map_or(TEN_MINUTES, |seconds| seconds.parse().unwrap());
    let segment = Segment::with(VIP, PACE);
    let router = |priority| Router { interval: INTERVAL, realtime: true, ..Router::fast(priority) };
    let _members = segment.pair([Kind::Halb, Kind::Halb], router);
    let _busy: Vec<_> = (0..BUSY).map(|_| spin()).collect();
    let begun = Instant::now();
    let (mut longest, mut adverts) = (Duration::ZERO, 0);
    let mut mark = segment.seen.mark();
    while begun.elapsed() < Duration::from_secs(seconds) {
        // In pieces, so that the capture forgets nothing in between.
        thread::sleep(Duration::from_secs(5));
        let next = segment.seen.mark();
        let seen = segment.adverts_of(0, mark);
        mark = next;
        adverts += seen.len();
        let gaps = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
        longest = longest.max(gaps.max().unwrap_or_default());
    }
    let moves: Vec<_> = segment
        .watches
        .iter()
        .flat_map(halb_lab::net::Watch::changes)
        .filter(|change| change.address == VIP && change.at > begun)
        .collect();
    println!("**A hundred adverts a second on busy cores**");
    println!("| adverts every 10 ms, {BUSY} busy processes, {seconds} s | |\n|---|---|");
    println!(
        "| adverts sent | {adverts} |\n| longest time between two, ms | {} |",
        millis(longest)
    );
    println!("| moves of the address | {} |", moves.len());
    assert!(moves.is_empty(), "the address moved: {moves:?}");
}

fn spin() -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]);
    Process::spawn(command).unwrap()
}
