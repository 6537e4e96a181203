//! The packet socket of a capture.

use std::{
    io::{self, IoSliceMut, PipeReader},
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::{Frame, SNAP_LENGTH};

/// A socket that hears everything which passes an interface.
#[derive(Debug)]
pub(super) struct Tap {
    socket: Socket,
    /// Index of the interface. The socket hears the others too, and they are passed over: binding
    /// it to one would need an address that only unsafe code can make.
    interface: usize,
}

impl Tap {
    /// To be called in the host's namespace.
    pub(super) fn open(interface: usize) -> io::Result<Self> {
        let all = Protocol::from(i32::from(EVERYTHING.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all))?;
        socket
            .attach_filter(&FILTER.map(|(code, yes, no, k)| SockFilter::new(code, yes, no, k)))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // A thread that comes late on a busy machine misses nothing. As much as is allowed is
        // enough where more isn't.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        Ok(Self { socket, interface })
    }

    /// Hands on frames until the other end of `stopped` is closed.
    pub(super) fn read_until(&self, stopped: &PipeReader, mut take: impl FnMut(Frame)) {
        loop {
            let mut ready = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            while let Some(frame) = self.read() {
                take(frame);
            }
            if ready[1].any() == Some(true) {
                return;
            }
        }
    }

    /// The next frame on the interface, if one is there.
    fn read(&self) -> Option<Frame> {
        loop {
            let mut bytes = vec![0; SNAP_LENGTH];
            let mut control = cmsg_space!(TimeSpec);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_TRUNC;
            let descriptor = self.socket.as_raw_fd();
            let message =
                match recvmsg::<LinkAddr>(descriptor, &mut parts, Some(&mut control), flags) {
                    Ok(message) => message,
                    Err(Errno::EINTR) => continue,
                    Err(_) => return None,
                };
            let (length, source) = (message.bytes, message.address);
            let stamp = message.cmsgs().ok().and_then(|all| all.filter_map(stamp_of).next());
            let Some(source) = source.filter(|source| source.ifindex() == self.interface) else {
                continue;
            };
            bytes.truncate(length);
            let (wall, at) = times(stamp);
            let outgoing = source.pkttype() == PACKET_OUTGOING;
            return Some(Frame { at, wall, outgoing, bytes, length });
        }
    }
}

fn stamp_of(control: ControlMessageOwned) -> Option<Duration> {
    if let ControlMessageOwned::ScmTimestampns(stamp) = control {
        return Some(stamp.into());
    }
    None
}

/// When the kernel saw a frame, by both clocks.
fn times(stamp: Option<Duration>) -> (SystemTime, Instant) {
    let (now, wall_now) = (Instant::now(), SystemTime::now());
    let wall = stamp.map_or(wall_now, |stamp| SystemTime::UNIX_EPOCH + stamp);
    let ago = wall_now.duration_since(wall).unwrap_or_default();
    (wall, now.checked_sub(ago).unwrap_or(now))
}

/// `ETH_P_ALL` of linux/if_ether.h.
const EVERYTHING: u16 = 3;

/// `PACKET_OUTGOING` of packet(7).
const PACKET_OUTGOING: u8 = 4;

/// Bytes of frames that may wait for the thread.
const BUFFER: usize = 4 << 20;

/// Keeps ARP, IP protocol 112, and router and neighbour discovery (ICMPv6 types 133 to 137). A
/// program of the kernel's packet filter: code, steps over if true and if false, operand.
const FILTER: [(u16, u8, u8, u32); 14] = [
    (LOAD_HALF, 0, 0, 12),       // type of the frame
    (JUMP_EQUAL, 10, 0, 0x0806), // ARP: keep
    (JUMP_EQUAL, 0, 2, 0x0800),  // IPv4, else over its part
    (LOAD_BYTE, 0, 0, 23),       // its protocol
    (JUMP_EQUAL, 7, 8, 112),     // VRRP: keep, else drop
    (JUMP_EQUAL, 0, 7, 0x86dd),  // IPv6, else drop
    (LOAD_BYTE, 0, 0, 20),       // its next header
    (JUMP_EQUAL, 4, 0, 112),     // VRRP: keep
    (JUMP_EQUAL, 0, 4, 58),      // ICMPv6, else drop
    (LOAD_BYTE, 0, 0, 54),       // its type
    (JUMP_AT_LEAST, 0, 2, 133),
    (JUMP_ABOVE, 1, 0, 137),
    (RETURN, 0, 0, 0x4_0000), // keep the whole frame; reading cuts it
    (RETURN, 0, 0, 0),        // drop
];

const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ABOVE: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
