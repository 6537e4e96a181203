//! Connects to a server; that alone is the tcp probe.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::shortage;
use crate::outcome::{FailureKind, Outcome};

/// Connects from `source`, or from where the kernel likes. Has no deadline of its own.
///
/// `bare`: nothing will be sent, and the connection ends with RST. Then the server's kernel
/// completes the handshake while its program never learns of it, since the last ACK is held back
/// and the RST overtakes it (as HAProxy does): no line in its log, and no TIME_WAIT here.
pub(super) async fn connect(
    address: SocketAddr,
    source: Option<IpAddr>,
    bare: bool,
) -> Result<TcpStream, Outcome> {
    let socket = socket(address, source, bare)
        .map_err(|error| shortage::outcome(FailureKind::Setup, "socket", &error))?;
    socket
        .connect(address)
        .await
        .map_err(|error| shortage::outcome(FailureKind::Connect, "connect", &error))
}

fn socket(address: SocketAddr, source: Option<IpAddr>, bare: bool) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_nodelay(true)?;
    if bare {
        socket.set_zero_linger()?;
        SockRef::from(&socket).set_tcp_quickack(false)?;
    }
    if let Some(source) = source {
        // Without it, bind takes a port for itself, and all checks share 28,000 of them.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    Ok(socket)
}
