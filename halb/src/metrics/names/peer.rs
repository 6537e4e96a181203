//! Metrics of the link to the other balancer.

use super::{Metric, counter, gauge};

const LINK: &[&str] = &[];
const REASON: &[&str] = &["reason"];

metrics! {
    UP = gauge(
        "halb_peer_up", "", LINK,
        "1 if the other balancer is there: each hears the other"
    );
    STATE_AGE = gauge(
        "halb_peer_state_age_seconds", "seconds", LINK,
        "Time since it was last otherwise"
    );
    HEARD_AGE = gauge(
        "halb_peer_heard_age_seconds", "seconds", LINK,
        "Time since the last datagram that counted; not served before the first"
    );
    ROUND_TRIP = gauge(
        "halb_peer_round_trip_seconds", "seconds", LINK,
        "Time to the other balancer and back; not served before it is measured"
    );
    STARTS = counter(
        "halb_peer_starts_total", "", LINK,
        "Starts of the other balancer that were seen"
    );
    FRAMES_SENT = counter(
        "halb_peer_frames_sent_total", "", LINK,
        "Datagrams sent, hellos included"
    );
    FRAMES_RECEIVED = counter(
        "halb_peer_frames_received_total", "", LINK,
        "Datagrams that counted, hellos included"
    );
    MESSAGES_SENT = counter(
        "halb_peer_messages_sent_total", "", LINK,
        "Messages sent"
    );
    MESSAGES_RECEIVED = counter(
        "halb_peer_messages_received_total", "", LINK,
        "Messages received"
    );
    MESSAGES_UNSENT = counter(
        "halb_peer_messages_unsent_total", "", LINK,
        "Messages that weren't sent: nobody was there, or too many waited"
    );
    MESSAGES_UNREADABLE = counter(
        "halb_peer_messages_unreadable_total", "", LINK,
        "Messages that couldn't be read, because the two run different versions"
    );
    INTRODUCTIONS = counter(
        "halb_peer_introductions_total", "", LINK,
        "Signed datagrams that proved nothing: some at each start of either node; more are recordings"
    );
    REFUSED = counter(
        "halb_peer_refused_total", "", REASON,
        "Datagrams that weren't taken, by reason: not_peer, not_ours, version, too_short, too_long, malformed, flood, wrong_key, reflected, stale, replayed, unknown_channel"
    );
    FAILURES = counter(
        "halb_peer_failures_total", "", LINK,
        "Datagrams that the kernel didn't send or receive"
    );
}
