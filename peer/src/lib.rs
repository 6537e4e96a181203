//! Link between two nodes that run halb: small messages over UDP, each signed, none taken twice.
//!
//! ```text
//!  send(channel, bytes) ──▶ ┌──────┐ ──Transmit──▶ socket ──▶ the peer
//!  socket ──handle_datagram▶│ Link │ ──Received──▶ whoever listens on that channel
//!  clock ──poll_timeout───▶ │(pure)│ ──Up, Down, Refused──▶ log, status
//!                           └──────┘
//! ```
//!
//! The core ([`link`], [`frame`]) is pure: it takes `now` and events and returns frames, events and
//! the next deadline; randomness is an argument. The driver (feature `driver`, on by default) owns
//! the socket, the clock and the random source.
//!
//! # What it promises
//! - A message is delivered at most once, only if the node with the shared key sent it, only to the
//!   start of this node that it was sent to, and only within [`link::AGE_MAX`] of being sent. Why
//!   that holds without synchronised clocks says [`link`].
//! - One datagram per message, at most [`frame::FRAME_LEN_MAX`] bytes, which no network fragments.
//! - Nothing that comes from the network can panic, grow memory or take more than a bounded share
//!   of a processor; what isn't taken is counted by reason, with its sender.
//!
//! # What it does not promise
//! - That a message arrives. Nothing is repeated by itself: a message that was lost is stale when
//!   it could be repeated. Who tells a state tells it again at a slow pace, and at once on
//!   [`link::Event::Up`]; the latest wins.
//! - Order. A message carries the sequence number of its datagram; of two, the one with the larger
//!   number was sent later.
//! - Secrecy. Messages are signed, not encrypted: whoever sees the network can read them.
//!
//! What it does not do: it knows no other crate and no meaning of a payload, reads no file, writes
//! no log and serves no metrics.

mod budget;
pub mod config;
#[cfg(feature = "driver")]
pub mod driver;
pub mod frame;
pub mod link;
pub mod refusal;
mod window;
