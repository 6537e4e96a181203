//! Announcements that wait for their time: an address is announced several times, and a node may
//! have hundreds of addresses, but the thread does only a little of it at a time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::node::Key;

/// Time between the repeats of one go: a device that misses one for a full queue gets the next.
const REPEAT_GAP: Duration = Duration::from_millis(20);

/// What is to be announced. One go per router at most.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    goes: Vec<Go>,
}

#[derive(Debug)]
struct Go {
    key: Key,
    addresses: Vec<IpAddr>,
    /// The next one of them in the running repeat.
    at: usize,
    /// Repeats that are left, the running one included.
    left: u8,
    due: Instant,
}

impl Announcements {
    /// Begins a go; one of the same router that is running ends.
    pub(super) fn begin(&mut self, key: Key, addresses: &[IpAddr], repeats: u8, now: Instant) {
        self.end(key);
        if addresses.is_empty() || repeats == 0 {
            return;
        }
        self.goes.push(Go { key, addresses: addresses.to_vec(), at: 0, left: repeats, due: now });
    }

    /// Ends the go of a router.
    pub(super) fn end(&mut self, key: Key) {
        self.goes.retain(|go| go.key != key);
    }

    /// These addresses aren't this router's any more.
    pub(super) fn cancel(&mut self, key: Key, addresses: &[IpAddr]) {
        for go in self.goes.iter_mut().filter(|go| go.key == key) {
            let passed = go.addresses[..go.at].iter().filter(|one| !addresses.contains(one));
            go.at = passed.count();
            go.addresses.retain(|one| !addresses.contains(one));
        }
        self.goes.retain(|go| !go.addresses.is_empty());
    }

    /// The next address to be announced now.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Key, IpAddr)> {
        let index = self.goes.iter().position(|go| go.due <= now)?;
        let go = self.goes.get_mut(index)?;
        let (key, address) = (go.key, *go.addresses.get(go.at)?);
        go.at += 1;
        if go.at == go.addresses.len() {
            (go.at, go.left, go.due) = (0, go.left - 1, now + REPEAT_GAP);
            if go.left == 0 {
                self.goes.remove(index);
            }
        }
        Some((key, address))
    }

    /// When there is something to announce.
    pub(super) fn due(&self) -> Option<Instant> {
        self.goes.iter().map(|go| go.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn next_all(announcements: &mut Announcements, now: Instant) -> Vec<(Key, IpAddr)> {
        std::iter::from_fn(|| announcements.next(now)).collect()
    }

    #[test]
    fn a_go_that_is_ended_says_nothing_more_and_others_go_on() {
        let (now, ended, other) = (Instant::now(), Key::of(1), Key::of(2));
        let mut announcements = Announcements::default();
        announcements.begin(ended, &[ip(1), ip(2)], 5, now);
        announcements.begin(other, &[ip(3)], 5, now);
        announcements.end(ended);
        assert_eq!(next_all(&mut announcements, now + REPEAT_GAP), [(other, ip(3))]);
    }

    #[test]
    fn each_address_comes_once_per_repeat_and_repeats_are_apart() {
        let (now, key) = (Instant::now(), Key::of(1));
        let mut announcements = Announcements::default();
        announcements.begin(key, &[ip(1), ip(2)], 2, now);
        let both = [(key, ip(1)), (key, ip(2))];
        assert_eq!(next_all(&mut announcements, now), both);
        assert_eq!(announcements.due(), Some(now + REPEAT_GAP));
        assert_eq!(next_all(&mut announcements, now + REPEAT_GAP), both);
        assert_eq!(announcements.due(), None);
    }

    #[test]
    fn what_is_taken_away_is_not_announced_any_more() {
        let (now, key, other) = (Instant::now(), Key::of(1), Key::of(2));
        let mut announcements = Announcements::default();
        announcements.begin(key, &[ip(1), ip(2), ip(3)], 1, now);
        announcements.begin(other, &[ip(1)], 1, now);
        assert_eq!(announcements.next(now), Some((key, ip(1))));
        announcements.cancel(key, &[ip(1), ip(2)]);
        assert_eq!(next_all(&mut announcements, now), [(key, ip(3)), (other, ip(1))]);
        announcements.begin(key, &[ip(1)], 5, now);
        announcements.cancel(key, &[ip(1)]);
        assert_eq!((announcements.due(), announcements.next(now)), (None, None));
    }

    #[test]
    fn a_new_go_replaces_the_one_that_runs() {
        let (now, key) = (Instant::now(), Key::of(1));
        let mut announcements = Announcements::default();
        announcements.begin(key, &[ip(1)], 200, now);
        announcements.next(now);
        announcements.begin(key, &[ip(2)], 1, now);
        assert_eq!(next_all(&mut announcements, now), [(key, ip(2))]);
        assert_eq!(announcements.due(), None);
    }
}
