//! Orders to nftables, and what it holds, in the kernel's attributes
//! (`include/uapi/linux/netfilter/nf_tables.h`, whose names stand beside the numbers).

mod expressions;
mod held;

use std::net::IpAddr;

pub(crate) use held::{Held, Item, differences};

use crate::attribute::{Attribute, find, number, text};
use crate::program::{
    Chain, ChainKind, Data, DataType, Element, Family, HookPoint, Key, KeyType, Set, Step, TABLE,
};

/// One message: what is ordered, with which flags beside the usual, and the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) kind: u8,
    pub(crate) creation: Creation,
    pub(crate) attributes: Vec<Attribute>,
}

/// What an order does if its object isn't there, or is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// It takes something away.
    No,
    /// It makes it, or leaves it as it is (`NLM_F_CREATE`).
    Anyway,
    /// As [`Creation::Anyway`], behind what is there (`NLM_F_APPEND`).
    Last,
}

/// `NFT_MSG_*`.
pub(crate) mod message {
    pub(crate) const NEW_TABLE: u8 = 0;
    pub(crate) const GET_TABLE: u8 = 1;
    pub(crate) const DELETE_TABLE: u8 = 2;
    pub(crate) const NEW_CHAIN: u8 = 3;
    pub(crate) const GET_CHAIN: u8 = 4;
    pub(crate) const DELETE_CHAIN: u8 = 5;
    pub(crate) const NEW_RULE: u8 = 6;
    pub(crate) const GET_RULE: u8 = 7;
    pub(crate) const DELETE_RULE: u8 = 8;
    pub(crate) const NEW_SET: u8 = 9;
    pub(crate) const GET_SET: u8 = 10;
    pub(crate) const DELETE_SET: u8 = 11;
    pub(crate) const NEW_ELEMENTS: u8 = 12;
    pub(crate) const GET_ELEMENTS: u8 = 13;
    pub(crate) const DELETE_ELEMENTS: u8 = 14;
    pub(crate) const NEW_OBJECT: u8 = 18;
    pub(crate) const GET_OBJECT: u8 = 19;
    pub(crate) const DELETE_OBJECT: u8 = 20;
}

/// `NFTA_*` of the objects.
pub(crate) mod kind {
    pub(crate) const TABLE_NAME: u16 = 1;
    pub(crate) const CHAIN_TABLE: u16 = 1;
    pub(crate) const CHAIN_NAME: u16 = 3;
    pub(crate) const CHAIN_HOOK: u16 = 4;
    pub(crate) const CHAIN_POLICY: u16 = 5;
    pub(crate) const CHAIN_TYPE: u16 = 7;
    pub(crate) const HOOK_POINT: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
    pub(crate) const RULE_TABLE: u16 = 1;
    pub(crate) const RULE_CHAIN: u16 = 2;
    pub(crate) const RULE_EXPRESSIONS: u16 = 4;
    pub(crate) const OBJECT_TABLE: u16 = 1;
    pub(crate) const OBJECT_NAME: u16 = 2;
    pub(crate) const OBJECT_TYPE: u16 = 3;
    pub(crate) const OBJECT_DATA: u16 = 4;
    pub(crate) const COUNTER_BYTES: u16 = 1;
    pub(crate) const COUNTER_PACKETS: u16 = 2;
    pub(crate) const SET_TABLE: u16 = 1;
    pub(crate) const SET_NAME: u16 = 2;
    pub(crate) const SET_FLAGS: u16 = 3;
    pub(crate) const SET_KEY_TYPE: u16 = 4;
    pub(crate) const SET_KEY_LEN: u16 = 5;
    pub(crate) const SET_DATA_TYPE: u16 = 6;
    pub(crate) const SET_DATA_LEN: u16 = 7;
    pub(crate) const SET_ID: u16 = 10;
    pub(crate) const ELEMENTS_TABLE: u16 = 1;
    pub(crate) const ELEMENTS_SET: u16 = 2;
    pub(crate) const ELEMENTS: u16 = 3;
    pub(crate) const ELEMENT_KEY: u16 = 1;
    pub(crate) const ELEMENT_DATA: u16 = 2;
    pub(crate) const LIST_ELEMENT: u16 = 1;
    pub(crate) const DATA_VALUE: u16 = 1;
    pub(crate) const DATA_VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
}

/// `NFT_SET_MAP`.
const FLAG_MAP: u32 = 8;

/// `NFT_DATA_VERDICT`: what a map finds is what is done next.
const DATA_TYPE_VERDICT: u32 = 0xffff_ff00;

