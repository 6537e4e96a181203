//! One datagram of the link, version [`VERSION`]. Numbers are big-endian.
//!
//! ```text
//!   0   4  "halb"
//!   4   1  version
//!   5   1  channel; 0: a hello, which is the link's own
//!   6   2  bytes of payload
//!   8   8  session of the sender: a random number of its start
//!  16   8  session that the frame is meant for; 0: not known yet
//!  24   8  sequence number of the frame in the sender's session, from 1
//!  32   8  highest sequence number that the sender has from the session it is meant for; 0: none
//!  40   4  microseconds since that came
//!  44   n  payload, at most 1,156 bytes
//!  44+n 32 HMAC-SHA256 (RFC 2104) over all before it
//! ```
//!
//! A longer frame would be fragmented somewhere: 1,232 bytes are what an IPv6 packet of 1,280 bytes
//! carries (RFC 8200, section 5), the least that a link must pass in one piece.
//!
//! Reading has two steps, so that the cheap one can decide whether the dear one is worth it:
//! [`parse`], then [`Unverified::verify`]. Nothing is believed in between.

use std::num::NonZeroU64;
use std::time::Duration;

use ring::hmac;

use crate::config::{Key, Keys};
use crate::refusal::Refusal;

/// The version of the format that is spoken here. Others are refused: while two nodes run different
/// ones the link rests, and the election works without it.
pub const VERSION: u8 = 1;

/// Longest datagram.
pub const FRAME_LEN_MAX: usize = 1_232;

/// Longest payload.
pub const PAYLOAD_LEN_MAX: usize = FRAME_LEN_MAX - HEADER_LEN - TAG_LEN;

const MAGIC: [u8; 4] = *b"halb";
const HEADER_LEN: usize = 44;
const TAG_LEN: usize = 32;

/// One start of a node: a random number that no other start ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(NonZeroU64);

impl Session {
    /// Out of random bits, which must come from a source that nobody can foresee.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MAX))
    }
}

/// What a frame says besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 0, or the number of a [`Channel`](crate::config::Channel).
    pub channel: u8,
    /// Who sent it.
    pub from: Session,
    /// For whom it is; none: the sender knows nobody yet.
    pub to: Option<Session>,
    /// Its number in the sender's session.
    pub sequence: NonZeroU64,
    /// What the sender has from `to`.
    pub echo: Option<Echo>,
}

/// The latest that a sender has from the session it speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Highest sequence number.
    pub sequence: NonZeroU64,
    /// How long before this frame it came; at most 71 minutes, in whole microseconds.
    pub held: Duration,
}

/// Keys, ready for use.
#[derive(Debug, Clone)]
pub struct Keyring {
    sign: hmac::Key,
    also: Option<hmac::Key>,
}

/// Which of our keys a frame was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedWith {
    /// The one that we sign with.
    Sign,
    /// The other one that we accept.
    Also,
}

/// A payload of more than [`PAYLOAD_LEN_MAX`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} bytes doesn't fit into one datagram; at most {PAYLOAD_LEN_MAX} do")]
pub struct PayloadTooLong(pub usize);

impl Keyring {
    /// Of these keys.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        let ready = |key: &Key| hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        Self { sign: ready(&keys.sign), also: keys.also.as_ref().map(ready) }
    }

    /// A frame as it goes out.
    ///
    /// # Errors
    /// [`PayloadTooLong`].
    pub fn seal(&self, header: &Header, payload: &[u8]) -> Result<Vec<u8>, PayloadTooLong> {
        let too_long = PayloadTooLong(payload.len());
        if payload.len() > PAYLOAD_LEN_MAX {
            return Err(too_long);
        }
        let len = u16::try_from(payload.len()).map_err(|_| too_long)?;
        let (echoed, held) = header.echo.map_or((0, 0), |echo| {
            let micros = u32::try_from(echo.held.as_micros()).unwrap_or(u32::MAX);
            (echo.sequence.get(), micros)
        });
        let mut frame = Vec::with_capacity(HEADER_LEN + payload.len() + TAG_LEN);
        frame.extend(MAGIC);
        frame.extend([VERSION, header.channel]);
        frame.extend(len.to_be_bytes());
        frame.extend(header.from.0.get().to_be_bytes());
        frame.extend(header.to.map_or(0, |session| session.0.get()).to_be_bytes());
        frame.extend(header.sequence.get().to_be_bytes());
        frame.extend(echoed.to_be_bytes());
        frame.extend(held.to_be_bytes());
        frame.extend(payload);
        let tag = hmac::sign(&self.sign, &frame);
        frame.extend(tag.as_ref());
        Ok(frame)
    }
}

