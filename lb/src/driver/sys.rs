//! The one system call of the data path that no crate wraps safely.
#![expect(unsafe_code, reason = "SIOCOUTQNSD has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

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
