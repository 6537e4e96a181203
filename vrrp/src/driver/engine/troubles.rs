//! What doesn't work, told once until it works again.

use std::collections::BTreeSet;

use crate::node::Key;

/// Something that a router needs and that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Adverts leave.
    Send,
    /// Adverts can come.
    Listen,
    /// The kernel takes addresses.
    Add,
    /// The kernel lets go of addresses.
    Remove,
    /// Announcements leave.
    Announce,
}

/// What doesn't work at present. Bounded by the routers of the node.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    open: BTreeSet<(Key, Need)>,
}

impl Troubles {
    /// True if this is news.
    pub(super) fn begin(&mut self, key: Key, need: Need) -> bool {
        self.open.insert((key, need))
    }

    pub(super) fn end(&mut self, key: Key, need: Need) {
        self.open.remove(&(key, need));
    }

    /// Only these routers are left.
    pub(super) fn keep(&mut self, is_left: impl Fn(Key) -> bool) {
        self.open.retain(|(key, _)| is_left(*key));
    }
}
