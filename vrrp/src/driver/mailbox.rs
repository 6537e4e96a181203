//! What others want from the thread: laid down under a lock that is held for a moment, and taken
//! away only while nobody is just laying something down.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Instant;

use super::{OrderError, Role};
use crate::link::Word;
use crate::settings::Settings;
use crate::track::{Readiness, ScriptResult, Sighting};

/// Something that was seen of a tracker's subject; see [`Sighting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedSighting {
    /// Of a frontend.
    Frontend(Arc<str>, Readiness),
    /// So many servers of a backend are up.
    Backend(Arc<str>, u32),
    /// The number in a file; 0 where there is none.
    File(Arc<str>, i64),
    /// A script has ended.
    Script(Arc<str>, ScriptResult),
}

impl OwnedSighting {
    pub(super) fn borrow(&self) -> Sighting<'_> {
        match self {
            Self::Frontend(name, readiness) => Sighting::Frontend(name, *readiness),
            Self::Backend(name, servers) => Sighting::Backend(name, *servers),
            Self::File(path, value) => Sighting::File(path, *value),
            Self::Script(name, result) => Sighting::Script(name, *result),
        }
    }

    /// A later sighting makes this one worthless. Results of scripts are counted, so that each
    /// of them matters.
    fn is_outdated_by(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Frontend(own, _), Self::Frontend(name, _))
            | (Self::Backend(own, _), Self::Backend(name, _))
            | (Self::File(own, _), Self::File(name, _)) => own == name,
            (Self::Frontend(..) | Self::Backend(..) | Self::File(..) | Self::Script(..), _) => {
                false
            }
        }
    }
}

/// An order that is answered.
#[derive(Debug)]
pub(super) enum Order {
    Apply(Box<Settings>, Answer<Result<Vec<String>, OrderError>>),
    /// Of one instance or of all.
    GiveAway(Option<String>, Answer<Result<Vec<Arc<str>>, OrderError>>),
    Resume(Option<String>, Answer<Result<Vec<Arc<str>>, OrderError>>),
    /// Takes roles over from another process.
    Inherit(Box<(Settings, Vec<Role>)>, Answer<Result<(), OrderError>>),
    /// Steps aside for another process, with the roles.
    StandAside(Answer<Result<Vec<Role>, OrderError>>),
    /// Goes on after all.
    TakeBack(Answer<Result<(), OrderError>>),
    /// Ends without giving anything up: the other process has it.
    Depart(Answer<Result<(), OrderError>>),
}

/// Sightings that wait: subjects are bounded by the configuration, but results of scripts gather
/// while the thread stands still. Beyond it the oldest go.
const SIGHTINGS_MAX: usize = 1024;

/// Orders that wait: people give them one by one.
const ORDERS_MAX: usize = 16;

/// Words that wait: a node says a few per virtual router and second, and says them again.
const WORDS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letters: Mutex<Letters>,
}

/// What lies in the mailbox.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) sightings: VecDeque<OwnedSighting>,
    pub(super) orders: VecDeque<Order>,
    /// What other nodes said, by their addresses on the link.
    pub(super) words: VecDeque<(IpAddr, Word)>,
    /// The thread is to end: by then at the latest, and after a hand-over if there is time.
    pub(super) stop_by: Option<Instant>,
    /// Nobody will come for what is laid down.
    closed: bool,
}

impl Mailbox {
    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sight(&self, sighting: OwnedSighting) {
        let mut letters = self.letters();
        if letters.closed {
            return;
        }
        letters.sightings.retain(|waiting| !waiting.is_outdated_by(&sighting));
        if letters.sightings.len() == SIGHTINGS_MAX {
            letters.sightings.pop_front();
        }
        letters.sightings.push_back(sighting);
    }

    pub(super) fn hear(&self, from: IpAddr, word: Word) {
        let mut letters = self.letters();
        if letters.closed {
            return;
        }
        if letters.words.len() == WORDS_MAX {
            letters.words.pop_front();
        }
        letters.words.push_back((from, word));
    }

    pub(super) fn order(&self, order: Order) -> Result<(), OrderError> {
        let mut letters = self.letters();
        if letters.closed {
            return Err(OrderError::Ended);
        }
        if letters.orders.len() >= ORDERS_MAX {
            return Err(OrderError::Busy);
        }
        letters.orders.push_back(order);
        Ok(())
    }

    /// The earliest of several stops counts.
    pub(super) fn stop(&self, by: Instant) {
        let mut letters = self.letters();
        letters.stop_by = Some(letters.stop_by.map_or(by, |earlier| earlier.min(by)));
    }

    /// What lies here; none while somebody is just laying something down. For the thread, which
    /// must not wait for one that may have been put to sleep with the lock in its hand.
    pub(super) fn take(&self) -> Option<Letters> {
        let mut letters = match self.letters.try_lock() {
            Ok(letters) => letters,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let stop_by = letters.stop_by;
        Some(Letters { stop_by, ..std::mem::take(&mut *letters) })
    }

    /// The thread has ended: whoever waits for an answer learns it.
    pub(super) fn close(&self) {
        let mut letters = self.letters();
        *letters = Letters { closed: true, ..Letters::default() };
    }
}

/// Where an answer goes. Giving it takes no lock; dropping it unanswered tells that none comes.
#[derive(Debug)]
pub(super) struct Answer<T> {
    slot: Option<Arc<OnceLock<T>>>,
    waiter: Thread,
}

/// The answer as whoever waits for it sees it.
#[derive(Debug)]
pub(super) struct Awaited<T>(Arc<OnceLock<T>>);

/// An answer and the other end of it, for the calling thread to wait at.
pub(super) fn answer<T>() -> (Answer<T>, Awaited<T>) {
    let slot = Arc::new(OnceLock::new());
    (Answer { slot: Some(Arc::clone(&slot)), waiter: thread::current() }, Awaited(slot))
}

impl<T> Answer<T> {
    pub(super) fn give(self, value: T) {
        if let Some(slot) = &self.slot {
            // Nobody else has this end, so that the slot is empty.
            let _ = slot.set(value);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.slot = None;
        self.waiter.unpark();
    }
}

impl<T> Awaited<T> {
    /// The answer, or that none comes, if that is known already. Never waits.
    pub(super) fn take(self) -> Result<Result<T, OrderError>, Self> {
        let answered = Arc::try_unwrap(self.0).map_err(Self)?;
        Ok(answered.into_inner().ok_or(OrderError::Ended))
    }

    /// Waits on the thread that [`answer`] was called on.
    pub(super) fn wait_until(self, deadline: Instant) -> Result<T, OrderError> {
        let mut awaited = self;
        loop {
            awaited = match awaited.take() {
                Ok(answer) => return answer,
                Err(awaited) => awaited,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(OrderError::NoAnswer);
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests;
