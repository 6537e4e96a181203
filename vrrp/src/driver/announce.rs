//! Tells a segment where addresses are now, and asks whether somebody else has one.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::packet_socket::PacketSocket;
use crate::interfaces::Interface;
use crate::packet::announce::{
    arp_probe, gratuitous_arp, neighbour_advertisement, neighbour_probe,
};

/// Sends announcements and probes out of any interface.
#[derive(Debug)]
pub(super) struct Announcer {
    socket: PacketSocket,
}

/// What didn't work.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnnounceError {
    /// No socket.
    #[error("cannot open a packet socket to announce addresses")]
    Open(#[source] io::Error),
    /// A frame didn't leave; the next one may.
    #[error("cannot {order} {address} on {interface}")]
    Send {
        /// What it was for.
        order: &'static str,
        /// The address.
        address: IpAddr,
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
}

/// `TC_PRIO_INTERACTIVE` of linux/pkt_sched.h: ahead of bulk, behind the adverts.
const PRIORITY: u32 = 6;

impl Announcer {
    /// Opens it.
    ///
    /// # Errors
    /// [`AnnounceError::Open`].
    pub(super) fn open() -> Result<Self, AnnounceError> {
        let socket = PacketSocket::open().map_err(AnnounceError::Open)?;
        socket.hurry(PRIORITY).map_err(AnnounceError::Open)?;
        Ok(Self { socket })
    }

    /// Says once that the address is here: gratuitous ARP as request and as reply, or an
    /// unsolicited neighbour advertisement. Nothing on an interface without hardware addresses:
    /// nobody keeps them there.
    ///
    /// # Errors
    /// [`AnnounceError::Send`].
    pub(super) fn announce(
        &self,
        interface: &Interface,
        address: IpAddr,
    ) -> Result<(), AnnounceError> {
        let Some(mac) = interface.mac else { return Ok(()) };
        let sent = match address {
            IpAddr::V4(address) => gratuitous_arp(mac, address)
                .iter()
                .try_for_each(|frame| self.socket.send(interface.index, frame)),
            IpAddr::V6(address) => {
                let frame = neighbour_advertisement(mac, address, interface.forwards_ipv6);
                self.socket.send(interface.index, &frame)
            }
        };
        sent.map_err(failed("announce", address, interface))
    }

    /// Asks once whether somebody else has the address, without claiming it. The answer comes to
    /// a [`Watch`](super::claims::Watch) on the interface.
    ///
    /// # Errors
    /// [`AnnounceError::Send`].
    pub(super) fn probe(
        &self,
        interface: &Interface,
        address: IpAddr,
    ) -> Result<(), AnnounceError> {
        let Some(mac) = interface.mac else { return Ok(()) };
        let sent = match address {
            IpAddr::V4(address) => self.socket.send(interface.index, &arp_probe(mac, address)),
            IpAddr::V6(address) => {
                self.socket.send(interface.index, &neighbour_probe(mac, address))
            }
        };
        sent.map_err(failed("ask who has", address, interface))
    }
}

fn failed(
    order: &'static str,
    address: impl Into<IpAddr>,
    interface: &Interface,
) -> impl FnOnce(io::Error) -> AnnounceError {
    let (address, interface) = (address.into(), Arc::clone(&interface.name));
    move |source| AnnounceError::Send { order, address, interface, source }
}

#[cfg(test)]
mod tests;