/// `NFT_GOTO`, which is −4.
const GOTO: u32 = 0xffff_fffc;

/// `NFT_OBJECT_COUNTER`.
const OBJECT_COUNTER: u32 = 1;

/// `NF_ACCEPT`: what no rule concerns passes.
const ACCEPT: u32 = 1;

/// Elements of one message: with 64 bytes each well below the 64 KiB of an attribute.
const ELEMENTS_MAX: usize = 512;

/// The messages of a step. A set gets `set_id` as its number within the transaction.
pub(crate) fn orders(step: &Step, set_id: u32) -> Vec<Order> {
    use Creation::{Anyway, Last, No};
    let one = |kind, creation, attributes| vec![Order { kind, creation, attributes }];
    let named = |table, object, name: &str| {
        vec![Attribute::text(table, TABLE), Attribute::text(object, name)]
    };
    match step {
        Step::AddTable => {
            one(message::NEW_TABLE, Anyway, vec![Attribute::text(kind::TABLE_NAME, TABLE)])
        }
        Step::DeleteTable => {
            one(message::DELETE_TABLE, No, vec![Attribute::text(kind::TABLE_NAME, TABLE)])
        }
        Step::AddCounter(name) => {
            let mut attributes = counter_attributes(name);
            let zero = [kind::COUNTER_BYTES, kind::COUNTER_PACKETS]
                .map(|kind| Attribute::bytes(kind, 0u64.to_be_bytes()));
            attributes.push(Attribute::nested(kind::OBJECT_DATA, zero));
            one(message::NEW_OBJECT, Anyway, attributes)
        }
        Step::DeleteCounter(name) => one(message::DELETE_OBJECT, No, counter_attributes(name)),
        Step::AddSet(set) => {
            let mut attributes = set_attributes(set);
            attributes.push(Attribute::u32(kind::SET_ID, set_id));
            one(message::NEW_SET, Anyway, attributes)
        }
        Step::DeleteSet(name) => {
            one(message::DELETE_SET, No, named(kind::SET_TABLE, kind::SET_NAME, name))
        }
        Step::AddChain(chain) => one(message::NEW_CHAIN, Anyway, chain_attributes(chain)),
        Step::DeleteChain(name) => {
            one(message::DELETE_CHAIN, No, named(kind::CHAIN_TABLE, kind::CHAIN_NAME, name))
        }
        // A rule's deletion that names none means all of the chain's.
        Step::FlushChain(name) => {
            one(message::DELETE_RULE, No, named(kind::RULE_TABLE, kind::RULE_CHAIN, name))
        }
        Step::AddRule { chain, rule } => {
            let mut attributes = named(kind::RULE_TABLE, kind::RULE_CHAIN, chain);
            attributes.push(expressions::rule(rule));
            one(message::NEW_RULE, Last, attributes)
        }
        Step::DeleteElements { set, elements } => {
            element_orders(message::DELETE_ELEMENTS, No, set, elements)
        }
        Step::AddElements { set, elements } => {
            element_orders(message::NEW_ELEMENTS, Anyway, set, elements)
        }
    }
}

fn element_orders(kind: u8, creation: Creation, set: &str, elements: &[Element]) -> Vec<Order> {
    let parts = elements.chunks(ELEMENTS_MAX);
    let order = |part: &[Element]| {
        let list: Vec<_> = part.iter().map(element).collect();
        let attributes = vec![
            Attribute::text(kind::ELEMENTS_TABLE, TABLE),
            Attribute::text(kind::ELEMENTS_SET, set),
            Attribute::nested(kind::ELEMENTS, list),
        ];
        Order { kind, creation, attributes }
    };
    parts.map(order).collect()
}

fn counter_attributes(name: &str) -> Vec<Attribute> {
    vec![
        Attribute::text(kind::OBJECT_TABLE, TABLE),
        Attribute::text(kind::OBJECT_NAME, name),
        Attribute::u32(kind::OBJECT_TYPE, OBJECT_COUNTER),
    ]
}

/// The packets that a counter has counted, and its name.
pub(crate) fn counter(attributes: &[u8]) -> Option<(String, u64)> {
    let name = text(find(attributes, kind::OBJECT_NAME)?)?;
    let data = find(attributes, kind::OBJECT_DATA)?;
    let packets = u64::from_be_bytes(number(data, kind::COUNTER_PACKETS)?);
    Some((name.to_owned(), packets))
}

