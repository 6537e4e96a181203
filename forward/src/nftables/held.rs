//! What the kernel holds against what it should.

use std::collections::HashMap;

use super::{
    chain_attributes, counter_attributes, element, expressions, key_bytes, kind, set_attributes,
};
use crate::attribute::{are_held, find, parse, text};
use crate::program::Program;

/// What the kernel told of the table, message by message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// There is a table of our name.
    pub(crate) is_there: bool,
    counters: Vec<Vec<u8>>,
    chains: Vec<Vec<u8>>,
    rules: Vec<Vec<u8>>,
    sets: Vec<Vec<u8>>,
    /// Lists of elements; a long one comes in parts.
    elements: Vec<Vec<u8>>,
}

/// What a message of the kernel tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Counter,
    Chain,
    Rule,
    Set,
    Elements,
}

impl Held {
    /// Takes the attributes of one message of a list.
    pub(crate) fn push(&mut self, item: Item, attributes: &[u8]) {
        let list = match item {
            Item::Counter => &mut self.counters,
            Item::Chain => &mut self.chains,
            Item::Rule => &mut self.rules,
            Item::Set => &mut self.sets,
            Item::Elements => &mut self.elements,
        };
        list.push(attributes.to_vec());
    }

    /// Names of the sets, so that their elements can be asked for.
    pub(crate) fn set_names(&self) -> Vec<String> {
        let names = self.sets.iter().filter_map(|set| name(set, kind::SET_NAME));
        names.map(str::to_owned).collect()
    }
}

fn name(attributes: &[u8], kind: u16) -> Option<&str> {
    text(find(attributes, kind)?)
}

/// Differences that are named before the rest is left to imagination.
const DIFFERENCES_MAX: usize = 8;

/// Where the kernel's table isn't the program, in words; none if it is.
pub(crate) fn differences(should: &Program, held: &Held) -> Vec<String> {
    if !held.is_there {
        return vec!["there is no table".to_owned()];
    }
    let mut found = Vec::new();
    counters(should, held, &mut found);
    chains(should, held, &mut found);
    sets(should, held, &mut found);
    found.truncate(DIFFERENCES_MAX);
    found
}

fn counters(should: &Program, held: &Held, found: &mut Vec<String>) {
    for counter in &should.counters {
        let should = counter_attributes(counter);
        if !held.counters.iter().any(|held| are_held(&should, held)) {
            found.push(format!("counter {counter} is gone"));
        }
    }
    for counter in held.counters.iter().filter_map(|counter| name(counter, kind::OBJECT_NAME)) {
        if !should.counters.iter().any(|known| known == counter) {
            found.push(format!("counter {counter} is not ours"));
        }
    }
}

fn chains(should: &Program, held: &Held, found: &mut Vec<String>) {
    for chain in &should.chains {
        let mut of_name = held.chains.iter();
        let known = of_name.find(|held| name(held, kind::CHAIN_NAME) == Some(&chain.name));
        match known {
            None => found.push(format!("chain {} is gone", chain.name)),
            Some(known) if !are_held(&chain_attributes(chain), known) => {
                found.push(format!("chain {} hangs elsewhere", chain.name));
            }
            Some(_) => {}
        }
        let of_chain = |rule: &&Vec<u8>| name(rule, kind::RULE_CHAIN) == Some(&chain.name);
        let rules: Vec<_> = held.rules.iter().filter(of_chain).collect();
        let mut pairs = chain.rules.iter().zip(&rules);
        let same = pairs.all(|(rule, held)| are_held(&[expressions::rule(rule)], held));
        if rules.len() != chain.rules.len() || !same {
            found.push(format!("rules of chain {} differ", chain.name));
        }
    }
    for chain in held.chains.iter().filter_map(|chain| name(chain, kind::CHAIN_NAME)) {
        if !should.chains.iter().any(|known| known.name == chain) {
            found.push(format!("chain {chain} is not ours"));
        }
    }
}

fn sets(should: &Program, held: &Held, found: &mut Vec<String>) {
    for set in &should.sets {
        let mut of_name = held.sets.iter();
        let known = of_name.find(|held| name(held, kind::SET_NAME) == Some(&set.name));
        match known {
            None => found.push(format!("set {} is gone", set.name)),
            Some(known) if !are_held(&set_attributes(set), known) => {
                found.push(format!("set {} is of another kind", set.name));
            }
            Some(_) => {}
        }
        let of_set = |list: &&Vec<u8>| name(list, kind::ELEMENTS_SET) == Some(&set.name);
        let lists = held.elements.iter().filter(of_set);
        let lists = lists.filter_map(|list| find(list, kind::ELEMENTS));
        let key = |one| Some((find(find(one, kind::ELEMENT_KEY)?, kind::DATA_VALUE)?, one));
        // The kernel lists elements in an order of its own.
        let mut present: HashMap<_, _> =
            lists.flat_map(parse).filter_map(|(_, one)| key(one)).collect();
        let all = set.elements.iter().all(|wanted| {
            let known = present.remove(key_bytes(wanted.key).as_slice());
            known.is_some_and(|known| element(wanted).is_held_as(known))
        });
        if !all || !present.is_empty() {
            found.push(format!("elements of set {} differ", set.name));
        }
    }
    for set in held.set_names() {
        if !should.sets.iter().any(|known| known.name == set) {
            found.push(format!("set {set} is not ours"));
        }
    }
}
