//! Links and addresses, asked of the kernel and changed there, over netlink.
//!
//! rtnetlink, which the workspace uses elsewhere, needs tokio; the VRRP thread has no runtime. So
//! this speaks the same messages, by the same crates below it, over a socket of its own. An answer
//! is there as soon as the question is sent: the kernel works within the system call.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::interfaces::{Assigned, Change, Interface, Placed, TAG};

mod decode;
mod socket;
pub(super) mod watch;

use decode::{Answer, Messages};
use socket::Socket;

/// A socket for questions and orders; one at a time.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// What became of an address that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It wasn't there.
    Fresh,
    /// It was there already, with our mark.
    Present,
    /// It was there with another mark, and bears ours now where the kernel keeps marks.
    Adopted {
        /// The mark that it had; 0: none.
        tag: u8,
    },
}

/// What became of an address that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    /// It is gone.
    Gone,
    /// It wasn't there, or its interface isn't.
    Absent,
}

/// Why the kernel couldn't be asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The question was refused or got lost.
    #[error("cannot ask the kernel for {what}")]
    Ask {
        /// What was asked for.
        what: &'static str,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Interfaces came and went during each of several readings.
    #[error("the kernel's list of {what} changed during each of {READINGS_MAX} readings")]
    Unsteady {
        /// What was asked for.
        what: &'static str,
    },
}

/// Why an address isn't as it should be.
#[derive(Debug, thiserror::Error)]
#[error("cannot {order} {address}/{prefix_len} {preposition} {interface}")]
pub struct AddressError {
    order: &'static str,
    preposition: &'static str,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// Name of the interface.
    pub interface: Arc<str>,
    /// The kernel's reason.
    #[source]
    pub source: io::Error,
}

/// Readings of a list that changes meanwhile, before it is given up.
const READINGS_MAX: usize = 8;

/// How long an answer may take. It takes none, as the kernel answers within the question; this
/// ends the wait for one that got lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// Room for what comes with one call. The kernel fills up to 32 KiB of a list at once, and a
/// single link with virtual functions can be that long.
const BUFFER: usize = 64 << 10;

/// Answers that are read per question. A list takes about one per 20 interfaces or 200 addresses.
const ANSWERS_MAX: usize = 4096;

/// `IFA_CACHEINFO` counts in seconds; this is for ever.
const FOR_EVER: u32 = u32::MAX;

impl Netlink {
    /// Opens the socket.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let socket = Socket::open(0).map_err(NetlinkError::Open)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Every interface.
    ///
    /// # Errors
    /// [`NetlinkError::Ask`] or [`NetlinkError::Unsteady`].
    pub(super) fn interfaces(&mut self) -> Result<Vec<Interface>, NetlinkError> {
        let question = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let changes = self.list("interfaces", &question)?;
        let interface = |change| match change {
            Change::Interface(interface) => Some(interface),
            Change::InterfaceGone { .. } | Change::Address(_) | Change::AddressGone(_) => None,
        };
        Ok(changes.into_iter().filter_map(interface).collect())
    }

    /// Every address of every interface.
    ///
    /// # Errors
    /// [`NetlinkError::Ask`] or [`NetlinkError::Unsteady`].
    pub(super) fn addresses(&mut self) -> Result<Vec<Assigned>, NetlinkError> {
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let changes = self.list("addresses", &question)?;
        let assigned = |change| match change {
            Change::Address(assigned) => Some(assigned),
            Change::AddressGone(_) | Change::Interface(_) | Change::InterfaceGone { .. } => None,
        };
        Ok(changes.into_iter().filter_map(assigned).collect())
    }

    /// Puts an address on its interface, as keepalived does: IPv6 without duplicate address
    /// detection, and a lone address (`/128`) never chosen as a source by others.
    ///
    /// One that is there already is fine, but for an IPv6 address with another prefix or one that
    /// the kernel found to be a duplicate: that is made anew.
    ///
    /// # Errors
    /// The kernel's reason.
    pub(super) fn add_address(&mut self, placed: &Placed) -> Result<Added, AddressError> {
        let outcome = match self.order(new_address(placed), NLM_F_CREATE | NLM_F_EXCL) {
            Ok(()) => Ok(Added::Fresh),
            Err(Errno::EEXIST) => self.settle(placed),
            Err(errno) => Err(errno),
        };
        outcome.map_err(AddressError::of("put", "on", placed))
    }

