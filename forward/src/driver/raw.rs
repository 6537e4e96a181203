//! One bare ACK, from an address that is forwarded and that no local socket has.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::Error;
use crate::flows::Flow;
use crate::nftables::address_bytes;

/// Sends segments with headers of its own.
#[derive(Debug)]
pub(super) struct Raw {
    v4: Socket,
    /// None on a host without IPv6.
    v6: Option<Socket>,
}

/// `IPPROTO_RAW`: the header comes along; `IPPROTO_TCP`.
const RAW: i32 = 255;
const TCP: u8 = 6;

/// Hops, as Linux' own packets have.
const HOPS: u8 = 64;

/// A TCP header without options, and its flag ACK.
const TCP_LEN: u16 = 20;
const ACK: u8 = 0x10;

impl Raw {
    pub(super) fn open() -> Result<Self, Error> {
        let open = |domain| {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(RAW)))?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        let failed = |source| Error::Open { what: "raw", source };
        let v6 = match open(Domain::IPV6) {
            Err(error) if error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => None,
            socket => Some(socket.map_err(failed)?),
        };
        Ok(Self { v4: open(Domain::IPV4).map_err(failed)?, v6 })
    }

    /// Sends the client of a flow an ACK with this sequence number.
    pub(super) fn ask(&self, flow: &Flow, sequence: u32) -> io::Result<()> {
        let segment = segment(flow, sequence);
        let packet = packet(flow.vip.ip(), flow.client.ip(), &segment);
        let socket = match flow.client {
            SocketAddr::V4(_) => &self.v4,
            SocketAddr::V6(_) => {
                self.v6.as_ref().ok_or_else(|| io::Error::from(Errno::EAFNOSUPPORT))?
            }
        };
        // A raw socket knows no ports.
        let to = SocketAddr::new(flow.client.ip(), 0);
        socket.send_to(&packet, &to.into()).map(drop)
    }
}

fn segment(flow: &Flow, sequence: u32) -> Vec<u8> {
    let mut segment = Vec::with_capacity(usize::from(TCP_LEN));
    segment.extend(flow.vip.port().to_be_bytes());
    segment.extend(flow.client.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    // Acknowledges what was never sent; the number before it is what is refused.
    segment.extend(sequence.to_be_bytes());
    // Five words of header; no window; checksum and urgent pointer.
    segment.extend([5 << 4, ACK, 0, 0, 0, 0, 0, 0]);
    let pseudo = [
        address_bytes(flow.vip.ip()),
        address_bytes(flow.client.ip()),
        vec![0, TCP],
        TCP_LEN.to_be_bytes().to_vec(),
        segment.clone(),
    ];
    segment[16..18].copy_from_slice(&checksum(&pseudo.concat()).to_be_bytes());
    segment
}

/// The kernel fills in length, identification and checksum of IPv4.
fn packet(source: IpAddr, destination: IpAddr, segment: &[u8]) -> Vec<u8> {
    let mut packet = match source {
        IpAddr::V4(_) => vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, HOPS, TCP, 0, 0],
        IpAddr::V6(_) => {
            let [high, low] = TCP_LEN.to_be_bytes();
            vec![0x60, 0, 0, 0, high, low, TCP, HOPS]
        }
    };
    packet.extend(address_bytes(source));
    packet.extend(address_bytes(destination));
    packet.extend_from_slice(segment);
    packet
}

/// RFC 1071, over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while let Ok(carry @ 1..) = u16::try_from(sum >> 16) {
        sum = (sum & 0xffff) + u32::from(carry);
    }
    !u16::try_from(sum).expect("the carry was added until none was left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_adds_up_to_nothing() {
        for [vip, client] in [["10.0.0.1:6443", "10.0.0.2:40000"], ["[fd00::1]:1", "[fd00::2]:2"]] {
            let [vip, client] = [vip, client].map(|text| text.parse::<SocketAddr>().unwrap());
            let flow = Flow { client, vip, server: vip, source: vip };
            let segment = segment(&flow, 0xfedc_ba98);
            assert_eq!(segment.len(), usize::from(TCP_LEN));
            let pseudo = [
                address_bytes(vip.ip()),
                address_bytes(client.ip()),
                vec![0, TCP],
                TCP_LEN.to_be_bytes().to_vec(),
                segment,
            ];
            assert_eq!(checksum(&pseudo.concat()), 0);
        }
    }
}
