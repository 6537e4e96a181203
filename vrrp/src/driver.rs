//! The driver: one OS thread that owns the sockets, the clock and the addresses of all virtual
//! routers of this node, and the guard process that gives the addresses up if that thread can't.
//!
//! ```text
//!  Handle ──orders, sightings──▶ ┌────────────┐ ──adverts, announcements──▶ segment
//!         ◀──Snapshot─────────── │  thread    │ ──addresses──────────────▶ kernel
//!  events ◀──Event────────────── │ `halb-vrrp`│ ──heartbeat, farewell────▶ guard process
//!                                └────────────┘
//! ```
//!
//! - The thread waits for nothing but its sockets, and for no lock that another thread may hold:
//!   what others want from it lies in a mailbox, and what it tells is handed over when the other
//!   side isn't just reading.
//! - The thread has a descriptor table of its own, in which nothing of the rest of the process is:
//!   neither can it keep a listening socket open, nor does the kernel have to close thousands of
//!   connections before its death is noticed.
//! - [`Options::events`] is called on another thread, `halb-vrrp-events`, because a waker of a
//!   runtime is a descriptor, and the thread of the routers doesn't have it.

mod announce;
mod announcements;
mod claims;
mod engine;
mod error;
mod event;
mod filter;
pub mod guard;
mod handle;
mod ledger;
mod mailbox;
mod netlink;
mod outbox;
mod ownership;
mod packet_socket;
mod punctual;
mod realtime;
mod release;
mod snapshot;
mod sockets;
#[cfg(test)]
mod testbed;
mod thread;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::Settings;

pub use crate::histogram::{BUCKETS, Histogram};
pub use crate::node::Role;
pub use error::{OrderError, StartError};
pub use event::{DriverNotice, Event};
pub use handle::Handle;
pub use mailbox::OwnedSighting;
pub use netlink::{AddressError, NetlinkError};
pub use ownership::OwnershipError;
pub use release::{ReleaseError, Released, release};
pub use snapshot::{
    AddressMarks, GuardReport, GuardSnapshot, InstanceSnapshot, MemoryLock, Scheduling, Snapshot,
    ThreadSnapshot,
};
pub use sockets::SocketError;

/// How the driver runs, beside what it runs.
#[derive(Clone)]
pub struct Options {
    /// What becomes the guard process; without one, a death or freeze of this process leaves the
    /// addresses where they are.
    pub guard: Option<GuardCommand>,
    /// Called with each event, in order and one at a time, on a thread that does nothing else.
    /// Events beyond [`EVENTS_MAX`] that it hasn't taken yet are dropped and counted.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
    /// A directory of this daemon's own, such as `/run/halb`: where kernels before 5.18 can't tag
    /// addresses, a file in it says which are ours.
    pub run_dir: PathBuf,
    /// The routers wait for [`Handle::inherit`], and what lies on the interfaces is left there: it
    /// is another process's that is about to hand it over.
    pub inherits: bool,
}

/// A program that becomes the guard process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardCommand {
    /// The program, such as `/proc/self/exe`.
    pub program: PathBuf,
    /// Its arguments, which lead it to the guard's body.
    pub arguments: Vec<OsString>,
}

/// Events that wait for [`Options::events`]: more than a bad minute of a hundred routers makes.
pub const EVENTS_MAX: usize = 4096;

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { guard, events: _, run_dir, inherits } = self;
        f.debug_struct("Options")
            .field("guard", guard)
            .field("run_dir", run_dir)
            .field("inherits", inherits)
            .finish_non_exhaustive()
    }
}

/// The virtual routers of this node, running. Dropping it stops them at once; see [`Vrrp::stop`]
/// for a hand-over.
#[derive(Debug)]
pub struct Vrrp {
    handle: Handle,
    thread: thread::Running,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The addresses are off this node's interfaces, and the thread has ended.
    Done,
    /// The thread didn't end in time; the guard takes the addresses away when this process ends.
    Stuck,
}

impl Vrrp {
    /// Starts the thread, and returns once its sockets are open. Its routers live in the network
    /// namespace of the calling thread. An interface that isn't there is no error: its routers
    /// wait for it.
    ///
    /// # Errors
    /// [`StartError`], with nothing left behind.
    pub fn start(settings: Settings, options: Options) -> Result<Self, StartError> {
        let (handle, thread) =
            thread::start(settings, options, ownership::Tagging::AsTheKernelDoes)?;
        Ok(Self { handle, thread })
    }

    /// How the rest of the process asks and orders.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Hands over: offers the addresses, keeps them until a peer takes them or the offer has run
    /// out, then ends the thread. Blocks for `patience` at most; after it the addresses go at
    /// once.
    #[must_use]
    pub fn stop(self, patience: Duration) -> Stopped {
        self.thread.stop(patience)
    }
}
