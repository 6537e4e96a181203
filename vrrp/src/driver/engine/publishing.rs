//! The snapshot that others look at, and the events that they are told.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use super::super::handle::Board;
use super::super::{InstanceSnapshot, Snapshot, ThreadSnapshot};
use super::Engine;
use crate::node::Member;
use crate::packet::Reason;
use crate::router::Router;

/// Least time between two snapshots that nothing asks for at once: making one takes as long as
/// ten adverts.
const PACE: Duration = Duration::from_millis(50);

/// Longest time between two snapshots: deadlines in them move without an event.
const LONGEST: Duration = Duration::from_secs(1);

/// What was published, and when that is to be done again.
#[derive(Debug)]
pub(super) struct Published {
    board: Option<Arc<Board>>,
    at: Instant,
    touched: bool,
    hurried: bool,
}

impl Published {
    pub(super) fn new(now: Instant) -> Self {
        Self { board: None, at: now, touched: false, hurried: false }
    }

    /// Something is different.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Something is different that people look for.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// When the next snapshot is due.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.at + if self.touched { PACE } else { LONGEST })
    }

    fn is_due(&self, now: Instant) -> bool {
        self.hurried || self.due().is_some_and(|due| due <= now)
    }
}

impl Engine {
    /// Hands over what is to be told, unless somebody is just taking something.
    pub(super) fn publish(&mut self, now: Instant) {
        if !self.outbox.flush() {
            self.retry_soon(now);
        }
        if self.published.is_due(now) {
            self.publish_at_once(now);
        }
    }

    /// Replaces the snapshot, unless somebody is just taking the last one.
    pub(super) fn publish_at_once(&mut self, now: Instant) {
        // What an advert's checksum looks like may have changed without any other sign.
        self.publish_plan();
        let Some(board) = self.published.board.clone() else { return };
        let snapshot = Arc::new(self.snapshot(now));
        let hung = match board.0.try_lock() {
            Ok(mut hanging) => Some(std::mem::replace(&mut *hanging, snapshot)),
            Err(TryLockError::Poisoned(poisoned)) => {
                Some(std::mem::replace(&mut *poisoned.into_inner(), snapshot))
            }
            Err(TryLockError::WouldBlock) => None,
        };
        if hung.is_none() {
            self.retry_soon(now);
            return;
        }
        (self.published.at, self.published.touched, self.published.hurried) = (now, false, false);
    }

    pub(super) fn make_board(&mut self, now: Instant) -> Arc<Board> {
        let board = Arc::new(Board(Mutex::new(Arc::new(self.snapshot(now)))));
        self.published.board = Some(Arc::clone(&board));
        board
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let instances = self.node.members().map(|(member, router)| self.view(member, router, now));
        Snapshot {
            at: now,
            instances: instances.collect(),
            strays: self.node.strays().cloned().collect(),
            thread: ThreadSnapshot {
                scheduling: self.reached.scheduling.clone(),
                memory: self.reached.memory.clone(),
                guard: self.guard(),
                guard_report: self.guard_report(),
                netlink_overruns: self.overruns,
                events_dropped: self.outbox.dropped(),
                strays: self.node.strays_total(),
                broken: self.broken,
            },
        }
    }

    fn view(&self, member: &Member, router: &Router, now: Instant) -> InstanceSnapshot {
        let settings = Arc::clone(member.settings());
        let picture = &self.network.picture;
        let interface = picture.named(&settings.interface);
        let is_here = |address: &IpAddr| picture.holders(*address).next().is_some();
        let addresses = settings.router.addresses().as_slice();
        let count = |reason| (reason, router.refused(reason));
        InstanceSnapshot {
            group: member.group().map(Arc::clone),
            index: interface.map(|interface| interface.index),
            mac: interface.and_then(|interface| interface.mac),
            link: router.link(),
            status: router.status(),
            journal: router.journal().iter().cloned().collect(),
            transitions: router.journal().total(),
            refused: Reason::ALL.map(count).to_vec(),
            announcements: self.announced.get(&member.key()).copied().unwrap_or_default(),
            arrivals: member.arrivals(),
            lateness: member.lateness(),
            present: addresses.iter().copied().filter(is_here).collect(),
            yielded: router.is_yielded(),
            forecast: router.forecast(now),
            settings,
        }
    }
}
