//! The IPv4 header around an advert: raw sockets deliver it, and take it with `IP_HDRINCL`.

use std::net::Ipv4Addr;

use super::checksum::Sum;
use super::{Datagram, HOP_LIMIT, PROTOCOL, Refusal};

/// Header without options.
const HEADER_LEN: usize = 20;

/// Precedence "internetwork control" (CS6), as keepalived marks its adverts.
const TYPE_OF_SERVICE: u8 = 0xc0;

/// What is left of the shortest Ethernet frame (60 bytes) for the IP packet: a shorter one is
/// padded.
const PADDED_LEN: usize = 46;

/// Takes an IPv4 packet apart: options are skipped, the padding of a short frame is cut off.
///
/// # Errors
/// [`Refusal::TooShort`] without a whole header, [`Refusal::Length`] where the header's lengths
/// and the bytes contradict each other.
pub fn parse(packet: &[u8]) -> Result<Datagram<'_>, Refusal> {
    let Some((header, _)) = packet.split_first_chunk::<HEADER_LEN>() else {
        return Err(Refusal::TooShort(packet.len()));
    };
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let wrong_length = Refusal::Length { got: packet.len(), expected: total_len };
    if packet.len() > total_len && packet.len() > PADDED_LEN {
        return Err(wrong_length);
    }
    if header_len < HEADER_LEN {
        return Err(wrong_length);
    }
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    Ok(Datagram {
        source: address(12).into(),
        destination: address(16).into(),
        hop_limit: header[8],
        message: packet.get(header_len..total_len).ok_or(wrong_length)?,
    })
}

/// An advert with its IPv4 header. The kernel fills in length and checksum itself, and the
/// identification if it is 0.
///
/// # Panics
/// Never: a message of at most 255 addresses fits into a packet.
#[must_use]
pub fn packet(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    identification: u16,
    message: &[u8],
) -> Vec<u8> {
    let total_len = HEADER_LEN + message.len();
    let length = u16::try_from(total_len).expect("at most 255 addresses");
    let mut packet = Vec::with_capacity(total_len);
    packet.extend([0x45, TYPE_OF_SERVICE]);
    packet.extend(length.to_be_bytes());
    packet.extend(identification.to_be_bytes());
    packet.extend([0, 0, HOP_LIMIT, PROTOCOL, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let checksum = Sum::default().bytes(&packet).complement();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(message);
    packet
}
