//! Messages as datagrams, one each: over UDP to a collector, or to a socket such as `/dev/log`.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::{fmt, io};

/// Ends a message on its way to the thread that sends it; no message holds it.
pub const END: u8 = 0;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A collector.
    Udp(SocketAddr),
    /// A socket of this host. It is looked up for each message, so that its owner may restart.
    Local(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "{address}"),
            Self::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Sends what is written to it.
#[derive(Debug)]
pub struct Datagrams(Socket);

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket, SocketAddr),
    Local(UnixDatagram, PathBuf),
}

impl Datagrams {
    /// A way to `target`, whether or not anybody is there.
    ///
    /// # Errors
    /// The kernel gives no socket.
    pub fn to(target: &Target) -> io::Result<Self> {
        Ok(Self(match target {
            Target::Udp(address) => {
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                // Not connected: a collector that is away makes no errors.
                Socket::Udp(UdpSocket::bind(any)?, *address)
            }
            Target::Local(path) => Socket::Local(UnixDatagram::unbound()?, path.clone()),
        }))
    }
}

/// Each call sends one message.
impl Write for Datagrams {
    fn write(&mut self, messages: &[u8]) -> io::Result<usize> {
        let length = messages.iter().position(|byte| *byte == END).unwrap_or(messages.len());
        let message = messages.get(..length).unwrap_or_default();
        match &self.0 {
            Socket::Udp(socket, address) => socket.send_to(message, address)?,
            Socket::Local(socket, path) => socket.send_to(message, path)?,
        };
        Ok(messages.len().min(length + 1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_a_datagram_and_its_end_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = UnixDatagram::bind(&path).unwrap();
        for target in [Target::Udp(udp.local_addr().unwrap()), Target::Local(path.clone())] {
            let mut datagrams = Datagrams::to(&target).unwrap();
            datagrams.write_all(b"one\0two\0").unwrap();
        }
        for expected in [&b"one"[..], b"two"] {
            let mut buffer = [0; 100];
            let length = udp.recv(&mut buffer).unwrap();
            assert_eq!(buffer.get(..length), Some(expected));
            let length = local.recv(&mut buffer).unwrap();
            assert_eq!(buffer.get(..length), Some(expected));
        }
    }

    #[test]
    fn a_socket_that_went_and_came_again_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut datagrams = Datagrams::to(&Target::Local(path.clone())).unwrap();
        assert!(datagrams.write(b"lost\0").is_err());
        let socket = UnixDatagram::bind(&path).unwrap();
        datagrams.write_all(b"found\0").unwrap();
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer.get(..length), Some(&b"found"[..]));
    }
}
