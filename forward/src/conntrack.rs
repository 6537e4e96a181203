//! Entries of conntrack in the kernel's attributes
//! (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`, whose names stand beside the numbers).

use std::net::{IpAddr, SocketAddr};

use crate::attribute::{Attribute, find, number};
use crate::flows::{Entry, Flow, Phase};
use crate::nftables::address_bytes;

/// `IPCTNL_MSG_CT_*`.
pub(crate) mod message {
    pub(crate) const NEW: u8 = 0;
    pub(crate) const GET: u8 = 1;
    pub(crate) const DELETE: u8 = 2;
}

/// `CTA_*`.
mod kind {
    pub(super) const TUPLE_ORIGINAL: u16 = 1;
    pub(super) const TUPLE_REPLY: u16 = 2;
    pub(super) const STATUS: u16 = 3;
    pub(super) const PROTOINFO: u16 = 4;
    pub(super) const NAT_SOURCE: u16 = 6;
    pub(super) const TIMEOUT: u16 = 7;
    pub(super) const COUNTERS_ORIGINAL: u16 = 9;
    pub(super) const COUNTERS_REPLY: u16 = 10;
    pub(super) const NAT_DESTINATION: u16 = 13;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTO: u16 = 2;
    pub(super) const V4_SOURCE: u16 = 1;
    pub(super) const V4_DESTINATION: u16 = 2;
    pub(super) const V6_SOURCE: u16 = 3;
    pub(super) const V6_DESTINATION: u16 = 4;
    pub(super) const PROTO_NUMBER: u16 = 1;
    pub(super) const SOURCE_PORT: u16 = 2;
    pub(super) const DESTINATION_PORT: u16 = 3;
    pub(super) const PROTOINFO_TCP: u16 = 1;
    pub(super) const TCP_STATE: u16 = 1;
    pub(super) const TCP_FLAGS_ORIGINAL: u16 = 4;
    pub(super) const TCP_FLAGS_REPLY: u16 = 5;
    pub(super) const NAT_V4_MIN: u16 = 1;
    pub(super) const NAT_PROTO: u16 = 3;
    pub(super) const NAT_V6_MIN: u16 = 4;
    pub(super) const NAT_PORT_MIN: u16 = 1;
    pub(super) const NAT_PORT_MAX: u16 = 2;
    pub(super) const COUNTER_BYTES: u16 = 2;
}

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// `IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED`: what the kernel itself says of a connection that
/// both ends have spoken in, so that it isn't the first to go when the table is full.
const STATUS: u32 = 1 << 1 | 1 << 2 | 1 << 3;

/// `IPS_DST_NAT`: the entry's destination was translated.
const STATUS_TRANSLATED: u32 = 1 << 5;

/// `IP_CT_TCP_FLAG_BE_LIBERAL`, and the same as its mask: an inserted entry knows neither window
/// nor scale, and a strict one drops long downloads as out of window.
const LIBERAL: [u8; 2] = [0x08, 0x08];

/// What the kernel tells of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) flow: Flow,
    /// The state of its TCP; none where an event doesn't say.
    pub(crate) state: Option<TcpState>,
    /// Seconds that it stays when nothing comes.
    pub(crate) timeout: Option<u32>,
    /// Bytes from the client and from the server, headers included, if they are counted.
    pub(crate) bytes: Option<[u64; 2]>,
}

/// What becomes of a flow in each of the kernel's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TcpState {
    /// The handshake isn't over.
    Opening,
    /// Segments may come both ways, or at least one.
    Open(Phase),
    /// It is over, but for its echo.
    Over,
}

/// `enum tcp_conntrack`.
fn state_of(number: u8) -> Option<TcpState> {
    Some(match number {
        1 | 2 | 9 => TcpState::Opening,
        3 => TcpState::Open(Phase::Established),
        4 => TcpState::Open(Phase::FinWait),
        5 => TcpState::Open(Phase::CloseWait),
        6 => TcpState::Open(Phase::LastAck),
        7 | 8 => TcpState::Over,
        _ => return None,
    })
}

fn number_of(phase: Phase) -> u8 {
    match phase {
        Phase::Established => 3,
        Phase::FinWait => 4,
        Phase::CloseWait => 5,
        Phase::LastAck => 6,
    }
}

/// Reads what the kernel tells of an entry; none: it isn't TCP whose destination is translated.
pub(crate) fn read(attributes: &[u8]) -> Option<Told> {
    let status = u32::from_be_bytes(number(attributes, kind::STATUS)?);
    if status & STATUS_TRANSLATED == 0 {
        return None;
    }
    let [client, vip] = read_tuple(find(attributes, kind::TUPLE_ORIGINAL)?)?;
    let [server, source] = read_tuple(find(attributes, kind::TUPLE_REPLY)?)?;
    let tcp = find(attributes, kind::PROTOINFO).and_then(|info| find(info, kind::PROTOINFO_TCP));
    let state = tcp.and_then(|tcp| number::<1>(tcp, kind::TCP_STATE));
    let bytes_of = |direction| {
        let counters = find(attributes, direction)?;
        number(counters, kind::COUNTER_BYTES).map(u64::from_be_bytes)
    };
    Some(Told {
        flow: Flow { client, vip, server, source },
        state: state.and_then(|[state]| state_of(state)),
        timeout: number(attributes, kind::TIMEOUT).map(u32::from_be_bytes),
        bytes: bytes_of(kind::COUNTERS_ORIGINAL)
            .zip(bytes_of(kind::COUNTERS_REPLY))
            .map(|(original, reply)| [original, reply]),
    })
}

