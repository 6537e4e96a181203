//! Netlink messages as they lie in a buffer: what they tell of links and addresses.
//!
//! Of a link only a few attributes matter, and only those are read: a message has dozens, and one
//! that a future kernel shapes differently must not make this node blind to its links.

use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlasIterator,
    Parseable, parse_i32,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use nix::errno::Errno;
use nix::libc;

use crate::interfaces::{Assigned, Change, Interface};

/// The messages in a buffer; what follows a broken one is left out.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// Number of the question that it answers; 0: none.
    pub(super) sequence: u32,
    /// The list that it is part of changed while it was read.
    pub(super) is_interrupted: bool,
    pub(super) answer: Answer,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This is, or has become so.
    Change(Change),
    /// The end of a list, or what became of an order.
    End(Result<(), Errno>),
    /// Nothing of interest, or nothing that could be read.
    Other,
}

/// Length of `struct nlmsghdr`.
const MESSAGE_HEADER: usize = 16;

impl<'a> Messages<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let buffer = NetlinkBuffer::new_checked(self.rest).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let payload = self.rest.get(MESSAGE_HEADER..length)?;
        let aligned = length.next_multiple_of(usize::from(NLMSG_ALIGNTO));
        self.rest = self.rest.get(aligned..).unwrap_or_default();
        Some(Message {
            sequence: buffer.sequence_number(),
            is_interrupted: buffer.flags() & NLM_F_DUMP_INTR != 0,
            answer: answer(buffer.message_type(), payload),
        })
    }
}

fn answer(kind: u16, payload: &[u8]) -> Answer {
    let told = match kind {
        NLMSG_ERROR | NLMSG_DONE => return Answer::End(outcome(payload)),
        libc::RTM_NEWLINK => interface(payload).map(Change::Interface),
        libc::RTM_DELLINK => {
            interface(payload).map(|gone| Change::InterfaceGone { index: gone.index })
        }
        libc::RTM_NEWADDR => assigned(payload).map(Change::Address),
        libc::RTM_DELADDR => assigned(payload).map(Change::AddressGone),
        _ => None,
    };
    told.map_or(Answer::Other, Answer::Change)
}

/// Both ends begin with a negative error number, or 0.
fn outcome(payload: &[u8]) -> Result<(), Errno> {
    let code = payload.get(..4).and_then(|bytes| parse_i32(bytes).ok());
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw(code.saturating_neg())),
        None => Err(Errno::EBADMSG),
    }
}

/// Length of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;

fn interface(payload: &[u8]) -> Option<Interface> {
    let header = LinkHeader::parse(payload).ok()?;
    // A bridge tells of its ports in messages of its own, and one that leaves isn't gone.
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let (mut name, mut mac, mut forwards_ipv6) = (None, None, false);
    for attribute in NlasIterator::new(payload.get(LINK_HEADER..)?).map_while(Result::ok) {
        match attribute.kind() {
            libc::IFLA_IFNAME => name = text(attribute.value()),
            libc::IFLA_ADDRESS => mac = attribute.value().try_into().ok(),
            libc::IFLA_AF_SPEC => forwards_ipv6 = forwards(attribute.value()).unwrap_or(false),
            _ => {}
        }
    }
    let is_up = header.flags.contains(LinkFlags::Up | LinkFlags::Running);
    Some(Interface { index: header.index, name: name?, is_up, mac, forwards_ipv6 })
}

fn text(bytes: &[u8]) -> Option<Arc<str>> {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(std::str::from_utf8(text).ok()?.into())
}

/// `IFLA_INET6_CONF` of linux/if_link.h: the interface's settings, of which the first is whether
/// it forwards.
const IFLA_INET6_CONF: u16 = 2;

fn forwards(families: &[u8]) -> Option<bool> {
    let nested = |bytes, kind| {
        NlasIterator::new(bytes).map_while(Result::ok).find(|attribute| attribute.kind() == kind)
    };
    let ipv6 = nested(families, u16::from(u8::from(AddressFamily::Inet6)))?;
    let settings = nested(ipv6.value(), IFLA_INET6_CONF)?;
    Some(parse_i32(settings.value().get(..4)?).ok()? != 0)
}

fn assigned(payload: &[u8]) -> Option<Assigned> {
    let message = AddressMessage::parse(payload).ok()?;
    let (mut local, mut address, mut tag) = (None, None, 0);
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in message.attributes {
        // The library's list of attributes may grow.
        #[expect(clippy::wildcard_enum_match_arm, reason = "few of many attributes matter")]
        match attribute {
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Address(ip) => address = Some(ip),
            AddressAttribute::Flags(all) => flags = all,
            AddressAttribute::Protocol(protocol) => tag = mark(protocol),
            _ => {}
        }
    }
    // IPv4 tells the host's own address as local, and in point-to-point links the other end's as
    // address; IPv6 tells its own as address unless there is another end.
    let address: IpAddr = local.or(address)?;
    Some(Assigned {
        index: message.header.index,
        address,
        prefix_len: message.header.prefix_len,
        tag,
        is_secondary: address.is_ipv4() && flags.contains(AddressFlags::Secondary),
        is_unusable: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed),
    })
}

fn mark(protocol: AddressProtocol) -> u8 {
    protocol.into()
}

#[cfg(test)]
mod tests;
