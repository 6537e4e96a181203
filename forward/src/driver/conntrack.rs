//! Entries of conntrack: listed, made, deleted, and heard of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use nix::errno::Errno;

use super::Error;
use super::socket::{Header, Heard, Netfilter, Received};
use crate::attribute::Attribute;
use crate::conntrack::{TcpState, Told, insertion, message, name, read, refreshment};
use crate::flows::shadow::Order;
use crate::flows::{Entry, Event, Flow};

/// Where orders go.
pub(super) struct Conntrack {
    socket: Netfilter,
}

/// Hears of changes since it was opened.
pub(super) struct Watch {
    socket: Netfilter,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As ordered.
    Done,
    /// Something else stood there, or nothing did, and it is as ordered now.
    Mended,
}

/// `NFNL_SUBSYS_CTNETLINK`.
const SUBSYSTEM: u16 = 1;

/// `NFNLGRP_CONNTRACK_NEW`, `_UPDATE`, `_DESTROY`.
const GROUPS: [u32; 3] = [1, 2, 3];

/// `NFPROTO_UNSPEC`, `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const ANY: u8 = 0;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// Room for events that wait: some 10,000, which is what 3,000 connections make that come at once.
const EVENTS_ROOM: usize = 8 << 20;

/// Room for a list's part.
const ORDERS_ROOM: usize = 1 << 20;

/// Readings of a list that changes meanwhile. A list of flows that come and go is never steady;
/// what it misses, an event told.
const READINGS_MAX: usize = 3;

impl Conntrack {
    pub(super) fn open() -> Result<Self, Error> {
        let socket = Netfilter::open(&[], ORDERS_ROOM);
        let socket = socket.map_err(|source| Error::Open { what: "conntrack", source })?;
        Ok(Self { socket })
    }

    /// Names this socket's orders in events.
    pub(super) fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Every translated TCP flow.
    pub(super) fn list(&mut self) -> Result<Vec<Told>, Error> {
        let mut told = Vec::new();
        for reading in 1..=READINGS_MAX {
            told.clear();
            let header = header(message::GET, NLM_F_DUMP, ANY);
            let taken = self.socket.ask(header, &[], |received| {
                told.extend(read(received.attributes));
            });
            match taken {
                Ok(()) => break,
                Err(error) if is(&error, Errno::EINTR) && reading == READINGS_MAX => break,
                Err(error) if is(&error, Errno::EINTR) => {}
                Err(error) => return Err(Error::refused("list connections")(error)),
            }
        }
        Ok(told)
    }

    /// Does as ordered. What stands in the way is removed, and what is missing made.
    pub(super) fn carry_out(&mut self, order: &Order) -> Result<Outcome, Error> {
        match order {
            Order::Insert(entry) => match self.insert(entry) {
                Err(error) if is(&error, Errno::EEXIST) => {
                    // Another translation may stand there, and can't be changed.
                    let mended = ignoring_absence(self.delete(&entry.flow))
                        .and_then(|()| self.insert(entry));
                    mended.map(|()| Outcome::Mended)
                }
                outcome => outcome.map(|()| Outcome::Done),
            },
            Order::Refresh(entry) => match self.refresh(entry) {
                Err(error) if is(&error, Errno::ENOENT) => {
                    self.insert(entry).map(|()| Outcome::Mended)
                }
                outcome => outcome.map(|()| Outcome::Done),
            },
            Order::Delete(flow) => ignoring_absence(self.delete(flow)).map(|()| Outcome::Done),
        }
        .map_err(Error::refused("change a connection's entry"))
    }

    fn insert(&mut self, entry: &Entry) -> io::Result<()> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.order(message::NEW, flags, &entry.flow, &insertion(entry))
    }

    fn refresh(&mut self, entry: &Entry) -> io::Result<()> {
        self.order(message::NEW, 0, &entry.flow, &refreshment(entry))
    }

    /// Takes an entry away; `ENOENT` if there is none.
    pub(super) fn delete(&mut self, flow: &Flow) -> io::Result<()> {
        self.order(message::DELETE, 0, flow, &name(flow))
    }

    fn order(
        &mut self,
        kind: u8,
        flags: u16,
        flow: &Flow,
        attributes: &[Attribute],
    ) -> io::Result<()> {
        let family = if flow.vip.is_ipv4() { IPV4 } else { IPV6 };
        self.socket.ask(header(kind, flags, family), attributes, |_| {})
    }
}

impl Watch {
    pub(super) fn open() -> Result<Self, Error> {
        let socket = Netfilter::open(&GROUPS, EVENTS_ROOM);
        let socket = socket.map_err(|source| Error::Open { what: "conntrack event", source })?;
        Ok(Self { socket })
    }

    /// Reads what happened, but for entries that `own` made.
    pub(super) fn read(
        &mut self,
        own: u32,
        mut take: impl FnMut(Event, Told),
    ) -> Result<Heard, Error> {
        let heard = self.socket.events(|received: Received<'_>| {
            let is_deletion = received.kind == SUBSYSTEM << 8 | u16::from(message::DELETE);
            if received.port == own && !is_deletion {
                return;
            }
            let Some(told) = read(received.attributes) else { return };
            let event = if is_deletion { Some(Event::Over(told.flow.key())) } else { event(&told) };
            if let Some(event) = event {
                take(event, told);
            }
        });
        heard.map_err(Error::refused("tell of connections"))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What an entry means for the copy; none for one that still opens or says nothing of its state.
pub(super) fn event(told: &Told) -> Option<Event> {
    match told.state? {
        TcpState::Opening => None,
        TcpState::Open(phase) => {
            Some(Event::Open(Entry { flow: told.flow, phase, timeout: told.timeout? }))
        }
        TcpState::Over => Some(Event::Over(told.flow.key())),
    }
}

fn header(kind: u8, flags: u16, family: u8) -> Header {
    Header { kind: SUBSYSTEM << 8 | u16::from(kind), flags, family, resource: 0 }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn ignoring_absence(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if is(&error, Errno::ENOENT) => Ok(()),
        outcome => outcome,
    }
}
