//! When the addresses are announced: once the kernel has them, a second time some seconds later,
//! and again after any sign that another router was active.

use std::time::{Duration, Instant};

use crate::config::Announcements;

#[derive(Debug, Clone, Default)]
pub(super) struct Announcing {
    /// The kernel has the addresses; before, an announcement would lead nowhere.
    installed: bool,
    next_at: Option<Instant>,
    /// After the next go comes a second one.
    again: bool,
    /// Start of the running second, and how many renewals it has had.
    window: Option<(Instant, u8)>,
    /// When a rival that was heard too often to be answered each time counts as silent.
    silent_at: Option<Instant>,
    /// The last go.
    went_at: Option<Instant>,
}

/// A rival's adverts renew the announcements at once, since its own may have come last; but only
/// so often within a second, so that forged adverts don't make this node flood the segment.
const RENEWALS_MAX: u8 = 4;
const WINDOW: Duration = Duration::from_secs(1);

/// Beyond those, the announcements wait for the rival to be silent for so long: it yields without a
/// further word, and from then on nobody answers whoever still knows its hardware address. Twice
/// the shortest interval that is of use.
const SILENCE: Duration = Duration::from_millis(20);

/// Least time between a go and the next one for a rival's silence, against forged adverts too.
const SILENCE_GAP: Duration = Duration::from_millis(100);

impl Announcing {
    /// The kernel has the addresses: announce them now.
    pub(super) fn installed(&mut self, now: Instant) {
        self.installed = true;
        self.next_at = Some(now);
        self.again = true;
    }

    /// The kernel has lost addresses, or is to get more.
    pub(super) fn uninstalled(&mut self) {
        self.installed = false;
        self.next_at = None;
        self.silent_at = None;
    }

    /// Another router was active: what caches hold may be its address.
    pub(super) fn renew(&mut self, now: Instant) {
        if !self.installed {
            return;
        }
        let open = self.window.filter(|(start, _)| now < *start + WINDOW);
        let (start, count) = open.unwrap_or((now, 0));
        self.window = Some((start, count.saturating_add(1)));
        let due = if count < RENEWALS_MAX {
            now
        } else {
            let earliest = self.went_at.map_or(now, |went| went + SILENCE_GAP);
            self.silent_at = Some(earliest.max(now + SILENCE));
            start + WINDOW
        };
        self.next_at = Some(self.next_at.map_or(due, |next| next.min(due)));
        self.again = true;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.next_at.into_iter().chain(self.silent_at).min()
    }

    /// True if a go is due.
    pub(super) fn take_due(&mut self, policy: &Announcements, now: Instant) -> bool {
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        self.silent_at.take_if(|silent| *silent <= now);
        self.went_at = Some(now);
        let second = policy.again_after.filter(|_| std::mem::take(&mut self.again));
        self.next_at = second.or(policy.refresh).map(|pause| now + pause);
        true
    }
}
