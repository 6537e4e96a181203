//! How soon the address moves once halb knows that its frontend has no server left.

use std::time::{Duration, Instant, SystemTime};

use halb_lab::{Witness, eventually};

use super::{PACE, cell, median_and_worst};
use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::key::Key;
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;
use crate::support::server::Server;

const TRIALS: usize = 5;

/// Trials beside one peer that may be repeated because the machine itself stood still.
const REPEATED: usize = 5;

/// The shortest stall of the machine that is looked at.
const STALL: Duration = Duration::from_millis(2);

/// What is promised beyond the peer's skew time, or altogether between two halbs with `[peer]`.
const PROMISE: Duration = Duration::from_millis(10);

/// Priority of the peer.
const PEER: u8 = 100;

#[test]
#[ignore = "needs root and keepalived; a measurement of a minute"]
fn measure_the_move_after_a_failed_frontend() {
    println!("**A frontend without servers**");
    println!(
        "| peer, adverts every | promised, ms | address on the peer after detection, ms: median / \
         worst | halb's own share, ms | nobody answers, ms |\n|---|---|---|---|---|"
    );
    let (mut late, mut repeated) = (Vec::new(), Vec::new());
    for (other, millis) in
        [(Kind::Keepalived, 1000), (Kind::Keepalived, 100), (Kind::Halb, 1000), (Kind::Halb, 100)]
    {
        let interval = Duration::from_millis(millis);
        let (promised, _) = promised(other, interval);
        let Moves { times, shares, outages, excused } = Moves::measure(other, interval);
        let cells = [&times, &shares, &outages].map(|times| cell(times)).join(" | ");
        println!("| {other:?}, {interval:?} | {} | {cells} |", super::millis(promised));
        repeated.extend(excused);
        // A keepalived that the scheduler makes wait is not halb's affair.
        late.extend((median_and_worst(&times).0 > promised).then_some((other, interval, times)));
        late.extend(
            shares
                .into_iter()
                .filter(|share| *share > PROMISE)
                .map(|share| (other, interval, vec![share])),
        );
    }
    println!("**Trials repeated since the machine itself stood still: {}**", repeated.len());
    for (share, stood) in repeated {
        println!(
            "| {} ms, of which it stood still for {} |",
            super::millis(share),
            super::millis(stood)
        );
    }
    assert!(late.is_empty(), "later than promised: {late:?}");
}

/// Times of the trials beside one peer.
#[derive(Default)]
struct Moves {
    /// From detection until the peer has the address.
    times: Vec<Duration>,
    /// From detection until halb says that it gives the address up.
    shares: Vec<Duration>,
    /// How long nobody answered the client.
    outages: Vec<Duration>,
    /// Shares of trials that don't count, and how long the machine stood still meanwhile.
    excused: Vec<(Duration, Duration)>,
}

impl Moves {
    fn measure(other: Kind, interval: Duration) -> Self {
        let mut moves = Self::default();
        let witness = Witness::start().unwrap();
        play(other, interval, |Move { detected, time, share, outage }| {
            let stood = stood_still(&witness, detected, detected + time);
            if share > PROMISE && share.saturating_sub(stood) <= PROMISE {
                moves.excused.push((share, stood));
                assert!(moves.excused.len() <= REPEATED, "this machine stands still too often");
                return true;
            }
            moves.times.push(time);
            moves.shares.push(share);
            moves.outages.push(outage);
            moves.times.len() < TRIALS
        });
        moves
    }
}

/// One trial.
pub(crate) struct Move {
    detected: Instant,
    pub(crate) time: Duration,
    pub(crate) share: Duration,
    outage: Duration,
}

/// What is promised of [`Move::time`] beside a peer, and of [`Move::share`] beside any.
pub(crate) fn promised(other: Kind, interval: Duration) -> (Duration, Duration) {
    let skew = interval * (256 - u32::from(PEER)) / 256;
    (if other == Kind::Halb { PROMISE } else { skew + PROMISE }, PROMISE)
}

/// Lets the frontend of a halb fail, beside a peer, until `is_to_go_on` says otherwise.
pub(crate) fn play(other: Kind, interval: Duration, mut is_to_go_on: impl FnMut(Move) -> bool) {
    let segment = Segment::with(VIP, PACE);
    let key = Key::new();
    let at = Server::address(&segment.client);
    let router = |number: usize, priority| Router {
        interval,
        realtime: true,
        peer: (other == Kind::Halb).then(|| key.peer(&segment.balancers[1 - number])),
        ..Router::fast(priority)
    };
    let mut server = Some(Server::listen(&segment.client));
    let failing = Router { tracked_server: Some(at), ..router(0, PEER + 1) };
    let halb = segment.start(0, Kind::Halb, &failing);
    let peer = segment.start(1, other, &router(1, PEER));
    if other == Kind::Halb {
        halb.wait_for_link();
        peer.wait_for_link();
    }
    loop {
        segment.wait_for_holder(0);
        segment.stays_for(interval * 2);
        let (failed, mark) = (Instant::now(), segment.seen.mark());
        let lines = halb.process().line_count();
        drop(server.take());
        let moved = eventually("the address moves", PATIENCE, || {
            segment.watches[1].last(VIP, true, failed)
        });
        let detected = detection(halb.halb(), lines);
        let said = segment.adverts_of(0, mark).into_iter().find(|it| it.priority == 0).unwrap();
        segment.wait_for_holder(1);
        let goes_on = is_to_go_on(Move {
            detected,
            time: moved.saturating_duration_since(detected),
            share: said.at.saturating_duration_since(detected),
            outage: segment.prober.longest_outage_since(failed),
        });
        if !goes_on {
            return;
        }
        server = Some(Server::listen(&segment.client));
    }
}

/// How long at most a processor stood still between two times, as a thread of the highest real-time
/// priority felt it.
fn stood_still(witness: &Witness, from: Instant, until: Instant) -> Duration {
    let stalls = witness.stalls(STALL).into_iter();
    let within =
        stalls.map(|stall| stall.to.min(until).saturating_duration_since(stall.from.max(from)));
    within.max().unwrap_or_default()
}

/// When halb's log says that its server went down.
fn detection(halb: &Daemon, mark: u64) -> Instant {
    let line = halb.wait_for_line_after(mark, "server is DOWN", PATIENCE).unwrap();
    // 2026-11-22T00:14:02.068315Z; the day is today's.
    let time = line.split(['T', 'Z']).nth(1).unwrap();
    let seconds = time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
    let (now, wall) = (Instant::now(), SystemTime::now());
    let day = Duration::from_hours(24).as_secs_f64();
    let today = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() % day;
    now - Duration::from_secs_f64((today - seconds).rem_euclid(day))
}
