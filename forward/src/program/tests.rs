use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::table::{Balance, Frontend, Limits, Server, Standing, Strays, Table};

/// A kernel that refuses what the real one refuses.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Kernel {
    is_there: bool,
    counters: BTreeMap<String, ()>,
    sets: BTreeMap<String, (String, HashMap<Key, Option<Data>>)>,
    chains: BTreeMap<String, (String, Vec<Vec<Expression>>)>,
}

impl Kernel {
    fn named(rules: &[Vec<Expression>]) -> HashSet<String> {
        let mut named = HashSet::new();
        for expression in rules.iter().flatten() {
            if let Expression::Lookup { set, .. } = expression {
                named.insert(set.clone());
            }
        }
        named
    }

    fn rules(&self) -> impl Iterator<Item = &Expression> {
        self.chains.values().flat_map(|(_, rules)| rules).flatten()
    }

    fn counted(&self) -> HashSet<String> {
        let mut counted = HashSet::new();
        for expression in self.rules() {
            if let Expression::Counter(name) = expression {
                counted.insert(name.clone());
            }
        }
        counted
    }

    fn pointed_to(&self) -> HashSet<String> {
        let data = self.sets.values().flat_map(|(_, elements)| elements.values());
        let chains = data.filter_map(|data| match data {
            Some(Data::Chain(chain)) => Some(chain.clone()),
            _ => None,
        });
        let mut chains: HashSet<_> = chains.collect();
        for expression in self.rules() {
            if let Expression::Goto(chain) = expression {
                chains.insert(chain.clone());
            }
        }
        chains
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::AddTable => self.is_there = true,
            Step::DeleteTable => {
                assert!(self.is_there);
                *self = Self::default();
            }
            Step::AddCounter(name) => {
                assert_eq!(self.counters.insert(name.clone(), ()), None, "{name}");
            }
            Step::DeleteCounter(name) => {
                assert!(!self.counted().contains(name), "{name} is in use");
                self.counters.remove(name).unwrap();
            }
            Step::AddSet(set) => {
                assert!(self.is_there && set.elements.is_empty());
                let kind = format!("{:?} {:?}", set.key, set.data);
                let old = self.sets.insert(set.name.clone(), (kind, HashMap::new()));
                assert_eq!(old, None, "{}", set.name);
            }
            Step::DeleteSet(name) => {
                let used = self.chains.values().any(|(_, rules)| Self::named(rules).contains(name));
                assert!(!used, "{name} is in use");
                self.sets.remove(name).unwrap();
            }
            Step::AddChain(chain) => {
                assert!(self.is_there && chain.rules.is_empty());
                let hook = format!("{:?}", chain.hook);
                let old = self.chains.insert(chain.name.clone(), (hook, Vec::new()));
                assert_eq!(old, None, "{}", chain.name);
            }
            Step::DeleteChain(name) => {
                assert!(!self.pointed_to().contains(name), "{name} is pointed to");
                let (_, rules) = self.chains.remove(name).unwrap();
                assert_eq!(rules, Vec::<Vec<Expression>>::new());
            }
            Step::FlushChain(name) => self.chains.get_mut(name).unwrap().1.clear(),
            Step::AddRule { chain, rule } => {
                for set in Self::named(std::slice::from_ref(rule)) {
                    assert!(self.sets.contains_key(&set), "no set {set}");
                }
                self.chains.get_mut(chain).unwrap().1.push(rule.clone());
                assert!(self.counted().iter().all(|name| self.counters.contains_key(name)));
                assert!(self.pointed_to().iter().all(|name| self.chains.contains_key(name)));
            }
            Step::DeleteElements { set, elements } => {
                for element in elements {
                    let old = self.sets.get_mut(set).unwrap().1.remove(&element.key);
                    assert_eq!(old, Some(element.data.clone()));
                }
            }
            Step::AddElements { set, elements } => {
                for Element { key, data } in elements {
                    if let Some(Data::Chain(chain)) = data {
                        assert!(self.chains.contains_key(chain), "no chain {chain}");
                    }
                    let old = self.sets.get_mut(set).unwrap().1.insert(*key, data.clone());
                    assert_eq!(old, None, "{key:?} is in {set} already");
                }
            }
        }
    }

    fn after(steps: &[Step]) -> Self {
        let mut kernel = Self::default();
        steps.iter().for_each(|step| kernel.take(step));
        kernel
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let prefix = prop_oneof![Just("10.0.0.0/8"), Just("10.1.2.0/20"), Just("fd00::/16")];
    let prefixes = || prop::collection::vec(prefix.clone().prop_map(net), 0..3);
    let number = || prop::option::of((1..3u32).prop_map(|n| n.try_into().unwrap()));
    (prefixes(), prefixes(), number(), number()).prop_map(|(allow, deny, maxconn, accept_rate)| {
        Limits { allow, deny, maxconn, accept_rate }
    })
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn tables() -> impl Strategy<Value = Table> {
    let standing =
        prop_oneof![Just(Standing::Serving), Just(Standing::Draining), Just(Standing::Down),];
    let server = (0..3u16, standing);
    let balance =
        prop_oneof![Just(Balance::RoundRobin), Just(Balance::Flow), Just(Balance::Source)];
    let strays = prop_oneof![Just(Strays::Drop), Just(Strays::Reset)];
    let servers = prop::collection::vec(server, 1..4);
    let frontend = (servers, balance, strays, 1..3u16, any::<bool>(), limits());
    let named = prop::collection::btree_map(0..4u16, frontend, 0..4);
    named.prop_map(|frontends| {
        let frontends = frontends.into_iter().map(|(number, frontend)| {
            let (servers, balance, strays, binds, both, limits) = frontend;
            let families = if both { 0..2u16 } else { 0..1 };
            let address = |family: u16, host: u16, port: u16| match family {
                0 => SocketAddr::from(([10, 0, 0, host.to_be_bytes()[1]], port)),
                _ => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, host], port)),
            };
            let each = families.flat_map(|family| (0..binds).map(move |bind| (family, bind)));
            let binds = each
                .clone()
                .map(|(family, bind)| address(family, 100 + bind, number + 1))
                .collect();
            let servers = (1..).zip(&servers).flat_map(|(last, (weight, standing))| {
                [0, 1].map(|family| Server {
                    address: address(family, last, 6443),
                    weight: *weight,
                    standing: *standing,
                })
            });
            let (name, servers) = (format!("f{number}"), servers.collect());
            Frontend { name, binds, balance, servers, spread: Duration::ZERO, strays, limits }
        });
        Table::new(frontends.collect()).unwrap()
    })
}

