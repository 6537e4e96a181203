//! Hierarchical timer wheel: the deadlines of one worker's sessions, one timer per slab key.
//!
//! ```text
//! level 0  │64 slots of    8 ms│  the next half second
//! level 1  │64 slots of  512 ms│  the next 33 s
//! level 2  │64 slots of 32.8 s │  the next 35 min
//!   …                             37 h, 99 days, 17 years, 1,115 years
//! ```
//!
//! A timer sits in the level whose slot width fits its distance. When time reaches a slot of a
//! higher level, its timers move down to finer slots, so that each moves at most seven times in its
//! life. Arming and cancelling take constant time; a jump of the clock over hours (a
//! suspended machine) costs as much as the timers it passes, not as the time it skips.
//!
//! Times are rounded up to ticks of [`TICK`]: a timer never fires early, and at most one tick late
//! if [`Wheel::expire`] is called when [`Wheel::next_deadline`] says.
//!
//! # Deadlines that are pushed back all the time
//!
//! An idle timeout moves with every byte. Re-arming it each time would touch two list links per
//! event for a timer that almost never fires. Instead, the session keeps the true deadline, and
//! after each event the worker calls [`Wheel::arm_by`], which leaves an earlier timer alone. When
//! the timer fires, the session finds its deadline still ahead, and the worker arms it anew:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use halb_lb::wheel::Wheel;
//! # let start = Instant::now();
//! # let mut wheel = Wheel::new(start);
//! # let (key, idle_timeout) = (7, Duration::from_secs(60));
//! // A session begins; then bytes arrive 20 s later.
//! wheel.arm_by(key, start + idle_timeout);
//! let deadline = start + Duration::from_secs(20) + idle_timeout;
//! wheel.arm_by(key, deadline); // costs a comparison
//!
//! let now = start + Duration::from_millis(60_008);
//! while let Some(key) = wheel.expire(now) {
//!     if now < deadline {
//!         wheel.arm_by(key, deadline); // not yet: once more
//!     }
//! }
//! # assert!(wheel.next_deadline().is_some_and(|at| at > now));
//! ```

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// Resolution. Small against the shortest timeout that makes sense (10 ms and up), large enough
/// that sessions with deadlines close together share a wake-up.
pub const TICK: Duration = Duration::from_millis(8);

/// Timers for slab keys. Memory: 16 bytes for each key up to the largest ever armed, and 1.9 KiB.
///
/// Keys are meant to be dense, as those of a slab are; the largest decides how much is allocated.
#[derive(Debug)]
pub struct Wheel {
    /// Tick 0.
    base: Instant,
    /// All ticks up to this one have been worked off: their timers are in `DUE` or gone.
    elapsed: u64,
    /// Indexed by key.
    timers: Vec<Timer>,
    /// First timer of each slot's ring, level by level, then that of [`DUE`].
    first: [u32; LEVELS * SLOTS + 1],
    /// One bit per slot that holds timers, for each level.
    ///
    /// Set bits are always of slots after the one that `elapsed` is in: a tick that has passed is
    /// in [`DUE`], and one in the current slot belongs to a lower level.
    occupied: [u64; LEVELS],
}

/// A timer's place in the ring of its slot.
#[derive(Debug, Clone, Copy)]
struct Timer {
    /// When it fires; [`UNARMED`] if it doesn't.
    tick: u64,
    previous: u32,
    next: u32,
}

impl Wheel {
    /// No timers yet. `base` is the earliest time that matters; earlier ones are taken for it.
    #[must_use]
    pub fn new(base: Instant) -> Self {
        Self {
            base,
            elapsed: 0,
            timers: Vec::new(),
            first: [NONE; LEVELS * SLOTS + 1],
            occupied: [0; LEVELS],
        }
    }

    /// Arms the timer of `key`, in place of an earlier arming. A deadline that has passed fires
    /// within a tick, but not before [`expire`](Self::expire) is called with a later time: a
    /// caller that arms for the past while it drains can't go round in circles.
    pub fn schedule(&mut self, key: u32, deadline: Instant) {
        let tick = self.tick_at_or_after(deadline).max(self.elapsed + 1);
        self.schedule_tick(key, tick);
    }

    /// Makes sure that `key` fires by `deadline` (and at most a tick later): leaves a timer that
    /// is armed for an earlier time, or for the same tick, as it is.
    pub fn arm_by(&mut self, key: u32, deadline: Instant) {
        let tick = self.tick_at_or_after(deadline).max(self.elapsed + 1);
        if self.armed_tick(key).is_none_or(|armed| armed > tick) {
            self.schedule_tick(key, tick);
        }
    }

    /// Disarms the timer of `key`, if it is armed. A session that ends must do so before its key
    /// is given to another.
    pub fn cancel(&mut self, key: u32) {
        if let Some(tick) = self.armed_tick(key) {
            self.unlink(key, self.ring_of(tick));
            self.timers[index(key)].tick = UNARMED;
        }
    }

