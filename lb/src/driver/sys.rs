//! What of the data path no crate wraps safely: an ioctl, and a flag of epoll.
#![expect(unsafe_code, reason = "SIOCOUTQNSD and mio's epoll descriptor have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mio::{Registry, Token};
use rustix::event::epoll::{self, EventData, EventFlags};

/// `SIOCOUTQNSD` of linux/sockios.h.
const SIOCOUTQNSD: nix::sys::ioctl::ioctl_num_type = 0x894B;

nix::ioctl_read_bad!(siocoutqnsd, SIOCOUTQNSD, nix::libc::c_int);

/// Bytes in the socket's send queue that were not sent yet (tcp(7)).
///
/// # Errors
/// The socket isn't connected TCP.
pub(super) fn unsent(socket: &impl AsFd) -> io::Result<u32> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open for the length of the call, and the kernel writes one int to
    // the address of `bytes`, which is one.
    unsafe { siocoutqnsd(socket.as_fd().as_raw_fd(), &raw mut bytes) }?;
    Ok(u32::try_from(bytes).unwrap_or(0))
}

/// Has this poll report, once for each change, that a shared listener has clients. Of the threads
/// that sleep in polls with the same listener, the kernel wakes one (`EPOLLEXCLUSIVE`, epoll_ctl(2)).
///
/// # Errors
/// The kernel is out of memory, or the listener is in the poll already.
pub(super) fn watch_shared(
    registry: &Registry,
    listener: &impl AsFd,
    token: Token,
) -> io::Result<()> {
    let flags = EventFlags::IN | EventFlags::ET | EventFlags::EXCLUSIVE;
    Ok(epoll::add(epoll_of(registry), listener, EventData::new_u64(token.0 as u64), flags)?)
}

/// Takes a shared listener out of this poll.
///
/// # Errors
/// It isn't in it.
pub(super) fn unwatch_shared(registry: &Registry, listener: &impl AsFd) -> io::Result<()> {
    Ok(epoll::delete(epoll_of(registry), listener)?)
}

fn epoll_of(registry: &Registry) -> BorrowedFd<'_> {
    // SAFETY: the registry owns the descriptor, and is borrowed for as long as what is returned.
    unsafe { BorrowedFd::borrow_raw(registry.as_raw_fd()) }
}
