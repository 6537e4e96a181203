//! From a table to sets, chains and rules.

use std::net::SocketAddr;

use super::limits::{self, is_limited};
use super::{
    Chain, ChainKind, Data, DataType, Element, End, Expression, Family, Hook, HookPoint, Key,
    KeyType, Program, Set,
};
use crate::table::{Balance, Frontend, Strays, Table, slots};

/// `NF_CT_STATE_BIT` of what conntrack can't place, and of what would begin a flow.
const STATE_INVALID: u32 = 1;
const STATE_NEW: u32 = 8;

/// `IPS_DST_NAT`: the destination was translated.
const STATUS_TRANSLATED: u32 = 1 << 5;

/// After conntrack (-200), before translation.
const PRIORITY_STRAYS: i32 = -150;
const PRIORITY_LIMITS: i32 = -140;
/// `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`, `NF_IP_PRI_RAW`.
const PRIORITY_DNAT: i32 = -100;
const PRIORITY_SNAT: i32 = 100;
const PRIORITY_RAW: i32 = -300;
/// Just after translation.
const PRIORITY_REST: i32 = -90;

/// The whole table in sets, chains and rules. The same table gives the same program.
#[must_use]
pub fn program(table: &Table) -> Program {
    let mut program = Program::default();
    for family in Family::ALL {
        shared_sets(table, family, &mut program);
    }
    // Chains that others point to come first, as the kernel wants them when it is pointed to.
    for frontend in table.frontends() {
        for family in Family::ALL {
            if binds(frontend, family).next().is_some() {
                service(frontend, family, &mut program);
            }
        }
        if is_limited(frontend) {
            limits::add(frontend, &mut program);
        }
    }
    program.chains.extend([
        base("strays", ChainKind::Filter, HookPoint::Prerouting, PRIORITY_STRAYS, strays()),
        base("limits", ChainKind::Filter, HookPoint::Prerouting, PRIORITY_LIMITS, limited()),
        base("translate", ChainKind::Nat, HookPoint::Prerouting, PRIORITY_DNAT, dispatch()),
        base("rest", ChainKind::Filter, HookPoint::Prerouting, PRIORITY_REST, rest()),
        base("sources", ChainKind::Nat, HookPoint::Postrouting, PRIORITY_SNAT, sources(table)),
        base("own", ChainKind::Filter, HookPoint::Output, PRIORITY_RAW, own()),
    ]);
    program
}

fn base(
    name: &str,
    kind: ChainKind,
    point: HookPoint,
    priority: i32,
    rules: Vec<Vec<Expression>>,
) -> Chain {
    Chain { name: name.to_owned(), hook: Some(Hook { kind, point, priority }), rules }
}

fn binds(frontend: &Frontend, family: Family) -> impl Iterator<Item = SocketAddr> {
    let binds = frontend.binds.iter().copied();
    binds.filter(move |bind| Family::of(bind.ip()) == family)
}

/// Sets over all frontends. They are there for both families, so that the rules that ask them
/// never change.
fn shared_sets(table: &Table, family: Family, program: &mut Program) {
    let suffix = family.suffix();
    let endpoint = KeyType::Endpoint(family);
    let mut forwarded = Vec::new();
    let (mut to, mut judged, mut limited) = (Vec::new(), Vec::new(), Vec::new());
    let mut servers: Vec<SocketAddr> = Vec::new();
    for frontend in table.frontends() {
        for bind in binds(frontend, family) {
            let key = Key::Endpoint(bind);
            let chain = |kind| Some(Data::Chain(chain_name(kind, frontend, family)));
            forwarded.push(Element { key, data: None });
            if is_served(frontend, family) {
                to.push(Element { key, data: chain(TO) });
            }
            if !stray_rules(frontend, family).is_empty() {
                judged.push(Element { key, data: chain(STRAYS) });
            }
            if is_limited(frontend) {
                let chain = Data::Chain(limits::chain(frontend));
                limited.push(Element { key, data: Some(chain) });
            }
        }
        servers.extend(frontend.servers.iter().map(|server| server.address));
    }
    servers.retain(|server| Family::of(server.ip()) == family);
    servers.sort_unstable();
    servers.dedup();
    let addresses = table.addresses().into_iter().filter(|a| Family::of(*a) == family);
    let plain = |key| Element { key, data: None };
    let set = |name: &str, key, data, elements| {
        let name = format!("{name}_{suffix}");
        Set { name, key, data, elements }
    };
    program.sets.extend([
        set("forwarded", endpoint, None, forwarded),
        set(
            "addresses",
            KeyType::Address(family),
            None,
            addresses.map(Key::Address).map(plain).collect(),
        ),
        set("servers", endpoint, None, servers.into_iter().map(Key::Endpoint).map(plain).collect()),
        set("frontends", endpoint, Some(DataType::Chain), to),
        set("judged", endpoint, Some(DataType::Chain), judged),
        set("limited", endpoint, Some(DataType::Chain), limited),
    ]);
}

