//! PROXY protocol, versions 1 and 2: the header that tells a server whom a proxy speaks for.
//!
//! Source: HAProxy's `doc/proxy-protocol.txt`, sections 2.1 and 2.2. Where it leaves a choice,
//! halb does what HAProxy does, and says so at the place.
//!
//! [`parse`] looks at the beginning of a connection, as much of it as has arrived, and copies
//! nothing. A receiver must never guess whether a header is there: what doesn't begin with one is
//! an error, and the connection is to be closed. [`encode`] writes the header that goes first to
//! a server.

mod crc32c;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::config::ProxyVersion;

pub use v2::{Tlv, Tlvs};

/// Longest line of version 1, in bytes, its CRLF included: the specification's worst case, an
/// `UNKNOWN` line with two IPv6 addresses written in full.
pub const V1_LEN_MAX: usize = 107;

/// Longest header of either version, in bytes. Version 2 could say up to 65,551, but real ones
/// hold two addresses, a few names and a TLS summary; nginx bounds them by this figure too. A
/// buffer of this size holds every header that [`parse`] accepts.
pub const HEADER_LEN_MAX: usize = 4096;

/// Longest header that [`encode`] writes, in bytes.
pub const ENCODED_LEN_MAX: usize = V1_LEN_MAX;

/// The two ends of a connection, as a header tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client.
    pub source: SocketAddr,
    /// The address that the client connected to.
    pub destination: SocketAddr,
}

/// A complete header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which version it is written in.
    pub version: ProxyVersion,
    /// Its length in bytes; the payload begins here.
    pub len: usize,
    /// Whom the proxy speaks for. None: the connection's own ends stand, because the proxy speaks
    /// for itself (`LOCAL`, as in its health checks), doesn't know (`UNKNOWN`, `UNSPEC`), or tells
    /// of something other than TCP over IPv4 or IPv6.
    pub endpoints: Option<Endpoints>,
    /// Further facts; version 1 has none.
    pub tlvs: Tlvs<'a>,
}

/// What the bytes that have arrived amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Good so far, but not all of it.
    Incomplete {
        /// The header is at least so long, in bytes from its beginning: more than were given, and
        /// never beyond its end. A reader that takes no more never takes a byte of the payload.
        need_at_least: usize,
    },
    /// The whole header.
    Header(Header<'a>),
}

/// Why the beginning of a connection is no PROXY protocol header that halb accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It begins with neither version's signature.
    #[error("no PROXY protocol signature")]
    Signature,
    /// Version 1: neither `TCP4`, `TCP6` nor `UNKNOWN`.
    #[error("version 1: unknown protocol name")]
    V1Protocol,
    /// Version 1: the source address is none of the family, or isn't followed by one space.
    #[error("version 1: bad source address")]
    V1SourceAddress,
    /// Version 1: the destination address is none of the family, or isn't followed by one space.
    #[error("version 1: bad destination address")]
    V1DestinationAddress,
    /// Version 1: the source port is none, or isn't followed by one space.
    #[error("version 1: bad source port")]
    V1SourcePort,
    /// Version 1: the destination port is none, or isn't followed by the end of the line.
    #[error("version 1: bad destination port")]
    V1DestinationPort,
    /// Version 1: a CR or LF that isn't part of CRLF.
    #[error("version 1: CR or LF alone")]
    V1LineEnd,
    /// Version 1: no end of line within [`V1_LEN_MAX`] bytes.
    #[error("version 1: line longer than {V1_LEN_MAX} bytes")]
    V1TooLong,
    /// The binary signature is followed by a version other than 2.
    #[error("binary header of a version other than 2")]
    V2Version,
    /// Version 2: neither `LOCAL` nor `PROXY`.
    #[error("version 2: unknown command")]
    V2Command,
    /// Version 2: an address family that isn't assigned.
    #[error("version 2: unknown address family")]
    V2Family,
    /// Version 2: a transport protocol that isn't assigned.
    #[error("version 2: unknown transport protocol")]
    V2Transport,
    /// Version 2: longer than [`HEADER_LEN_MAX`].
    #[error("version 2: header longer than {HEADER_LEN_MAX} bytes")]
    V2TooLong,
    /// Version 2: too short for the addresses of its family.
    #[error("version 2: too short for its addresses")]
    V2AddressTruncated,
    /// Version 2: a TLV reaches beyond the header.
    #[error("version 2: TLV reaches beyond the header")]
    V2TlvTruncated,
    /// Version 2: a TLV is not of the length that its type allows.
    #[error("version 2: TLV of a wrong length")]
    V2TlvLength,
    /// Version 2: the CRC32C TLV doesn't fit the header.
    #[error("version 2: wrong checksum")]
    V2Checksum,
}

/// Reads the header at the beginning of `input`, what has arrived of a connection so far; bytes
/// after the header are not looked at.
///
/// The answer depends on the bytes alone, not on how they arrive: once it is a header or an error,
/// more bytes don't change it.
///
/// # Errors
/// As soon as a byte has arrived with which no acceptable header goes on, so that a client that
/// speaks something else doesn't wait for the time limit.
pub fn parse(input: &[u8]) -> Result<Parsed<'_>, Invalid> {
    match input.first() {
        Some(&b'P') => v1::parse(input),
        Some(&b'\r') => v2::parse(input),
        Some(_) => Err(Invalid::Signature),
        None => Ok(Parsed::Incomplete { need_at_least: v1::LEN_MIN.min(v2::FIXED_LEN) }),
    }
}

/// Writes the header for a connection between `endpoints` and returns its length in bytes.
///
/// None means that the connection has no ends worth telling: version 1 then says `UNKNOWN`,
/// version 2 `LOCAL`. As in HAProxy, ends of different families are both told as IPv6, the IPv4
/// one mapped (`::ffff:192.0.2.1`).
pub fn encode(
    version: ProxyVersion,
    endpoints: Option<Endpoints>,
    out: &mut [u8; ENCODED_LEN_MAX],
) -> usize {
    match version {
        ProxyVersion::V1 => v1::encode(endpoints, out),
        ProxyVersion::V2 => v2::encode(endpoints, out),
    }
}

/// As much of `input` as the signature is long must be the signature.
fn begins_with(input: &[u8], signature: &[u8]) -> bool {
    input.iter().zip(signature).all(|(a, b)| a == b)
}

/// The address as IPv6, mapped if it is IPv4.
fn to_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
