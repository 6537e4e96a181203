//! Hears who else says that it has a virtual address: two active routers that don't hear each
//! other's adverts still answer the same ARP requests.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockFilter;

use super::filter;
use super::packet_socket::{ARP, IPV6, PacketSocket};
use crate::interfaces::Interface;
use crate::packet::announce::Mac;
use crate::packet::claim::{self, Claim};
use crate::values::Family;

/// Watches one interface for claims to addresses of one family.
#[derive(Debug)]
pub(super) struct Watch {
    socket: PacketSocket,
    interface: Arc<str>,
    index: u32,
    family: Family,
    own: Mac,
    addresses: Vec<IpAddr>,
}

/// What didn't work.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    /// There is no watch; claims go unnoticed.
    #[error("cannot {step} to see who else claims addresses on {interface}")]
    Open {
        /// What was tried.
        step: &'static str,
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// The kernel reports something instead of a frame; mostly that the interface went down.
    #[error("cannot see who else claims addresses on {interface}")]
    Receive {
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
}

/// As much of a frame as is looked at: up to the end of an advertisement's first option.
const BUFFER: usize = 14 + 40 + 24 + 8;

/// Frames that are looked at per call without one being a foreign claim: our own that a switch
/// sends back, and addresses that only end as ours do.
const FRAMES_PER_READ: usize = 64;

impl Watch {
    /// Watches for claims of others than the interface itself. None: it has no hardware address,
    /// so nobody makes claims there.
    ///
    /// # Errors
    /// [`ClaimError::Open`].
    pub(super) fn open(
        interface: &Interface,
        family: Family,
        addresses: &[IpAddr],
    ) -> Result<Option<Self>, ClaimError> {
        let Some(own) = interface.mac else { return Ok(None) };
        let failed = |step| {
            let interface = Arc::clone(&interface.name);
            move |source| ClaimError::Open { step, interface, source }
        };
        let socket = PacketSocket::open().map_err(failed("open a packet socket"))?;
        let addresses = of_family(family, addresses);
        let (kind, program) = takes(family, &addresses);
        socket.filter(&program).map_err(failed("set a filter"))?;
        socket.take(interface.index, kind).map_err(failed("bind a packet socket"))?;
        let (interface, index) = (Arc::clone(&interface.name), interface.index);
        Ok(Some(Self { socket, interface, index, family, own, addresses }))
    }

    /// The next claim of somebody else; none: nothing more waits. Callers bound how often they
    /// ask in one turn, since anybody on the segment can send any number.
    ///
    /// # Errors
    /// [`ClaimError::Receive`]: what the kernel reports instead of a frame, once.
    pub(super) fn read(&self) -> Result<Option<Claim>, ClaimError> {
        let mut buffer = [0; BUFFER];
        for _ in 0..FRAMES_PER_READ {
            let fd = self.socket.as_fd().as_raw_fd();
            let length = match recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
                Err(errno) => {
                    let (interface, source) = (Arc::clone(&self.interface), errno.into());
                    return Err(ClaimError::Receive { interface, source });
                }
            };
            let claim = claim::read(buffer.get(..length).unwrap_or_default());
            let foreign =
                |claim: &Claim| claim.mac != self.own && self.addresses.contains(&claim.address);
            if let Some(claim) = claim.filter(foreign) {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// The interface that it watches, as long as that has this index.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Watches for claims to these addresses from now on. False: it can't, being for another
    /// interface or family; a new one is needed.
    ///
    /// Closing a packet socket takes the kernel tens of milliseconds, another filter no time.
    pub(super) fn fit(
        &mut self,
        interface: &Interface,
        family: Family,
        addresses: &[IpAddr],
    ) -> bool {
        let Some(own) = interface.mac else { return false };
        if (self.index, self.family) != (interface.index, family) {
            return false;
        }
        let addresses = of_family(family, addresses);
        if addresses != self.addresses {
            let (_, program) = takes(family, &addresses);
            if self.socket.filter(&program).is_err() {
                return false;
            }
        }
        (self.own, self.addresses) = (own, addresses);
        true
    }
}

fn of_family(family: Family, addresses: &[IpAddr]) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|address| Family::of(*address) == family).collect()
}

/// Which frames it takes, and which of them.
fn takes(family: Family, addresses: &[IpAddr]) -> (u16, Vec<SockFilter>) {
    match family {
        Family::V4 => (ARP, filter::arp_claims(addresses)),
        Family::V6 => (IPV6, filter::neighbour_claims(addresses)),
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