fn chain_attributes(chain: &Chain) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::text(kind::CHAIN_TABLE, TABLE),
        Attribute::text(kind::CHAIN_NAME, &chain.name),
    ];
    let Some(hook) = chain.hook else { return attributes };
    let point = match hook.point {
        HookPoint::Prerouting => 0,
        HookPoint::Output => 3,
        HookPoint::Postrouting => 4,
    };
    let name = match hook.kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
    };
    attributes.extend([
        Attribute::nested(
            kind::CHAIN_HOOK,
            [
                Attribute::u32(kind::HOOK_POINT, point),
                Attribute::bytes(kind::HOOK_PRIORITY, hook.priority.to_be_bytes()),
            ],
        ),
        Attribute::u32(kind::CHAIN_POLICY, ACCEPT),
        Attribute::text(kind::CHAIN_TYPE, name),
    ]);
    attributes
}

fn set_attributes(set: &Set) -> Vec<Attribute> {
    let (key_type, key_len) = match set.key {
        KeyType::Number => (nft_type::MARK, 4),
        KeyType::Address(family) => (address_type(family), family.address_len()),
        KeyType::Endpoint(family) => (endpoint_type(family), family.address_len() + 4),
    };
    let mut attributes = vec![
        Attribute::text(kind::SET_TABLE, TABLE),
        Attribute::text(kind::SET_NAME, &set.name),
        Attribute::u32(kind::SET_KEY_TYPE, key_type),
        Attribute::u32(kind::SET_KEY_LEN, key_len),
    ];
    if set.data.is_some() {
        attributes.push(Attribute::u32(kind::SET_FLAGS, FLAG_MAP));
    }
    match set.data {
        None => {}
        Some(DataType::Chain) => {
            attributes.push(Attribute::u32(kind::SET_DATA_TYPE, DATA_TYPE_VERDICT));
        }
        Some(DataType::Endpoint(family)) => attributes.extend([
            Attribute::u32(kind::SET_DATA_TYPE, endpoint_type(family)),
            Attribute::u32(kind::SET_DATA_LEN, family.address_len() + 4),
        ]),
    }
    attributes
}

/// Numbers by which `nft` knows how to show what a set holds (its `enum datatypes`). A number from
/// a counter or a hash is shown as a mark, the one type of 4 bytes in the host's order: Debian 12's
/// `nft list` crashes where a map says `typeof jhash`.
mod nft_type {
    pub(super) const IPV4: u32 = 7;
    pub(super) const IPV6: u32 = 8;
    pub(super) const PORT: u32 = 13;
    pub(super) const MARK: u32 = 19;
    /// Bits of one type in a concatenation.
    pub(super) const BITS: u32 = 6;
}

fn address_type(family: Family) -> u32 {
    match family {
        Family::V4 => nft_type::IPV4,
        Family::V6 => nft_type::IPV6,
    }
}

fn endpoint_type(family: Family) -> u32 {
    address_type(family) << nft_type::BITS | nft_type::PORT
}

fn key_bytes(key: Key) -> Vec<u8> {
    match key {
        Key::Number(number) => number.to_ne_bytes().to_vec(),
        Key::Address(address) => address_bytes(address),
        Key::Endpoint(endpoint) => endpoint_bytes(endpoint.ip(), endpoint.port()),
    }
}

fn element(element: &Element) -> Attribute {
    let key = key_bytes(element.key);
    let mut parts =
        vec![Attribute::nested(kind::ELEMENT_KEY, [Attribute::bytes(kind::DATA_VALUE, key)])];
    match &element.data {
        None => {}
        Some(Data::Chain(chain)) => {
            let verdict = [
                Attribute::u32(kind::VERDICT_CODE, GOTO),
                Attribute::text(kind::VERDICT_CHAIN, chain),
            ];
            let data = [Attribute::nested(kind::DATA_VERDICT, verdict)];
            parts.push(Attribute::nested(kind::ELEMENT_DATA, data));
        }
        Some(Data::Endpoint(endpoint)) => {
            let bytes = endpoint_bytes(endpoint.ip(), endpoint.port());
            let data = [Attribute::bytes(kind::DATA_VALUE, bytes)];
            parts.push(Attribute::nested(kind::ELEMENT_DATA, data));
        }
    }
    Attribute::nested(kind::LIST_ELEMENT, parts)
}

pub(crate) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Address and port as they lie in registers: each part fills words of 4 bytes.
fn endpoint_bytes(address: IpAddr, port: u16) -> Vec<u8> {
    let mut bytes = address_bytes(address);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0; 2]);
    bytes
}
