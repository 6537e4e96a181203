//! The peer link's part of the status page.

use std::fmt;
use std::fmt::Write as _;

use super::Escaped;
use crate::status::peer::{Peer, State};
use crate::status::words::{count, exact, span};

/// A heading and a paragraph.
pub(super) fn section(peer: &Peer, html: &mut String) -> fmt::Result {
    let class = match peer.state {
        State::Up => "well",
        State::Waiting | State::Silent => "warning",
    };
    let heard = match peer.heard_ago_seconds {
        Some(ago) => format!("heard {} ago", exact(ago)),
        None => "never heard".to_owned(),
    };
    let round_trip = peer.round_trip_seconds.map(|time| format!(", round trip {}", exact(time)));
    writeln!(
        html,
        "<h2>Peer {} <small class=\"{class}\">{}</small></h2>\n<p>For {}: {heard}{}. {} messages \
         in, {} out, {} datagrams refused.</p>",
        Escaped(&peer.address),
        peer.state.word().to_uppercase(),
        span(peer.since_seconds),
        round_trip.unwrap_or_default(),
        count(peer.messages_received),
        count(peer.messages_sent),
        count(peer.refused.iter().map(|refused| refused.count).sum()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::peer::samples;

    #[test]
    fn the_gist_is_on_the_page_and_nothing_is_taken_for_markup() {
        let mut html = String::new();
        section(&Peer { address: "<b>:1".to_owned(), ..samples::wrong_key() }, &mut html).unwrap();
        assert_eq!(
            html,
            "<h2>Peer &lt;b&gt;:1 <small class=\"warning\">SILENT</small></h2>\n<p>For 1 min 35 s: \
             heard 1 min 38 s ago, round trip 0.3 ms. 11,518 messages in, 11,520 out, 96 datagrams \
             refused.</p>\n"
        );
    }
}
