//! A drill on a pair of real nodes, from any host that reaches the address.
//!
//! ```text
//!   requests ──────────────► the address
//!   control  ── ssh HOST halb vip … ──► loadbalancer01, loadbalancer02
//! ```
//!
//! The fault is a hand-over (`yield`), a stop of the daemon, or whatever an operator does by hand.
//! It is refused where the other node couldn't take over, and the address is given back at the end,
//! also when the operator interrupts.

mod control;
mod outcome;
mod play;
mod probe;
mod survey;

use std::{net::SocketAddr, time::Duration};

pub use self::{
    control::{Control, ControlError},
    outcome::{Outcome, Part},
    play::{Error, play},
    probe::Probe,
    survey::{Pair, Refusal},
};

/// What is done to the active node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `halb vip yield`, and `halb vip resume` later.
    Yield,
    /// Its daemon is stopped, and started later.
    Stop,
    /// Nothing: the operator does something.
    None,
}

/// How a drill goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address that clients use.
    pub target: SocketAddr,
    /// What is done.
    pub fault: Fault,
    /// How a node is asked and told something; none: no node is.
    pub control: Option<Control>,
    /// What a request is.
    pub probe: Probe,
    /// Between two requests.
    pub pace: Duration,
    /// The longest gap that is fine; none: what the nodes' timers promise.
    pub bound: Option<Duration>,
    /// How long to wait for the operator.
    pub wait: Duration,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Yield, Self::Stop, Self::None];

    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yield => "yield",
            Self::Stop => "stop",
            Self::None => "none",
        }
    }
}
