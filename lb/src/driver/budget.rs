//! The process's file descriptors as the data path shares them: a connection takes two, a pipe
//! takes two, and a reserve stays free for checks, the admin address and everything else. The
//! operator's bound on connections counts connections alone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Most pipes of all workers: at 64 pages each they stay far below the 16,384 pages that an
/// unprivileged user may hold in pipes (pipe(7)); beyond, bytes are copied.
pub(super) const PIPES_MAX: u32 = 96;

/// Room that must remain for connections before another pipe is opened.
const TIGHT: u32 = 64;

/// Counts places: one per connection, one per pipe.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Most connections.
    connections_max: AtomicU32,
    /// Connections and pipes that fit together.
    places: AtomicU32,
    connections: AtomicU32,
    pipes: AtomicU32,
    accept_pauses: AtomicU64,
    /// Records of refused clients that the access log's sink had no room for.
    records_dropped: AtomicU64,
}

impl Descriptors {
    pub(super) fn new() -> Self {
        Self {
            connections_max: AtomicU32::new(0),
            places: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            pipes: AtomicU32::new(0),
            accept_pauses: AtomicU64::new(0),
            records_dropped: AtomicU64::new(0),
        }
    }

    /// Another connection fits.
    pub(super) fn has_room(&self) -> bool {
        self.connections() < self.connections_max() && self.used() < self.places()
    }

    /// A connection was accepted.
    pub(super) fn connection_opens(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// A connection ended.
    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
    }

    /// A pipe is wanted; counted if there is room to spare.
    pub(super) fn pipe_opens(&self) -> bool {
        if self.is_tight() {
            return false;
        }
        let open = self.pipes.fetch_add(1, Ordering::SeqCst);
        if open >= PIPES_MAX {
            self.pipes.fetch_sub(1, Ordering::SeqCst);
        }
        open < PIPES_MAX
    }

    pub(super) fn pipe_closed(&self) {
        self.pipes.fetch_sub(1, Ordering::SeqCst);
    }

    /// Connections are about to need the places that pipes would take.
    pub(super) fn is_tight(&self) -> bool {
        self.used().saturating_add(TIGHT) > self.places()
    }

    fn used(&self) -> u32 {
        let pipes = self.pipes.load(Ordering::SeqCst);
        self.connections.load(Ordering::SeqCst).saturating_add(pipes)
    }

    fn places(&self) -> u32 {
        self.places.load(Ordering::Relaxed)
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.connections_max.load(Ordering::Relaxed)
    }

    pub(super) fn resize(&self, connections_max: u32, places: u32) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
        self.places.store(places, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn pipes(&self) -> u32 {
        self.pipes.load(Ordering::SeqCst)
    }

    pub(super) fn accept_paused(&self) {
        self.accept_pauses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn record_dropped(&self) {
        self.records_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn records_dropped(&self) -> u64 {
        self.records_dropped.load(Ordering::Relaxed)
    }

    pub(super) fn accept_pauses(&self) -> u64 {
        self.accept_pauses.load(Ordering::Relaxed)
    }
}
