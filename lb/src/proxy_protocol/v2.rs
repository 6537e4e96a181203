//! Version 2: a binary header.
//!
//! ```text
//!  0           12      13         14        16
//! ┌───────────┬───────┬──────────┬─────────┬───────────┬──────┐
//! │ signature │2│ cmd │fam│trans │ length  │ addresses │ TLVs │
//! └───────────┴───────┴──────────┴─────────┴───────────┴──────┘
//!                                           `length` bytes
//! ```

use std::net::{IpAddr, SocketAddr};

use super::{
    ENCODED_LEN_MAX, Endpoints, HEADER_LEN_MAX, Header, Invalid, Parsed, begins_with, crc32c,
    to_ipv6,
};
use crate::config::ProxyVersion;

/// Bytes before the addresses.
pub(super) const FIXED_LEN: usize = 16;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const VERSION: u8 = 0x20;
const COMMAND_LOCAL: u8 = 0;
const COMMAND_PROXY: u8 = 1;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const IPV4_LEN: usize = 12;
const IPV6_LEN: usize = 36;
const UNIX_LEN: usize = 216;

/// `PP2_TYPE_AUTHORITY`, the server name that the client asked for.
const TLV_AUTHORITY: u8 = 0x02;
/// HAProxy refuses a longer one; no host name is.
const AUTHORITY_LEN_MAX: usize = 255;
/// `PP2_TYPE_CRC32C`.
const TLV_CRC32C: u8 = 0x03;
/// `PP2_TYPE_UNIQUE_ID`.
const TLV_UNIQUE_ID: u8 = 0x05;
/// The specification's bound.
const UNIQUE_ID_LEN_MAX: usize = 128;

/// One further fact in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is about; section 2.2 of the specification lists the types.
    pub kind: u8,
    /// The fact.
    pub value: &'a [u8],
}

/// The further facts of a header, in order. They were checked when the header was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

impl Tlvs<'_> {
    pub(super) const NONE: Self = Tlvs(&[]);
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = split_tlv(self.0)?;
        self.0 = rest;
        Some(tlv)
    }
}

/// The first TLV and what follows it; none if the bytes don't hold a whole one.
fn split_tlv(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let (value, rest) = rest.split_at_checked(len)?;
    Some((Tlv { kind, value }, rest))
}

/// `input` begins with CR.
pub(super) fn parse(input: &[u8]) -> Result<Parsed<'_>, Invalid> {
    if !begins_with(input, SIGNATURE) {
        return Err(Invalid::Signature);
    }
    if let Some(version_command) = input.get(12) {
        check_version_and_command(*version_command)?;
    }
    let is_local = input.get(12).is_some_and(|byte| byte & 0x0f == COMMAND_LOCAL);
    if let Some(family) = input.get(13)
        && !is_local
    {
        check_family(*family)?;
    }
    if let Some(&high) = input.get(14)
        && FIXED_LEN + usize::from(u16::from_be_bytes([high, 0])) > HEADER_LEN_MAX
    {
        return Err(Invalid::V2TooLong);
    }
    let Some((&[.., family, high, low], _)) = input.split_first_chunk::<FIXED_LEN>() else {
        return Ok(Parsed::Incomplete { need_at_least: FIXED_LEN });
    };

    let len = FIXED_LEN + usize::from(u16::from_be_bytes([high, low]));
    if len > HEADER_LEN_MAX {
        return Err(Invalid::V2TooLong);
    }
    let addresses_len = addresses_len(family);
    if !is_local && len - FIXED_LEN < addresses_len.unwrap_or(0) {
        return Err(Invalid::V2AddressTruncated);
    }
    let Some(header) = input.get(..len) else {
        return Ok(Parsed::Incomplete { need_at_least: len });
    };

    let version = ProxyVersion::V2;
    // The block after LOCAL is to be discarded, whatever it holds. That of a family or transport
    // without a defined layout too: nobody can tell where its TLVs begin.
    let Some(addresses_len) = addresses_len.filter(|_| !is_local) else {
        return Ok(Parsed::Header(Header { version, len, endpoints: None, tlvs: Tlvs::NONE }));
    };
    let (addresses, tlvs) = header[FIXED_LEN..].split_at(addresses_len);
    check_tlvs(header, tlvs)?;
    let endpoints = parse_endpoints(family, addresses);
    Ok(Parsed::Header(Header { version, len, endpoints, tlvs: Tlvs(tlvs) }))
}

fn check_version_and_command(byte: u8) -> Result<(), Invalid> {
    if byte & 0xf0 != VERSION {
        return Err(Invalid::V2Version);
    }
    match byte & 0x0f {
        COMMAND_LOCAL | COMMAND_PROXY => Ok(()),
        _ => Err(Invalid::V2Command),
    }
}