    /// Disarms and returns a timer whose deadline is at or before `now`; to be called until there
    /// are none. Earlier ticks come first. A clock that seems to go back is taken to stand still.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        self.advance(self.tick_at_or_before(now));
        let key = self.first[DUE];
        if key == NONE {
            return None;
        }
        self.unlink(key, DUE);
        self.timers[index(key)].tick = UNARMED;
        Some(key)
    }

    /// When to call [`expire`](Self::expire) next; none while no timer is armed.
    ///
    /// For a timer in level 0 this is its tick. For a farther one it is the beginning of its slot,
    /// where it moves to a finer level: never too late, and at most six calls of `expire` that
    /// return nothing between arming a timer and its firing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let tick = if self.first[DUE] == NONE { self.next_slot()?.begin } else { self.elapsed };
        // A deadline that no Instant can express doesn't come.
        let seconds = Duration::from_secs(tick / TICKS_PER_SECOND);
        let ticks = u32::try_from(tick % TICKS_PER_SECOND).expect("less than TICKS_PER_SECOND");
        self.base.checked_add(seconds + TICK * ticks)
    }

    fn armed_tick(&self, key: u32) -> Option<u64> {
        self.timers.get(index(key)).map(|timer| timer.tick).filter(|&tick| tick != UNARMED)
    }

    /// `tick` is after `elapsed`, as far as ticks go.
    fn schedule_tick(&mut self, key: u32, tick: u64) {
        let tick = tick.min(TICK_MAX);
        self.cancel(key);
        if self.timers.len() <= index(key) {
            self.timers.resize(index(key) + 1, Timer { tick: UNARMED, previous: key, next: key });
        }
        self.timers[index(key)].tick = tick;
        self.link(key, self.ring_of(tick));
    }

    /// Works off all ticks up to `now`: what has come due goes to [`DUE`].
    fn advance(&mut self, now: u64) {
        while let Some(slot) = self.next_slot().filter(|slot| slot.begin <= now) {
            self.elapsed = slot.begin;
            // Its timers share all digits of `elapsed` down to this level: each goes to a lower
            // level or, if its tick is `elapsed` itself, to DUE. None comes back here.
            while self.first[slot.ring] != NONE {
                let key = self.first[slot.ring];
                self.unlink(key, slot.ring);
                self.link(key, self.ring_of(self.timers[index(key)].tick));
            }
        }
        // No timer is between `elapsed` and `now`.
        self.elapsed = self.elapsed.max(now);
    }

    /// The first slot that holds timers. A lower level's slots all come before those of a higher
    /// one, which begin only where the lower level ends.
    fn next_slot(&self) -> Option<Slot> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let digit = self.occupied[level].trailing_zeros();
        let shift = shift_of(level);
        let before = self.elapsed >> shift >> SLOT_BITS << SLOT_BITS;
        Some(Slot {
            ring: level * SLOTS + index(digit),
            begin: (before | u64::from(digit)) << shift,
        })
    }

    /// Where a timer for `tick` is: [`DUE`], or the level of the highest digit in which `tick` and
    /// `elapsed` differ. While `elapsed` doesn't reach that digit's slot the answer stays the same.
    fn ring_of(&self, tick: u64) -> usize {
        if tick <= self.elapsed {
            return DUE;
        }
        let level = index((tick ^ self.elapsed).ilog2() / SLOT_BITS);
        let digit = (tick >> shift_of(level)) % SLOTS as u64;
        level * SLOTS + usize::try_from(digit).expect("less than SLOTS")
    }

    /// Appends to a ring.
    fn link(&mut self, key: u32, ring: usize) {
        let first = self.first[ring];
        if first == NONE {
            self.first[ring] = key;
            self.set_neighbours(key, key, key);
            if ring != DUE {
                self.occupied[ring / SLOTS] |= 1 << (ring % SLOTS);
            }
            return;
        }
        let last = self.timers[index(first)].previous;
        self.set_neighbours(key, last, first);
        self.timers[index(last)].next = key;
        self.timers[index(first)].previous = key;
    }

    fn unlink(&mut self, key: u32, ring: usize) {
        let Timer { previous, next, .. } = self.timers[index(key)];
        if next == key {
            self.first[ring] = NONE;
            if ring != DUE {
                self.occupied[ring / SLOTS] &= !(1 << (ring % SLOTS));
            }
            return;
        }
        self.timers[index(previous)].next = next;
        self.timers[index(next)].previous = previous;
        if self.first[ring] == key {
            self.first[ring] = next;
        }
    }

    fn set_neighbours(&mut self, key: u32, previous: u32, next: u32) {
        let timer = &mut self.timers[index(key)];
        timer.previous = previous;
        timer.next = next;
    }

    fn tick_at_or_after(&self, time: Instant) -> u64 {
        self.ticks(time, |nanos| nanos.div_ceil(TICK.subsec_nanos()))
    }

    fn tick_at_or_before(&self, time: Instant) -> u64 {
        self.ticks(time, |nanos| nanos / TICK.subsec_nanos())
    }

    fn ticks(&self, time: Instant, of_nanos: impl Fn(u32) -> u32) -> u64 {
        let since = time.saturating_duration_since(self.base);
        let whole = since.as_secs().saturating_mul(TICKS_PER_SECOND);
        whole.saturating_add(u64::from(of_nanos(since.subsec_nanos()))).min(TICK_MAX)
    }
}

/// A slot that holds timers.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Its place in `first`.
    ring: usize,
    /// Its first tick.
    begin: u64,
}

/// How far a level's digit is from the right end of a tick, in bits.
fn shift_of(level: usize) -> u32 {
    u32::try_from(level).expect("less than LEVELS") * SLOT_BITS
}

/// Keys and digits index vectors; a usize holds any u32 on the machines that halb is built for.
fn index(key: u32) -> usize {
    usize::try_from(key).expect("usize has at least 32 bits")
}

/// A level has 64 slots, one for each bit of a word.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Seven digits of six bits: [`TICK_MAX`] is 1,115 years after the base.
const LEVELS: usize = 7;
/// Later deadlines, and a later now, are taken for this tick.
const TICK_MAX: u64 = (1 << (SLOT_BITS * 7)) - 1;
const TICKS_PER_SECOND: u64 = 125;

/// The ring of timers whose tick has come.
const DUE: usize = LEVELS * SLOTS;
/// Tick of a timer that isn't armed.
const UNARMED: u64 = u64::MAX;
/// No key: an empty ring.
const NONE: u32 = u32::MAX;
