//! What scripts and dashboards that were built around HAProxy ask for, and what halb tells them in
//! HAProxy's words: the commands of its runtime socket, and its names of Prometheus metrics.
//!
//! ```text
//!  Picture ──▶ History ──▶ rows ──▶ stat, info, servers ──▶ answers of a Conversation
//!  (a moment)  (maxima,      └────▶ prometheus
//!               rates)
//! ```
//!
//! A [`Picture`](picture::Picture) is the daemon at one moment, in plain values. What HAProxy counts
//! and halb doesn't (highest values, rates, time spent down) a [`History`](history::History) adds
//! to it, which looks at a picture every second. [`rows`] says what stands in which column of
//! `show stat`; the Prometheus names are other names of the same columns, as in HAProxy itself.
//!
//! The interface is HAProxy 2.6's, compared with its Debian package; its sources are cited where
//! the behaviour can't be seen from outside.
//!
//! What this crate does not do: no socket, no clock, no log. Orders that change something come out
//! of a [`Conversation`](conversation::Conversation) as values, and whoever drives it carries them
//! out.

pub mod columns;
pub mod conversation;
pub mod history;
pub mod info;
pub mod picture;
pub mod prometheus;
pub mod rows;
pub mod servers;
pub mod sessions;
pub mod stat;
pub mod weight;
pub mod words;

mod help;
mod typed;

#[cfg(test)]
mod samples;

/// The release of HAProxy whose interface is spoken. Clients compare it with what they need, so
/// that it comes first in the version that is told.
pub const INTERFACE: &str = "2.6.12";
