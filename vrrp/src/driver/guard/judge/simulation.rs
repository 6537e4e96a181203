//! A daemon and its guard on a virtual clock, where either of them, or the whole host, stands
//! still for a while. `HALB_SIM_SEED=7` replays one seed.

use super::*;

#[path = "../../../../tests/simulation/dice.rs"]
mod dice;

use self::dice::{Dice, seeds};

/// Runs in an ordinary test run.
const RUNS: u64 = 3_000;

/// How long a run lasts before the daemon is killed, in limits.
const LENGTH: u32 = 40;

/// How late a process that may run is let run, at most.
const JITTER: Duration = Duration::from_millis(1);

/// How late the guard may come to each look and yet keep its promise.
const LATE_MAX: Duration = Duration::from_millis(10);

/// What stands still in a run, beside the guard's and the host's ordinary lateness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stalls {
    /// The daemon alone.
    Daemon,
    /// Guard and host, never the daemon alone.
    GuardAndHost,
    /// Each of them, also at the same time.
    All,
}

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Nothing,
    /// It asks the kernel for the address to be there, or not; done at its next turn.
    Change {
        is_there: bool,
    },
}

struct World {
    dice: Dice,
    now: Stamp,
    limit: Duration,
    stalls: Stalls,
    // The page.
    lease: Lease,
    is_holding: bool,
    // The kernel.
    has_address: bool,
    // The daemon.
    is_alive: bool,
    act: Act,
    daemon_turn: Stamp,
    // The guard.
    judge: Judge,
    guard_turn: Stamp,
    guard_resumes: Stamp,
    /// How late it comes to each look, at most.
    guard_lateness: Duration,
    /// Time since the last beat in which it could not look.
    guard_missed: Duration,
    sweep: Option<Look>,
    is_released: bool,
    revocations: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let limit = Duration::from_millis(dice.one_of(&[30, 100, 300, 2000]));
        let stalls = dice.one_of(&[Stalls::Daemon, Stalls::GuardAndHost, Stalls::All]);
        let guard_lateness = match stalls {
            Stalls::Daemon => dice.one_of(&[JITTER, LATE_MAX]),
            Stalls::GuardAndHost | Stalls::All => JITTER,
        };
        let now = Stamp::from_nanos(1 << 40);
        let lease = Lease { beat: now, is_acting: false, is_revoked: false, is_swept: false };
        Self {
            dice,
            now,
            limit,
            stalls,
            lease,
            is_holding: false,
            has_address: false,
            is_alive: true,
            act: Act::Nothing,
            daemon_turn: now,
            judge: Judge::new(now, lease),
            guard_turn: now,
            guard_resumes: now,
            guard_lateness,
            guard_missed: Duration::ZERO,
            sweep: None,
            is_released: false,
            revocations: 0,
        }
    }

    fn soon(&mut self) -> Stamp {
        let jitter = self.dice.time(JITTER);
        self.now.plus(jitter)
    }

    /// The daemon's next step: it ends its act, or looks whether it may go on.
    fn daemon(&mut self) {
        match std::mem::replace(&mut self.act, Act::Nothing) {
            Act::Change { is_there } => {
                self.has_address = is_there;
                self.is_holding &= is_there;
                self.lease.is_acting = false;
                self.daemon_turn = self.soon();
                return;
            }
            Act::Nothing => {}
        }
        let pause = pause(self.limit);
        self.daemon_turn = self.soon().plus(pause);
        if self.lease.is_revoked {
            // It becomes backup, and takes away what it may have added in the moment of freezing.
            self.has_address = false;
            if self.lease.is_swept {
                self.is_holding = false;
                self.lease.is_revoked = false;
                self.lease.is_swept = false;
                self.beat();
            }
            return;
        }
        self.beat();
        if self.dice.percent(10) {
            let is_there = !self.has_address;
            self.is_holding |= is_there;
            self.lease.is_acting = true;
            self.act = Act::Change { is_there };
            self.daemon_turn = self.soon();
        }
    }

    fn beat(&mut self) {
        self.lease.beat = self.now;
        self.guard_missed = self.guard_resumes.since(self.now);
    }

    /// The guard's next step: it ends its sweep, or looks.
    fn guard(&mut self) -> Result<(), String> {
        if let Some(look) = self.sweep.take() {
            if self.is_alive && !self.lease.is_revoked {
                return Err("took the address from a daemon that had leave".to_owned());
            }
            self.has_address = false;
            self.is_released = !look.is_alive;
            self.lease.is_swept |= look.is_alive && !look.lease.is_acting;
            self.guard_turn = self.soon();
            return Ok(());
        }
        let look = Look {
            now: self.now,
            is_alive: self.is_alive,
            is_closing: false,
            is_holding: self.is_holding,
            lease: self.lease,
            limit: self.limit,
        };
        self.guard_turn = self.soon();
        match self.judge.judge(&look) {
            Verdict::Wait { until } => {
                self.guard_turn = until.plus(self.dice.time(self.guard_lateness));
            }
            Verdict::Revoke => {
                let silence = self.now.since(self.lease.beat);
                if silence < self.limit {
                    return Err(format!("revoked after {silence:?}"));
                }
                match self.stalls {
                    Stalls::GuardAndHost => {
                        return Err("revoked though the daemon never stood still alone".to_owned());
                    }
                    // The promise: the limit, and what it came late to this look; giving everything
                    // up takes the rest of 20 ms.
                    Stalls::Daemon if silence > self.limit + self.guard_lateness => {
                        return Err(format!("revoked only after {silence:?}"));
                    }
                    Stalls::Daemon | Stalls::All => {}
                }
                self.lease.is_revoked = true;
                self.revocations += 1;
            }
            Verdict::Sweep | Verdict::Release => self.sweep = Some(look),
            Verdict::Leave => return Err("left".to_owned()),
        }
        Ok(())
    }

    /// Now and then something stands still: at most one thing in a limit, as host stalls that
    /// follow each other so closely look like a frozen daemon.
    fn something_stalls(&mut self) {
        let (short, long) = (self.limit / 2, self.limit * 8);
        let bound = self.dice.one_of(&[short, long]);
        let time = self.dice.time(bound);
        let (daemon, guard) = match self.stalls {
            Stalls::Daemon => (true, false),
            Stalls::GuardAndHost => self.dice.one_of(&[(false, true), (true, true)]),
            Stalls::All => self.dice.one_of(&[(true, false), (false, true), (true, true)]),
        };
        let end = self.now.plus(time);
        if daemon {
            self.daemon_turn = self.daemon_turn.max(end);
        }
        if guard {
            self.guard_turn = self.guard_turn.max(end);
            self.guard_resumes = self.guard_resumes.max(end);
            self.guard_missed += time;
        }
        if daemon && guard {
            // Both may run again; which of them is let first is chance.
            self.daemon_turn = self.daemon_turn.plus(self.dice.time(JITTER));
            self.guard_turn = self.guard_turn.plus(self.dice.time(JITTER));
        }
    }

    /// Silence has an end, also where the guard was hindered: two limits of which it missed none.
    fn check(&mut self) -> Result<(), String> {
        let silence = self.now.since(self.lease.beat);
        let allowed =
            self.limit * 2 + self.guard_missed + usual_lateness(self.limit) * 2 + JITTER * 10;
        let is_held = self.has_address && !self.lease.is_revoked && self.act == Act::Nothing;
        if is_held && silence > allowed {
            return Err(format!("silent for {:?}, still holding", silence));
        }
        Ok(())
    }

    fn play(mut self) -> Result<u32, String> {
        let end = self.now.plus(self.limit * LENGTH);
        let mut stall = self.now.plus(self.limit);
        while !self.is_released {
            let next =
                self.guard_turn.min(if self.is_alive { self.daemon_turn } else { self.guard_turn });
            self.now = self.now.max(next.min(stall));
            if self.is_alive && self.now >= end {
                self.is_alive = false;
                self.is_holding |= self.has_address;
                self.guard_turn = self.guard_turn.min(self.soon());
            }
            if self.now >= end.plus(self.limit * LENGTH) {
                return Err("no release after the daemon's death".to_owned());
            }
            if self.now >= stall {
                self.something_stalls();
                stall = self.now.plus(self.limit + self.dice.time(self.limit * 6));
                continue;
            }
            if self.is_alive && self.daemon_turn <= self.guard_turn {
                self.daemon();
            } else {
                self.guard()?;
            }
            self.check()?;
        }
        if self.has_address {
            return Err("a ghost: the address outlived the guard".to_owned());
        }
        Ok(self.revocations)
    }
}

#[test]
fn whoever_stands_still_addresses_are_given_up_in_time_and_only_then() {
    let mut revocations = 0;
    for seed in seeds(RUNS) {
        let outcome = World::new(seed).play();
        revocations += outcome.unwrap_or_else(|error| panic!("HALB_SIM_SEED={seed}: {error}"));
    }
    assert!(revocations > 0, "no run froze the daemon for long enough");
}
