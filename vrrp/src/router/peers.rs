//! What each other router last said.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::cause::Heard;
use crate::packet::ChecksumForm;
use crate::values::Priority;

/// How many senders are remembered: far more than a segment has routers of one id. Beyond it the
/// one that was silent longest is forgotten, so that forged senders don't grow memory.
pub const SENDERS_MAX: usize = 40;

/// Another router, by the address that it sends from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its latest advert.
    pub last: Heard,
    /// Its latest priority other than 0.
    pub priority: Option<Priority>,
    /// How its checksums were made, where there is a choice.
    pub checksum: Option<ChecksumForm>,
    /// It claims the same addresses as this node.
    pub same_addresses: bool,
}

/// How long an advert tells what a router is worth: a backup is silent, and may have recovered or
/// fallen sick since. It is long enough for two nodes that find out one after the other that what
/// they share has failed: who falls second still knows what the first one said. A wrong guess
/// costs little in either direction: with a worse router the addresses change hands for as long as
/// an advert travels, and what it says then counts anew.
const ADVERT_COUNTS_FOR: Duration = Duration::from_secs(15);

/// The same in intervals, where they are long: as long as a backup listens.
const ADVERT_COUNTS_INTERVALS: u32 = 4;

impl Peer {
    /// What it was worth so short a time ago that it still is; with a release, what it had said
    /// before that.
    pub(super) fn recent_priority(&self, now: Instant) -> Option<Priority> {
        let last = self.last;
        let counts = ADVERT_COUNTS_FOR.max(last.interval.duration() * ADVERT_COUNTS_INTERVALS);
        self.priority.filter(|_| now < last.at + counts)
    }
}

/// The other routers that were heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Vec<Peer>);

impl Peers {
    pub(super) fn note(
        &mut self,
        heard: Heard,
        checksum: Option<ChecksumForm>,
        same_addresses: bool,
    ) {
        let known = self.0.iter().position(|peer| peer.last.source == heard.source);
        let old = known.map(|index| self.0.swap_remove(index));
        let named = Some(heard.priority).filter(|priority| *priority != Priority::RELEASE);
        let priority = named.or_else(|| old.and_then(|old| old.priority));
        if self.0.len() == SENDERS_MAX {
            let oldest = (0..self.0.len()).min_by_key(|index| self.0[*index].last.at);
            oldest.map(|index| self.0.swap_remove(index));
        }
        self.0.push(Peer { last: heard, priority, checksum, same_addresses });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter()
    }

    /// The form of checksum that this destination, or for a group the latest sender, uses.
    pub(super) fn checksum(&self, destination: IpAddr) -> Option<ChecksumForm> {
        let one = |peer: &&Peer| destination.is_multicast() || peer.last.source == destination;
        self.0.iter().filter(one).max_by_key(|peer| peer.last.at)?.checksum
    }
}
