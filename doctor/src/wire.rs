//! Just enough of VRRP over IPv4 to tell who else advertises: sender, id, version, addresses.
//! Whether an advert may be believed is the daemon's business.

use std::net::{IpAddr, Ipv4Addr};

/// An advert of somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advert {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Router id.
    pub id: u8,
    /// 2 or 3.
    pub version: u8,
    /// 0: about to leave.
    pub priority: u8,
    /// It carries a password (version 2).
    pub password: bool,
    /// The addresses that it claims.
    pub addresses: Vec<IpAddr>,
}

/// Protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// Reads a packet with its IP header; anything else than an advert is none.
#[must_use]
pub fn advert(packet: &[u8]) -> Option<Advert> {
    let first = *packet.first()?;
    if first >> 4 != 4 || *packet.get(9)? != PROTOCOL {
        return None;
    }
    let source = address(packet, 12)?;
    let body = packet.get(usize::from(first & 0xf).checked_mul(4)?..)?;
    let (kind, version) = (body.first()? & 0xf, body.first()? >> 4);
    if kind != 1 || !matches!(version, 2 | 3) {
        return None;
    }
    let count = usize::from(*body.get(3)?);
    let addresses: Option<Vec<IpAddr>> =
        (0..count).map(|index| Some(IpAddr::V4(address(body, 8 + 4 * index)?))).collect();
    Some(Advert {
        source,
        id: *body.get(1)?,
        version,
        priority: *body.get(2)?,
        // Byte 4 is the type of authentication with version 2, and part of the interval with 3.
        password: version == 2 && *body.get(4)? != 0,
        addresses: addresses?,
    })
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(four.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As keepalived sends it: version 2, id 1, priority 100, a password, 172.16.16.100.
    const PACKET: [u8; 40] = [
        0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, 112, 0, 0, 172, 16, 16, 52, 224, 0, 0,
        18, // header
        0x21, 1, 100, 1, 1, 1, 0, 0, 172, 16, 16, 100, b'm', b'y', b's', b'e', b'c', b'r', b'e',
        b't',
    ];

    #[test]
    fn an_advert_is_read() {
        let read = advert(&PACKET).unwrap();
        assert_eq!(read.source, Ipv4Addr::new(172, 16, 16, 52));
        assert_eq!((read.id, read.version, read.priority, read.password), (1, 2, 100, true));
        assert_eq!(read.addresses, [IpAddr::from([172, 16, 16, 100])]);
    }

    #[test]
    fn a_packet_that_ends_early_or_is_of_another_kind_is_none() {
        for length in 0..32 {
            assert_eq!(advert(&PACKET[..length]), None, "{length}");
        }
        for (at, byte) in [(0, 0x65), (9, 6), (20, 0x22), (20, 0x41), (23, 200)] {
            let mut other = PACKET;
            other[at] = byte;
            assert_eq!(advert(&other), None, "byte {at}");
        }
    }
}
