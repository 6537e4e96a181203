//! What a captured frame says. Read here anew, from the RFCs, so that a mistake of the program under
//! test can't hide in what it shares with the apparatus.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use super::Frame;

/// A frame as far as it matters here.
#[derive(Clone, Debug)]
pub enum Packet {
    /// IP protocol 112.
    Advert(Advert),
    /// ARP, or a neighbour advertisement.
    Claim(Claim),
    /// Anything else, or broken.
    Other,
}

/// A VRRP advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// When the kernel saw it.
    pub at: Instant,
    /// Hardware address of the sender.
    pub hardware: [u8; 6],
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// 2 or 3, as said.
    pub version: u8,
    /// Id of the virtual router.
    pub router_id: u8,
    /// 0 gives up.
    pub priority: u8,
    /// Time between adverts, as said.
    pub interval: Duration,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Type and data of the authentication; version 2 only.
    pub authentication: Option<(u8, Vec<u8>)>,
    /// Whether its checksum is right, and what it covers.
    pub checksum: Checksum,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The message alone: version 2, and version 3 over IPv4 by RFC 9568.
    Message,
    /// With the pseudo-header of the packet's own addresses: IPv6, and version 3 over IPv4 as
    /// keepalived and FRR read RFC 5798.
    PseudoHeader,
    /// Neither: it is wrong.
    Wrong,
}

/// Somebody says that an address is at a hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When the kernel saw it.
    pub at: Instant,
    /// The address; unspecified in an ARP probe, which claims nothing.
    pub address: IpAddr,
    /// Where it is said to be.
    pub hardware: [u8; 6],
    /// Said to everybody, unasked.
    pub gratuitous: bool,
    /// An answer by its form (ARP reply, neighbour advertisement).
    pub reply: bool,
    /// The address that is asked for.
    pub target: IpAddr,
}

impl Packet {
    /// Reads a frame.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        if let Some(advert) = Advert::of(frame) {
            return Self::Advert(advert);
        }
        Claim::of(frame).map_or(Self::Other, Self::Claim)
    }
}

impl Advert {
    /// Reads a frame; none for one that isn't an advert or is cut.
    #[must_use]
    pub fn of(frame: &Frame) -> Option<Self> {
        let ip = Ip::of(&frame.bytes)?;
        if ip.protocol != VRRP {
            return None;
        }
        let message = ip.payload;
        let (first, router_id) = (*message.first()?, *message.get(1)?);
        let (version, kind) = (first >> 4, first & 0xf);
        if kind != ADVERTISEMENT {
            return None;
        }
        let count = usize::from(*message.get(3)?);
        let width = if ip.source.is_ipv4() { 4 } else { 16 };
        let listed = message.get(8..8 + count * width)?;
        let addresses = listed.chunks_exact(width).filter_map(address).collect();
        let (interval, authentication) = if version == 2 {
            let data = message.get(8 + count * width..)?;
            let kind = *message.get(4)?;
            (Duration::from_secs((*message.get(5)?).into()), Some((kind, data.to_vec())))
        } else {
            let centiseconds = u16::from_be_bytes([message.get(4)? & 0xf, *message.get(5)?]);
            (Duration::from_millis(10) * u32::from(centiseconds), None)
        };
        Some(Self {
            at: frame.at,
            hardware: frame.bytes.get(6..12)?.try_into().ok()?,
            source: ip.source,
            destination: ip.destination,
            hop_limit: ip.hop_limit,
            version,
            router_id,
            priority: *message.get(2)?,
            interval,
            addresses,
            authentication,
            checksum: ip.checksum(),
        })
    }
}

