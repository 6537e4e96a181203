//! Rules that refuse clients, and count them.

use ipnet::IpNet;

use super::{Chain, Expression, Family, Program};
use crate::table::{Frontend, Limits, Table};

/// Part of a second's worth that may come at once, as in the proxy.
const BURST_DIVISOR: u32 = 10;

/// What a frontend's counters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The frontend.
    pub frontend: String,
    /// Counts clients that were refused by their address.
    pub denied: String,
    /// Counts what would have begun a connection and was dropped, also when it was repeated.
    pub held_back: String,
}

/// The counters of a table's program.
#[must_use]
pub fn counters(table: &Table) -> Vec<Counted> {
    let limited = table.frontends().iter().filter(|frontend| is_limited(frontend));
    limited.map(counted).collect()
}

fn counted(frontend: &Frontend) -> Counted {
    let name = |kind| format!("{kind}_{}", frontend.name);
    let (denied, held_back) = (name("denied"), name("held_back"));
    Counted { frontend: frontend.name.clone(), denied, held_back }
}

pub(super) fn is_limited(frontend: &Frontend) -> bool {
    frontend.limits != Limits::default()
}

/// The chain that what would begin a connection to this frontend goes through.
pub(super) fn chain(frontend: &Frontend) -> String {
    format!("limits_{}", frontend.name)
}

/// What a frontend with limits has for them. Chains are of no family: one count for both.
pub(super) fn add(frontend: &Frontend, program: &mut Program) {
    let Counted { denied, held_back, .. } = counted(frontend);
    let Limits { allow, deny, maxconn, accept_rate } = &frontend.limits;
    let counted = format!("counted_{}", frontend.name);

    let mut rules = Vec::new();
    // First the rate, which costs less: a count looks at all flows.
    let over_rate = accept_rate.map(|rate| {
        let each_second = rate.get();
        Expression::OverRate { each_second, burst: (each_second / BURST_DIVISOR).max(1) }
    });
    let over_count = maxconn.map(|most| Expression::OverCount(most.get()));
    for over in over_rate.into_iter().chain(over_count) {
        let count = Expression::Counter(held_back.clone());
        rules.push(vec![Expression::Tcp, Expression::Begins, over, count, Expression::Drop]);
    }
    program.chains.push(Chain { name: counted.clone(), hook: None, rules });

    let from = |prefix: &IpNet| {
        let family = Family::of(prefix.network());
        match prefix.prefix_len() {
            0 => vec![Expression::Family(family)],
            _ => vec![Expression::Family(family), Expression::From(prefix.trunc())],
        }
    };
    let refuse = || vec![Expression::Counter(denied.clone()), Expression::Reset];
    let go_on = || vec![Expression::Goto(counted.clone())];
    let mut rules = Vec::new();
    for prefix in deny {
        rules.push([vec![Expression::Tcp], from(prefix), refuse()].concat());
    }
    for prefix in allow {
        rules.push([from(prefix), go_on()].concat());
    }
    rules.push(match allow.is_empty() {
        true => go_on(),
        false => [vec![Expression::Tcp], refuse()].concat(),
    });
    program.chains.push(Chain { name: chain(frontend), hook: None, rules });
    program.counters.extend([denied, held_back]);
}