/// A frame whose signature hasn't been looked at: anybody may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified<'a> {
    header: Header,
    payload: &'a [u8],
    signed: &'a [u8],
    tag: &'a [u8],
}

/// A frame that the peer wrote, now or at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'a> {
    /// What it says.
    pub header: Header,
    /// What it carries.
    pub payload: &'a [u8],
    /// The key that fitted.
    pub key: SignedWith,
}

/// Takes a datagram apart.
///
/// # Errors
/// [`Refusal::NotOurs`], [`Refusal::Version`], [`Refusal::TooShort`], [`Refusal::TooLong`] or
/// [`Refusal::Malformed`], in this order: a frame of another version may have any length.
pub fn parse(datagram: &[u8]) -> Result<Unverified<'_>, Refusal> {
    let Some(rest) = datagram.strip_prefix(&MAGIC) else { return Err(Refusal::NotOurs) };
    if let Some(version) = rest.first().filter(|version| **version != VERSION) {
        return Err(Refusal::Version(*version));
    }
    if datagram.len() > FRAME_LEN_MAX {
        return Err(Refusal::TooLong);
    }
    let too_short = Refusal::TooShort(datagram.len());
    let (signed, tag) = datagram.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;
    let (head, payload) = signed.split_first_chunk::<HEADER_LEN>().ok_or(too_short)?;
    if usize::from(u16::from_be_bytes([head[6], head[7]])) != payload.len() {
        return Err(Refusal::Malformed("length"));
    }
    let from = number(head, 8).ok_or(Refusal::Malformed("session"))?;
    let sequence = number(head, 24).ok_or(Refusal::Malformed("sequence number"))?;
    let held = u32::from_be_bytes([head[40], head[41], head[42], head[43]]);
    let held = Duration::from_micros(u64::from(held));
    let header = Header {
        channel: head[5],
        from: Session(from),
        to: number(head, 16).map(Session),
        sequence,
        echo: number(head, 32).map(|sequence| Echo { sequence, held }),
    };
    Ok(Unverified { header, payload, signed, tag })
}

fn number(head: &[u8; HEADER_LEN], at: usize) -> Option<NonZeroU64> {
    let bytes = head.get(at..)?.first_chunk()?;
    NonZeroU64::new(u64::from_be_bytes(*bytes))
}

impl<'a> Unverified<'a> {
    /// What it claims to say.
    #[must_use]
    pub fn claims(&self) -> &Header {
        &self.header
    }

    /// Compares its signature, in constant time.
    ///
    /// # Errors
    /// [`Refusal::WrongKey`].
    pub fn verify(self, keys: &Keyring) -> Result<Verified<'a>, Refusal> {
        let fits = |key: &hmac::Key| hmac::verify(key, self.signed, self.tag).is_ok();
        let key = if fits(&keys.sign) {
            SignedWith::Sign
        } else if keys.also.as_ref().is_some_and(fits) {
            SignedWith::Also
        } else {
            return Err(Refusal::WrongKey);
        };
        Ok(Verified { header: self.header, payload: self.payload, key })
    }
}

#[cfg(test)]
mod tests;
