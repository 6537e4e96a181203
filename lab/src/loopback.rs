//! Loopback addresses that belong to one test alone.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixListener},
    },
};

/// An address in 127.0.0.0/8 that nobody else who asks this way has until it is dropped.
///
/// Two tests that run at the same time can each take "their" port 6443, and a port that was found
/// free stays free. The claim is an abstract unix socket, which the kernel takes back however the
/// process ends; it holds within one network namespace, as the address does.
#[derive(Debug)]
pub struct Loopback {
    ip: Ipv4Addr,
    _claim: UnixListener,
}

impl Loopback {
    /// Claims an address.
    ///
    /// # Errors
    /// When sockets can't be made, or, when many addresses in a row are taken by others, the
    /// last refusal.
    pub fn claim() -> io::Result<Self> {
        let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let ip = random_address();
            let name = UnixAddr::from_abstract_name(format!("halb-lab {ip}"))?;
            match UnixListener::bind_addr(&name) {
                Ok(claim) => return Ok(Self { ip, _claim: claim }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip.into()
    }

    /// The address with a port; 0 lets the kernel choose when it is bound.
    #[must_use]
    pub fn port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(), port)
    }

    /// The address with a port that nobody listens on, for a process that can't bind port 0.
    ///
    /// # Errors
    /// When the kernel has no port to give.
    pub fn free_port(&self) -> io::Result<SocketAddr> {
        TcpListener::bind(self.port(0))?.local_addr()
    }
}

/// Addresses tried before giving up: with 16 million to choose from, more than a few taken in a
/// row means that something else is wrong.
const TRIES: usize = 64;

/// Any address from 127.1.0.1 to 127.254.255.254, without the ends of each range of 256.
///
/// 127.0.x.y stays free for people and their services.
fn random_address() -> Ipv4Addr {
    let [a, b, c, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_are_two_addresses_and_each_has_free_ports() {
        let (first, second) = (Loopback::claim().unwrap(), Loopback::claim().unwrap());
        assert_ne!(first.ip(), second.ip());
        assert!(first.ip().is_loopback() && second.ip().is_loopback());
        let address = first.free_port().unwrap();
        assert_eq!(address.ip(), first.ip());
        TcpListener::bind(address).unwrap();
    }

    #[test]
    fn an_address_is_claimed_once_and_free_again_when_its_owner_is_gone() {
        let owner = Loopback::claim().unwrap();
        let name = UnixAddr::from_abstract_name(format!("halb-lab {}", owner.ip())).unwrap();
        let taken = UnixListener::bind_addr(&name).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(owner);
        UnixListener::bind_addr(&name).unwrap();
    }
}
