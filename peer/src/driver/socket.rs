//! The socket of a link.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use crate::link::Transmit;

/// The socket couldn't be opened.
#[derive(Debug, thiserror::Error)]
#[error("the peer link can't listen on UDP {bind}")]
pub struct OpenError {
    /// Where it was to listen.
    pub bind: SocketAddr,
    /// What the kernel says.
    #[source]
    pub source: io::Error,
}

/// Differentiated services code point CS6 with the two bits below it: network control, as VRRP's
/// own packets have it (RFC 4594, section 3.2).
const NETWORK_CONTROL: u32 = 0xc0;

/// A socket that listens there.
pub(super) fn open(bind: SocketAddr) -> Result<UdpSocket, OpenError> {
    bound(bind, false).map_err(|source| OpenError { bind, source })
}

/// The same while `old` may still be on the same port, with another address of it.
pub(super) fn reopen(old: &UdpSocket, bind: SocketAddr) -> Result<UdpSocket, OpenError> {
    let open = || {
        // The kernel lets two share a port if both say so. Only these two do, for a moment: for
        // another program the port is as taken as ever.
        SockRef::from(old).set_reuse_address(true)?;
        let new = bound(bind, true);
        SockRef::from(old).set_reuse_address(false)?;
        let new = new?;
        SockRef::from(&new).set_reuse_address(false)?;
        Ok(new)
    };
    open().map_err(|source| OpenError { bind, source })
}

/// Sends it now or not at all. Not by way of the runtime, which takes a new socket for one that
/// can't be written to until it has looked: the first hello would be lost.
pub(super) fn send(socket: &UdpSocket, transmit: &Transmit) -> io::Result<()> {
    SockRef::from(socket).send_to(&transmit.bytes, &transmit.to.into()).map(|_| ())
}

/// Where it listens, with the port that the kernel chose.
pub(super) fn local(socket: &UdpSocket, bind: SocketAddr) -> SocketAddr {
    socket.local_addr().unwrap_or(bind)
}

fn bound(bind: SocketAddr, share: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
    match bind {
        // The address may come later: links of a host that boots take their time.
        SocketAddr::V4(_) => {
            socket.set_freebind_v4(true)?;
            socket.set_tos_v4(NETWORK_CONTROL)?;
        }
        SocketAddr::V6(_) => {
            // The peer has one family, and so has the socket.
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
            socket.set_tclass_v6(NETWORK_CONTROL)?;
        }
    }
    socket.set_reuse_address(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&bind.into())?;
    UdpSocket::from_std(socket.into())
}
