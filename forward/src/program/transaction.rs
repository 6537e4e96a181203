//! From one program to the next, in steps that the kernel takes all at once or not at all.

use std::collections::HashSet;

use super::{Chain, Element, Expression, Program, Set};

/// One order of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes the table if it isn't there.
    AddTable,
    /// Takes the table away with all that it holds.
    DeleteTable,
    /// Makes a counter.
    AddCounter(String),
    /// Takes a counter away that no rule names any more.
    DeleteCounter(String),
    /// Makes a set, without elements.
    AddSet(Set),
    /// Takes a set away that no rule names any more.
    DeleteSet(String),
    /// Makes a chain, without rules.
    AddChain(Chain),
    /// Takes a chain away that has no rules and that nothing points to.
    DeleteChain(String),
    /// Takes all rules out of a chain.
    FlushChain(String),
    /// Puts a rule at the end of a chain.
    AddRule {
        /// Of this name.
        chain: String,
        /// What it does.
        rule: Vec<Expression>,
    },
    /// Takes elements out of a set.
    DeleteElements {
        /// Of this name.
        set: String,
        /// They are in there.
        elements: Vec<Element>,
    },
    /// Puts elements into a set.
    AddElements {
        /// Of this name.
        set: String,
        /// They aren't in there.
        elements: Vec<Element>,
    },
}

/// The steps from `before` to `after`; none if they are the same.
///
/// `before` none: whatever table of our name there is, it is replaced. What didn't change isn't
/// touched: a frontend's cycle goes on where it was when another frontend changes.
#[must_use]
pub fn transaction(before: Option<&Program>, after: &Program) -> Vec<Step> {
    let Some(before) = before else {
        // Added first, so that deleting can't fail.
        let mut steps = vec![Step::AddTable, Step::DeleteTable];
        steps.push(Step::AddTable);
        steps.extend(difference(&Program::default(), after));
        return steps;
    };
    let steps = difference(before, after);
    if steps.is_empty() { steps } else { [vec![Step::AddTable], steps].concat() }
}

fn difference(before: &Program, after: &Program) -> Vec<Step> {
    let mut steps = Vec::new();
    let old_set = |name: &str| before.sets.iter().find(|set| set.name == name);
    let old_chain = |name: &str| before.chains.iter().find(|chain| chain.name == name);
    let gone_sets = before.sets.iter().filter(|set| !after.sets.iter().any(|s| s.name == set.name));
    let is_gone = |chain: &&Chain| !after.chains.iter().any(|c| c.name == chain.name);
    let gone_chains = before.chains.iter().filter(is_gone);
    let is_new = |chain: &&Chain| old_chain(&chain.name).is_none();
    let changed: Vec<_> = after
        .chains
        .iter()
        .filter(|chain| old_chain(&chain.name).is_none_or(|old| old.rules != chain.rules))
        .collect();

    let new_counters = after.counters.iter().filter(|name| !before.counters.contains(name));
    steps.extend(new_counters.cloned().map(Step::AddCounter));
    let new_sets = after.sets.iter().filter(|set| old_set(&set.name).is_none());
    steps.extend(new_sets.map(|set| Step::AddSet(Set { elements: Vec::new(), ..set.clone() })));
    let new_chains = after.chains.iter().filter(is_new);
    steps.extend(
        new_chains.map(|chain| Step::AddChain(Chain { rules: Vec::new(), ..chain.clone() })),
    );
    let rewritten = changed.iter().copied().filter(|chain| !is_new(chain));
    let emptied = rewritten.chain(gone_chains.clone());
    steps.extend(emptied.map(|chain| Step::FlushChain(chain.name.clone())));
    // Elements go before the chains that they point to, and come after those that they will.
    for set in &before.sets {
        let kept = after.sets.iter().find(|new| new.name == set.name);
        let kept = kept.map_or(&[][..], |new| &new.elements);
        push_elements(&mut steps, set, kept, |set, elements| Step::DeleteElements {
            set,
            elements,
        });
    }
    for set in &after.sets {
        let known = old_set(&set.name).map_or(&[][..], |old| &old.elements);
        push_elements(&mut steps, set, known, |set, elements| Step::AddElements { set, elements });
    }
    for chain in changed {
        let rules = chain.rules.iter().cloned();
        steps.extend(rules.map(|rule| Step::AddRule { chain: chain.name.clone(), rule }));
    }
    steps.extend(gone_sets.map(|set| Step::DeleteSet(set.name.clone())));
    steps.extend(gone_chains.map(|chain| Step::DeleteChain(chain.name.clone())));
    let gone_counters = before.counters.iter().filter(|name| !after.counters.contains(name));
    steps.extend(gone_counters.cloned().map(Step::DeleteCounter));
    steps
}

/// The elements of `set` that aren't among `others`, as a step.
fn push_elements(
    steps: &mut Vec<Step>,
    set: &Set,
    others: &[Element],
    step: impl Fn(String, Vec<Element>) -> Step,
) {
    let others: HashSet<_> = others.iter().collect();
    let own = set.elements.iter().filter(|element| !others.contains(element));
    let elements: Vec<_> = own.cloned().collect();
    if !elements.is_empty() {
        steps.push(step(set.name.clone(), elements));
    }
}
