//! How the rest of the process orders and asks.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::engine::Engine;
use super::nftables::Nftables;
use super::{Changed, Settings, StartError, sysctl};
use crate::accounts::Served;
use crate::flows::{publisher, shadow};
use crate::program::Step;
use crate::table::Table;
use crate::{driver::Error, ending};

/// The running thread. Dropped without [`Handle::stop`], it ends and leaves everything in place, as
/// a crash does.
#[derive(Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread tells. It is told on the thread itself, so whoever hears must not wait.
#[derive(Debug)]
pub enum Notice {
    /// For the peer; at most [`crate::flows::wire::LEN_MAX`] bytes.
    Send(Vec<u8>),
    /// The table of a run before was found as it should be, and left alone.
    Adopted,
    /// The kernel has the table that was ordered.
    Applied,
    /// Someone else changed the table: where, in words. It is put right.
    Drift(Vec<String>),
    /// Settings of the kernel are about to be changed: all changes by now, and what was before
    /// them. [`Settings::changed`] of the next start, unless this one is stopped with
    /// [`StopHow::RemoveTable`].
    Settings(Vec<Changed>),
    /// The kernel refused something; it is tried again.
    Trouble(Error),
}

/// What is to be left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopHow {
    /// Everything: connections go on, wherever their address is.
    LeaveTable,
    /// Nothing: the table goes, and settings are what they were.
    RemoveTable,
}

/// A look at it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The kernel has the table that was ordered last.
    pub is_applied: bool,
    /// Times that someone else's change was put right.
    pub repairs: u64,
    /// Connections of addresses held here.
    pub flows: usize,
    /// The same by address and server, with what they were before.
    pub served: Vec<Served>,
    /// Connections of the peer, kept for it.
    pub copies: usize,
    /// What was told to the peer.
    pub published: publisher::Counters,
    /// What was heard of the peer.
    pub shadow: shadow::Counters,
    /// Flows that were ended because their server went down.
    pub ended: ending::Counters,
    /// Copies that the kernel refused.
    pub refused: u64,
    /// Copies that stood in another's way, or were gone when they were to be refreshed.
    pub mended: u64,
    /// Messages of the peer that make no sense, or were too many at a time.
    pub unreadable: u64,
    /// Connections whose server sees another port than their client's, since that was taken.
    pub renumbered: u64,
    /// What limits refused, of each frontend that has any.
    pub limited: Vec<Limited>,
    /// Settings of the kernel that were changed.
    pub settings: Vec<Changed>,
}

/// What limits of a frontend refused since its rules were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// The frontend.
    pub frontend: String,
    /// Clients that were refused by their address.
    pub denied: u64,
    /// Segments that would have begun a connection beyond a limit and were dropped; a client repeats
    /// its own.
    pub held_back: u64,
}

/// What the thread finds when it looks.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: Mutex<Letters>,
    waker: EventFd,
    status: Mutex<Status>,
}

/// Orders, the latest of each kind; and messages in order.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) table: Option<Table>,
    pub(super) held: Option<Vec<IpAddr>>,
    pub(super) messages: VecDeque<Vec<u8>>,
    pub(super) dropped: u64,
    pub(super) stop: Option<StopHow>,
}

/// Messages that wait: a tenth of a second of what a peer sends at most.
const MESSAGES_MAX: usize = 512;

/// Starts the thread, in the network namespace of the caller: settings first, then the table of
/// before is adopted or replaced, and only then it returns.
///
/// # Errors
/// [`StartError`].
pub fn start(
    settings: Settings,
    notices: impl FnMut(Notice) + Send + 'static,
) -> Result<Handle, StartError> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let waker = EventFd::from_flags(flags).map_err(|errno| StartError::Thread(errno.into()))?;
    let mailbox = Mailbox { letters: Mutex::default(), waker, status: Mutex::default() };
    let mailbox = Arc::new(mailbox);
    let engine = Engine::open(settings, Arc::clone(&mailbox), Box::new(notices))?;
    let named = thread::Builder::new().name("forward".to_owned());
    let thread = named.spawn(move || engine.run()).map_err(StartError::Thread)?;
    Ok(Handle { mailbox, thread: Some(thread) })
}

/// Takes away what a run left that was ended without [`StopHow::RemoveTable`] and isn't to go on: its
/// table, and its changes of settings.
///
/// # Errors
/// The kernel keeps the table; then settings stay as well.
pub fn clear(changed: &[Changed]) -> Result<(), Error> {
    Nftables::open()?.commit(&[Step::AddTable, Step::DeleteTable])?;
    sysctl::put_back(changed);
    Ok(())
}

impl Handle {
    /// Forwards this from now on. Connections of servers that are down in it are ended.
    pub fn set_table(&self, table: Table) {
        self.mailbox.put(|letters| letters.table = Some(table));
    }

    /// The addresses whose packets come here: virtual ones that this node holds, and those that
    /// are routed here whoever holds what.
    pub fn set_held(&self, addresses: Vec<IpAddr>) {
        self.mailbox.put(|letters| letters.held = Some(addresses));
    }

    /// A message of the peer.
    pub fn deliver(&self, message: Vec<u8>) {
        self.mailbox.put(|letters| {
            if letters.messages.len() < MESSAGES_MAX {
                letters.messages.push_back(message);
            } else {
                letters.dropped += 1;
            }
        });
    }

    /// A look at it, as it was at most a second ago.
    #[must_use]
    pub fn status(&self) -> Status {
        self.mailbox.status().clone()
    }

    /// Ends the thread, and waits for it.
    pub fn stop(mut self, how: StopHow) {
        self.end(how);
    }

    fn end(&mut self, how: StopHow) {
        if let Some(thread) = self.thread.take() {
            self.mailbox.put(|letters| letters.stop = Some(how));
            // What it panicked about was said on the way.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end(StopHow::LeaveTable);
    }
}

impl Mailbox {
    fn put(&self, letter: impl FnOnce(&mut Letters)) {
        letter(&mut self.letters.lock().unwrap_or_else(PoisonError::into_inner));
        // It only fails when it is full of wakings already.
        let _ = self.waker.write(1);
    }

    /// All that was put in.
    pub(super) fn take(&self) -> Letters {
        // It only fails when nobody woke.
        let _ = self.waker.read();
        std::mem::take(&mut self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
