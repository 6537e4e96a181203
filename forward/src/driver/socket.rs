//! A netfilter socket that never blocks: questions, orders, events.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_ALIGNTO, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

use crate::attribute::Attribute;

/// A socket for one thing at a time.
pub(super) struct Netfilter {
    socket: Socket,
    /// The kernel's name for it.
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A message, without its header.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// Subsystem and kind.
    pub(super) kind: u16,
    pub(super) flags: u16,
    /// Whose order caused it; 0: nobody's.
    pub(super) port: u32,
    pub(super) attributes: &'a [u8],
}

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// Subsystem and kind.
    pub(super) kind: u16,
    pub(super) flags: u16,
    /// `AF_*` or `NFPROTO_*`.
    pub(super) family: u8,
    /// `res_id` of `struct nfgenmsg`: for a batch its subsystem.
    pub(super) resource: u16,
}

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// All that waited.
    All,
    /// As much as is read at a time.
    Some,
    /// The kernel had more to tell than there was room for.
    Overrun,
}

/// Room for what comes with one call; the kernel fills 32 KiB of a list at once.
const BUFFER: usize = 128 << 10;

/// Datagrams of one answer: a list of 65,536 entries has some 2,000.
const ANSWERS_MAX: usize = 65_536;

/// Datagrams that are read at a time, each of one event, so that orders are heard in between.
const EVENTS_MAX: usize = 1_024;

/// Datagrams that are thrown away after an overrun: more than there is room for.
const THROWN_AWAY_MAX: usize = 262_144;

/// Bytes of `struct nlmsghdr` and of `struct nfgenmsg`.
const HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;

impl Netfilter {
    /// `room`: bytes that may wait each way, as the kernel counts them.
    pub(super) fn open(groups: &[u32], room: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        let port = socket.bind_auto()?.port_number();
        socket.set_non_blocking(true)?;
        // Beyond the bounds of ordinary processes where this one may, as far as they go elsewhere.
        if setsockopt(&socket, sockopt::RcvBufForce, &room).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &room)?;
        }
        if setsockopt(&socket, sockopt::SndBufForce, &room).is_err() {
            setsockopt(&socket, sockopt::SndBuf, &room)?;
        }
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket, port, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// A number for the next message.
    pub(super) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_to(bytes, &SocketAddr::new(0, 0), 0).map(drop)
    }

    /// Orders one thing, or asks for one; `take` gets what comes back.
    pub(super) fn ask(
        &mut self,
        mut header: Header,
        attributes: &[Attribute],
        mut take: impl FnMut(Received<'_>),
    ) -> io::Result<()> {
        let sequence = self.next_sequence();
        // A list ends with a word of its own.
        let end = if header.flags & NLM_F_DUMP == NLM_F_DUMP { 0 } else { NLM_F_ACK };
        header.flags |= end;
        let mut bytes = Vec::new();
        write(&mut bytes, header, sequence, attributes);
        self.send(&bytes)?;
        let mut outcome = None;
        let mut is_interrupted = false;
        for _ in 0..ANSWERS_MAX {
            if outcome.is_some() || !self.receive()? {
                break;
            }
            for_each(&self.buffer, |number, received| {
                if number != sequence {
                    return;
                }
                is_interrupted |= received.flags & NLM_F_DUMP_INTR != 0;
                match received.outcome() {
                    Some(end) => outcome = Some(end),
                    None => take(received),
                }
            });
        }
        match outcome {
            Some(Ok(())) if is_interrupted => Err(Errno::EINTR.into()),
            Some(outcome) => outcome,
            // The kernel answers within the question.
            None => Err(ErrorKind::TimedOut.into()),
        }
    }

    /// Reads outcomes of a batch until there is nothing more: sequence numbers, with the reason
    /// where something was refused.
    pub(super) fn outcomes(&mut self) -> io::Result<Vec<(u32, io::Result<()>)>> {
        let mut outcomes = Vec::new();
        for _ in 0..ANSWERS_MAX {
            if !self.receive()? {
                break;
            }
            for_each(&self.buffer, |number, received| {
                outcomes.extend(received.outcome().map(|outcome| (number, outcome)));
            });
        }
        Ok(outcomes)
    }

    /// Reads events.
    pub(super) fn events(&mut self, mut take: impl FnMut(Received<'_>)) -> io::Result<Heard> {
        for _ in 0..EVENTS_MAX {
            match self.receive() {
                Ok(true) => for_each(&self.buffer, |_, received| take(received)),
                Ok(false) => return Ok(Heard::All),
                Err(error) if is_overrun(&error) => {
                    self.throw_away();
                    return Ok(Heard::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Heard::Some)
    }

    /// What still waits is older than what was lost, and than the list that is read next.
    fn throw_away(&mut self) {
        for _ in 0..THROWN_AWAY_MAX {
            match self.receive() {
                Ok(true) => {}
                Err(error) if is_overrun(&error) => {}
                Ok(false) | Err(_) => return,
            }
        }
    }

    /// One datagram of the kernel's, if there is one.
    fn receive(&mut self) -> io::Result<bool> {
        loop {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, 0) {
                // Other processes may send here too; only the kernel is believed.
                Ok((_, from)) if from.port_number() == 0 => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Netfilter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Received<'_> {
    /// What became of an order, or the end of a list; none if it is content.
    fn outcome(&self) -> Option<io::Result<()>> {
        match self.kind {
            NLMSG_ERROR | NLMSG_DONE => {
                let code =
                    self.attributes.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                Some(match code {
                    0 => Ok(()),
                    code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                })
            }
            _ => None,
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}

/// Appends a message.
pub(super) fn write(out: &mut Vec<u8>, header: Header, sequence: u32, attributes: &[Attribute]) {
    let begin = out.len();
    out.resize(begin + HEADER, 0);
    // Family, version (NFNETLINK_V0), and a number in network order.
    out.extend([header.family, 0]);
    out.extend(header.resource.to_be_bytes());
    attributes.iter().for_each(|attribute| attribute.write(out));
    let mut head = NetlinkHeader::default();
    head.length = u32::try_from(out.len() - begin).expect("a transaction is bounded by the table");
    head.message_type = header.kind;
    head.flags = header.flags | NLM_F_REQUEST;
    head.sequence_number = sequence;
    head.emit(&mut out[begin..begin + HEADER]);
}

/// Goes through the messages of a datagram; what follows a broken one is left out.
fn for_each(mut bytes: &[u8], mut take: impl FnMut(u32, Received<'_>)) {
    while let Ok(buffer) = NetlinkBuffer::new_checked(bytes) {
        let Ok(length) = usize::try_from(buffer.length()) else { return };
        let Some(payload) = bytes.get(HEADER..length) else { return };
        let kind = buffer.message_type();
        let begin = match kind {
            NLMSG_ERROR | NLMSG_DONE => 0,
            _ => NETFILTER_HEADER,
        };
        let attributes = payload.get(begin..).unwrap_or_default();
        let (flags, port) = (buffer.flags(), buffer.port_number());
        take(buffer.sequence_number(), Received { kind, flags, port, attributes });
        let aligned = length.next_multiple_of(usize::from(NLMSG_ALIGNTO));
        bytes = bytes.get(aligned..).unwrap_or_default();
    }
}