/// The kinds of a frontend's chains and maps.
const TO: &str = "to";
const STRAYS: &str = "strays";
const SLOTS: &str = "slots";

fn chain_name(kind: &str, frontend: &Frontend, family: Family) -> String {
    format!("{kind}_{}_{}", frontend.name, family.suffix())
}

fn seats(frontend: &Frontend, family: Family) -> Vec<SocketAddr> {
    let of_family = |server: &&_| Family::of(server_ip(server)) == family;
    let servers: Vec<_> = frontend.servers.iter().filter(of_family).copied().collect();
    slots(frontend.balance, &servers)
}

fn server_ip(server: &crate::table::Server) -> std::net::IpAddr {
    server.address.ip()
}

fn is_served(frontend: &Frontend, family: Family) -> bool {
    !seats(frontend, family).is_empty()
}

/// What a frontend has for itself: who is where in the cycle, how a number is come by, and what
/// becomes of strays.
fn service(frontend: &Frontend, family: Family, program: &mut Program) {
    let seats = seats(frontend, family);
    let map = chain_name(SLOTS, frontend, family);
    if let Ok(modulus @ 1..) = u32::try_from(seats.len()) {
        let mut rule = vec![Expression::Family(family), Expression::Tcp];
        rule.extend(number(frontend.balance, family, modulus));
        rule.push(Expression::Lookup { set: map.clone(), into: Some(1) });
        rule.push(Expression::TranslateDestination(family));
        let name = chain_name(TO, frontend, family);
        program.chains.push(Chain { name, hook: None, rules: vec![rule] });
        let numbered = (0..).zip(seats);
        let element =
            |(number, seat)| Element { key: Key::Number(number), data: Some(Data::Endpoint(seat)) };
        program.sets.push(Set {
            name: map,
            key: KeyType::Number,
            data: Some(DataType::Endpoint(family)),
            elements: numbered.map(element).collect(),
        });
    }
    let rules = stray_rules(frontend, family);
    if !rules.is_empty() {
        let name = chain_name(STRAYS, frontend, family);
        program.chains.push(Chain { name, hook: None, rules });
    }
}

fn number(balance: Balance, family: Family, modulus: u32) -> Vec<Expression> {
    let hashed = |with_port| {
        let length = family.address_len() + if with_port { 4 } else { 0 };
        let load = Expression::Load { end: End::Source, family, with_port, register: 2 };
        vec![load, Expression::Hash { length, modulus }]
    };
    match balance {
        Balance::RoundRobin => vec![Expression::Count { modulus }],
        Balance::Flow => hashed(true),
        Balance::Source => hashed(false),
    }
}

