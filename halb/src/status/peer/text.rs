//! The link to the other balancer in a few lines: part of `halb status` and of `halb vip explain`.

use std::fmt::Write as _;

use super::{Peer, State};
use crate::status::notices::Severity;
use crate::status::text::{Colour, WIDTH};
use crate::status::words::{clip, count, exact, plain, span, wrap};

/// Longest address in the headline.
const ADDRESS_WIDTH: usize = 48;

/// A headline and what is known, as part of `halb status`.
#[must_use]
pub fn short(peer: &Peer, colour: Colour) -> String {
    let mut out = String::new();
    let state = peer.state.word().to_uppercase();
    let state = match peer.state {
        State::Up => colour.bold(&state),
        State::Waiting | State::Silent => colour.paint(Severity::Warning, &state),
    };
    let address = colour.bold(&clip(&plain(&peer.address), ADDRESS_WIDTH));
    let _ = writeln!(out, "\npeer {address}  {state}  {}", span(peer.since_seconds));
    push(&mut out, &known(peer));
    out
}

/// The same, with all that was refused, as the last section of `halb vip explain`.
#[must_use]
pub fn full(peer: &Peer, colour: Colour) -> String {
    let mut out = short(peer, colour);
    push(&mut out, &format!("this node listens on {}", peer.bind));
    if let Some(line) = peer.key_line {
        push(&mut out, &format!("it signs with the key in line {line} of our key file"));
    }
    for refused in &peer.refused {
        let (reason, ago) = (&refused.reason, span(refused.ago_seconds));
        let count = count(refused.count);
        push(
            &mut out,
            &format!(
                "refused {count} ({reason}), the last {ago} ago from {}: {}",
                refused.from, refused.text
            ),
        );
    }
    if let Some(failure) = &peer.last_failure {
        let (failures, ago) = (count(peer.failures), span(failure.ago_seconds));
        push(&mut out, &format!("{failures} failures, the last {ago} ago: {}", failure.text));
    }
    out
}

fn known(peer: &Peer) -> String {
    let mut facts = Vec::new();
    match peer.heard_ago_seconds {
        Some(ago) => facts.push(format!("heard {} ago", exact(ago))),
        None => facts.push("never heard".to_owned()),
    }
    if let Some(round_trip) = peer.round_trip_seconds {
        facts.push(format!("round trip {}", exact(round_trip)));
    }
    facts.push(format!("{} messages in", count(peer.messages_received)));
    facts.push(format!("{} out", count(peer.messages_sent)));
    let refused: u64 = peer.refused.iter().map(|refused| refused.count).sum();
    if refused > 0 {
        facts.push(format!("{} datagrams refused", count(refused)));
    }
    facts.join(", ")
}

fn push(out: &mut String, text: &str) {
    for line in wrap(&plain(text), WIDTH - 2, 2).lines() {
        let _ = writeln!(out, "  {line}");
    }
}