/// Families: unspecified, IPv4, IPv6, Unix. Transports: unspecified, stream, datagram.
fn check_family(byte: u8) -> Result<(), Invalid> {
    match (byte >> 4, byte & 0x0f) {
        (0..=3, 0..=2) => Ok(()),
        (0..=3, _) => Err(Invalid::V2Transport),
        (_, _) => Err(Invalid::V2Family),
    }
}

/// How many bytes of addresses precede the TLVs; none where that isn't defined.
fn addresses_len(family: u8) -> Option<usize> {
    match family {
        0x11 | 0x12 => Some(IPV4_LEN),
        0x21 | 0x22 => Some(IPV6_LEN),
        0x31 | 0x32 => Some(UNIX_LEN),
        _ => None,
    }
}

/// Only TCP tells of ends that can stand in for those of a TCP connection. As in HAProxy, other
/// transports leave the connection's own ends in place.
fn parse_endpoints(family: u8, addresses: &[u8]) -> Option<Endpoints> {
    let (source, destination, ports): (IpAddr, IpAddr, &[u8]) = match family {
        TCP4 => {
            let (source, rest) = addresses.split_first_chunk::<4>()?;
            let (destination, ports) = rest.split_first_chunk::<4>()?;
            ((*source).into(), (*destination).into(), ports)
        }
        TCP6 => {
            let (source, rest) = addresses.split_first_chunk::<16>()?;
            let (destination, ports) = rest.split_first_chunk::<16>()?;
            ((*source).into(), (*destination).into(), ports)
        }
        _ => return None,
    };
    let &[s0, s1, d0, d1] = ports.first_chunk()?;
    Some(Endpoints {
        source: SocketAddr::new(source, u16::from_be_bytes([s0, s1])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([d0, d1])),
    })
}

/// `tlvs` is the end of `header`. As in HAProxy, lengths are checked where a type bounds them, and
/// the checksum where there is one.
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), Invalid> {
    let mut rest = tlvs;
    while !rest.is_empty() {
        let (tlv, after) = split_tlv(rest).ok_or(Invalid::V2TlvTruncated)?;
        match (tlv.kind, tlv.value.len()) {
            (TLV_CRC32C, _) => check_crc32c(header, tlv.value, header.len() - after.len())?,
            (TLV_AUTHORITY, len) if len > AUTHORITY_LEN_MAX => return Err(Invalid::V2TlvLength),
            (TLV_UNIQUE_ID, len) if len > UNIQUE_ID_LEN_MAX => return Err(Invalid::V2TlvLength),
            (_, _) => {}
        }
        rest = after;
    }
    Ok(())
}

/// The checksum covers the header as if its own field, which ends at `end`, were zero.
fn check_crc32c(header: &[u8], field: &[u8], end: usize) -> Result<(), Invalid> {
    let &field = field.as_array::<4>().ok_or(Invalid::V2TlvLength)?;
    let before = header[..end - field.len()].iter().copied();
    let after = header[end..].iter().copied();
    let sum = crc32c::checksum(before.chain([0; 4]).chain(after));
    if sum == u32::from_be_bytes(field) { Ok(()) } else { Err(Invalid::V2Checksum) }
}

pub(super) fn encode(endpoints: Option<Endpoints>, out: &mut [u8; ENCODED_LEN_MAX]) -> usize {
    let Some(Endpoints { source, destination }) = endpoints else {
        return write_parts(out, COMMAND_LOCAL, UNSPEC, &[]);
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()];
    let [source_port, destination_port] = &ports;
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses = [source.octets(), destination.octets()];
            let [source, destination] = &addresses;
            let parts: [&[u8]; 4] = [source, destination, source_port, destination_port];
            write_parts(out, COMMAND_PROXY, TCP4, &parts)
        }
        (source, destination) => {
            let addresses = [to_ipv6(source).octets(), to_ipv6(destination).octets()];
            let [source, destination] = &addresses;
            let parts: [&[u8]; 4] = [source, destination, source_port, destination_port];
            write_parts(out, COMMAND_PROXY, TCP6, &parts)
        }
    }
}

/// The fixed part, then the others one after the other.
fn write_parts(out: &mut [u8; ENCODED_LEN_MAX], command: u8, family: u8, parts: &[&[u8]]) -> usize {
    let body_len: usize = parts.iter().map(|part| part.len()).sum();
    let body_len = u16::try_from(body_len).expect("two addresses have at most 36 bytes");
    let fixed: [&[u8]; 3] = [SIGNATURE, &[VERSION | command, family], &body_len.to_be_bytes()];
    let mut len = 0;
    for part in fixed.iter().chain(parts) {
        out[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    len
}
