//! The link to the other balancer, as the status tells it.

pub mod notices;
#[cfg(test)]
pub(crate) mod samples;
pub mod text;

use std::time::{Duration, Instant};

use halb_peer::driver;
use halb_peer::frame::SignedWith;
use halb_peer::link;
use halb_peer::refusal::Reason;
use serde::{Deserialize, Serialize};

/// The link to the other balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Where the other balancer listens.
    pub address: String,
    /// Where this one listens.
    pub bind: String,
    /// Whether it is there.
    pub state: State,
    /// How long it has been so.
    pub since_seconds: f64,
    /// Time since the last datagram that counted; none: there was none.
    pub heard_ago_seconds: Option<f64>,
    /// Time to the other balancer and back; none: not measured yet.
    pub round_trip_seconds: Option<f64>,
    /// The line of our key file that it signs with; none: it was never heard.
    pub key_line: Option<u8>,
    /// Starts of it that were seen.
    pub starts: u64,
    /// Datagrams sent.
    pub frames_sent: u64,
    /// Datagrams that counted.
    pub frames_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages that weren't sent: nobody was there, or too many waited.
    pub messages_unsent: u64,
    /// Messages that couldn't be read: the two run different versions.
    pub messages_unreadable: u64,
    /// Signed datagrams that proved nothing: some come with each start of either node.
    pub introductions: u64,
    /// What wasn't taken, by reason; only those that occurred.
    pub refused: Vec<Refused>,
    /// Datagrams that the kernel didn't send or receive.
    pub failures: u64,
    /// The last of them.
    pub last_failure: Option<Failure>,
}

/// Datagrams that weren't taken, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason, in a word.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Where the last came from, or was said to come from.
    pub from: String,
    /// Time since.
    pub ago_seconds: f64,
    /// What was wrong with it, and what to do.
    pub text: String,
}

/// A failure of the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Time since.
    pub ago_seconds: f64,
    /// What failed, and why.
    pub text: String,
}

/// Whether the other balancer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was never heard.
    Waiting,
    /// Each hears the other.
    Up,
    /// It was heard, and isn't any more.
    Silent,
}

impl State {
    /// As the tree writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Silent => "silent",
        }
    }
}

/// All reasons, as [`Refused::reason`] has them.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    Reason::ALL.into_iter().map(Reason::word)
}

/// The section out of what the driver says; `unreadable` counts messages.
#[must_use]
pub fn build(status: &driver::Status, unreadable: u64, now: Instant) -> Peer {
    let ago = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
    let link = &status.link;
    let counts = &link.counts;
    Peer {
        address: link.peer.to_string(),
        bind: status.bound.to_string(),
        state: match link.state {
            link::State::Waiting => State::Waiting,
            link::State::Up => State::Up,
            link::State::Silent => State::Silent,
        },
        since_seconds: ago(link.since),
        heard_ago_seconds: link.heard.map(ago),
        round_trip_seconds: link.round_trip.as_ref().map(Duration::as_secs_f64),
        key_line: link.signed_with.map(|key| match key {
            SignedWith::Sign => 1,
            SignedWith::Also => 2,
        }),
        starts: counts.sessions,
        frames_sent: counts.frames_sent,
        frames_received: counts.frames_received,
        messages_sent: counts.messages_sent,
        messages_received: counts.messages_received,
        messages_unsent: counts.messages_unsent.saturating_add(status.dropped),
        messages_unreadable: unreadable,
        introductions: counts.introductions,
        refused: link
            .refused
            .iter()
            .map(|refused| Refused {
                reason: refused.refusal.reason().word().to_owned(),
                count: refused.count,
                from: refused.from.to_string(),
                ago_seconds: ago(refused.at),
                text: refused.refusal.to_string(),
            })
            .collect(),
        failures: status.failures.unsent.saturating_add(status.failures.unreceived),
        last_failure: status
            .failures
            .latest
            .as_ref()
            .map(|(at, text)| Failure { ago_seconds: ago(*at), text: text.clone() }),
    }
}

#[cfg(test)]
mod tests;
