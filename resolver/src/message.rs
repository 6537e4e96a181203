//! Questions to a name server, and its answers (RFC 1035 section 4).
//!
//! A question carries no EDNS, so that no old name server stumbles over it: more than 512 bytes are
//! asked for again over TCP. One kind of question and two kinds of records are all that is needed
//! here; the libraries for the whole of DNS bring more code, and procedural macros or tables of
//! Unicode, than this module has lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::config::{Family, HostName};

/// Most addresses of one name that count: about what fits into an answer over UDP. One is used.
pub const ADDRESSES_MAX: usize = 32;

/// Longest answer that is read, in bytes; over UDP 512 are allowed.
pub const ANSWER_LEN_MAX: usize = 4096;

/// What was said about the addresses of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The name has these; at least one.
    Addresses {
        /// Each once, the lowest first.
        addresses: Vec<IpAddr>,
        /// How long that may be believed.
        ttl: Duration,
    },
    /// There is no such name.
    NoSuchName,
    /// The name exists and has no address of this kind.
    NoAddress,
    /// Nobody said anything of use; why.
    Unanswered(String),
}

/// What came back for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Said(Said),
    /// It didn't fit: ask over TCP.
    Truncated,
}

/// Length of a message's header.
const HEADER_LEN: usize = 12;

/// Longest name, in bytes (RFC 1035 section 2.3.4).
const NAME_LEN_MAX: usize = 255;

/// Most aliases that are followed from a name to its addresses.
const ALIASES_MAX: usize = 16;

/// Bits of the header's flags: an answer; it was cut; its code.
const ANSWER: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const CODE: u16 = 0x000f;

/// Recursion desired.
const RECURSE: u16 = 0x0100;

/// Types and the class of records.
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;

/// A name as messages have it, in lower case: each label after its length.
type Labels = Vec<u8>;

/// The bytes of a question.
#[must_use]
pub fn question(id: u16, host: &HostName, family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [id, RECURSE, 1, 0, 0, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(&labels_of(host));
    for field in [record_type(family), INTERNET] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes
}

/// Reads what came in. None: it is no answer to this question, so the right one may yet come.
#[must_use]
pub fn reply(bytes: &[u8], id: u16, host: &HostName, family: Family) -> Option<Reply> {
    let mut reader = Reader { bytes, at: 0 };
    let [its_id, flags, questions, records] = [(); 4].map(|()| reader.u16());
    let (flags, records) = (flags?, records?);
    if its_id? != id || flags & ANSWER == 0 || questions? != 1 {
        return None;
    }
    reader.at = HEADER_LEN;
    let asked = labels_of(host);
    if reader.name()? != asked || reader.u16()? != record_type(family) || reader.u16()? != INTERNET
    {
        return None;
    }
    if flags & TRUNCATED != 0 {
        return Some(Reply::Truncated);
    }
    let broken = || Said::Unanswered("its answer can't be read".to_owned());
    Some(Reply::Said(match flags & CODE {
        0 => addresses(reader, records, asked, family).unwrap_or_else(broken),
        3 => Said::NoSuchName,
        code => Said::Unanswered(format!("it answered {}", code_name(code))),
    }))
}

fn code_name(code: u16) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("with code {other}"),
    }
}

fn record_type(family: Family) -> u16 {
    match family {
        Family::Ipv4 => A,
        Family::Ipv6 => AAAA,
    }
}

fn labels_of(host: &HostName) -> Labels {
    let mut labels = Labels::new();
    for label in host.as_str().split('.') {
        labels.push(u8::try_from(label.len()).expect("a label of a host name is short"));
        labels.extend_from_slice(label.as_bytes());
    }
    labels.push(0);
    labels
}

/// The addresses at the end of the chain of aliases, and the shortest time to live of all records.
/// None: it can't be read.
fn addresses(mut reader: Reader<'_>, records: u16, asked: Labels, family: Family) -> Option<Said> {
    let mut ttl = Duration::MAX;
    let (mut aliases, mut found) = (Vec::new(), Vec::new());
    for _ in 0..records {
        let owner = reader.name()?;
        let (kind, class, seconds) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let data_len = usize::from(reader.u16()?);
        let data = reader.take(data_len)?;
        if class != INTERNET {
            continue;
        }
        // More than 2^31 - 1 means nothing (RFC 2181 section 8).
        let seconds = i32::try_from(seconds).map_or(0, i32::unsigned_abs);
        match kind {
            CNAME => {
                let at = reader.at - data_len;
                let target = Reader { bytes: reader.bytes, at }.name()?;
                aliases.push((owner, target));
            }
            _ if kind == record_type(family) => found.push((owner, address(data)?)),
            _ => continue,
        }
        ttl = ttl.min(Duration::from_secs(seconds.into()));
    }
    let mut name = &asked;
    for _ in 0..ALIASES_MAX {
        let Some((_, target)) = aliases.iter().find(|(owner, _)| owner == name) else {
            let own = found.iter().filter(|(owner, _)| owner == name);
            return Some(said(own.map(|(_, address)| *address).collect(), ttl));
        };
        name = target;
    }
    None
}

fn address(data: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(data) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(data).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Goes through a message; everything is none where it ends too early.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let two = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(two))
    }

    fn u32(&mut self) -> Option<u32> {
        let four = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(four))
    }

    /// A name; its end may stand further ahead (RFC 1035 section 4.1.4). Each such reference leads
    /// further to the front than the one before, so that there is an end.
    fn name(&mut self) -> Option<Labels> {
        let mut labels = Labels::new();
        let mut front = self.at;
        let mut behind = None;
        loop {
            let len = *self.take(1)?.first()?;
            match len & 0xc0 {
                0 => {
                    labels.push(len);
                    labels.extend(self.take(len.into())?.iter().map(u8::to_ascii_lowercase));
                    if labels.len() > NAME_LEN_MAX {
                        return None;
                    }
                    if len == 0 {
                        self.at = behind.unwrap_or(self.at);
                        return Some(labels);
                    }
                }
                0xc0 => {
                    let low = *self.take(1)?.first()?;
                    let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    behind.get_or_insert(self.at);
                    if target >= front {
                        return None;
                    }
                    (front, self.at) = (target, target);
                }
                _ => return None,
            }
        }
    }
}

/// What a list of addresses amounts to, less those that nobody could connect to.
#[must_use]
pub fn said(mut addresses: Vec<IpAddr>, ttl: Duration) -> Said {
    addresses.retain(is_of_use);
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Said::NoAddress } else { Said::Addresses { addresses, ttl } }
}

/// Name servers that block a name answer `0.0.0.0`; to Linux that is this host.
fn is_of_use(address: &IpAddr) -> bool {
    let of_its_kind = match address {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_none() && !v6.is_unicast_link_local(),
    };
    of_its_kind && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests;
