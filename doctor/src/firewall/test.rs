//! What a rule asks of a packet.

use std::net::IpAddr;

use serde_json::Value;

use super::{Packet, Way};

/// One condition of a rule, as nft's JSON has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    /// What is looked at; none: something that isn't modelled.
    pub(super) field: Option<Field>,
    /// It must not be so.
    pub(super) negated: bool,
    /// The values, one or a set.
    pub(super) values: Value,
}

/// What of a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    InInterface,
    OutInterface,
    Protocol,
    Destination,
    Port,
    /// Connection tracking's word.
    State,
    /// What connection tracking has done to it.
    Status,
    /// The family of the packet.
    Family,
}

/// Whether a packet is as asked. In this order, so that the smallest of several answers is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    No,
    Perhaps,
    Yes,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Test {
    pub(super) fn unknown() -> Self {
        Self { field: None, negated: false, values: Value::Null }
    }

    pub(super) fn ask(&self, packet: &Packet) -> Answer {
        let Some(field) = self.field else { return Answer::Perhaps };
        let answer = any(&self.values, &|value| one(field, value, packet));
        match (answer, self.negated) {
            (answer, false) => answer,
            (Answer::Yes, true) => Answer::No,
            (Answer::No, true) => Answer::Yes,
            (Answer::Perhaps, true) => Answer::Perhaps,
        }
    }
}

/// The best answer of a value, or of all in a set.
fn any(values: &Value, ask: &dyn Fn(&Value) -> Answer) -> Answer {
    let values = values.get("set").unwrap_or(values);
    match values.as_array() {
        Some(all) => all.iter().map(ask).max().unwrap_or(Answer::No),
        None => ask(values),
    }
}

fn one(field: Field, value: &Value, packet: &Packet) -> Answer {
    // A named set: what it holds stands elsewhere, and changes.
    if value.as_str().is_some_and(|text| text.starts_with('@')) {
        return Answer::Perhaps;
    }
    match field {
        Field::InInterface => interface(value, packet, packet.way != Way::Out),
        Field::OutInterface => interface(value, packet, packet.way != Way::In),
        Field::Protocol => {
            protocol(value).map_or(Answer::Perhaps, |n| (n == packet.protocol).into())
        }
        Field::Destination => match packet.destination {
            Some(address) => within(value, address),
            None => Answer::Perhaps,
        },
        Field::Port => match packet.port {
            Some(port) => number_within(value, port),
            None => Answer::No,
        },
        // The first packet of its kind.
        Field::State => value.as_str().map_or(Answer::Perhaps, |state| (state == "new").into()),
        Field::Status => match value.as_str() {
            Some("dnat") => (packet.way == Way::Through).into(),
            Some(_) | None => Answer::Perhaps,
        },
        Field::Family => value.as_str().map_or(Answer::Perhaps, |family| {
            (family == if packet.ipv6 { "ipv6" } else { "ipv4" }).into()
        }),
    }
}

fn interface(value: &Value, packet: &Packet, this_way: bool) -> Answer {
    let Some(text) = value.as_str() else { return Answer::Perhaps };
    if !this_way {
        return Answer::No;
    }
    match (&packet.interface, text.strip_suffix('*')) {
        (None, _) if text == "lo" => Answer::No,
        (None, _) => Answer::Perhaps,
        (Some(name), Some(start)) => name.starts_with(start).into(),
        (Some(name), None) => (name == text).into(),
    }
}

/// The number of a protocol; nft writes the names of /etc/protocols.
fn protocol(value: &Value) -> Option<u8> {
    match value.as_str() {
        Some("icmp") => Some(1),
        Some("igmp") => Some(2),
        Some("tcp") => Some(6),
        Some("udp") => Some(17),
        Some("gre") => Some(47),
        Some("esp") => Some(50),
        Some("ah") => Some(51),
        Some("ipv6-icmp" | "icmpv6") => Some(58),
        Some("ospf" | "ospfigp") => Some(89),
        Some("carp" | "vrrp") => Some(112),
        Some("sctp") => Some(132),
        Some(text) => text.parse().ok(),
        None => value.as_u64().and_then(|number| number.try_into().ok()),
    }
}

fn number_within(value: &Value, number: u16) -> Answer {
    if let Some([first, last]) = range(value) {
        let (first, last) = (first.as_u64(), last.as_u64());
        return match (first, last) {
            (Some(first), Some(last)) => (first..=last).contains(&number.into()).into(),
            (None, _) | (_, None) => Answer::Perhaps,
        };
    }
    match value.as_u64().or_else(|| value.as_str()?.parse().ok()) {
        Some(one) => (one == u64::from(number)).into(),
        None => Answer::Perhaps,
    }
}

fn range(value: &Value) -> Option<[&Value; 2]> {
    let both = value.get("range")?.as_array()?;
    Some([both.first()?, both.get(1)?])
}

fn within(value: &Value, address: IpAddr) -> Answer {
    if let Some(prefix) = value.get("prefix") {
        let network = prefix.get("addr").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let length = prefix.get("len").and_then(Value::as_u64);
        return match (network, length.and_then(|length| u8::try_from(length).ok())) {
            (Some(network), Some(length)) => same_network(address, network, length).into(),
            (None, _) | (_, None) => Answer::Perhaps,
        };
    }
    if let Some([first, last]) = range(value) {
        let parse = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
        return match (parse(first), parse(last)) {
            (Some(first), Some(last)) => (first <= address && address <= last).into(),
            (None, _) | (_, None) => Answer::Perhaps,
        };
    }
    match value.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(one) => (one == address).into(),
        None => Answer::Perhaps,
    }
}

/// Whether the first `length` bits of both are the same.
pub(crate) fn same_network(one: IpAddr, other: IpAddr, length: u8) -> bool {
    let bits = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
    one.is_ipv4() == other.is_ipv4() && bits(one) & mask == bits(other) & mask
}
