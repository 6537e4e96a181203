//! How the rest of the process asks and orders.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::eventfd::EventFd;

use super::ledger::Ledger;
use super::mailbox::{Answer, Mailbox, Order, answer};
use super::{AddressMarks, OrderError, OwnedSighting, Role, Snapshot};
use crate::link::Word;
use crate::settings::Settings;

/// The way in. Cheap to clone; every call returns at once unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) mailbox: Arc<Mailbox>,
    /// Wakes the thread. Never goes to the thread itself, whose descriptors are others.
    pub(super) bell: Arc<EventFd>,
    pub(super) board: Arc<Board>,
    pub(super) ledger: Arc<Ledger>,
}

/// Where the thread hangs its latest snapshot.
#[derive(Debug)]
pub(super) struct Board(pub(super) Mutex<Arc<Snapshot>>);

/// How long an order waits for its answer: the thread takes what lies there within milliseconds,
/// and carries it out within one turn.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl Handle {
    /// Tells what was seen of a tracker's subject.
    pub fn sight(&self, sighting: OwnedSighting) {
        self.mailbox.sight(sighting);
        self.ring();
    }

    /// Takes changed settings, and says what changed in words. Only what they demand changes, and
    /// no election is held for it. Waits up to five seconds, and for another change that is being
    /// applied.
    ///
    /// # Errors
    /// [`OrderError`]; after [`OrderError::NoAnswer`] they may yet be applied.
    pub fn apply(&self, settings: Settings) -> Result<Vec<String>, OrderError> {
        self.ledger
            .apply(settings, |settings| self.ask(|answer| Order::Apply(Box::new(settings), answer)))
    }

    /// Gives the addresses of one virtual router, or of all, to whoever takes them, and doesn't
    /// take them back before [`Handle::resume`]. Returns the names of those that it concerns.
    /// Waits up to five seconds for the order to be taken, not for the addresses to go.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn give_away(&self, instance: Option<&str>) -> Result<Vec<Arc<str>>, OrderError> {
        self.ask(|answer| Order::GiveAway(instance.map(str::to_owned), answer))
    }

    /// Takes [`Handle::give_away`] back.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn resume(&self, instance: Option<&str>) -> Result<Vec<Arc<str>>, OrderError> {
        self.ask(|answer| Order::Resume(instance.map(str::to_owned), answer))
    }

    /// Takes roles over from another process of this node, which stands aside: active routers send
    /// an advert at once, and their addresses stay where they are. For a driver that was started
    /// with [`Options::inherits`](super::Options::inherits), with the same settings. Waits up to five
    /// seconds; once it returns the guard knows what to give up.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn inherit(&self, settings: Settings, roles: Vec<Role>) -> Result<(), OrderError> {
        self.ask(|answer| Order::Inherit(Box::new((settings, roles)), answer))
    }

    /// Steps aside: active routers send an advert, then nothing is said, heard or changed until
    /// [`Handle::take_back`] or [`Handle::depart`]. The guard stays on its watch. Returns the roles.
    ///
    /// # Errors
    /// [`OrderError::Busy`] while addresses are on their way or being offered: try again.
    pub fn stand_aside(&self) -> Result<Vec<Role>, OrderError> {
        self.ask(Order::StandAside)
    }

    /// Goes on after [`Handle::stand_aside`], as after a moment in which this process stood still.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn take_back(&self) -> Result<(), OrderError> {
        self.ask(Order::TakeBack)
    }

    /// Ends the thread and its guard after [`Handle::stand_aside`], without a farewell and with the
    /// addresses where they are: another process has them.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn depart(&self) -> Result<(), OrderError> {
        self.ask(Order::Depart)
    }

    /// Tells what another halb said; `from` is its address on the link, which has seen to it that
    /// the word is genuine.
    pub fn hear(&self, from: IpAddr, word: Word) {
        self.mailbox.hear(from, word);
        self.ring();
    }

    /// Ends the thread at once, whether or not a hand-over is under way. Returns at once.
    pub fn stop_now(&self) {
        self.mailbox.stop(Instant::now());
        self.ring();
    }

    /// The virtual routers as they stood when last something changed, at most a second ago if the
    /// thread runs.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.board.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How it is known which addresses on this host's interfaces are ours.
    #[must_use]
    pub fn marks(&self) -> AddressMarks {
        self.ledger.marks()
    }

    fn ask<T>(
        &self,
        order: impl FnOnce(Answer<Result<T, OrderError>>) -> Order,
    ) -> Result<T, OrderError> {
        let (answer, awaited) = answer();
        self.mailbox.order(order(answer))?;
        self.ring();
        awaited.wait_until(Instant::now() + ANSWER_WITHIN)?
    }

    pub(super) fn ring(&self) {
        // Only a counter that is full could refuse, and then the bell rings already.
        let _ = self.bell.write(1);
    }
}
