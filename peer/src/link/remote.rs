//! What is known of the peer's present session.

use std::time::{Duration, Instant};

use crate::frame::{Echo, Session, SignedWith, Verified};
use crate::window::Window;

#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    pub(super) session: Session,
    /// When the latest fresh frame came.
    pub(super) heard: Instant,
    pub(super) signed_with: SignedWith,
    pub(super) round_trip: Option<Duration>,
    /// A stale hello came since the latest fresh frame.
    pub(super) excused: bool,
    window: Window,
    /// When the highest number came.
    highest_at: Instant,
}

/// Part of the difference that a new measurement moves the round trip by (RFC 6298, section 2).
const SMOOTHING: u32 = 8;

impl Remote {
    pub(super) fn new(now: Instant, frame: &Verified<'_>) -> Self {
        Self {
            session: frame.header.from,
            heard: now,
            signed_with: frame.key,
            round_trip: None,
            excused: false,
            window: Window::starting_with(frame.header.sequence),
            highest_at: now,
        }
    }

    /// True if this frame of the session hasn't come yet.
    pub(super) fn take(&mut self, now: Instant, frame: &Verified<'_>) -> bool {
        let highest = self.window.highest();
        if !self.window.take(frame.header.sequence) {
            return false;
        }
        if self.window.highest() != highest {
            self.highest_at = now;
            // The latest word on it: an older frame may still have the key of before.
            self.signed_with = frame.key;
        }
        true
    }

    /// It took so long from our sending to the answer, of which `held` was spent over there.
    pub(super) fn measure(&mut self, took: Duration, held: Duration) {
        let sample = took.saturating_sub(held);
        self.round_trip = Some(match self.round_trip {
            Some(smoothed) => smoothed - smoothed / SMOOTHING + sample / SMOOTHING,
            None => sample,
        });
    }

    /// What is echoed to it.
    pub(super) fn echo(&self, now: Instant) -> Echo {
        Echo {
            sequence: self.window.highest(),
            held: now.saturating_duration_since(self.highest_at),
        }
    }
}
