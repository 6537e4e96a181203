//! Being told of changes to links and addresses.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

use super::decode::{Answer, Messages};
use super::socket::Socket;
use super::{BUFFER, NetlinkError};
use crate::interfaces::Change;

/// Tells of changes since it was opened. Whoever reads everything once does so after opening it,
/// so that nothing falls between.
#[derive(Debug)]
pub(in crate::driver) struct Watch {
    socket: Socket,
    buffer: Vec<u8>,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(in crate::driver) enum Heard {
    /// All that waited. Only then does the picture show what is, and not what was for a moment.
    All,
    /// The bound was reached; more may wait.
    Some,
    /// The kernel had more to tell than there was room for, or the other way round. What waited
    /// was thrown away: everything must be read anew, and the changes of this call forgotten.
    Overrun,
}

/// Datagrams that are read at a time, each of one change or a few. A thousand interfaces that
/// come at once must not keep adverts waiting.
const DATAGRAMS_PER_READ: usize = 64;

/// Datagrams that are thrown away after an overrun, before the next reading: more than the
/// socket's room holds.
const THROWN_AWAY_MAX: usize = 65_536;

/// Room for what waits to be read: about a thousand changes, which is what a host makes that
/// starts or stops all its containers.
const ROOM: usize = 2 << 20;

impl Watch {
    /// Opens it.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub(in crate::driver) fn open() -> Result<Self, NetlinkError> {
        Self::with_room(ROOM)
    }

    pub(super) fn with_room(bytes: usize) -> Result<Self, NetlinkError> {
        let groups = [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR];
        let bits = groups.into_iter().fold(0, |bits, group| bits | 1 << (group - 1));
        let socket = Socket::open(bits).map_err(NetlinkError::Open)?;
        socket.make_room(bytes).map_err(NetlinkError::Open)?;
        Ok(Self { socket, buffer: vec![0; BUFFER] })
    }

    /// Reads what has changed, in order.
    ///
    /// # Errors
    /// [`NetlinkError::Ask`]; nothing is known to cause one.
    pub(in crate::driver) fn read(
        &mut self,
        mut take: impl FnMut(Change),
    ) -> Result<Heard, NetlinkError> {
        for _ in 0..DATAGRAMS_PER_READ {
            match self.socket.receive(&mut self.buffer) {
                Ok(Some(length)) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    for message in Messages::new(bytes) {
                        if let Answer::Change(change) = message.answer {
                            take(change);
                        }
                    }
                }
                Ok(None) => return Ok(Heard::All),
                Err(Errno::ENOBUFS) => {
                    self.throw_away();
                    return Ok(Heard::Overrun);
                }
                Err(errno) => {
                    return Err(NetlinkError::Ask { what: "changes", source: errno.into() });
                }
            }
        }
        Ok(Heard::Some)
    }

    /// What still waits is older than what was lost, and would undo what is read anew.
    fn throw_away(&mut self) {
        for _ in 0..THROWN_AWAY_MAX {
            match self.socket.receive(&mut self.buffer) {
                Ok(Some(_)) | Err(Errno::ENOBUFS) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
