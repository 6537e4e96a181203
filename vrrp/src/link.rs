//! Words that two halbs exchange about a virtual router that both have.
//!
//! VRRP alone suffices. What words add: a node that offers its addresses can tell another one to
//! take them now, and nodes know of each other whether they are well without having to hear an
//! advert, which a backup never sends. Who carries them sees to it that they are genuine; they
//! may be lost, doubled and late.
//!
//! ```text
//!  0        1      2     3      4     5          6       7
//!  version  flags  vrid  state  base  effective  health  parts  address  [source]  [invites]
//! ```
//!
//! `flags` says whether the sender is able and has yielded; `parts` the family (bit 0: IPv6) and
//! which of the last two addresses follow (bits 1 and 2). All addresses are of one family.

use std::net::IpAddr;

use crate::packet::addresses;
use crate::router::State;
use crate::track::Health;
use crate::values::{BasePriority, Family, OutOfRange, Priority, VrId};

/// What one halb tells another about one virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Which virtual router, together with [`Word::address`].
    pub vrid: VrId,
    /// The [principal](crate::packet::VirtualAddresses::principal) of its addresses.
    pub address: IpAddr,
    /// Where the sender's adverts come from; none: it has no address to send from. Of the family
    /// of [`Word::address`], or it isn't told.
    pub source: Option<IpAddr>,
    /// The sender's state.
    pub state: State,
    /// It listens or is active: it could serve at once.
    pub able: bool,
    /// Its configured priority.
    pub base: BasePriority,
    /// Its priority with all that trackers and operators do to it; 0: it is about to stop, and
    /// anybody is better.
    pub effective: Priority,
    /// How well it can serve.
    pub health: Health,
    /// Its operator has given the addresses away.
    pub yielded: bool,
    /// The sender offers its addresses, keeps them until they are taken, and asks the router with
    /// this source to take them now. Of the family of [`Word::address`], or it isn't told.
    pub invites: Option<IpAddr>,
}

/// Longest word, in bytes.
pub const WORD_LEN_MAX: usize = HEADER_LEN + 3 * 16;

const VERSION: u8 = 1;
const HEADER_LEN: usize = 8;

const ABLE: u8 = 1;
const YIELDED: u8 = 1 << 1;
const FLAGS: u8 = ABLE | YIELDED;

const IPV6: u8 = 1;
const SOURCE: u8 = 1 << 1;
const INVITES: u8 = 1 << 2;
const PARTS: u8 = IPV6 | SOURCE | INVITES;

/// Why bytes are no word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Of a halb that speaks otherwise.
    #[error("version {0} of words between nodes is not ours, {VERSION}; run the same halb on both")]
    Version(u8),
    /// Too short or too long for what it says to be.
    #[error("{got} bytes instead of {expected}")]
    Length {
        /// Length of the bytes.
        got: usize,
        /// Length that their beginning asks for.
        expected: usize,
    },
    /// A number out of its range.
    #[error(transparent)]
    Range(#[from] OutOfRange),
    /// A number without a meaning.
    #[error("{what} {got} does not exist")]
    Unknown {
        /// What the number is.
        what: &'static str,
        /// The number.
        got: u8,
    },
}

impl Word {
    /// As bytes, [`WORD_LEN_MAX`] at most.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let family = Family::of(self.address);
        let same = |address: &IpAddr| Family::of(*address) == family;
        let (source, invites) = (self.source.filter(same), self.invites.filter(same));
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = bit(self.able, ABLE) | bit(self.yielded, YIELDED);
        let parts = bit(family == Family::V6, IPV6)
            | bit(source.is_some(), SOURCE)
            | bit(invites.is_some(), INVITES);
        let state = match self.state {
            State::Initialize => 0,
            State::Backup => 1,
            State::Active => 2,
            State::Fault => 3,
        };
        let health = match self.health {
            Health::Failed => 0,
            Health::Sick => 1,
            Health::Well => 2,
        };
        let mut bytes = Vec::with_capacity(WORD_LEN_MAX);
        let (base, effective) = (self.base.get(), self.effective.get());
        bytes.extend([VERSION, flags, self.vrid.get(), state, base, effective, health, parts]);
        for address in [Some(self.address), source, invites].into_iter().flatten() {
            addresses::write(address, &mut bytes);
        }
        bytes
    }

    /// Reads what [`Word::encode`] wrote. Only that: each word has one form.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, WordError> {
        let wrong_length = |expected| WordError::Length { got: bytes.len(), expected };
        let Some((&version, _)) = bytes.split_first() else { return Err(wrong_length(HEADER_LEN)) };
        if version != VERSION {
            return Err(WordError::Version(version));
        }
        let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(wrong_length(HEADER_LEN));
        };
        let [_, flags, vrid, state, base, effective, health, parts] = *header;
        check_bits("flags", flags, FLAGS)?;
        check_bits("parts", parts, PARTS)?;
        let family = if parts & IPV6 == 0 { Family::V4 } else { Family::V6 };
        let count = 1 + (parts & (SOURCE | INVITES)).count_ones();
        let size = addresses::size(family);
        let expected = (0..count).fold(HEADER_LEN, |sum, _| sum + size);
        if bytes.len() != expected {
            return Err(wrong_length(expected));
        }
        let mut next = || {
            let (address, tail) = rest.split_at_checked(size)?;
            rest = tail;
            addresses::read(family, address)
        };
        Ok(Self {
            vrid: VrId::new(vrid)?,
            address: next().ok_or_else(|| wrong_length(expected))?,
            source: (parts & SOURCE != 0).then(&mut next).flatten(),
            state: state_of(state)?,
            able: flags & ABLE != 0,
            base: BasePriority::new(base)?,
            effective: Priority::new(effective),
            health: health_of(health)?,
            yielded: flags & YIELDED != 0,
            invites: (parts & INVITES != 0).then(next).flatten(),
        })
    }
}

fn check_bits(what: &'static str, got: u8, known: u8) -> Result<(), WordError> {
    if got & !known == 0 { Ok(()) } else { Err(WordError::Unknown { what, got }) }
}

fn state_of(number: u8) -> Result<State, WordError> {
    match number {
        0 => Ok(State::Initialize),
        1 => Ok(State::Backup),
        2 => Ok(State::Active),
        3 => Ok(State::Fault),
        got => Err(WordError::Unknown { what: "state", got }),
    }
}

fn health_of(number: u8) -> Result<Health, WordError> {
    match number {
        0 => Ok(Health::Failed),
        1 => Ok(Health::Sick),
        2 => Ok(Health::Well),
        got => Err(WordError::Unknown { what: "health", got }),
    }
}

#[cfg(test)]
mod tests;