proptest! {
    /// The kernel holds after the steps what it holds when the new program is loaded at once, and
    /// refuses none of them.
    #[test]
    fn a_transaction_leads_from_any_table_to_any_other(before in tables(), after in tables()) {
        let (before, after) = (program(&before), program(&after));
        let mut kernel = Kernel::after(&transaction(None, &before));
        for step in transaction(Some(&before), &after) {
            kernel.take(&step);
        }
        prop_assert_eq!(kernel, Kernel::after(&transaction(None, &after)));
    }

    #[test]
    fn nothing_changes_where_nothing_changed(table in tables()) {
        let program = program(&table);
        prop_assert_eq!(transaction(Some(&program), &program), []);
    }
}

fn table(frontends: &[(&str, u16, [Standing; 3])]) -> Table {
    let frontend = |(name, port, standings): &(&str, u16, [Standing; 3])| Frontend {
        name: (*name).to_owned(),
        binds: vec![SocketAddr::from(([172, 16, 16, 100], *port))],
        balance: Balance::RoundRobin,
        servers: (101..)
            .zip(standings)
            .map(|(last, standing)| Server {
                address: SocketAddr::from(([172, 16, 16, last], 6443)),
                weight: 1,
                standing: *standing,
            })
            .collect(),
        spread: Duration::ZERO,
        strays: Strays::Reset,
        limits: Limits::default(),
    };
    Table::new(frontends.iter().map(frontend).collect()).unwrap()
}

