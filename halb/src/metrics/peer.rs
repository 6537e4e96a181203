//! The peer link's part of a scrape.

use super::Sheet;
use super::names::peer as names;
use crate::status::peer::{Peer, State, reasons};

/// All of it. Each reason is served from the start, so that the first refusal is a rise.
pub(super) fn fill(sheet: &Sheet, peer: &Peer) {
    sheet.flag(&names::UP, &[], peer.state == State::Up);
    sheet.gauge(&names::STATE_AGE, &[], peer.since_seconds);
    if let Some(ago) = peer.heard_ago_seconds {
        sheet.gauge(&names::HEARD_AGE, &[], ago);
    }
    if let Some(round_trip) = peer.round_trip_seconds {
        sheet.gauge(&names::ROUND_TRIP, &[], round_trip);
    }
    sheet.counter(&names::STARTS, &[], peer.starts);
    sheet.counter(&names::FRAMES_SENT, &[], peer.frames_sent);
    sheet.counter(&names::FRAMES_RECEIVED, &[], peer.frames_received);
    sheet.counter(&names::MESSAGES_SENT, &[], peer.messages_sent);
    sheet.counter(&names::MESSAGES_RECEIVED, &[], peer.messages_received);
    sheet.counter(&names::MESSAGES_UNSENT, &[], peer.messages_unsent);
    sheet.counter(&names::MESSAGES_UNREADABLE, &[], peer.messages_unreadable);
    sheet.counter(&names::INTRODUCTIONS, &[], peer.introductions);
    for reason in reasons() {
        let refused = peer.refused.iter().find(|refused| refused.reason == reason);
        let count = refused.map_or(0, |refused| refused.count);
        sheet.counter(&names::REFUSED, &[("reason", reason)], count);
    }
    sheet.counter(&names::FAILURES, &[], peer.failures);
}
