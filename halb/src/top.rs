//! `halb top`: the status as it changes, in a terminal, with keys that drain a server and bring it
//! back.
//!
//! ```text
//!  terminal ──keys──▶ ┌─────────┐ ──orders──▶ control socket
//!                     │  state  │
//!  control socket ──▶ └────┬────┘
//!         a look a second  └──view──▶ lines ──▶ terminal
//! ```
//!
//! [`state`] and [`view`] are pure; [`driver`] asks, draws and keeps time.

pub(crate) mod driver;
mod rows;
mod series;
mod state;
#[cfg(test)]
mod tests;
mod view;
