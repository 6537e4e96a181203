//! What dispatcher, workers and handles share: the objects that a session points to, and counters
//! that each thread keeps for itself and readers add up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::{Backend, Frontend};
use crate::names::{BackendName, ServerName, ServerRef};
use crate::pool::ServerKey;
use crate::snapshot::AcceptPause;

/// A counter with one writer at a time: one thread, or whoever is at the desk. Any thread may read it. A plain load and store: no locked
/// instruction on the packet path.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + by, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// One block of counters per thread, each on cache lines of its own.
#[derive(Debug)]
pub(super) struct PerThread<T>(Box<[Padded<T>]>);

#[derive(Debug, Default)]
#[repr(align(128))] // two lines: the prefetcher fetches pairs
struct Padded<T>(T);

impl<T: Default> PerThread<T> {
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Padded::default()).collect())
    }

    /// The block of one thread; only that thread may write to it.
    pub(super) fn of(&self, thread: usize) -> &T {
        &self.0[thread].0
    }

    /// One counter, summed over all threads.
    pub(super) fn sum(&self, counter: impl Fn(&T) -> &Count) -> u64 {
        self.0.iter().map(|block| counter(&block.0).get()).sum()
    }
}

/// A frontend as a session sees it: the options in force when it was accepted.
#[derive(Debug)]
pub(super) struct FrontendNow {
    pub(super) options: Frontend,
    pub(super) stats: Arc<FrontendStats>,
}

/// Counters of a frontend; they outlive a reload.
#[derive(Debug)]
pub(super) struct FrontendStats {
    pub(super) accepted: Count,
    pub(super) denied_at_accept: Count,
    pub(super) workers: PerThread<FrontendCounts>,
}

#[derive(Debug, Default)]
pub(super) struct FrontendCounts {
    pub(super) closed: Count,
    pub(super) denied: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
}

impl FrontendStats {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            accepted: Count::default(),
            denied_at_accept: Count::default(),
            workers: PerThread::new(workers),
        }
    }

    pub(super) fn connections(&self) -> u64 {
        self.accepted.get().saturating_sub(self.workers.sum(|counts| &counts.closed))
    }
}

/// A listener's state for people; written by the dispatcher.
#[derive(Debug)]
pub(super) struct ListenerState {
    pub(super) address: SocketAddr,
    paused: AtomicU8,
}

impl ListenerState {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, paused: AtomicU8::new(0) }
    }

    pub(super) fn set_paused(&self, why: Option<AcceptPause>) {
        let code = match why {
            None => 0,
            Some(AcceptPause::Full) => 1,
            Some(AcceptPause::Rate) => 2,
            Some(AcceptPause::Shortage) => 3,
        };
        self.paused.store(code, Ordering::Relaxed);
    }

    pub(super) fn paused(&self) -> Option<AcceptPause> {
        match self.paused.load(Ordering::Relaxed) {
            1 => Some(AcceptPause::Full),
            2 => Some(AcceptPause::Rate),
            3 => Some(AcceptPause::Shortage),
            _ => None,
        }
    }
}

/// A backend as a session sees it: the options in force when it was routed.
#[derive(Debug)]
pub(super) struct BackendNow {
    pub(super) options: Backend,
    pub(super) stats: Arc<BackendStats>,
}

/// Counters of a backend; they outlive a reload.
#[derive(Debug)]
pub(super) struct BackendStats {
    /// Connections in the queue; written by the dispatcher.
    pub(super) queued: AtomicU32,
    /// Refused by the dispatcher.
    pub(super) refused: Count,
    pub(super) workers: PerThread<BackendCounts>,
}

#[derive(Debug, Default)]
pub(super) struct BackendCounts {
    pub(super) retries: Count,
    pub(super) redispatches: Count,
}

impl BackendStats {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            queued: AtomicU32::new(0),
            refused: Count::default(),
            workers: PerThread::new(workers),
        }
    }
}

/// A server as a session sees it. A server whose address changes is another one.
#[derive(Debug)]
pub(super) struct ServerShared {
    pub(super) key: ServerKey,
    pub(super) backend: BackendName,
    pub(super) name: ServerName,
    pub(super) address: Option<SocketAddr>,
    /// Sessions given to it; written by the dispatcher.
    pub(super) assigned: Count,
    pub(super) workers: PerThread<ServerCounts>,
}

#[derive(Debug, Default)]
pub(super) struct ServerCounts {
    pub(super) released: Count,
    pub(super) established: Count,
    pub(super) connect_errors: Count,
    pub(super) local_errors: Count,
    pub(super) connect_nanos: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
}

impl ServerShared {
    /// Open connections, attempts included.
    pub(super) fn active(&self) -> u32 {
        let released = self.workers.sum(|counts| &counts.released);
        u32::try_from(self.assigned.get().saturating_sub(released)).unwrap_or(u32::MAX)
    }

    pub(super) fn reference(&self) -> ServerRef {
        ServerRef { backend: self.backend.clone(), server: self.name.clone() }
    }
}

/// Where a session goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) backend: Arc<BackendNow>,
    pub(super) server: Arc<ServerShared>,
}

/// When a thread last came round its loop.
#[derive(Debug)]
pub(super) struct Heartbeat {
    epoch: Instant,
    /// Nanoseconds from `epoch` to the last beat.
    last: AtomicU64,
}

impl Heartbeat {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { epoch, last: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.epoch).as_nanos();
        self.last.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        now.saturating_duration_since(self.epoch).saturating_sub(last)
    }
}

/// A worker's state that others read.
#[derive(Debug)]
pub(super) struct WorkerState {
    /// Sessions handed to it; written by the dispatcher.
    pub(super) adopted: Count,
    /// Sessions that it ended.
    pub(super) closed: Count,
    pub(super) heartbeat: Heartbeat,
    /// Records that the access log's sink had no room for.
    pub(super) records_dropped: Count,
}

impl WorkerState {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            adopted: Count::default(),
            closed: Count::default(),
            heartbeat: Heartbeat::new(epoch),
            records_dropped: Count::default(),
        }
    }

    pub(super) fn sessions(&self) -> u64 {
        self.adopted.get().saturating_sub(self.closed.get())
    }
}

/// Raised by the dispatcher when it waits for a connection to end (it is full, or a queue isn't
/// empty); lowered by the first worker that ends one and wakes it.
#[derive(Debug, Default)]
pub(super) struct Wanted(AtomicBool);

impl Wanted {
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn lower(&self) -> bool {
        // The plain load keeps the common case free of a locked instruction.
        self.0.load(Ordering::SeqCst) && self.0.swap(false, Ordering::SeqCst)
    }
}
