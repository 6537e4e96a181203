//! Version 1: one line of text.
//!
//! ```text
//! PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n
//! PROXY TCP6 2001:db8::1 2001:db8::7 56324 443\r\n
//! PROXY UNKNOWN anything\r\n
//! ```

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{
    ENCODED_LEN_MAX, Endpoints, Header, Invalid, Parsed, Tlvs, V1_LEN_MAX, begins_with, to_ipv6,
};
use crate::config::ProxyVersion;

/// The shortest line: `PROXY UNKNOWN` and CRLF.
pub(super) const LEN_MIN: usize = 15;

const SIGNATURE: &[u8] = b"PROXY ";
const TCP4: &[u8] = b"TCP4 ";
const TCP6: &[u8] = b"TCP6 ";
const UNKNOWN: &[u8] = b"UNKNOWN";

/// A line that ends too soon, or one that is wrong.
enum Stop {
    Incomplete,
    Invalid(Invalid),
}

impl From<Invalid> for Stop {
    fn from(reason: Invalid) -> Self {
        Self::Invalid(reason)
    }
}

/// `input` begins with `P`.
pub(super) fn parse(input: &[u8]) -> Result<Parsed<'_>, Invalid> {
    // The last byte that can belong is a LF after a CR; without the CR the line is too long already.
    let len_max =
        if input.get(V1_LEN_MAX - 2) == Some(&b'\r') { V1_LEN_MAX } else { V1_LEN_MAX - 1 };
    let line = &input[..input.len().min(len_max)];
    match parse_line(line) {
        Ok((endpoints, len)) => Ok(Parsed::Header(Header {
            version: ProxyVersion::V1,
            len,
            endpoints,
            tlvs: Tlvs::NONE,
        })),
        Err(Stop::Invalid(reason)) => Err(reason),
        Err(Stop::Incomplete) => {
            let line_end = if line.ends_with(b"\r") { 1 } else { 2 };
            let need_at_least = LEN_MIN.max(line.len() + line_end);
            if need_at_least > V1_LEN_MAX {
                return Err(Invalid::V1TooLong);
            }
            Ok(Parsed::Incomplete { need_at_least })
        }
    }
}

fn parse_line(line: &[u8]) -> Result<(Option<Endpoints>, usize), Stop> {
    let rest = literal(line, SIGNATURE, Invalid::Signature)?;
    let (endpoints, rest) = match rest.get(3) {
        Some(b'4') => {
            let rest = literal(rest, TCP4, Invalid::V1Protocol)?;
            parse_endpoints::<Ipv4Addr>(rest)?
        }
        Some(b'6') => {
            let rest = literal(rest, TCP6, Invalid::V1Protocol)?;
            parse_endpoints::<Ipv6Addr>(rest)?
        }
        Some(_) => (None, parse_unknown(rest)?),
        None if [TCP4, TCP6, UNKNOWN].iter().any(|name| begins_with(rest, name)) => {
            return Err(Stop::Incomplete);
        }
        None => return Err(Invalid::V1Protocol.into()),
    };
    let rest = literal(rest, b"\r\n", Invalid::V1LineEnd)?;
    Ok((endpoints, line.len() - rest.len()))
}

/// Takes `expected` off the front.
fn literal<'a>(line: &'a [u8], expected: &[u8], wrong: Invalid) -> Result<&'a [u8], Stop> {
    match line.strip_prefix(expected) {
        Some(rest) => Ok(rest),
        None if begins_with(line, expected) => Err(Stop::Incomplete),
        None => Err(wrong.into()),
    }
}

/// What follows `UNKNOWN` says nothing; the rest begins with the end of the line.
fn parse_unknown(line: &[u8]) -> Result<&[u8], Stop> {
    let rest = literal(line, UNKNOWN, Invalid::V1Protocol)?;
    match rest.first() {
        Some(b' ' | b'\r' | b'\n') => {}
        Some(_) => return Err(Invalid::V1Protocol.into()),
        None => return Err(Stop::Incomplete),
    }
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Stop::Incomplete)?;
    Ok(&rest[end..])
}

