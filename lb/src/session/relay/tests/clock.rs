//! Sessions on a virtual clock: peers that speak and pause at random, limits at random. A session
//! ends exactly when its time has come, and for the reason that an observer outside would give.

use std::time::{Duration, Instant};

use super::rig::{Conditions, Rig};
use super::socket::OPEN;
use crate::session::{Ending, Limits, Side};

/// Sessions of one run.
const SESSIONS: u64 = 300;

/// Rounds of one session; long before, one of its limits ends it.
const ROUNDS: usize = 400;

/// SplitMix64 (Steele, Lea, Flood 2014): enough for a simulation, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % bound
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(1 + self.below(bound))
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn side(&mut self) -> Side {
        if self.one_in(2) { Side::Client } else { Side::Server }
    }
}

fn limits(random: &mut Random, start: Instant) -> Limits {
    let idle = (!random.one_in(4)).then(|| random.millis(3000));
    let fin = [random.millis(2000), random.millis(2000)];
    // Without an idle limit a session may be silent for ever; then its age must end it.
    let expires_at = (idle.is_none() || random.one_in(2)).then(|| start + random.millis(60_000));
    Limits { idle, fin, expires_at }
}

/// When the session is to end and why, told from outside: by the FINs that the peers saw and the
/// bytes that are on their way.
fn expected(rig: &Rig, limits: &Limits) -> Option<(Instant, Ending)> {
    let waits_in = |from: Side| if rig.relay.held_from(from) > 0 { from.other() } else { from };
    let [client, server] = &rig.sockets;
    let silence = match (server.fin_received(), client.fin_received()) {
        (false, false) => limits.idle.map(|idle| (idle, Ending::Idle(waits_in(Side::Client)))),
        (true, _) => Some(waits_in(Side::Server)).map(|side| fin(limits, side)),
        (_, true) => Some(waits_in(Side::Client)).map(|side| fin(limits, side)),
    };
    let silence = silence.map(|(limit, ending)| (rig.moved_at + limit, ending));
    let age = limits.expires_at.map(|at| (at, Ending::Expired));
    match (silence, age) {
        (Some(silence), Some(age)) => Some(if silence.0 <= age.0 { silence } else { age }),
        (silence, age) => silence.or(age),
    }
}

fn fin(limits: &Limits, side: Side) -> (Duration, Ending) {
    (limits.fin[side.index()], Ending::FinTimeout(side))
}

fn something_happens(random: &mut Random, rig: &mut Rig) {
    let side = random.side();
    match random.below(12) {
        0 => rig.socket(side).fin(),
        1 => rig.socket(side).set_room(0),
        2 | 3 => rig.socket(side).set_room(OPEN),
        4 => rig.socket(side).wake_for_nothing(),
        _ => {
            let count = usize::try_from(1 + random.below(100_000)).expect("fits");
            rig.socket(side).says(count);
        }
    }
}

/// Plays one session to its end; an error says what went wrong.
fn play(seed: u64) -> Result<Ending, String> {
    let mut random = Random(seed);
    let pipe = random.one_in(2).then_some(64 * 1024);
    let full_edges = random.one_in(2);
    let mut rig = Rig::new(Conditions { prefix: 0, pipe, full_edges });
    let limits = limits(&mut random, rig.now);
    for _ in 0..ROUNDS {
        let deadline = rig.relay.deadline(&limits);
        if deadline != expected(&rig, &limits) {
            return Err(format!("deadline {deadline:?}, not {:?}", expected(&rig, &limits)));
        }
        let pause = random.millis(1500);
        if let Some((at, ending)) = deadline
            && at <= rig.now + pause
        {
            return end_at(rig, &limits, at, ending);
        }
        rig.pass(&limits, pause);
        something_happens(&mut random, &mut rig);
        rig.run();
        if let Some(ending) = rig.ending {
            let by_time = !matches!(ending, Ending::Finished);
            return if by_time { Err(format!("{ending:?} too early")) } else { Ok(ending) };
        }
        let later = rig.relay.deadline(&limits);
        if let (Some((before, same)), Some((after, ending))) = (deadline, later)
            && same == ending
            && after < before
        {
            return Err(format!("{ending:?} came closer: from {before:?} to {after:?}"));
        }
    }
    Err("did not end".to_owned())
}

/// A nanosecond before, nothing ends; then it does, as foretold.
fn end_at(mut rig: Rig, limits: &Limits, at: Instant, ending: Ending) -> Result<Ending, String> {
    let left = at.saturating_duration_since(rig.now);
    if let Some(just_before) = left.checked_sub(Duration::from_nanos(1)) {
        rig.pass(limits, just_before);
        if rig.ending.is_some() {
            return Err(format!("{:?} before its time", rig.ending));
        }
        rig.pass(limits, Duration::from_nanos(1));
    } else {
        rig.pass(limits, Duration::ZERO);
    }
    match rig.ending {
        Some(got) if got == ending => Ok(got),
        got => Err(format!("{got:?} instead of {ending:?}")),
    }
}

#[test]
fn sessions_end_when_their_time_has_come_and_not_before() {
    if let Ok(seed) = std::env::var("HALB_SIM_SEED") {
        let seed = seed.parse().expect("HALB_SIM_SEED is a number");
        play(seed).unwrap_or_else(|error| panic!("HALB_SIM_SEED={seed}: {error}"));
        return;
    }
    let mut endings = Vec::new();
    let count = std::env::var("HALB_SIM_SEEDS");
    let count = count.map_or(SESSIONS, |n| n.parse().expect("HALB_SIM_SEEDS is a number"));
    for seed in 0..count {
        let ending = play(seed).unwrap_or_else(|error| panic!("HALB_SIM_SEED={seed}: {error}"));
        endings.push(ending);
    }
    let seen = |wanted: fn(&Ending) -> bool| endings.iter().any(wanted);
    assert!(seen(|ending| matches!(ending, Ending::Finished)));
    assert!(seen(|ending| matches!(ending, Ending::Idle(Side::Client))));
    assert!(seen(|ending| matches!(ending, Ending::Idle(Side::Server))));
    assert!(seen(|ending| matches!(ending, Ending::FinTimeout(Side::Client))));
    assert!(seen(|ending| matches!(ending, Ending::FinTimeout(Side::Server))));
    assert!(seen(|ending| matches!(ending, Ending::Expired)));
}
