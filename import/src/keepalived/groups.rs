//! `vrrp_sync_group`: instances that move together.

use super::tree::{Directive, Tree};

/// A group and its members.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) directive: &'a Directive,
    pub(super) name: &'a str,
    pub(super) members: Vec<&'a str>,
    /// Weights of trackers count; keepalived takes them for 0 otherwise.
    pub(super) has_weights: bool,
}

/// All groups of a file.
pub(super) fn read(tree: &Tree) -> Vec<Group<'_>> {
    let blocks = tree.directives.iter().filter(|block| block.keyword() == "vrrp_sync_group");
    let group = |directive| Group {
        directive,
        name: Directive::value(directive),
        members: directive.all("group").flat_map(Directive::inside).flat_map(names).collect(),
        has_weights: directive.last("sync_group_tracking_weight").is_some()
            || directive.last("global_tracking").is_some(),
    };
    blocks.map(group).collect()
}

/// keepalived takes several names of a line.
fn names(directive: &Directive) -> impl Iterator<Item = &str> {
    directive.words.iter().map(|word| word.text.as_str())
}