fn parse_endpoints<A>(line: &[u8]) -> Result<(Option<Endpoints>, &[u8]), Stop>
where
    A: FromStr + Into<IpAddr>,
{
    let (source, rest) = field::<A>(line, b' ', ADDRESS_ENDINGS, Invalid::V1SourceAddress)?;
    let (destination, rest) =
        field::<A>(rest, b' ', ADDRESS_ENDINGS, Invalid::V1DestinationAddress)?;
    let (Port(source_port), rest) = field(rest, b' ', PORT_ENDINGS, Invalid::V1SourcePort)?;
    let (Port(destination_port), rest) =
        field(rest, b'\r', PORT_ENDINGS, Invalid::V1DestinationPort)?;
    let endpoints = Endpoints {
        source: SocketAddr::new(source.into(), source_port),
        destination: SocketAddr::new(destination.into(), destination_port),
    };
    // The CR ends the last field and begins the end of the line.
    let rest = &line[line.len() - rest.len() - 1..];
    Ok((Some(endpoints), rest))
}

/// Takes a field and the byte that ends it. A field that hasn't ended yet must be the beginning of
/// a value, that is, one of `endings` makes it whole.
fn field<'a, T: FromStr>(
    line: &'a [u8],
    end: u8,
    endings: &[&str],
    wrong: Invalid,
) -> Result<(T, &'a [u8]), Stop> {
    let is_text = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let len = line.iter().take_while(|byte| is_text(byte)).count();
    let text = str::from_utf8(&line[..len]).map_err(|_| wrong)?;
    match line.get(len) {
        Some(&byte) if byte == end => {
            let value = text.parse().map_err(|_| wrong)?;
            Ok((value, &line[len + 1..]))
        }
        Some(_) => Err(wrong.into()),
        None if begins_a_value::<T>(text, endings) => Err(Stop::Incomplete),
        None => Err(wrong.into()),
    }
}

fn begins_a_value<T: FromStr>(text: &str, endings: &[&str]) -> bool {
    let mut whole = [0; V1_LEN_MAX + ENDING_LEN_MAX];
    whole[..text.len()].copy_from_slice(text.as_bytes());
    endings.iter().any(|ending| {
        let len = text.len() + ending.len();
        whole[text.len()..len].copy_from_slice(ending.as_bytes());
        str::from_utf8(&whole[..len]).is_ok_and(|text| text.parse::<T>().is_ok())
    })
}

/// Any beginning of an IPv4 or IPv6 address becomes an address with one of these.
const ADDRESS_ENDINGS: &[&str] =
    &["", "0", ":", "::", ".0", ".0.0", ".0.0.0", "0.0", "0.0.0", "0.0.0.0"];

/// Any beginning of a port is a port, or nothing yet.
const PORT_ENDINGS: &[&str] = &["", "0"];

const ENDING_LEN_MAX: usize = 7;

/// A decimal number without leading zeros or sign.
struct Port(u16);

impl FromStr for Port {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
        if plain { text.parse().map(Self).map_err(drop) } else { Err(()) }
    }
}

pub(super) fn encode(endpoints: Option<Endpoints>, out: &mut [u8; ENCODED_LEN_MAX]) -> usize {
    let mut rest = out.as_mut_slice();
    let written = match endpoints {
        None => write!(rest, "PROXY UNKNOWN\r\n"),
        Some(Endpoints { source, destination }) => {
            let ports = (source.port(), destination.port());
            match (source.ip(), destination.ip()) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    write!(rest, "PROXY TCP4 {source} {destination} {} {}\r\n", ports.0, ports.1)
                }
                (source, destination) => {
                    let (source, destination) = (to_ipv6(source), to_ipv6(destination));
                    write!(rest, "PROXY TCP6 {source} {destination} {} {}\r\n", ports.0, ports.1)
                }
            }
        }
    };
    written.expect("no line is longer than V1_LEN_MAX");
    let unused = rest.len();
    out.len() - unused
}
