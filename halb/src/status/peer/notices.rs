//! What is unusual about the link to the other balancer, in sentences.

use super::{Peer, State};
use crate::status::notices::Severity;
use crate::status::words::{span, things};

/// A start of the other balancer may take so long before its absence is news.
const START_SECONDS: f64 = 10.0;

/// Refusals and failures are news for so long.
const RECENT_SECONDS: f64 = 300.0;

/// Adds all of it.
pub fn add_all(peer: &Peer, add: &mut impl FnMut(Severity, String)) {
    let (address, since) = (&peer.address, span(peer.since_seconds));
    match peer.state {
        State::Up => {}
        State::Silent => {
            let text = format!("the other balancer, {address}, has been silent for {since}");
            add(Severity::Warning, text);
        }
        State::Waiting if peer.since_seconds < START_SECONDS => {}
        State::Waiting => {
            let text = format!("the other balancer, {address}, wasn't heard yet, for {since}");
            add(Severity::Warning, text);
        }
    }
    // While the link is up what is refused is somebody else's doing.
    let severity = if peer.state == State::Up { Severity::Note } else { Severity::Warning };
    for refused in peer.refused.iter().filter(|refused| refused.ago_seconds < RECENT_SECONDS) {
        let count = things(refused.count, "datagram", "datagrams");
        let (from, ago, text) = (&refused.from, span(refused.ago_seconds), &refused.text);
        add(severity, format!("peer link refused {count}, the last {ago} ago from {from}: {text}"));
    }
    let failure = peer.last_failure.as_ref().filter(|last| last.ago_seconds < RECENT_SECONDS);
    if let Some(failure) = failure {
        add(severity, format!("peer link {}", failure.text));
    }
    if peer.messages_unreadable > 0 {
        let count = things(peer.messages_unreadable, "message", "messages");
        let text =
            format!("{count} of the other balancer can't be read; run the same halb on both");
        add(Severity::Warning, text);
    }
}
