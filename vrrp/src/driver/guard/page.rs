//! The page of memory that daemon and guard share: when the daemon last ran, whether it has leave
//! to hold the addresses, and what to do if it can't.
//!
//! ```text
//!   word  0        layout, so that no two versions misunderstand each other
//!         1        lease: when the daemon last ran, and three flags
//!         2 ..  5  orders: freeze limit, real-time priority, closing, the plan in force
//!         6 .. 11  what the guard says of itself
//!         …        two slots for plans, one in force while the other is written
//! ```
//!
//! Nobody waits for anybody: each word is atomic, the daemon writes orders and plans, the guard
//! its report, and both change the lease by compare-and-exchange. All stores release and all loads
//! acquire, so they are seen in the order in which they were made.

mod memory;

use std::io;
use std::num::{NonZeroU8, NonZeroUsize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use self::memory::Memory;
use super::judge::Lease;
use super::stamp::{Stamp, clamp};
use crate::plan::{PLAN_LEN_MAX, Plan, PlanTooLong};

/// One side's view of the page.
#[derive(Debug)]
pub(super) struct Page {
    memory: Memory,
}

/// What the guard says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its process id, once it is ready to act.
    pub ready: Option<u32>,
    /// Why it has no real-time priority, where one was asked for.
    pub realtime_refused: Option<Errno>,
    /// Why its memory isn't locked.
    pub lock_refused: Option<Errno>,
    /// Times that it took the leave away.
    pub revocations: u64,
    /// How long it took it last to give everything up.
    pub sweep: Duration,
    /// Farewells and addresses that it failed with in all.
    pub failures: u64,
}

/// The file isn't a page of this version.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// It can't be mapped.
    #[error("what standard input is can't be mapped")]
    Map(#[source] io::Error),
    /// Another version made it.
    #[error("the page was made by another version of halb")]
    Layout,
}

impl Page {
    /// A new page, and the file that another process gets it by. The daemon has just run, holds
    /// nothing, and may be silent for that long.
    pub(super) fn create(
        limit: Duration,
        realtime: Option<NonZeroU8>,
    ) -> io::Result<(Self, OwnedFd)> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create(c"halb-guard", flags)?;
        let length = WORDS.get() * size_of::<AtomicU64>();
        ftruncate(&file, i64::try_from(length).map_err(io::Error::other)?)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let page = Self { memory: Memory::map(file.as_fd(), WORDS)? };
        page.set_limit(limit);
        page.set_realtime(realtime);
        page.beat(Stamp::now());
        page.store(at::LAYOUT, LAYOUT);
        Ok((page, file))
    }

    /// The page that another process made.
    pub(super) fn open(file: BorrowedFd<'_>) -> Result<Self, OpenError> {
        let page = Self { memory: Memory::map(file, WORDS).map_err(OpenError::Map)? };
        if page.load(at::LAYOUT) == LAYOUT { Ok(page) } else { Err(OpenError::Layout) }
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.memory.words()[index]
    }

    fn load(&self, index: usize) -> u64 {
        self.word(index).load(Acquire)
    }

    fn store(&self, index: usize, value: u64) {
        self.word(index).store(value, Release);
    }
}

/// The lease, which both sides change.
impl Page {
    /// As it stands.
    pub(super) fn lease(&self) -> Lease {
        decode(self.load(at::LEASE))
    }

    /// Daemon: it runs. This doesn't give it back a leave that it lost.
    pub(super) fn beat(&self, now: Stamp) {
        let beat = now.nanos() & !FLAGS;
        // Never fails: there is always a next value.
        let _ =
            self.word(at::LEASE).fetch_update(AcqRel, Acquire, |word| Some(word & FLAGS | beat));
    }

    /// Daemon: it runs, and begins an act. False: it lost its leave, and must not.
    pub(super) fn begin_act(&self, now: Stamp) -> bool {
        let beat = now.nanos() & !FLAGS;
        let may = |word: u64| (word & REVOKED == 0).then_some(beat | ACTING);
        self.word(at::LEASE).fetch_update(AcqRel, Acquire, may).is_ok()
    }

    /// Daemon: it runs, and the act is over.
    pub(super) fn end_act(&self, now: Stamp) {
        let beat = now.nanos() & !FLAGS;
        let ended = |word| Some(word & FLAGS & !ACTING | beat);
        // Never fails: there is always a next value.
        let _ = self.word(at::LEASE).fetch_update(AcqRel, Acquire, ended);
    }