    /// Makes an address that is there the one that is wanted.
    fn settle(&mut self, placed: &Placed) -> Result<Added, Errno> {
        let all = self.addresses().map_err(|_| Errno::EEXIST)?;
        // IPv6 has an address once per interface, whatever its prefix; IPv4 once per prefix.
        let known = all.into_iter().find(|known| {
            known.index == placed.index
                && known.address == placed.address
                && (placed.address.is_ipv6() || known.prefix_len == placed.prefix_len)
        });
        let Some(known) = known else {
            // Gone in the meantime.
            return self
                .order(new_address(placed), NLM_F_CREATE | NLM_F_EXCL)
                .map(|()| Added::Fresh);
        };
        let adopted = Added::Adopted { tag: known.tag };
        if known.is_unusable || known.prefix_len != placed.prefix_len {
            let old = Placed { prefix_len: known.prefix_len, ..placed.clone() };
            self.order(old_address(&old), 0)?;
            self.order(new_address(placed), NLM_F_CREATE | NLM_F_EXCL)?;
            return Ok(adopted);
        }
        if known.tag == TAG {
            return Ok(Added::Present);
        }
        self.order(new_address(placed), NLM_F_REPLACE).map(|()| adopted)
    }

    /// Takes an address off its interface. One that isn't there is fine.
    ///
    /// # Errors
    /// The kernel's reason.
    pub(super) fn remove_address(&mut self, placed: &Placed) -> Result<Removed, AddressError> {
        match self.order(old_address(placed), 0) {
            Ok(()) => Ok(Removed::Gone),
            Err(Errno::EADDRNOTAVAIL | Errno::ENODEV) => Ok(Removed::Absent),
            Err(errno) => Err(AddressError::of("take", "off", placed)(errno)),
        }
    }

    /// Asks for a list until it didn't change while it was read.
    fn list(
        &mut self,
        what: &'static str,
        question: &RouteNetlinkMessage,
    ) -> Result<Vec<Change>, NetlinkError> {
        for _ in 0..READINGS_MAX {
            let mut changes = Vec::new();
            let whole = self.ask(question.clone(), NLM_F_DUMP, &mut |change| changes.push(change));
            match whole {
                Ok(()) => return Ok(changes),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(NetlinkError::Ask { what, source: errno.into() }),
            }
        }
        Err(NetlinkError::Unsteady { what })
    }

    fn order(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        self.ask(message, NLM_F_ACK | flags, &mut |_| {})
    }

    /// Sends a message and reads until its answer ends. `EINTR`: what came is incomplete, since
    /// the kernel's list changed meanwhile.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        take: &mut dyn FnMut(Change),
    ) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes)?;
        let deadline = Instant::now() + PATIENCE;
        let mut interrupted = false;
        for _ in 0..ANSWERS_MAX {
            let length = self.socket.wait(&mut self.buffer, deadline)?;
            let answers = Messages::new(self.buffer.get(..length).unwrap_or_default());
            for message in answers.filter(|message| message.sequence == self.sequence) {
                interrupted |= message.is_interrupted;
                match message.answer {
                    Answer::Change(change) => take(change),
                    Answer::End(Ok(())) if interrupted => return Err(Errno::EINTR),
                    Answer::End(outcome) => return outcome,
                    Answer::Other => {}
                }
            }
        }
        Err(Errno::EOVERFLOW)
    }
}

fn new_address(placed: &Placed) -> RouteNetlinkMessage {
    let mut message = address_message(placed);
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(TAG)));
    if placed.address.is_ipv6() {
        attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        if placed.prefix_len == 128 {
            let mut never_a_source = CacheInfo::default();
            never_a_source.ifa_valid = FOR_EVER;
            attributes.push(AddressAttribute::CacheInfo(never_a_source));
        }
    } else {
        let label = placed.label.as_ref().unwrap_or(&placed.interface);
        attributes.push(AddressAttribute::Label(label.to_string()));
    }
    RouteNetlinkMessage::NewAddress(message)
}

fn old_address(placed: &Placed) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelAddress(address_message(placed))
}

fn address_message(placed: &Placed) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family =
        if placed.address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.prefix_len = placed.prefix_len;
    message.header.scope = AddressScope::Universe;
    message.header.index = placed.index;
    message.attributes.push(AddressAttribute::Local(placed.address));
    message.attributes.push(AddressAttribute::Address(placed.address));
    message
}

impl AddressError {
    fn of(
        order: &'static str,
        preposition: &'static str,
        placed: &Placed,
    ) -> impl FnOnce(Errno) -> Self {
        let Placed { address, prefix_len, ref interface, .. } = *placed;
        let interface = Arc::clone(interface);
        move |errno| {
            let source = errno.into();
            Self { order, preposition, address, prefix_len, interface, source }
        }
    }
}

#[cfg(test)]
mod tests;