/// What is done with a packet of no known flow for this frontend, before it is translated.
fn stray_rules(frontend: &Frontend, family: Family) -> Vec<Vec<Expression>> {
    if !is_served(frontend, family) {
        // Who would wait for a server is told at once that there is none. In the first moments
        // after a take-over that would end connections whose state is still on its way.
        let reset = vec![Expression::Tcp, Expression::Reset];
        return match frontend.strays {
            Strays::Reset => vec![reset],
            Strays::Drop => {
                vec![vec![Expression::Tcp, Expression::BeginsNothing, Expression::Drop], reset]
            }
        };
    }
    match (frontend.balance, frontend.strays) {
        (Balance::RoundRobin, Strays::Drop) => {
            vec![vec![Expression::Tcp, Expression::BeginsNothing, Expression::Drop]]
        }
        (Balance::RoundRobin, Strays::Reset) => {
            vec![vec![Expression::Tcp, Expression::BeginsNothing, Expression::Reset]]
        }
        (Balance::Flow | Balance::Source, Strays::Drop | Strays::Reset) => Vec::new(),
    }
}

fn load(end: End, family: Family, with_port: bool) -> Expression {
    Expression::Load { end, family, with_port, register: 1 }
}

fn lookup(set: &str, family: Family, into: Option<u32>) -> Expression {
    Expression::Lookup { set: format!("{set}_{}", family.suffix()), into }
}

fn strays() -> Vec<Vec<Expression>> {
    let of_servers = |family| {
        vec![
            Expression::FlowState(STATE_INVALID | STATE_NEW),
            Expression::Family(family),
            load(End::Destination, family, false),
            lookup("addresses", family, None),
            Expression::Tcp,
            load(End::Source, family, true),
            lookup("servers", family, None),
            Expression::Drop,
        ]
    };
    let of_clients = |family| {
        vec![
            Expression::FlowState(STATE_NEW),
            Expression::Family(family),
            Expression::Tcp,
            load(End::Destination, family, true),
            lookup("judged", family, Some(0)),
        ]
    };
    let rules = |family| [of_servers(family), elsewhere(family), of_clients(family)];
    Family::ALL.into_iter().flat_map(rules).collect()
}

/// What would begin a flow on a node that doesn't have the address any more, or not yet: neighbours
/// learn of a move a moment late, and a node whose daemon is dead tells nobody of its new flows.
/// The client asks again, and comes to the node that has the address.
fn elsewhere(family: Family) -> Vec<Expression> {
    vec![
        Expression::FlowState(STATE_NEW),
        Expression::Family(family),
        Expression::Tcp,
        load(End::Destination, family, true),
        lookup("forwarded", family, None),
        Expression::Elsewhere,
        Expression::Drop,
    ]
}

fn limited() -> Vec<Vec<Expression>> {
    let rule = |family| {
        vec![
            Expression::FlowState(STATE_NEW),
            Expression::Family(family),
            Expression::Tcp,
            load(End::Destination, family, true),
            lookup("limited", family, Some(0)),
        ]
    };
    Family::ALL.map(rule).into()
}

fn dispatch() -> Vec<Vec<Expression>> {
    let rule = |family| {
        vec![
            Expression::Family(family),
            Expression::Tcp,
            load(End::Destination, family, true),
            lookup("frontends", family, Some(0)),
        ]
    };
    Family::ALL.map(rule).into()
}

fn rest() -> Vec<Vec<Expression>> {
    let rule = |family| {
        vec![
            Expression::Family(family),
            Expression::Tcp,
            load(End::Destination, family, true),
            lookup("forwarded", family, None),
            Expression::Drop,
        ]
    };
    Family::ALL.map(rule).into()
}

fn sources(table: &Table) -> Vec<Vec<Expression>> {
    let binds = table.frontends().iter().flat_map(|frontend| &frontend.binds);
    let rule = |bind: &SocketAddr| {
        vec![
            Expression::FlowStatus(STATUS_TRANSLATED),
            Expression::BegunTo(*bind),
            Expression::TranslateSource(bind.ip()),
        ]
    };
    binds.map(rule).collect()
}

fn own() -> Vec<Vec<Expression>> {
    let rule = |family| {
        vec![
            Expression::Family(family),
            Expression::Tcp,
            load(End::Source, family, true),
            lookup("forwarded", family, None),
            Expression::Untracked,
        ]
    };
    Family::ALL.map(rule).into()
}
