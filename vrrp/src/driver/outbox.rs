//! Events on their way from the thread to whoever wants them.
//!
//! The thread keeps what it has to tell until nobody holds the lock, and never waits for it. The
//! other end has a thread of its own: a waker of a runtime is a descriptor, which the thread of
//! the routers doesn't have.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, Thread};

use super::{DriverNotice, EVENTS_MAX, Event};

/// The thread's end.
#[derive(Debug)]
pub(super) struct Outbox {
    shared: Arc<Mutex<Shared>>,
    reader: Thread,
    waiting: VecDeque<Event>,
    dropped: u64,
    /// Of these, how many weren't told yet.
    untold: u64,
}

#[derive(Debug, Default)]
struct Shared {
    events: VecDeque<Event>,
    closed: bool,
}

/// Starts the thread that calls `events`, which ends with the outbox.
pub(super) fn open(events: Arc<dyn Fn(Event) + Send + Sync>) -> std::io::Result<Outbox> {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let inbox = Arc::clone(&shared);
    let reader = thread::Builder::new().name("halb-vrrp-events".to_owned());
    let reader = reader.spawn(move || read(&inbox, &*events))?;
    let reader = reader.thread().clone();
    Ok(Outbox { shared, reader, waiting: VecDeque::new(), dropped: 0, untold: 0 })
}

fn read(inbox: &Mutex<Shared>, events: &dyn Fn(Event)) {
    loop {
        let (taken, closed) = {
            let mut shared = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut shared.events), shared.closed)
        };
        let idle = taken.is_empty();
        taken.into_iter().for_each(events);
        match (idle, closed) {
            (true, true) => return,
            (true, false) => thread::park(),
            (false, _) => {}
        }
    }
}

impl Outbox {
    /// Has something to tell. Events that find no room are dropped and counted: what happened
    /// first explains more than what came of it.
    pub(super) fn tell(&mut self, event: Event) {
        if self.waiting.len() < EVENTS_MAX {
            self.waiting.push_back(event);
        } else {
            self.dropped = self.dropped.saturating_add(1);
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// How many events were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands over what waits. False: not now, since the other end is just taking something.
    pub(super) fn flush(&mut self) -> bool {
        if self.waiting.is_empty() && self.untold == 0 {
            return true;
        }
        let mut shared = match self.shared.try_lock() {
            Ok(shared) => shared,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let room = EVENTS_MAX.saturating_sub(shared.events.len());
        let fits = self.waiting.len().min(room);
        shared.events.extend(self.waiting.drain(..fits));
        if self.untold > 0 && shared.events.len() < EVENTS_MAX {
            let count = std::mem::take(&mut self.untold);
            shared.events.push_back(Event::Driver(DriverNotice::EventsDropped { count }));
        }
        drop(shared);
        self.reader.unpark();
        true
    }
}

/// What waits is handed over at the end, and there is time for it. If that comes by a fault of the
/// thread's own, that is told too.
impl Drop for Outbox {
    fn drop(&mut self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let room = EVENTS_MAX.saturating_sub(shared.events.len());
        let fits = self.waiting.len().min(room);
        shared.events.extend(self.waiting.drain(..fits));
        if thread::panicking() {
            shared.events.push_back(Event::Driver(DriverNotice::Ended));
        }
        shared.closed = true;
        drop(shared);
        self.reader.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn replaced() -> Event {
        Event::Driver(DriverNotice::GuardReplaced)
    }

    #[test]
    fn events_come_in_order_and_the_last_ones_at_the_end() {
        let (sender, receiver) = mpsc::channel();
        let told = move |event| drop(sender.send(event));
        let mut outbox = open(Arc::new(told)).unwrap();
        outbox.tell(replaced());
        while !outbox.flush() {
            thread::yield_now();
        }
        let first = receiver.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(first, Event::Driver(DriverNotice::GuardReplaced)));
        outbox.tell(Event::Driver(DriverNotice::Revoked));
        outbox.tell(Event::Driver(DriverNotice::Ended));
        drop(outbox);
        let second = receiver.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(second, Event::Driver(DriverNotice::Revoked)));
        assert!(matches!(receiver.recv_timeout(PATIENCE), Ok(Event::Driver(DriverNotice::Ended))));
        let end = receiver.recv_timeout(PATIENCE).unwrap_err();
        assert_eq!(end, RecvTimeoutError::Disconnected, "the reader has ended");
    }

    #[test]
    fn a_reader_that_hangs_holds_up_nothing_and_learns_what_it_missed() {
        let (sender, receiver) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let told = move |event| {
            let _ = gate.lock().unwrap().recv_timeout(PATIENCE);
            drop(sender.send(event));
        };
        let mut outbox = open(Arc::new(told)).unwrap();
        outbox.tell(replaced());
        for _ in 0..3 * EVENTS_MAX {
            outbox.flush();
            outbox.tell(replaced());
        }
        let dropped = outbox.dropped();
        assert!(dropped > 0);
        drop(release);
        let mut missed = 0;
        while missed < dropped {
            outbox.flush();
            let event = receiver.recv_timeout(PATIENCE).unwrap();
            if let Event::Driver(DriverNotice::EventsDropped { count }) = event {
                missed += count;
            }
        }
        assert_eq!(missed, dropped);
    }
}
