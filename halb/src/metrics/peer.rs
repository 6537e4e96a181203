//! The peer link's part of a scrape.

use super::exposition::{Exposition, Row};
use super::names::peer as names;
use crate::status::peer::{Peer, State, reasons};

/// All of it. Each reason is served from the start, so that the first refusal is a rise.
pub(super) fn fill(out: &mut Exposition, peer: &Peer) {
    let row = [Row::new(&[], peer)];
    out.family(&names::UP, &row, |peer| peer.state == State::Up);
    out.family(&names::STATE_AGE, &row, |peer| peer.since_seconds);
    out.family(&names::HEARD_AGE, &row, |peer| peer.heard_ago_seconds);
    out.family(&names::ROUND_TRIP, &row, |peer| peer.round_trip_seconds);
    out.family(&names::STARTS, &row, |peer| peer.starts);
    out.family(&names::FRAMES_SENT, &row, |peer| peer.frames_sent);
    out.family(&names::FRAMES_RECEIVED, &row, |peer| peer.frames_received);
    out.family(&names::MESSAGES_SENT, &row, |peer| peer.messages_sent);
    out.family(&names::MESSAGES_RECEIVED, &row, |peer| peer.messages_received);
    out.family(&names::MESSAGES_UNSENT, &row, |peer| peer.messages_unsent);
    out.family(&names::MESSAGES_UNREADABLE, &row, |peer| peer.messages_unreadable);
    out.family(&names::INTRODUCTIONS, &row, |peer| peer.introductions);
    let refused: Vec<_> = reasons().map(|reason| Row::new(&[("reason", reason)], reason)).collect();
    out.family(&names::REFUSED, &refused, |reason| {
        let refused = peer.refused.iter().find(|refused| refused.reason == *reason);
        refused.map_or(0, |refused| refused.count)
    });
    out.family(&names::FAILURES, &row, |peer| peer.failures);
}
