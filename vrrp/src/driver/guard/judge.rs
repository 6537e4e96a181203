//! Decides what the guard does: pure, given what it sees when it looks.
//!
//! ```text
//!              beats                 silent for the limit
//!   ┌────┐◀───────────── guarding ────────────────────────▶ revoke ──▶ sweep ◀─┐ an act of the
//!   │wait│                                                               │ └───┘ daemon is pending
//!   └────┘◀──────────────────── acknowledged ────────────────────────────┘
//!   pipe hung up: release for good          told to close: leave, touch nothing
//! ```
//!
//! The guard may have been kept from running itself, by a busy host or by one that stood still
//! altogether, and then the daemon's silence proves nothing. So it looks several times within the
//! limit, and when it comes late to a look it grants a fresh period. It does so once in a silence;
//! after that it only leaves out what it missed, so that a host which is slow for long doesn't
//! keep the addresses of a frozen daemon for ever.
//!
//! What that promises, whatever the limit: a guard that comes to each look within 10 ms revokes
//! within the limit and these 10 ms after the last beat, which leaves as much for giving everything
//! up. One that comes later than that to its last look revokes when it comes, for nothing would be
//! gained by waiting on; only what is more than an eighth of the limit puts it off.

use std::time::Duration;

use super::stamp::Stamp;

/// What the guard sees when it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// When it looks.
    pub(super) now: Stamp,
    /// Whether the daemon's end of the pipe is still open.
    pub(super) is_alive: bool,
    /// The daemon stops in good order and has given everything up itself.
    pub(super) is_closing: bool,
    /// There is something to give up.
    pub(super) is_holding: bool,
    /// What daemon and guard say to each other.
    pub(super) lease: Lease,
    /// How long the daemon may be silent.
    pub(super) limit: Duration,
}

/// The daemon's leave to hold the addresses, as it stands in the shared page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// When the daemon last said that it runs.
    pub(super) beat: Stamp,
    /// The daemon is within an act (an advert, a change of addresses) that it began with leave.
    pub(super) is_acting: bool,
    /// The guard took the leave away, and the daemon hasn't acknowledged it yet.
    pub(super) is_revoked: bool,
    /// After the revocation everything was given up, and no act of the daemon can undo it.
    pub(super) is_swept: bool,
}

/// What the guard does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then, or when the pipe hangs up.
    Wait {
        /// When.
        until: Stamp,
    },
    /// Mark the lease as revoked, unless it has changed since the look; then look again.
    Revoke,
    /// Give everything up on behalf of a daemon that stands still, and look again.
    Sweep,
    /// The daemon is dead: give everything up and exit.
    Release,
    /// Exit and touch nothing.
    Leave,
}

/// Judges one daemon.
#[derive(Debug)]
pub(super) struct Judge {
    /// When it meant to look next.
    planned: Stamp,
    /// The beat that it saw last.
    beat: Stamp,
    /// Since when the silence counts.
    silent_since: Stamp,
    /// A fresh period was granted in this silence.
    has_granted: bool,
    /// When it last swept for the revocation that is pending.
    swept_at: Option<Stamp>,
}

impl Judge {
    /// A guard that begins now. It grants a period: nobody knows how long its start took.
    pub(super) fn new(now: Stamp, lease: Lease) -> Self {
        Self {
            planned: now,
            beat: lease.beat,
            silent_since: now.max(lease.beat),
            has_granted: true,
            swept_at: None,
        }
    }

    /// What to do after this look.
    pub(super) fn judge(&mut self, look: &Look) -> Verdict {
        let late = look.now.since(self.planned);
        let verdict = self.decide(look, late);
        self.planned = match verdict {
            Verdict::Wait { until } => until,
            Verdict::Revoke | Verdict::Sweep | Verdict::Release | Verdict::Leave => look.now,
        };
        verdict
    }

    fn decide(&mut self, look: &Look, late: Duration) -> Verdict {
        if look.is_closing {
            return Verdict::Leave;
        }
        if !look.is_alive {
            return Verdict::Release;
        }
        if look.lease.is_revoked {
            return self.see_through(look);
        }
        self.swept_at = None;
        self.count(look, late);
        let pause = pause(look.limit);
        if !look.is_holding {
            return Verdict::Wait { until: look.now.plus(pause) };
        }
        let end = self.silent_since.plus(look.limit);
        if look.now >= end {
            return Verdict::Revoke;
        }
        Verdict::Wait { until: end.min(look.now.plus(pause)) }
    }

    /// Since when the silence counts, after a look that came so late.
    fn count(&mut self, look: &Look, late: Duration) {
        if look.lease.beat != self.beat {
            self.beat = look.lease.beat;
            self.silent_since = look.lease.beat;
            self.has_granted = false;
        } else if !look.is_holding {
            // Nothing depends on it; what is held next begins with a beat.
            return;
        }
        if late <= usual_lateness(look.limit) {
            return;
        }
        if self.has_granted {
            self.silent_since = self.silent_since.plus(late);
        } else {
            self.silent_since = look.now;
            self.has_granted = true;
        }
    }

    /// A revocation that isn't acknowledged: sweeps until nothing can come after it.
    fn see_through(&mut self, look: &Look) -> Verdict {
        if look.lease.is_swept {
            return Verdict::Wait { until: look.now.plus(pause(look.limit)) };
        }
        match self.swept_at.map(|at| at.plus(SWEEP_AGAIN)) {
            Some(next) if look.now < next => Verdict::Wait { until: next },
            Some(_) | None => {
                self.swept_at = Some(look.now);
                Verdict::Sweep
            }
        }
    }
}

/// Time between two looks. Short enough that a stall of the whole host that no look comes late to
/// can't eat up the limit, long enough to cost nothing.
pub(super) fn pause(limit: Duration) -> Duration {
    (limit / LOOKS).max(PAUSE_MIN)
}

/// Looks within a limit.
const LOOKS: u32 = 4;

/// Looks more often than that would only cost, whatever the page says.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// A look that comes later than this shows that the guard was kept from running. Were less than an
/// eighth of the limit missed at each of the looks, the daemon still had half of the limit to beat
/// in; and a revocation that comes so much late comes sooner than one after a fresh period.
pub(super) fn usual_lateness(limit: Duration) -> Duration {
    (limit / (2 * LOOKS)).max(LATE_MIN)
}

/// Lateness of any host that is busy, and half of the 20 ms that a revocation may come late. It
/// never puts anything off, so that the promise holds for the shortest limit, too.
const LATE_MIN: Duration = Duration::from_millis(10);

/// Time between sweeps while an act of the frozen daemon may still come through, or while
/// something can't be given up.
const SWEEP_AGAIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