fn read_tuple(tuple: &[u8]) -> Option<[SocketAddr; 2]> {
    let ip = find(tuple, kind::TUPLE_IP)?;
    let proto = find(tuple, kind::TUPLE_PROTO)?;
    if number(proto, kind::PROTO_NUMBER)? != [TCP] {
        return None;
    }
    let address = |v4, v6| -> Option<IpAddr> {
        let long = || number::<16>(ip, v6).map(IpAddr::from);
        number::<4>(ip, v4).map(IpAddr::from).or_else(long)
    };
    let source = address(kind::V4_SOURCE, kind::V6_SOURCE)?;
    let destination = address(kind::V4_DESTINATION, kind::V6_DESTINATION)?;
    let port = |kind| number(proto, kind).map(u16::from_be_bytes);
    Some([
        SocketAddr::new(source, port(kind::SOURCE_PORT)?),
        SocketAddr::new(destination, port(kind::DESTINATION_PORT)?),
    ])
}

/// The attributes that make an entry which this kernel never saw the beginning of.
///
/// The reply's tuple is the plain inverse of the original's: the kernel translates it itself, and
/// one that is translated already leaves nothing translated.
pub(crate) fn insertion(entry: &Entry) -> Vec<Attribute> {
    let Flow { client, vip, server, source } = entry.flow;
    vec![
        tuple(kind::TUPLE_ORIGINAL, client, vip),
        tuple(kind::TUPLE_REPLY, vip, client),
        Attribute::u32(kind::STATUS, STATUS),
        Attribute::u32(kind::TIMEOUT, entry.timeout),
        protoinfo(entry.phase),
        translation(kind::NAT_SOURCE, source),
        translation(kind::NAT_DESTINATION, server),
    ]
}

/// The attributes that set state and timeout of an entry that is there. Translations are left out:
/// the kernel refuses them for entries that have theirs.
pub(crate) fn refreshment(entry: &Entry) -> Vec<Attribute> {
    let Flow { client, vip, .. } = entry.flow;
    vec![
        tuple(kind::TUPLE_ORIGINAL, client, vip),
        Attribute::u32(kind::TIMEOUT, entry.timeout),
        protoinfo(entry.phase),
    ]
}

/// The attributes that name an entry.
pub(crate) fn name(flow: &Flow) -> Vec<Attribute> {
    vec![tuple(kind::TUPLE_ORIGINAL, flow.client, flow.vip)]
}

fn tuple(kind: u16, source: SocketAddr, destination: SocketAddr) -> Attribute {
    let (source_kind, destination_kind) = match source {
        SocketAddr::V4(_) => (kind::V4_SOURCE, kind::V4_DESTINATION),
        SocketAddr::V6(_) => (kind::V6_SOURCE, kind::V6_DESTINATION),
    };
    let ip = [
        Attribute::bytes(source_kind, address_bytes(source.ip())),
        Attribute::bytes(destination_kind, address_bytes(destination.ip())),
    ];
    let proto = [
        Attribute::u8(kind::PROTO_NUMBER, TCP),
        Attribute::u16(kind::SOURCE_PORT, source.port()),
        Attribute::u16(kind::DESTINATION_PORT, destination.port()),
    ];
    let parts =
        [Attribute::nested(kind::TUPLE_IP, ip), Attribute::nested(kind::TUPLE_PROTO, proto)];
    Attribute::nested(kind, parts)
}

fn protoinfo(phase: Phase) -> Attribute {
    let tcp = [
        Attribute::u8(kind::TCP_STATE, number_of(phase)),
        Attribute::bytes(kind::TCP_FLAGS_ORIGINAL, LIBERAL),
        Attribute::bytes(kind::TCP_FLAGS_REPLY, LIBERAL),
    ];
    Attribute::nested(kind::PROTOINFO, [Attribute::nested(kind::PROTOINFO_TCP, tcp)])
}

fn translation(kind: u16, to: SocketAddr) -> Attribute {
    let address = match to {
        SocketAddr::V4(_) => kind::NAT_V4_MIN,
        SocketAddr::V6(_) => kind::NAT_V6_MIN,
    };
    let ports = [
        Attribute::u16(kind::NAT_PORT_MIN, to.port()),
        Attribute::u16(kind::NAT_PORT_MAX, to.port()),
    ];
    let parts = [
        Attribute::bytes(address, address_bytes(to.ip())),
        Attribute::nested(kind::NAT_PROTO, ports),
    ];
    Attribute::nested(kind, parts)
}
