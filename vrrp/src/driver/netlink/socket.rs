//! A netlink socket that never blocks.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, send,
    setsockopt, socket, sockopt,
};

#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// The kernel's own address on netlink.
const KERNEL: u32 = 0;

impl Socket {
    /// `groups`: what to be told of, as the bits of `nl_groups` (netlink(7)).
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self(fd))
    }

    /// Room for what waits to be read, in bytes as the kernel counts them (with its overhead).
    /// Beyond `net.core.rmem_max` only with `CAP_NET_ADMIN`.
    pub(super) fn make_room(&self, bytes: usize) -> io::Result<()> {
        let forced = setsockopt(&self.0, sockopt::RcvBufForce, &bytes);
        Ok(forced.or_else(|_| setsockopt(&self.0, sockopt::RcvBuf, &bytes))?)
    }

    pub(super) fn send(&self, message: &[u8]) -> Result<(), Errno> {
        send(self.0.as_raw_fd(), message, MsgFlags::empty()).map(drop)
    }

    /// One datagram of the kernel's, if there is one; it may hold many messages. `ENOBUFS`: some
    /// were lost.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let received = recvmsg::<NetlinkAddr>(
                self.0.as_raw_fd(),
                &mut parts,
                None,
                MsgFlags::MSG_DONTWAIT,
            );
            match received {
                // Another process may send here too; only the kernel is believed.
                Ok(message) if message.address.is_none_or(|from| from.pid() != KERNEL) => {}
                Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => {
                    return Err(Errno::ENOBUFS);
                }
                Ok(message) => return Ok(Some(message.bytes)),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// As [`Socket::receive`], and waits for it. `ETIMEDOUT` when none came.
    pub(super) fn wait(&self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Errno> {
        loop {
            if let Some(length) = self.receive(buffer)? {
                return Ok(length);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Errno::ETIMEDOUT);
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