#[test]
fn a_verdict_on_one_frontend_leaves_the_cycle_of_another_alone() {
    let (up, down) = (Standing::Serving, Standing::Down);
    let before = program(&table(&[("a", 1, [up; 3]), ("b", 2, [up; 3])]));
    let after = program(&table(&[("a", 1, [up, down, up]), ("b", 2, [up; 3])]));
    let steps = transaction(Some(&before), &after);
    let touched = |step: &Step| format!("{step:?}").contains("_b_");
    assert!(!steps.iter().any(touched), "{steps:?}");
    assert!(steps.contains(&Step::FlushChain("to_a_v4".to_owned())), "{steps:?}");
}

#[test]
fn without_a_server_clients_are_told_at_once() {
    let program = program(&table(&[("a", 1, [Standing::Down; 3])]));
    let chain = program.chains.iter().find(|chain| chain.name == "strays_a_v4").unwrap();
    assert_eq!(chain.rules, [[Expression::Tcp, Expression::Reset]]);
    assert!(!program.chains.iter().any(|chain| chain.name == "to_a_v4"));
}

#[test]
fn a_cycle_is_as_long_as_its_map() {
    let program = program(&table(&[("a", 1, [Standing::Serving; 3])]));
    let chain = program.chains.iter().find(|chain| chain.name == "to_a_v4").unwrap();
    assert!(chain.rules[0].contains(&Expression::Count { modulus: 3 }));
    let slots = program.sets.iter().find(|set| set.name == "slots_a_v4").unwrap();
    assert_eq!(slots.elements.len(), 3);
}

#[test]
fn whom_lists_refuse_is_told_before_anything_is_counted() {
    let mut frontends = table(&[("a", 1, [Standing::Serving; 3])]).frontends().to_vec();
    frontends[0].limits = Limits {
        allow: vec![net("10.0.0.0/8")],
        deny: vec![net("10.66.0.0/16")],
        maxconn: 7u32.try_into().ok(),
        accept_rate: 50u32.try_into().ok(),
    };
    let program = program(&Table::new(frontends).unwrap());
    let rules = |name: &str| {
        let mut chains = program.chains.iter();
        chains.find(|chain| chain.name == name).unwrap().rules.clone()
    };
    let refuse = [Expression::Counter("denied_a".to_owned()), Expression::Reset];
    let [denied, allowed, others] = &rules("limits_a")[..] else { panic!() };
    assert!(denied.contains(&Expression::From(net("10.66.0.0/16"))) && denied.ends_with(&refuse));
    assert!(allowed.contains(&Expression::From(net("10.0.0.0/8"))));
    assert_eq!(allowed.last(), Some(&Expression::Goto("counted_a".to_owned())));
    assert_eq!(others[1..], refuse);
    let counted = rules("counted_a");
    assert!(counted[0].contains(&Expression::OverRate { each_second: 50, burst: 5 }));
    assert!(counted[1].contains(&Expression::OverCount(7)));
    assert_eq!(program.counters, ["denied_a", "held_back_a"]);
}

#[test]
fn another_limit_leaves_cycle_and_counters_alone() {
    let with = |maxconn: u32| {
        let mut frontends = table(&[("a", 1, [Standing::Serving; 3])]).frontends().to_vec();
        frontends[0].limits.maxconn = maxconn.try_into().ok();
        program(&Table::new(frontends).unwrap())
    };
    let steps = transaction(Some(&with(7)), &with(8));
    let [Step::AddTable, Step::FlushChain(emptied), Step::AddRule { chain, .. }] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!((emptied.as_str(), chain.as_str()), ("counted_a", "counted_a"));
}
