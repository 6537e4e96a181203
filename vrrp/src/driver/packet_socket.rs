//! A packet socket (packet(7)): whole Ethernet frames, to and from any interface.
#![expect(unsafe_code, reason = "neither socket2 nor nix makes an address of a packet socket")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

use crate::packet::announce::Mac;

/// `ETH_P_ARP` and `ETH_P_IPV6` of linux/if_ether.h: what kind of frames are taken.
pub(super) const ARP: u16 = 0x0806;
pub(super) const IPV6: u16 = 0x86dd;

/// Sends frames, or takes those of one kind from one interface.
#[derive(Debug)]
pub(super) struct PacketSocket(Socket);

impl PacketSocket {
    /// One that takes nothing.
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0 takes nothing until the socket is bound to another one.
        let kind = Type::RAW.nonblocking().cloexec();
        Ok(Self(Socket::new(Domain::PACKET, kind, Some(Protocol::from(0)))?))
    }

    /// Takes frames of this kind from this interface, as far as [`PacketSocket::filter`] lets
    /// them through.
    pub(super) fn take(&self, index: u32, kind: u16) -> io::Result<()> {
        self.0.bind(&address(index, kind, [0; 6])?)
    }

    /// Lets the kernel choose.
    pub(super) fn filter(&self, program: &[SockFilter]) -> io::Result<()> {
        self.0.attach_filter(program)
    }

    /// Ahead of whatever else waits for the interface.
    pub(super) fn hurry(&self, priority: u32) -> io::Result<()> {
        self.0.set_priority(priority)
    }

    /// Sends a frame, whose header says to whom.
    pub(super) fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let to = frame.first_chunk().copied().unwrap_or_default();
        self.0.send_to(frame, &address(index, 0, to)?).map(drop)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An interface, a kind of frames, and for sending who is to get it.
fn address(index: u32, kind: u16, to: Mac) -> io::Result<SockAddr> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let index = i32::try_from(index).map_err(invalid)?;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(invalid)?;
    let family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(invalid)?;
    let [a, b, c, d, e, f] = to;
    let address = libc::sockaddr_ll {
        sll_family: family,
        sll_protocol: kind.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [a, b, c, d, e, f, 0, 0],
    };
    // SAFETY: `storage` is zeroed, aligned for every kind of address and at least as large as
    // `sockaddr_ll`; the length told is that of what is written, and the family is its own.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, told| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *told = length;
            Ok(())
        })
    }?;
    Ok(address)
}