    /// Guard: takes the leave away, unless the lease is no longer what was seen: the daemon runs
    /// again.
    pub(super) fn revoke(&self, seen: Lease) -> bool {
        let seen = encode(seen);
        self.word(at::LEASE).compare_exchange(seen, seen | REVOKED, AcqRel, Acquire).is_ok()
    }

    /// Guard: everything is given up, and no act that was pending can bring it back.
    pub(super) fn mark_swept(&self) {
        self.word(at::LEASE).fetch_or(SWEPT, AcqRel);
    }

    /// Daemon: it knows that its leave was taken away, has given everything up itself, and asks
    /// for a new one. False: the guard is still at it. `is_alone`: no guard is alive that could be.
    pub(super) fn acknowledge(&self, now: Stamp, is_alone: bool) -> bool {
        let renewed = now.nanos() & !FLAGS;
        let may = |word| (word & REVOKED == 0 || word & SWEPT != 0 || is_alone).then_some(renewed);
        self.word(at::LEASE).fetch_update(AcqRel, Acquire, may).is_ok()
    }
}

/// What the daemon orders.
impl Page {
    /// How long the daemon may be silent.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_nanos(self.load(at::LIMIT))
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        self.store(at::LIMIT, clamp(limit));
    }

    /// The priority that the guard is to ask for under `SCHED_FIFO`.
    pub(super) fn realtime(&self) -> Option<NonZeroU8> {
        u8::try_from(self.load(at::REALTIME)).ok().and_then(NonZeroU8::new)
    }

    pub(super) fn set_realtime(&self, priority: Option<NonZeroU8>) {
        self.store(at::REALTIME, priority.map_or(0, |priority| priority.get().into()));
    }

    pub(super) fn is_closing(&self) -> bool {
        self.load(at::CLOSING) != 0
    }

    /// The guard is to exit without touching anything.
    pub(super) fn close(&self) {
        self.store(at::CLOSING, 1);
    }

    /// Puts a plan in force. A daemon that dies in between leaves the plan before.
    pub(super) fn publish(&self, plan: &Plan) -> Result<(), PlanTooLong> {
        for (index, value) in self.publication(&plan.encode()?) {
            self.store(index, value);
        }
        Ok(())
    }

    /// The stores that put a plan in force, in their order: the slot that isn't in force becomes
    /// invalid, is filled, becomes valid, and comes in force.
    fn publication(&self, bytes: &[u8]) -> impl Iterator<Item = (usize, u64)> {
        let generation = self.generation().wrapping_add(1);
        let slot = slot(generation);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let words = bytes.chunks(8).zip(slot + SLOT_HEAD..).map(|(chunk, index)| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (index, u64::from_ne_bytes(word))
        });
        [(slot, INVALID), (slot + 1, length)]
            .into_iter()
            .chain(words)
            .chain([(slot, generation), (at::GENERATION, generation)])
    }

    /// The plan in force. None: the daemon published too fast to be read, or what is there is no
    /// plan.
    pub(super) fn plan(&self) -> Option<Plan> {
        (0..READS_MAX)
            .find_map(|_| self.read(self.generation()))
            .and_then(|bytes| Plan::decode(&bytes))
    }

    /// Which plan is in force; each has its own number.
    pub(super) fn generation(&self) -> u64 {
        self.load(at::GENERATION)
    }

    /// The plan in force is not empty.
    pub(super) fn is_holding(&self) -> bool {
        // A slot that is being replaced belongs to a daemon that runs; the next look sees more.
        self.load(slot(self.generation()) + 1) != 0
    }

    /// The bytes of the plan with this number. None: it is being replaced, or was.
    fn read(&self, generation: u64) -> Option<Vec<u8>> {
        let slot = slot(generation);
        let is_whole = || self.load(slot) == generation;
        if !is_whole() {
            return None;
        }
        let length = usize::try_from(self.load(slot + 1)).ok()?.min(PLAN_LEN_MAX);
        let words = (0..length.div_ceil(8)).map(|index| self.load(slot + SLOT_HEAD + index));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        bytes.truncate(length);
        is_whole().then_some(bytes)
    }
}

