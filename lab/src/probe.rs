//! How long an address was out of reach: a client that asks it again and again, and hosts that
//! answer with their name.
//!
//! ```text
//!   Prober on a client ── number ──► the address, wherever it is ──► Responder on a host
//!                      ◄── number and name of the host ────────────
//! ```
//!
//! An outage is a run of questions without an answer: from the sending of the last answered question
//! before it to the sending of the first answered one after it. So a pause of the apparatus itself,
//! on a busy machine, is no outage as long as nothing is lost.

mod prober;
mod responder;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    time::{Duration, Instant},
};

pub use self::{prober::Prober, responder::Responder};

/// A run of questions that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the last question before it was sent that was answered, or the first one of all.
    pub from: Instant,
    /// When the first question after it was sent that was answered; none: it lasts.
    pub to: Option<Instant>,
    /// Questions without an answer.
    pub lost: usize,
}

/// From when on which host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When the first question that it answered was sent.
    pub from: Instant,
    /// Name of the host.
    pub by: String,
}

impl Outage {
    /// How long it lasted, until `now` if it still does.
    #[must_use]
    pub fn length(&self, now: Instant) -> Duration {
        self.to.unwrap_or(now).saturating_duration_since(self.from)
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{:?}, {} lost", to - self.from, self.lost),
            None => write!(f, "to the end, {} lost", self.lost),
        }
    }
}

/// Bytes of a question: its number.
const QUESTION: usize = 8;

/// Bytes of an answer: the number and the name of the host.
const ANSWER: usize = QUESTION + NAME;

/// Bytes of a host's name that an answer carries.
const NAME: usize = 32;
