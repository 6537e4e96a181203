//! Transactions to nftables, and what it holds.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP};
use nix::errno::Errno;

use super::Error;
use super::socket::{Header, Netfilter, Received, write};
use crate::attribute::{Attribute, find, number, text};
use crate::nftables::{Creation, Held, Item, counter, kind, message, orders};
use crate::program::{Step, TABLE};

/// Where transactions go.
pub(super) struct Nftables {
    socket: Netfilter,
}

/// `NFNL_SUBSYS_NFTABLES`, `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`, `NFT_MSG_GETGEN`,
/// `NFTA_GEN_ID`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const GET_GENERATION: u8 = 16;
const GENERATION_ID: u16 = 1;

/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;

/// Room for the longest transaction: 64 maps of 1,152 slots at 64 bytes, replaced at once, are
/// some 9 MB as the kernel counts them.
const ROOM: usize = 16 << 20;

/// Readings of a list that changes meanwhile, before it is given up.
const READINGS_MAX: usize = 8;

impl Nftables {
    pub(super) fn open() -> Result<Self, Error> {
        let socket = Netfilter::open(&[], ROOM);
        let socket = socket.map_err(|source| Error::Open { what: "nftables", source })?;
        Ok(Self { socket })
    }

    /// Carries out steps: all of them, or none.
    pub(super) fn commit(&mut self, steps: &[Step]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let control = |kind| Header { kind, flags: 0, family: 0, resource: SUBSYSTEM };
        let mut ordered = Vec::new();
        write(&mut bytes, control(BATCH_BEGIN), self.socket.next_sequence(), &[]);
        for (set_id, step) in (1..).zip(steps) {
            for order in orders(step, set_id) {
                let sequence = self.socket.next_sequence();
                let creation = match order.creation {
                    Creation::No => 0,
                    Creation::Anyway => NLM_F_CREATE,
                    Creation::Last => NLM_F_CREATE | NLM_F_APPEND,
                };
                // One word that all is done, rather than thousands.
                let flags = creation | if ordered.is_empty() { NLM_F_ACK } else { 0 };
                let kind = SUBSYSTEM << 8 | u16::from(order.kind);
                let header = Header { kind, flags, family: INET, resource: 0 };
                write(&mut bytes, header, sequence, &order.attributes);
                ordered.push((sequence, step));
            }
        }
        write(&mut bytes, control(BATCH_END), self.socket.next_sequence(), &[]);
        self.socket.send(&bytes).map_err(Error::refused("take a table"))?;
        let outcomes = self.socket.outcomes().map_err(Error::refused("answer"))?;
        if outcomes.is_empty() {
            let source = io::ErrorKind::TimedOut.into();
            return Err(Error::Refused { what: "answer".to_owned(), source });
        }
        for (sequence, outcome) in outcomes {
            let step = ordered.iter().find(|(ordered, _)| *ordered == sequence);
            let what = step.map_or_else(|| "take a table".to_owned(), |(_, step)| describe(step));
            outcome.map_err(Error::refused(what))?;
        }
        Ok(())
    }

    /// Changes with every transaction, whoever makes it.
    pub(super) fn generation(&mut self) -> Result<u32, Error> {
        let mut generation = None;
        self.ask(GET_GENERATION, 0, &[], |attributes| {
            generation = number(attributes, GENERATION_ID).map(u32::from_be_bytes);
        })
        .map_err(Error::refused("tell the generation of its rules"))?;
        Ok(generation.unwrap_or_default())
    }

    /// All that the table of our name holds.
    pub(super) fn held(&mut self) -> Result<Held, Error> {
        for _ in 0..READINGS_MAX {
            match self.read() {
                Ok(held) => return Ok(held),
                Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                // A set went away between two questions.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::refused("list its rules")(error)),
            }
        }
        Err(Error::Unsteady { what: "rules" })
    }

    /// What each of our counters has counted, in packets.
    pub(super) fn counters(&mut self) -> Result<Vec<(String, u64)>, Error> {
        let mut counted = Vec::new();
        let of_table = [Attribute::text(kind::OBJECT_TABLE, TABLE)];
        self.ask(message::GET_OBJECT, NLM_F_DUMP, &of_table, |attributes| {
            if find(attributes, kind::OBJECT_TABLE).and_then(text) == Some(TABLE) {
                counted.extend(counter(attributes));
            }
        })
        .map_err(Error::refused("list its counters"))?;
        Ok(counted)
    }

    fn read(&mut self) -> io::Result<Held> {
        let mut held = Held::default();
        let table = [Attribute::text(kind::TABLE_NAME, TABLE)];
        match self.ask(message::GET_TABLE, 0, &table, |_| {}) {
            Ok(()) => held.is_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(held),
            Err(error) => return Err(error),
        }
        let lists = [
            (message::GET_OBJECT, Item::Counter, kind::OBJECT_TABLE),
            (message::GET_CHAIN, Item::Chain, kind::CHAIN_TABLE),
            (message::GET_RULE, Item::Rule, kind::RULE_TABLE),
            (message::GET_SET, Item::Set, kind::SET_TABLE),
        ];
        for (question, item, table_kind) in lists {
            let of_table = [Attribute::text(table_kind, TABLE)];
            self.ask(question, NLM_F_DUMP, &of_table, |attributes| {
                // Not every list is one table's, whatever was asked for.
                if find(attributes, table_kind).and_then(text) == Some(TABLE) {
                    held.push(item, attributes);
                }
            })?;
        }
        for name in held.set_names() {
            let of_set = [
                Attribute::text(kind::ELEMENTS_TABLE, TABLE),
                Attribute::text(kind::ELEMENTS_SET, &name),
            ];
            self.ask(message::GET_ELEMENTS, NLM_F_DUMP, &of_set, |attributes| {
                held.push(Item::Elements, attributes);
            })?;
        }
        Ok(held)
    }

    fn ask(
        &mut self,
        question: u8,
        flags: u16,
        attributes: &[Attribute],
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let kind = SUBSYSTEM << 8 | u16::from(question);
        let header = Header { kind, flags, family: INET, resource: 0 };
        self.socket.ask(header, attributes, |received: Received<'_>| take(received.attributes))
    }
}

fn describe(step: &Step) -> String {
    match step {
        Step::AddTable => "make a table".to_owned(),
        Step::DeleteTable => "delete a table".to_owned(),
        Step::AddCounter(name) => format!("make counter {name}"),
        Step::DeleteCounter(name) => format!("delete counter {name}"),
        Step::AddSet(set) => format!("make set {}", set.name),
        Step::DeleteSet(name) => format!("delete set {name}"),
        Step::AddChain(chain) => format!("make chain {}", chain.name),
        Step::DeleteChain(name) => format!("delete chain {name}"),
        Step::FlushChain(name) => format!("empty chain {name}"),
        Step::AddRule { chain, rule } => format!("put a rule into chain {chain}: {rule:?}"),
        Step::DeleteElements { set, .. } => format!("take elements out of set {set}"),
        Step::AddElements { set, .. } => format!("put elements into set {set}"),
    }
}
