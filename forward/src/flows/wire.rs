//! Messages between two nodes that forward in their kernels.
//!
//! ```text
//!  version, kind, epoch (4), number (8) │ Changes: round (4), age in ms (4), count (2), changes
//!                                       │ End:     round (4), flows (4), count (1), addresses
//!                                       │ Want:    nothing
//!  change:  form (1), client, vip, server (address and port each), source port (2),
//!           and if it is open: phase (1), timeout in s (4)
//! ```
//!
//! Numbers are in network order. What doesn't fit exactly isn't taken: the peer may be older or
//! newer, never half understood.

use std::net::{IpAddr, SocketAddr};

use super::{Event, Flow, Phase};

/// Longest message, in bytes: what one datagram of the peer link carries, with room for a longer
/// head of its own.
pub const LEN_MAX: usize = 1_100;

/// Addresses in one [`Body::End`]: more than a table has ([`crate::table::BINDS_MAX`] of each of a
/// few frontends), and in one message.
pub const ADDRESSES_MAX: usize = 60;

/// Which form of messages this is.
const VERSION: u8 = 1;

/// Bytes before the body, and before the changes of a body.
const HEAD_LEN: usize = 1 + 1 + 4 + 8;
const CHANGES_HEAD_LEN: usize = 4 + 4 + 2;

/// The longest change: an open IPv6 flow.
const CHANGE_LEN_MAX: usize = 1 + 3 * 18 + 2 + 5;

/// Changes that fit into a message, whatever they are.
pub const CHANGES_MAX: usize = (LEN_MAX - HEAD_LEN - CHANGES_HEAD_LEN) / CHANGE_LEN_MAX;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Drawn by the sender when it starts: numbers of different epochs don't compare.
    pub epoch: u32,
    /// Counts the sender's messages of this epoch, from 1.
    pub number: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// How flows are. At most [`CHANGES_MAX`].
    Changes {
        /// The round that tells of all flows; 0: told because it happened.
        round: u32,
        /// How long the oldest of them waited to be sent, in milliseconds.
        age_ms: u32,
        /// What happened, by flow.
        changes: Vec<Change>,
    },
    /// All flows of these addresses have been told in the round. At most [`ADDRESSES_MAX`].
    End {
        /// Which round.
        round: u32,
        /// How many flows it told of: with fewer, some were lost.
        flows: u32,
        /// What the sender holds.
        addresses: Vec<IpAddr>,
    },
    /// Please tell of all flows.
    Want,
}

/// One flow in a message. Its end names all four ends too, so that it needs no form of its own.
pub type Change = (Flow, Option<(Phase, u32)>);

/// What stands for an event in a message.
#[must_use]
pub fn change(flow: Flow, event: Event) -> Change {
    match event {
        Event::Open(entry) => (flow, Some((entry.phase, entry.timeout))),
        Event::Over(_) => (flow, None),
    }
}

/// A message that isn't one of ours, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// From a version that speaks otherwise.
    #[error("flow state in form {0}, which this version doesn't know")]
    Version(u8),
    /// Bytes that don't fit together.
    #[error("flow state that makes no sense")]
    Malformed,
}

impl Message {
    /// The bytes to send; at most [`LEN_MAX`] if the bounds of the body are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN_MAX);
        let kind = match self.body {
            Body::Changes { .. } => 1,
            Body::End { .. } => 2,
            Body::Want => 3,
        };
        out.extend([VERSION, kind]);
        out.extend(self.epoch.to_be_bytes());
        out.extend(self.number.to_be_bytes());
        match &self.body {
            Body::Changes { round, age_ms, changes } => {
                let changes = changes.get(..CHANGES_MAX).unwrap_or(changes);
                let count = u16::try_from(changes.len()).expect("CHANGES_MAX is small");
                out.extend(round.to_be_bytes());
                out.extend(age_ms.to_be_bytes());
                out.extend(count.to_be_bytes());
                changes.iter().for_each(|change| write_change(&mut out, change));
            }
            Body::End { round, flows, addresses } => {
                let addresses = addresses.get(..ADDRESSES_MAX).unwrap_or(addresses);
                let count = u8::try_from(addresses.len()).expect("ADDRESSES_MAX is small");
                out.extend(round.to_be_bytes());
                out.extend(flows.to_be_bytes());
                out.push(count);
                for address in addresses {
                    out.push(if address.is_ipv4() { 4 } else { 6 });
                    write_address(&mut out, *address);
                }
            }
            Body::Want => {}
        }
        out
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&other) => return Err(ParseError::Version(other)),
            None => return Err(ParseError::Malformed),
        }
        let mut reader = Reader(bytes.get(1..).unwrap_or_default());
        let message = reader.message().filter(|_| reader.0.is_empty());
        message.ok_or(ParseError::Malformed)
    }
}

fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => out.extend(address.octets()),
        IpAddr::V6(address) => out.extend(address.octets()),
    }
}

/// Bits of a change's form: 1 for IPv6, 2 for open.
const FORM_V6: u8 = 1;
const FORM_OPEN: u8 = 2;

fn write_change(out: &mut Vec<u8>, (flow, open): &Change) {
    let v6 = if flow.client.is_ipv6() { FORM_V6 } else { 0 };
    out.push(v6 | if open.is_some() { FORM_OPEN } else { 0 });
    for end in [flow.client, flow.vip, flow.server] {
        write_address(out, end.ip());
        out.extend(end.port().to_be_bytes());
    }
    out.extend(flow.source.port().to_be_bytes());
    if let Some((phase, timeout)) = open {
        out.push(match phase {
            Phase::Established => 0,
            Phase::FinWait => 1,
            Phase::CloseWait => 2,
            Phase::LastAck => 3,
        });
        out.extend(timeout.to_be_bytes());
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn message(&mut self) -> Option<Message> {
        let [kind] = self.take()?;
        let epoch = self.u32()?;
        let number = u64::from_be_bytes(self.take()?);
        let body = match kind {
            1 => {
                let (round, age_ms) = (self.u32()?, self.u32()?);
                let count = usize::from(u16::from_be_bytes(self.take()?));
                if count > CHANGES_MAX {
                    return None;
                }
                let changes = (0..count).map(|_| self.change()).collect::<Option<_>>()?;
                Body::Changes { round, age_ms, changes }
            }
            2 => {
                let (round, flows) = (self.u32()?, self.u32()?);
                let [count] = self.take()?;
                if usize::from(count) > ADDRESSES_MAX {
                    return None;
                }
                let address = |_| match self.take()? {
                    [4] => self.address(false),
                    [6] => self.address(true),
                    _ => None,
                };
                let addresses = (0..count).map(address).collect::<Option<_>>()?;
                Body::End { round, flows, addresses }
            }
            3 => Body::Want,
            _ => return None,
        };
        Some(Message { epoch, number, body })
    }

    fn address(&mut self, is_v6: bool) -> Option<IpAddr> {
        if is_v6 { self.take::<16>().map(IpAddr::from) } else { self.take::<4>().map(IpAddr::from) }
    }

    fn change(&mut self) -> Option<Change> {
        let [form] = self.take()?;
        if form & !(FORM_V6 | FORM_OPEN) != 0 {
            return None;
        }
        let mut end = || {
            let address = self.address(form & FORM_V6 != 0)?;
            Some(SocketAddr::new(address, u16::from_be_bytes(self.take()?)))
        };
        let (client, vip, server) = (end()?, end()?, end()?);
        let source = SocketAddr::new(vip.ip(), u16::from_be_bytes(self.take()?));
        let open = if form & FORM_OPEN == 0 {
            None
        } else {
            let phase = match self.take()? {
                [0] => Phase::Established,
                [1] => Phase::FinWait,
                [2] => Phase::CloseWait,
                [3] => Phase::LastAck,
                _ => return None,
            };
            Some((phase, self.u32()?))
        };
        Some((Flow { client, vip, server, source }, open))
    }
}
