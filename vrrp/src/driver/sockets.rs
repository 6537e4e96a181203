//! Raw sockets through which adverts come and go, one for each interface and family.
//!
//! What they are set to is what keepalived's experience asks for:
//! - A listener takes from its interface only, and with IPv4 of groups only the one that it joined
//!   itself: by default a raw socket gets the multicast packets of every socket on the host. With
//!   IPv6 the kernel has no such choice for raw sockets, and the destination tells.
//! - A sender receives nothing, so that nothing waits in it for ever, and its own multicast
//!   doesn't come back.
//! - An interface that is deleted takes membership and binding with it. One that is made anew has
//!   a new index, and needs new sockets.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, cmsg_space, recv, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};

use super::filter;
use crate::interfaces::Interface;
use crate::packet::{Datagram, GROUP_V4, GROUP_V6, HOP_LIMIT, PROTOCOL, Refusal, group, ipv4};
use crate::values::Family;

/// Hears the adverts that come in at an interface: those to the group, once it has joined, and
/// those to this host.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    family: Family,
    interface: Arc<str>,
    index: u32,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received<'a> {
    /// A message.
    Datagram(Datagram<'a>),
    /// A packet that can't hold one.
    Broken(Refusal),
}

/// Sends adverts out of an interface.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    interface: Arc<str>,
    index: u32,
}

/// What didn't work with the sockets of an interface.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is no socket, or none that is as it must be.
    #[error("cannot {step} for the adverts of {interface}")]
    Open {
        /// What was tried.
        step: &'static str,
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// The kernel reports something instead of a packet; mostly that the interface is down.
    #[error("cannot receive adverts on {interface}")]
    Receive {
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// An advert didn't leave; the next one may.
    #[error("cannot send an advert from {from} to {to} on {interface}")]
    Send {
        /// Its source.
        from: IpAddr,
        /// Its destination.
        to: IpAddr,
        /// Name of the interface.
        interface: Arc<str>,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
}

/// The longest IPv4 header, and a message with as many IPv6 addresses as its count can tell: what
/// is longer is no advert.
const BUFFER: usize = 60 + 8 + 255 * 16;

/// Packets of other interfaces that came in between the making of a listener and its binding.
const FOREIGN_MAX: usize = 1024;

/// Precedence "internetwork control" (CS6), as keepalived marks its adverts.
const TRAFFIC_CLASS: u32 = 0xc0;

/// `TC_PRIO_CONTROL` of linux/pkt_sched.h: ahead of whatever else waits for this interface.
const PRIORITY: u32 = 7;

impl Listener {
    /// Opens one that hears what comes to this host.
    ///
    /// # Errors
    /// [`SocketError::Open`].
    pub(super) fn open(interface: &Interface, family: Family) -> Result<Self, SocketError> {
        let failed = Failed(interface);
        let socket = raw(family).map_err(failed.to("open a raw socket"))?;
        match family {
            Family::V4 => {
                let only_own = socket.set_multicast_all_v4(false);
                only_own.map_err(failed.to("refuse the groups of others"))?;
            }
            Family::V6 => {
                let hops = socket.set_recv_hoplimit_v6(true);
                hops.map_err(failed.to("ask for hop limits"))?;
                let destination = setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true);
                destination.map_err(io::Error::from).map_err(failed.to("ask for destinations"))?;
            }
        }
        bind(&socket, interface)?;
        let control =
            Vec::with_capacity(cmsg_space::<libc::in6_pktinfo>() + cmsg_space::<libc::c_int>());
        let mut listener = Self {
            socket,
            family,
            interface: Arc::clone(&interface.name),
            index: interface.index,
            buffer: vec![0; BUFFER],
            control,
        };
        listener.forget_foreign();
        Ok(listener)
    }

    /// Hears the group as well, from now on.
    ///
    /// # Errors
    /// [`SocketError::Open`].
    pub(super) fn join(&self) -> Result<(), SocketError> {
        let joined = match self.family {
            Family::V4 => {
                let interface = InterfaceIndexOrAddress::Index(self.index);
                self.socket.join_multicast_v4_n(&GROUP_V4, &interface)
            }
            Family::V6 => self.socket.join_multicast_v6(&GROUP_V6, self.index),
        };
        match joined {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()),
            joined => joined.map_err(|source| SocketError::Open {
                step: "join the group",
                interface: Arc::clone(&self.interface),
                source,
            }),
        }
    }

    /// What waits to be read; none: nothing does. Callers bound how often they ask in one turn.
    ///
    /// # Errors
    /// [`SocketError::Receive`]: what the kernel reports instead of a packet, once.
    pub(super) fn receive(&mut self) -> Result<Option<Received<'_>>, SocketError> {
        let received = match self.family {
            Family::V4 => receive_v4(&self.socket, &mut self.buffer),
            Family::V6 => receive_v6(&self.socket, &mut self.buffer, &mut self.control),
        };
        match received {
            Ok(received) => Ok(Some(received)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(SocketError::Receive {
                interface: Arc::clone(&self.interface),
                source: errno.into(),
            }),
        }
    }

    /// Until it was bound, the socket took from everywhere.
    fn forget_foreign(&mut self) {
        for _ in 0..FOREIGN_MAX {
            if !matches!(self.receive(), Ok(Some(_))) {
                return;
            }
        }
    }

    /// The interface that it belongs to, as long as that has this index.
    pub(super) fn index(&self) -> u32 {
        self.index
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Sender {
    /// Opens one.
    ///
    /// # Errors
    /// [`SocketError::Open`].
    pub(super) fn open(interface: &Interface, family: Family) -> Result<Self, SocketError> {
        let failed = Failed(interface);
        let socket = raw(family).map_err(failed.to("open a raw socket"))?;
        socket.attach_filter(&filter::NOTHING).map_err(failed.to("refuse all packets"))?;
        let as_control = match family {
            Family::V4 => socket
                .set_header_included_v4(true)
                .and_then(|()| socket.set_multicast_loop_v4(false))
                .and_then(|()| socket.set_freebind_v4(true)),
            Family::V6 => socket
                .set_multicast_hops_v6(HOP_LIMIT.into())
                .and_then(|()| socket.set_unicast_hops_v6(HOP_LIMIT.into()))
                .and_then(|()| socket.set_tclass_v6(TRAFFIC_CLASS))
                .and_then(|()| socket.set_multicast_loop_v6(false))
                .and_then(|()| socket.set_freebind_v6(true)),
        };
        as_control
            .and_then(|()| socket.set_priority(PRIORITY))
            .map_err(failed.to("set a socket up to send"))?;
        bind(&socket, interface)?;
        Ok(Self { socket, interface: Arc::clone(&interface.name), index: interface.index })
    }

    /// Sends a message between these addresses, which must be of the sender's family: to the
    /// group without asking the routing table, to a peer by it.
    ///
    /// # Errors
    /// [`SocketError::Send`]. None of the kernel's reasons is for ever: no carrier, no room, no
    /// route, a firewall's veto.
    pub(super) fn send(&self, from: IpAddr, to: IpAddr, message: &[u8]) -> Result<(), SocketError> {
        let sent = match (from, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                // The kernel fills the identification in, and the checksum anyway.
                let packet = ipv4::packet(source, destination, 0, message);
                let address = SockAddr::from(SocketAddrV4::new(destination, 0));
                let flags = route(to).bits();
                self.socket.send_to_with_flags(&packet, &address, flags).map(drop)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.send_v6(source, destination, message)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                Err(io::ErrorKind::InvalidInput.into())
            }
        };
        let interface = || Arc::clone(&self.interface);
        sent.map_err(|source| SocketError::Send { from, to, interface: interface(), source })
    }

    fn send_v6(&self, source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> io::Result<()> {
        let local = destination.is_unicast_link_local() || destination.is_multicast();
        let scope = if local { self.index } else { 0 };
        let address = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, scope));
        let info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
            ipi6_ifindex: self.index,
        };
        let control = [ControlMessage::Ipv6PacketInfo(&info)];
        let parts = [IoSlice::new(message)];
        let fd = self.socket.as_raw_fd();
        sendmsg(fd, &parts, &control, route(destination.into()), Some(&address))?;
        Ok(())
    }

    /// The interface that it belongs to, as long as that has this index.
    pub(super) fn index(&self) -> u32 {
        self.index
    }
}

