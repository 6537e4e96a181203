//! Other machines that claim an address of this node: what is known of them, and what of it is
//! worth telling.
//!
//! Around a move both nodes have the address for a moment, and a backup hears the active node's
//! claims all the time. So a claim is told
//! - while a router is active, once an interval has passed since it took over;
//! - when a router takes over because it heard no advert ever, although somebody had just claimed
//!   the address: that one doesn't speak VRRP, or not ours.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::node::Key;
use crate::packet::announce::Mac;
use crate::packet::claim::Claim;

/// The same claim is told again after this time.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// A claim that is older says nothing of who has the address now.
const FRESH: Duration = Duration::from_secs(60);

/// Least time from a takeover until a claim counts: others need a moment to hear of it.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub(super) struct Rivals {
    /// One per router and address.
    seen: Vec<Seen>,
    /// When to ask once more who has the addresses of a router.
    again: Vec<(Instant, Key)>,
}

#[derive(Debug)]
struct Seen {
    key: Key,
    address: IpAddr,
    mac: Mac,
    at: Instant,
    told_at: Option<Instant>,
}

impl Rivals {
    /// A router became active; it asks again when claims begin to count.
    pub(super) fn entered(&mut self, key: Key, interval: Duration, now: Instant) {
        self.again.retain(|(_, other)| *other != key);
        self.again.push((now + settled_after(interval), key));
    }

    /// Somebody claims an address of a router, which is active since then, or isn't. True if that
    /// is worth telling.
    pub(super) fn note(
        &mut self,
        key: Key,
        claim: Claim,
        active: Option<(Instant, Duration)>,
        now: Instant,
    ) -> bool {
        let Claim { address, mac } = claim;
        let known = self.seen.iter().position(|seen| seen.key == key && seen.address == address);
        let known = known.map(|index| self.seen.swap_remove(index));
        let told_at = known.filter(|known| known.mac == mac).and_then(|known| known.told_at);
        let counts = active.is_some_and(|(since, interval)| now >= since + settled_after(interval));
        let news = told_at.is_none_or(|told_at| told_at + TOLD_FOR <= now);
        let tells = counts && news;
        let told_at = if tells { Some(now) } else { told_at };
        self.seen.push(Seen { key, address, mac, at: now, told_at });
        tells
    }

    /// What was claimed lately of a router that takes over without ever having heard an advert.
    pub(super) fn fresh(&self, key: Key, now: Instant) -> Vec<Claim> {
        let fresh = self.seen.iter().filter(|seen| seen.key == key && now < seen.at + FRESH);
        fresh.map(|seen| Claim { address: seen.address, mac: seen.mac }).collect()
    }

    /// The next router whose addresses are to be asked for once more.
    pub(super) fn next(&mut self, now: Instant) -> Option<Key> {
        let index = self.again.iter().position(|(at, _)| *at <= now)?;
        Some(self.again.swap_remove(index).1)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.again.iter().map(|(at, _)| *at).min()
    }

    /// Only these routers are left.
    pub(super) fn keep(&mut self, is_left: impl Fn(Key) -> bool) {
        self.seen.retain(|seen| is_left(seen.key));
        self.again.retain(|(_, key)| is_left(*key));
    }
}

fn settled_after(interval: Duration) -> Duration {
    interval.max(SETTLED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn claim(last: u8) -> Claim {
        Claim { address: IpAddr::from([10, 0, 0, 100]), mac: [2, 0, 0, 0, 0, last] }
    }

    #[test]
    fn a_claim_is_told_while_active_and_settled_and_once_a_minute() {
        let (key, since) = (Key::of(1), Instant::now());
        let seconds = |count| since + Duration::from_secs(count);
        let mut rivals = Rivals::default();
        let active = Some((since, INTERVAL));
        assert!(!rivals.note(key, claim(1), None, since), "a backup");
        assert!(!rivals.note(key, claim(1), active, since), "around the move");
        assert!(rivals.note(key, claim(1), active, seconds(1)));
        assert!(!rivals.note(key, claim(1), active, seconds(2)));
        assert!(rivals.note(key, claim(2), active, seconds(3)), "another machine");
        assert!(rivals.note(key, claim(2), active, seconds(63)));
    }

    #[test]
    fn who_takes_over_learns_who_claimed_the_address_lately() {
        let (key, now) = (Key::of(1), Instant::now());
        let mut rivals = Rivals::default();
        rivals.note(key, claim(1), None, now);
        assert_eq!(rivals.fresh(key, now + INTERVAL), [claim(1)]);
        assert_eq!(rivals.fresh(Key::of(2), now + INTERVAL), []);
        assert_eq!(rivals.fresh(key, now + FRESH), []);
    }

    #[test]
    fn it_is_asked_again_once_after_each_takeover() {
        let (key, now) = (Key::of(1), Instant::now());
        let mut rivals = Rivals::default();
        rivals.entered(key, Duration::from_millis(10), now);
        rivals.entered(key, INTERVAL, now);
        assert_eq!((rivals.due(), rivals.next(now)), (Some(now + INTERVAL), None));
        assert_eq!(rivals.next(now + INTERVAL), Some(key));
        assert_eq!((rivals.due(), rivals.next(now + INTERVAL)), (None, None));
    }
}