/// What the guard says of itself.
impl Page {
    pub(super) fn report(&self) -> Report {
        let errno = |index| {
            let code = i32::try_from(self.load(index)).ok().filter(|code| *code != 0);
            code.map(Errno::from_raw)
        };
        let pid = u32::try_from(self.load(at::READY)).ok().filter(|pid| *pid != 0);
        Report {
            ready: pid,
            realtime_refused: errno(at::REALTIME_REFUSED),
            lock_refused: errno(at::LOCK_REFUSED),
            revocations: self.load(at::REVOCATIONS),
            sweep: Duration::from_nanos(self.load(at::SWEEP)),
            failures: self.load(at::FAILURES),
        }
    }

    /// Guard: it is ready to act, with its memory locked or not.
    pub(super) fn tell_ready(&self, pid: u32, lock: Result<(), Errno>) {
        self.store(at::LOCK_REFUSED, code(lock));
        self.store(at::READY, pid.into());
    }

    /// Guard: it is scheduled as it was asked to be, or not.
    pub(super) fn tell_scheduling(&self, outcome: Result<(), Errno>) {
        self.store(at::REALTIME_REFUSED, code(outcome));
    }

    /// Daemon: no guard is alive.
    pub(super) fn forget_guard(&self) {
        self.store(at::READY, 0);
    }

    /// Guard: it took the leave away.
    pub(super) fn tell_revocation(&self) {
        self.word(at::REVOCATIONS).fetch_add(1, AcqRel);
    }

    /// Guard: so long it took to give everything up, with so many failures.
    pub(super) fn tell_sweep(&self, took: Duration, failures: usize) {
        self.store(at::SWEEP, clamp(took));
        self.word(at::FAILURES).fetch_add(u64::try_from(failures).unwrap_or(u64::MAX), AcqRel);
    }
}

/// The time of the last beat, and in its lowest bits, which no clock is exact enough to use, what
/// must change together with it.
fn encode(lease: Lease) -> u64 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    lease.beat.nanos() & !FLAGS
        | flag(lease.is_acting, ACTING)
        | flag(lease.is_revoked, REVOKED)
        | flag(lease.is_swept, SWEPT)
}

fn decode(word: u64) -> Lease {
    Lease {
        beat: Stamp::from_nanos(word & !FLAGS),
        is_acting: word & ACTING != 0,
        is_revoked: word & REVOKED != 0,
        is_swept: word & SWEPT != 0,
    }
}

/// An outcome as a word: 0, or the error's number.
fn code(outcome: Result<(), Errno>) -> u64 {
    outcome.map_or_else(|errno| u64::from((errno as i32).unsigned_abs()), |()| 0)
}

/// Where the plan of this generation lies.
fn slot(generation: u64) -> usize {
    if generation.is_multiple_of(2) { SLOTS } else { SLOTS + SLOT_WORDS }
}

const ACTING: u64 = 1;
const REVOKED: u64 = 2;
const SWEPT: u64 = 4;
const FLAGS: u64 = ACTING | REVOKED | SWEPT;

/// Indices of words.
mod at {
    pub(super) const LAYOUT: usize = 0;
    pub(super) const LEASE: usize = 1;
    pub(super) const LIMIT: usize = 2;
    pub(super) const REALTIME: usize = 3;
    pub(super) const CLOSING: usize = 4;
    pub(super) const GENERATION: usize = 5;
    pub(super) const READY: usize = 6;
    pub(super) const REALTIME_REFUSED: usize = 7;
    pub(super) const LOCK_REFUSED: usize = 8;
    pub(super) const REVOCATIONS: usize = 9;
    pub(super) const SWEEP: usize = 10;
    pub(super) const FAILURES: usize = 11;
}

/// The slots begin here, on a cache line of their own.
const SLOTS: usize = 16;

/// Generation and length in bytes come before a plan.
const SLOT_HEAD: usize = 2;
const SLOT_WORDS: usize = SLOT_HEAD + PLAN_LEN_MAX / 8;

/// Words of a page.
const WORDS: NonZeroUsize = NonZeroUsize::new(SLOTS + 2 * SLOT_WORDS).expect("it isn't zero");

/// "halbgrd" and the number of this layout; to be counted up with any change of it.
const LAYOUT: u64 = u64::from_be_bytes(*b"halbgrd\x01");

/// The generation of a slot that is being written; it takes centuries to get there by counting.
const INVALID: u64 = u64::MAX;

/// Reads that a writer may spoil before the guard looks at it again later. One is spoiled only if
/// two plans are published while it lasts.
const READS_MAX: usize = 100;

#[cfg(test)]
mod tests;