/// The group is on the segment whatever the routing table says; a peer may be behind a router.
fn route(destination: IpAddr) -> MsgFlags {
    if destination == group(Family::of(destination)) {
        MsgFlags::from_bits_retain(libc::MSG_DONTROUTE)
    } else {
        MsgFlags::empty()
    }
}

fn raw(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    Socket::new(
        domain,
        Type::RAW.nonblocking().cloexec(),
        Some(Protocol::from(i32::from(PROTOCOL))),
    )
}

fn bind(socket: &Socket, interface: &Interface) -> Result<(), SocketError> {
    let bound = socket.bind_device(Some(interface.name.as_bytes()));
    bound.map_err(Failed(interface).to("bind a socket"))
}

fn receive_v4<'a>(socket: &Socket, buffer: &'a mut [u8]) -> Result<Received<'a>, Errno> {
    let length = recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?;
    let packet = buffer.get(..length).unwrap_or_default();
    Ok(ipv4::parse(packet).map_or_else(Received::Broken, Received::Datagram))
}

/// IPv6 comes without its header: hop limit and destination are told beside the message. Without
/// them it counts as forwarded, and to nobody.
fn receive_v6<'a>(
    socket: &Socket,
    buffer: &'a mut [u8],
    control: &mut Vec<u8>,
) -> Result<Received<'a>, Errno> {
    let (mut hop_limit, mut destination) = (0, Ipv6Addr::UNSPECIFIED);
    control.clear();
    control.resize(control.capacity(), 0);
    let (length, source, is_whole) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let told = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(control), flags)?;
        for message in told.cmsgs()? {
            // The library's list of messages may grow.
            #[expect(clippy::wildcard_enum_match_arm, reason = "these two were asked for")]
            match message {
                ControlMessageOwned::Ipv6HopLimit(hops) => {
                    hop_limit = u8::try_from(hops).unwrap_or(0);
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    destination = info.ipi6_addr.s6_addr.into();
                }
                _ => {}
            }
        }
        let source = told.address.map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
        (told.bytes, source, !told.flags.contains(MsgFlags::MSG_TRUNC))
    };
    let message = buffer.get(..length).unwrap_or_default();
    if !is_whole {
        return Ok(Received::Broken(Refusal::Length { got: length + 1, expected: length }));
    }
    let (source, destination) = (source.into(), destination.into());
    Ok(Received::Datagram(Datagram { source, destination, hop_limit, message }))
}

/// Makes errors that name the interface.
#[derive(Clone, Copy)]
struct Failed<'a>(&'a Interface);

impl Failed<'_> {
    fn to(self, step: &'static str) -> impl FnOnce(io::Error) -> SocketError {
        let interface = Arc::clone(&self.0.name);
        move |source| SocketError::Open { step, interface, source }
    }
}

#[cfg(test)]
mod tests;
