//! Why a packet isn't taken.

use std::time::Duration;

use crate::values::{OutOfRange, Version};

/// Why a packet isn't taken, with what a person needs to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Shorter than any advert.
    #[error("{0} bytes are less than the header of an advert")]
    TooShort(usize),
    /// For another virtual router on this segment.
    #[error("virtual router id {theirs} is not ours, {ours}")]
    ForeignVrId {
        /// The id of this router.
        ours: u8,
        /// The id in the packet.
        theirs: u8,
    },
    /// It has this node's own source address: it was looped or reflected.
    #[error("the packet is our own")]
    Own,
    /// It was forwarded by a router, or made up elsewhere.
    #[error("time to live or hop limit is {got} instead of {min} or more")]
    HopLimit {
        /// What the packet has.
        got: u8,
        /// Least that is accepted.
        min: u8,
    },
    /// Another version of VRRP, or none.
    #[error("version {theirs} is not ours, {}", ours.number())]
    Version {
        /// The version of this router.
        ours: Version,
        /// The version in the packet.
        theirs: u8,
    },
    /// No address is in it (RFC 9568 erratum 8299).
    #[error("the advert has no address")]
    NoAddress,
    /// The length doesn't fit the count of addresses.
    #[error("{got} bytes instead of {expected}")]
    Length {
        /// Length of the packet.
        got: usize,
        /// Length that its count of addresses asks for.
        expected: usize,
    },
    /// A type of authentication that never was.
    #[error("authentication type {0} does not exist")]
    AuthTypeInvalid(u8),
    /// One of the two has a password, the other none.
    #[error("authentication type {theirs} is not ours, {ours}; give both nodes a password or none")]
    AuthTypeMismatch {
        /// The type of this router.
        ours: u8,
        /// The type in the packet.
        theirs: u8,
    },
    /// Another password.
    #[error("the password is not ours; give both nodes the same")]
    AuthFailure,
    /// Version 2 asks for equal intervals.
    #[error("interval {theirs:?} is not ours, {ours:?}; give both nodes the same")]
    Interval {
        /// The interval of this router.
        ours: Duration,
        /// The interval in the packet.
        theirs: Duration,
    },
    /// Not an advertisement.
    #[error("type {0} is not an advertisement")]
    Type(u8),
    /// Version 3 with an interval of zero (RFC 9568 erratum 8301).
    #[error("unusable interval: {0}")]
    IntervalRange(OutOfRange),
    /// No reading of the checksum fits.
    #[error("the checksum is wrong in every reading")]
    Checksum,
    /// Multicast where unicast is configured, or the other way round.
    #[error("sent to {}, but this router is configured for {}", way(!unicast), way(*unicast))]
    Delivery {
        /// Unicast is configured.
        unicast: bool,
    },
    /// Not from a configured peer.
    #[error("the sender is not among the configured peers")]
    UnknownPeer,
}

fn way(unicast: bool) -> &'static str {
    if unicast { "one node (unicast)" } else { "the group (multicast)" }
}

impl Refusal {
    /// The counter that it belongs to.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::TooShort(_) | Self::Length { .. } => Reason::Length,
            Self::ForeignVrId { .. } => Reason::ForeignVrId,
            Self::Own => Reason::Own,
            Self::HopLimit { .. } => Reason::HopLimit,
            Self::Version { .. } => Reason::Version,
            Self::NoAddress => Reason::NoAddress,
            Self::AuthTypeInvalid(_) => Reason::AuthTypeInvalid,
            Self::AuthTypeMismatch { .. } => Reason::AuthTypeMismatch,
            Self::AuthFailure => Reason::AuthFailure,
            Self::Interval { .. } | Self::IntervalRange(_) => Reason::Interval,
            Self::Type(_) => Reason::Type,
            Self::Checksum => Reason::Checksum,
            Self::Delivery { .. } => Reason::Delivery,
            Self::UnknownPeer => Reason::UnknownPeer,
        }
    }
}

/// A counter of refused packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// [`Refusal::TooShort`] and [`Refusal::Length`].
    Length,
    /// [`Refusal::ForeignVrId`].
    ForeignVrId,
    /// [`Refusal::Own`].
    Own,
    /// [`Refusal::HopLimit`].
    HopLimit,
    /// [`Refusal::Version`].
    Version,
    /// [`Refusal::NoAddress`].
    NoAddress,
    /// [`Refusal::AuthTypeInvalid`].
    AuthTypeInvalid,
    /// [`Refusal::AuthTypeMismatch`].
    AuthTypeMismatch,
    /// [`Refusal::AuthFailure`].
    AuthFailure,
    /// [`Refusal::Interval`] and [`Refusal::IntervalRange`].
    Interval,
    /// [`Refusal::Type`].
    Type,
    /// [`Refusal::Checksum`].
    Checksum,
    /// [`Refusal::Delivery`].
    Delivery,
    /// [`Refusal::UnknownPeer`].
    UnknownPeer,
}

impl Reason {
    /// Each of them, in the order in which a packet is checked.
    pub const ALL: [Self; 14] = [
        Self::Length,
        Self::ForeignVrId,
        Self::Own,
        Self::HopLimit,
        Self::Version,
        Self::NoAddress,
        Self::AuthTypeInvalid,
        Self::AuthTypeMismatch,
        Self::AuthFailure,
        Self::Interval,
        Self::Type,
        Self::Checksum,
        Self::Delivery,
        Self::UnknownPeer,
    ];

    /// Name in counters; keepalived's own where it counts the same.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "packet_len_err",
            Self::ForeignVrId => "foreign_vrid",
            Self::Own => "own_packet",
            Self::HopLimit => "ip_ttl_err",
            Self::Version => "version_err",
            Self::NoAddress => "no_address_err",
            Self::AuthTypeInvalid => "invalid_authtype",
            Self::AuthTypeMismatch => "authtype_mismatch",
            Self::AuthFailure => "auth_failure",
            Self::Interval => "advert_interval_err",
            Self::Type => "invalid_type_rcvd",
            Self::Checksum => "checksum_err",
            Self::Delivery => "delivery_err",
            Self::UnknownPeer => "unknown_peer",
        }
    }
}
