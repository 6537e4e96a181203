//! Sockets as the data path needs them: listeners, connections to servers, and their options.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};

use crate::config::SideOptions;
use crate::session::ConnectFailure;

/// A listening socket.
///
/// `IP_FREEBIND` lets it bind a virtual address that this host doesn't hold yet. `SO_REUSEPORT`
/// stays off, so that a second instance fails loudly instead of taking half of the clients.
/// Accepted sockets inherit the options set here (tcp(7)), which saves five calls per connection.
/// `beside` allows an overlap with a listener for which [`allow_overlap`] was called, while this
/// one binds and no longer.
pub(super) fn listen(
    address: SocketAddr,
    backlog: NonZeroU32,
    options: &SideOptions,
    beside: bool,
) -> io::Result<TcpListener> {
    let socket = new_socket(address)?;
    if beside {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    socket.set_reuse_address(true)?; // connections of a former run in TIME_WAIT don't matter
    set_options(&SockRef::from(&socket), options)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog.get()).unwrap_or(i32::MAX))?;
    if beside {
        socket.set_reuse_port(false)?;
    }
    Ok(TcpListener::from_std(socket.into()))
}

/// Lets another socket of this process bind an overlapping address while this one still listens.
pub(super) fn allow_overlap(listener: &TcpListener, allowed: bool) -> io::Result<()> {
    SockRef::from(listener).set_reuse_port(allowed)
}

/// Makes a listener deaf to new clients, while those whose handshake is under way still get in:
/// the kernel drops SYNs, so that those clients try again (after a second) and meet whoever listens
/// by then.
pub(super) fn drop_new_clients(listener: &TcpListener) -> io::Result<()> {
    /// Offset of the flags in the TCP header, which a filter on a TCP socket sees first.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    // Classic BPF, linux/filter.h: A = packet[13]; A &= SYN|ACK; A == SYN ? drop : pass.
    let program = [
        SockFilter::new(0x30, 0, 0, FLAGS),
        SockFilter::new(0x54, 0, 0, SYN | ACK),
        SockFilter::new(0x15, 0, 1, SYN),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&program)
}

/// Undoes [`drop_new_clients`].
pub(super) fn take_new_clients(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).detach_filter()
}

/// Gives a kept listener the options of a new configuration.
pub(super) fn reconfigure(
    listener: &TcpListener,
    backlog: NonZeroU32,
    options: &SideOptions,
) -> io::Result<()> {
    let socket = SockRef::from(listener);
    set_options(&socket, options)?;
    socket.listen(i32::try_from(backlog.get()).unwrap_or(i32::MAX))
}

/// Begins a connection; it stands when the socket is writable and in no error. One that is written to
/// again gets [`send_at_once`], one that lasts [`watch_peer`].
pub(super) fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = new_socket(address)?;
    if let Some(source) = source {
        // The port is then chosen at connect, by the whole 4-tuple: 64k connections per server
        // instead of 28k for all of them.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))
}

fn set_options(socket: &Socket, options: &SideOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    watch(socket, options)
}

/// Has the kernel send what is written from now on without waiting for acknowledgements. The first
/// write never waits (RFC 9293, section 3.7.4), so that a connection with one request is spared the
/// call.
pub(super) fn send_at_once(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_nodelay(true)
}

/// Has the kernel find out when the peer of this connection has vanished. Five calls, a twentieth
/// of what a connection with one request costs: whoever makes many of them asks for it late.
pub(super) fn watch_peer(stream: &TcpStream, options: &SideOptions) -> io::Result<()> {
    watch(&SockRef::from(stream), options)
}

fn watch(socket: &Socket, options: &SideOptions) -> io::Result<()> {
    match options.keepalive {
        Some(keepalive) => socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(keepalive.idle)
                .with_interval(keepalive.interval)
                .with_retries(keepalive.count.get()),
        )?,
        None => socket.set_keepalive(false)?,
    }
    // Zero restores the kernel's default.
    socket.set_tcp_user_timeout(Some(options.user_timeout.unwrap_or(Duration::ZERO)))
}

/// Closes with RST instead of FIN: what wasn't sent is discarded, no TIME_WAIT is left.
pub(super) fn reset(stream: TcpStream) {
    // A socket that is gone already needs no reset.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Who is to blame for a failed connect.
pub(super) fn classify(error: &io::Error) -> ConnectFailure {
    if is_shortage(error) {
        return ConnectFailure::Local;
    }
    match error.raw_os_error() {
        Some(nix::libc::ETIMEDOUT) => ConnectFailure::TimedOut,
        // No port, the address not (yet) here, or a local firewall's veto.
        Some(
            nix::libc::EADDRINUSE | nix::libc::EADDRNOTAVAIL | nix::libc::EAGAIN | nix::libc::EPERM,
        ) => ConnectFailure::Local,
        _ => ConnectFailure::Refused,
    }
}

/// The kernel had no descriptor or memory for us.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// What accept(2) failed with, for whoever accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody waits.
    Nobody,
    /// A connection died in the queue, or the network under it did, and it was taken out: the next
    /// one may be well.
    ThatOne,
    /// It would be the same at once: for want of descriptors or memory, or for a reason that
    /// accept(2) doesn't list, such as a security module's.
    ForNow,
}

/// Reads an error of accept(2) after its section "Error handling".
pub(super) fn refused(error: &io::Error) -> Refused {
    use nix::libc::{
        EAGAIN, ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH, ENONET,
        ENOPROTOOPT, EOPNOTSUPP, EPERM, EPROTO,
    };
    match error.raw_os_error() {
        Some(EAGAIN) => Refused::Nobody,
        // EPERM: a firewall's rules forbid that connection.
        Some(
            ECONNABORTED | EINTR | ENETDOWN | EPROTO | ENOPROTOOPT | EHOSTDOWN | ENONET
            | EHOSTUNREACH | EOPNOTSUPP | ENETUNREACH | EPERM,
        ) => Refused::ThatOne,
        Some(_) | None => Refused::ForNow,
    }
}

#[cfg(test)]
mod tests;
