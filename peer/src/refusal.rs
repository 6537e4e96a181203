//! Why a datagram isn't taken.

use std::net::SocketAddr;

use crate::frame::{FRAME_LEN_MAX, VERSION};
use crate::link::AGE_MAX;

/// Why a datagram isn't taken, with what a person needs to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It comes from elsewhere.
    #[error("it comes from another address or port than the peer's, {peer}")]
    NotPeer {
        /// The address that is configured.
        peer: SocketAddr,
    },
    /// It doesn't begin as a frame does.
    #[error("it is no datagram of halb")]
    NotOurs,
    /// Another version of the format.
    #[error("version {0} of the link is not ours, {VERSION}; run the same halb on both nodes")]
    Version(u8),
    /// Less than the parts that each frame has.
    #[error("{0} bytes are less than any frame has")]
    TooShort(usize),
    /// More than one packet carries.
    #[error("it has more than {FRAME_LEN_MAX} bytes")]
    TooLong,
    /// A number in it can't be.
    #[error("its {0} can't be")]
    Malformed(&'static str),
    /// More came than is looked at.
    #[error("there were more datagrams than are looked at; the rest is dropped unread")]
    Flood,
    /// Signed with none of our keys, or changed on its way.
    #[error("its signature fits none of our keys; give both nodes the same key")]
    WrongKey,
    /// Our own, sent back to us.
    #[error("it is our own, sent back")]
    Reflected,
    /// It answers nothing that we sent lately.
    #[error(
        "it answers nothing that was sent in the last {AGE_MAX:?}: it was held back on its way, or \
         the peer doesn't hear us"
    )]
    Stale,
    /// It came already, or so late that nobody knows.
    #[error("it came before, or long after those that were sent after it")]
    Replayed,
    /// Nobody listens there.
    #[error("nobody listens on channel {0}; run the same halb on both nodes")]
    UnknownChannel(u8),
}

/// A [`Refusal`] without its particulars: what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// [`Refusal::NotPeer`].
    NotPeer,
    /// [`Refusal::NotOurs`].
    NotOurs,
    /// [`Refusal::Version`].
    Version,
    /// [`Refusal::TooShort`].
    TooShort,
    /// [`Refusal::TooLong`].
    TooLong,
    /// [`Refusal::Malformed`].
    Malformed,
    /// [`Refusal::Flood`].
    Flood,
    /// [`Refusal::WrongKey`].
    WrongKey,
    /// [`Refusal::Reflected`].
    Reflected,
    /// [`Refusal::Stale`].
    Stale,
    /// [`Refusal::Replayed`].
    Replayed,
    /// [`Refusal::UnknownChannel`].
    UnknownChannel,
}

impl Reason {
    /// All of them, in the order in which a datagram is looked at.
    pub const ALL: [Self; 12] = [
        Self::NotPeer,
        Self::NotOurs,
        Self::Version,
        Self::TooShort,
        Self::TooLong,
        Self::Malformed,
        Self::Flood,
        Self::WrongKey,
        Self::Reflected,
        Self::Stale,
        Self::Replayed,
        Self::UnknownChannel,
    ];

    /// One word for labels and tables; it never changes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotPeer => "not_peer",
            Self::NotOurs => "not_ours",
            Self::Version => "version",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Flood => "flood",
            Self::WrongKey => "wrong_key",
            Self::Reflected => "reflected",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::UnknownChannel => "unknown_channel",
        }
    }
}

impl Refusal {
    /// What it is counted as.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::NotPeer { .. } => Reason::NotPeer,
            Self::NotOurs => Reason::NotOurs,
            Self::Version(_) => Reason::Version,
            Self::TooShort(_) => Reason::TooShort,
            Self::TooLong => Reason::TooLong,
            Self::Malformed(_) => Reason::Malformed,
            Self::Flood => Reason::Flood,
            Self::WrongKey => Reason::WrongKey,
            Self::Reflected => Reason::Reflected,
            Self::Stale => Reason::Stale,
            Self::Replayed => Reason::Replayed,
            Self::UnknownChannel(_) => Reason::UnknownChannel,
        }
    }
}
