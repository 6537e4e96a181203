//! What makes a packet an advert for this router.

use std::net::IpAddr;

use super::addresses::size;
use super::checksum::Sum;
use super::{AddressList, ChecksumForm, HEADER_LEN, Password, Refusal, TYPE_ADVERTISEMENT};
use crate::values::{AdvertInterval, Centiseconds, Family, Priority, Seconds, Version, VrId};

/// A VRRP message and what the IP layer says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom: the group or one of our addresses.
    pub destination: IpAddr,
    /// Time to live (IPv4) or hop limit (IPv6) at arrival.
    pub hop_limit: u8,
    /// The message, without the IP header and without padding.
    pub message: &'a [u8],
}

/// What a router accepts.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// Its id.
    pub vrid: VrId,
    /// Its family.
    pub family: Family,
    /// Its own interval, which says the version as well.
    pub interval: AdvertInterval,
    /// Passwords that are accepted, with version 2; none: packets carry none.
    pub passwords: &'a [Password],
    /// Who may send.
    pub origin: Origin<'a>,
    /// Least hop limit.
    pub hop_limit_min: u8,
    /// The address that this node sends from.
    pub own: Option<IpAddr>,
}

/// Who may send.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// Anybody, to the group.
    Multicast,
    /// These, to this node.
    Unicast(&'a [IpAddr]),
}

/// An advert for this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval. With version 3 a backup goes by this one rather than by its own.
    pub interval: AdvertInterval,
    /// The addresses that it claims.
    pub addresses: AddressList<'a>,
    /// How its checksum was made, where there is a choice: version 3 with IPv4.
    pub checksum: Option<ChecksumForm>,
}

const AUTH_NONE: u8 = 0;
const AUTH_PASSWORD: u8 = 1;
const AUTH_HEADER: u8 = 2;

/// Checks and reads a packet.
///
/// The order of the checks is keepalived's (`vrrp_check_packet`), so that a packet with several
/// faults counts where keepalived counts it: id, source, hop limit, version, length, authentication
/// type, password, interval (version 2), type, length to the byte, interval (version 3), checksum,
/// delivery, peer.
///
/// # Errors
/// The first check that fails.
pub fn receive<'a>(
    datagram: &Datagram<'a>,
    expected: &Expectation<'_>,
) -> Result<Accepted<'a>, Refusal> {
    let message = datagram.message;
    let Some((header, rest)) = message.split_first_chunk::<HEADER_LEN>() else {
        return Err(Refusal::TooShort(message.len()));
    };
    let [version_and_type, vrid, priority, count, auth_type, last, ..] = *header;
    if vrid != expected.vrid.get() {
        return Err(Refusal::ForeignVrId { ours: expected.vrid.get(), theirs: vrid });
    }
    if expected.own == Some(datagram.source) {
        return Err(Refusal::Own);
    }
    check_hops_and_version(datagram.hop_limit, version_and_type >> 4, expected)?;
    let addresses_len = usize::from(count) * size(expected.family);
    let expected_len = HEADER_LEN + addresses_len + trailer(expected.interval.version());
    let wrong_length = Refusal::Length { got: message.len(), expected: expected_len };
    if count == 0 {
        return Err(Refusal::NoAddress);
    }
    if message.len() < expected_len {
        return Err(wrong_length);
    }
    let (addresses, trailer) = rest.split_at(addresses_len);
    if let AdvertInterval::V2(own) = expected.interval {
        check_auth(auth_type, trailer, expected.passwords)?;
        check_interval(own, last, expected.interval)?;
    }
    let packet_type = version_and_type & 0x0f;
    if packet_type != TYPE_ADVERTISEMENT {
        return Err(Refusal::Type(packet_type));
    }
    if message.len() != expected_len {
        return Err(wrong_length);
    }
    let interval = match expected.interval {
        AdvertInterval::V2(_) => expected.interval,
        AdvertInterval::V3(_) => {
            // The four reserved bits are ignored on receipt, RFC 9568 §5.2.6.
            let centiseconds = u16::from_be_bytes([auth_type & 0x0f, last]);
            let interval = Centiseconds::new(centiseconds).map_err(Refusal::IntervalRange)?;
            AdvertInterval::V3(interval)
        }
    };
    let checksum = check_checksum(datagram, expected)?;
    check_origin(datagram, expected)?;
    Ok(Accepted {
        source: datagram.source,
        priority: Priority::new(priority),
        interval,
        addresses: AddressList::new(expected.family, addresses),
        checksum,
    })
}

