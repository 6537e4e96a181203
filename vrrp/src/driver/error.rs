//! What can go wrong between the driver and those who use it.

use std::io;

use super::engine::words;
use super::ownership::OwnershipError;
use crate::plan::PlanTooLong;

/// Why the driver can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel refuses something that the thread can't do without.
    #[error("{what}")]
    Kernel {
        /// What was tried, and what to do about it where that is known.
        what: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The guard couldn't give all of it up.
    #[error(transparent)]
    TooMuch(#[from] PlanTooLong),
    /// The thread ended, or didn't say within seconds that it is ready.
    #[error("the thread of the virtual routers did not come up")]
    NotReady,
}

/// Why an order wasn't carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Too many orders wait already.
    #[error("the thread of the virtual routers has too many orders waiting; try again")]
    Busy,
    /// The thread took the order or will take it, but didn't answer in time.
    #[error(
        "the thread of the virtual routers does not answer; `halb vip status` shows its heartbeat"
    )]
    NoAnswer,
    /// The thread has ended.
    #[error("the thread of the virtual routers has ended; restart halb")]
    Ended,
    /// The guard couldn't give all of it up.
    #[error(transparent)]
    TooMuch(#[from] PlanTooLong),
    /// On a kernel that doesn't tell which addresses are ours, they can't be listed.
    #[error("{0}")]
    Unlisted(String),
    /// There is no virtual router of this name.
    #[error("there is no virtual router '{0}'")]
    NoSuchInstance(String),
}

impl From<OwnershipError> for OrderError {
    fn from(error: OwnershipError) -> Self {
        Self::Unlisted(words(&error))
    }
}