impl Claim {
    /// Reads a frame; none for one that is neither ARP nor a neighbour advertisement.
    #[must_use]
    pub fn of(frame: &Frame) -> Option<Self> {
        let bytes = frame.bytes.as_slice();
        match bytes.get(12..14)? {
            [0x08, 0x06] => {
                let (sender, target) = (address(bytes.get(28..32)?)?, address(bytes.get(38..42)?)?);
                Some(Self {
                    at: frame.at,
                    address: sender,
                    hardware: bytes.get(22..28)?.try_into().ok()?,
                    gratuitous: sender == target,
                    reply: bytes.get(20..22)? == [0, 2],
                    target,
                })
            }
            [0x86, 0xdd] => {
                let ip = Ip::of(bytes)?;
                if ip.protocol != ICMPV6 || *ip.payload.first()? != NEIGHBOUR_ADVERTISEMENT {
                    return None;
                }
                let address = address(ip.payload.get(8..24)?)?;
                // The option with the hardware address comes first where there is one.
                let option = ip.payload.get(24..32).filter(|option| option.starts_with(&[2, 1]))?;
                Some(Self {
                    at: frame.at,
                    address,
                    hardware: option.get(2..8)?.try_into().ok()?,
                    gratuitous: ip.payload.get(4)? & 0x40 == 0,
                    reply: true,
                    target: address,
                })
            }
            _ => None,
        }
    }
}

/// An IP packet in a frame.
struct Ip<'a> {
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    protocol: u8,
    payload: &'a [u8],
}

impl<'a> Ip<'a> {
    fn of(frame: &'a [u8]) -> Option<Self> {
        let packet = frame.get(14..)?;
        match frame.get(12..14)? {
            [0x08, 0x00] => {
                let header = usize::from(packet.first()? & 0xf) * 4;
                let length = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
                Some(Self {
                    source: address(packet.get(12..16)?)?,
                    destination: address(packet.get(16..20)?)?,
                    hop_limit: *packet.get(8)?,
                    protocol: *packet.get(9)?,
                    // What follows the packet is padding of a short frame.
                    payload: packet.get(header..length.into())?,
                })
            }
            [0x86, 0xdd] => {
                let length = u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?);
                Some(Self {
                    source: address(packet.get(8..24)?)?,
                    destination: address(packet.get(24..40)?)?,
                    hop_limit: *packet.get(7)?,
                    protocol: *packet.get(6)?,
                    payload: packet.get(40..40 + usize::from(length))?,
                })
            }
            _ => None,
        }
    }

    fn checksum(&self) -> Checksum {
        let message = sum(self.payload);
        let length = u32::try_from(self.payload.len()).unwrap_or_default();
        let rest = length + u32::from(self.protocol);
        let pseudo = message + sum(&octets(self.source)) + sum(&octets(self.destination)) + rest;
        if self.source.is_ipv4() && folds_to_ones(message) {
            Checksum::Message
        } else if folds_to_ones(pseudo) {
            Checksum::PseudoHeader
        } else {
            Checksum::Wrong
        }
    }
}

/// Sum of 16-bit words; a frame that was kept is too short to overflow it.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2);
    words.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

/// One's-complement arithmetic: a sum with its right checksum in it is all ones.
fn folds_to_ones(mut sum: u32) -> bool {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum == 0xffff
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advert(advert) => advert.fmt(f),
            Self::Claim(claim) => claim.fmt(f),
            Self::Other => write!(f, "other"),
        }
    }
}

impl fmt::Display for Advert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, version, router_id, priority, interval, .. } = self;
        write!(
            f,
            "{source} > {destination} VRRPv{version} router {router_id} priority {priority} every \
             {interval:?} for {:?}",
            self.addresses
        )?;
        if self.checksum == Checksum::Wrong { write!(f, " WRONG CHECKSUM") } else { Ok(()) }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.reply { "answer" } else { "question" };
        let octets = self.hardware.map(|octet| format!("{octet:02x}")).join(":");
        let (address, target) = (self.address, self.target);
        if self.gratuitous {
            write!(f, "{address} is at {octets} (unasked, as {form})")
        } else {
            write!(f, "{address} is at {octets} ({form} about {target})")
        }
    }
}

const VRRP: u8 = 112;

const ADVERTISEMENT: u8 = 1;

const ICMPV6: u8 = 58;

const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