/// Length of what follows the addresses: version 2 always carries the authentication data.
fn trailer(version: Version) -> usize {
    match version {
        Version::V2 => Password::LEN,
        Version::V3 => 0,
    }
}

fn check_hops_and_version(
    hop_limit: u8,
    version: u8,
    expected: &Expectation<'_>,
) -> Result<(), Refusal> {
    // RFC 9568 §7.1: a packet that a router has forwarded must not count.
    if hop_limit < expected.hop_limit_min {
        return Err(Refusal::HopLimit { got: hop_limit, min: expected.hop_limit_min });
    }
    let ours = expected.interval.version();
    if version != ours.number() {
        return Err(Refusal::Version { ours, theirs: version });
    }
    Ok(())
}

fn check_auth(auth_type: u8, data: &[u8], passwords: &[Password]) -> Result<(), Refusal> {
    if ![AUTH_NONE, AUTH_PASSWORD, AUTH_HEADER].contains(&auth_type) {
        return Err(Refusal::AuthTypeInvalid(auth_type));
    }
    let ours = if passwords.is_empty() { AUTH_NONE } else { AUTH_PASSWORD };
    if auth_type != ours {
        return Err(Refusal::AuthTypeMismatch { ours, theirs: auth_type });
    }
    // Both are compared, so that the time doesn't tell which of them fits.
    let data = data.get(..Password::LEN).unwrap_or_default();
    let fits = passwords.iter().fold(false, |fits, password| fits | password.is(data));
    if ours == AUTH_PASSWORD && !fits { Err(Refusal::AuthFailure) } else { Ok(()) }
}

fn check_interval(own: Seconds, theirs: u8, interval: AdvertInterval) -> Result<(), Refusal> {
    // RFC 3768 §7.1: with another interval the packet must be discarded.
    if theirs == own.get() {
        return Ok(());
    }
    let theirs = std::time::Duration::from_secs(theirs.into());
    Err(Refusal::Interval { ours: interval.duration(), theirs })
}

fn check_checksum(
    datagram: &Datagram<'_>,
    expected: &Expectation<'_>,
) -> Result<Option<ChecksumForm>, Refusal> {
    let Datagram { source, destination, message, .. } = *datagram;
    let fits = |sum: Sum| sum.bytes(message).is_right();
    match (expected.interval, expected.family) {
        (AdvertInterval::V2(_), _) => fits(Sum::default()).then_some(None),
        (AdvertInterval::V3(_), Family::V6) => {
            fits(Sum::default().pseudo_header(source, destination, message.len())).then_some(None)
        }
        (AdvertInterval::V3(_), Family::V4) => ChecksumForm::ALL
            .into_iter()
            .find(|form| fits(form.pseudo_header(source, destination, message.len())))
            .map(Some),
    }
    .ok_or(Refusal::Checksum)
}

fn check_origin(datagram: &Datagram<'_>, expected: &Expectation<'_>) -> Result<(), Refusal> {
    let to_group = datagram.destination == super::group(expected.family);
    match expected.origin {
        Origin::Multicast if !to_group => Err(Refusal::Delivery { unicast: false }),
        Origin::Unicast(_) if datagram.destination.is_multicast() => {
            Err(Refusal::Delivery { unicast: true })
        }
        Origin::Unicast(peers) if !peers.contains(&datagram.source) => Err(Refusal::UnknownPeer),
        Origin::Multicast | Origin::Unicast(_)
            if Family::of(datagram.source) != expected.family =>
        {
            Err(Refusal::UnknownPeer)
        }
        Origin::Multicast | Origin::Unicast(_) => Ok(()),
    }
}

pub(super) const fn auth_type(password: Option<&Password>) -> u8 {
    match password {
        Some(_) => AUTH_PASSWORD,
        None => AUTH_NONE,
    }
}
