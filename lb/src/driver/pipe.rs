//! Pipes for splicing. A pipe serves whichever direction has bytes in flight and comes back empty.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use super::budget::Descriptors;

/// Capacity asked for. An unprivileged user gets less once it holds 16,384 pages in pipes
/// (`pipe-user-pages-soft`); [`super::budget::PIPES_MAX`] keeps below that.
const PIPE_BYTES: i32 = 256 * 1024;

/// Spare pipes that a worker keeps. More would only hold descriptors; making one costs 3 µs.
const SPARE_MAX: usize = 8;

/// A pipe; empty whenever the pool has it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    _place: Place,
}

/// A pipe's place in the process's descriptor budget; given back on drop.
#[derive(Debug)]
struct Place(Arc<Descriptors>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pipe_closed();
    }
}

impl Pipe {
    fn open(budget: &Arc<Descriptors>) -> Option<Self> {
        if !budget.pipe_opens() {
            return None;
        }
        let place = Place(Arc::clone(budget));
        let (read, write) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).ok()?;
        // Refused beyond the user's page limit: the pipe then keeps the size it has.
        let size = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))
            .or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ))
            .ok()?;
        let capacity = usize::try_from(size).ok()?;
        Some(Self { read, write, capacity, _place: place })
    }

    /// Moves bytes from a socket into this empty pipe. `WouldBlock` means that the socket has
    /// none: an empty pipe is never full.
    pub(super) fn fill(&self, socket: &impl AsFd) -> io::Result<usize> {
        transfer(socket, &self.write, self.capacity)
    }

    /// Moves `held` bytes, all that the pipe holds, on to a socket, or as many as it takes.
    pub(super) fn drain(&self, socket: &impl AsFd, held: usize) -> io::Result<usize> {
        transfer(&self.read, socket, held)
    }
}

fn transfer(from: &impl AsFd, to: &impl AsFd, len: usize) -> io::Result<usize> {
    // No SPLICE_F_MORE: it corks the last segment for up to 200 ms.
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    loop {
        match splice(from, None, to, None, len, flags) {
            Err(Errno::EINTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}

/// A worker's pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    spare: Vec<Pipe>,
    budget: Arc<Descriptors>,
}

impl Pipes {
    pub(super) fn new(budget: Arc<Descriptors>) -> Self {
        Self { spare: Vec::with_capacity(SPARE_MAX), budget }
    }

    /// An empty pipe, if the budget has one left.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        self.spare.pop().or_else(|| Pipe::open(&self.budget))
    }

    /// Takes an empty pipe back.
    pub(super) fn give(&mut self, pipe: Pipe) {
        if self.spare.len() < SPARE_MAX && !self.budget.is_tight() {
            self.spare.push(pipe);
        }
    }

    /// Closes the spare pipes: connections need their descriptors.
    pub(super) fn release_spare(&mut self) {
        self.spare.clear();
    }
}
