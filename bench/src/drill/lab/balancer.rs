//! What a drill needs of whoever balances.

use std::{fmt, io, net::IpAddr, time::Duration};

use halb_lab::{Host, Masters, masters, net, pair, process, subject};

use crate::drill::plan::Setting;

/// Somebody who balances: how it is started on a node.
pub trait Kind: fmt::Debug + Sync {
    /// Starts it and returns when it serves, or begins to.
    ///
    /// # Errors
    /// [`Error`].
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error>;
}

/// Where it is started, and what it is told.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The host.
    pub host: &'a Host,
    /// The other node's address.
    pub other: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Version and interval.
    pub setting: Setting,
    /// The address that clients use.
    pub vip: IpAddr,
    /// The servers.
    pub masters: &'a Masters,
    /// The port of another service of the same hosts, which is to be balanced as well.
    pub streams: Option<u16>,
}

/// One that runs on a node. It is gone when it is dropped.
pub trait Balancer: fmt::Debug + Send {
    /// Whether it and the other node know of each other as much as they ever will.
    ///
    /// # Errors
    /// [`Error`].
    fn is_ready(&self) -> Result<bool, Error>;

    /// SIGKILL to all of it.
    ///
    /// # Errors
    /// [`Error`].
    fn kill(&mut self) -> Result<(), Error>;

    /// SIGSTOP to all of it.
    ///
    /// # Errors
    /// [`Error`].
    fn freeze(&mut self) -> Result<(), Error>;

    /// SIGCONT to all of it.
    ///
    /// # Errors
    /// [`Error`].
    fn thaw(&mut self) -> Result<(), Error>;

    /// Asks it to end as a service manager does, and doesn't wait.
    ///
    /// # Errors
    /// [`Error`].
    fn stop(&mut self) -> Result<(), Error>;

    /// Has it give the address to the other node, and doesn't wait.
    ///
    /// # Errors
    /// [`Error`].
    fn hand_over(&mut self) -> Result<(), Error>;

    /// Stops what forwards, and leaves what speaks VRRP alone.
    ///
    /// # Errors
    /// [`Error`].
    fn hang_proxy(&mut self) -> Result<(), Error>;
}

/// Why a drill can't be played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network can't be made.
    #[error(transparent)]
    Network(#[from] net::Error),
    /// The network or its witnesses can't be made.
    #[error(transparent)]
    Pair(#[from] pair::Error),
    /// The servers don't start.
    #[error(transparent)]
    Masters(#[from] masters::Error),
    /// A subject doesn't start or doesn't answer.
    #[error(transparent)]
    Subject(#[from] subject::Error),
    /// A process doesn't do what it is told by signals.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A file for a subject can't be written.
    #[error("the files of a node can't be written")]
    Files(#[source] io::Error),
    /// It is asked for something and refuses.
    #[error("it refuses an order: {0}")]
    Refused(String),
    /// Servers of the drill's own can't listen.
    #[error("there are no servers for connections that carry bytes")]
    Streams(#[source] io::Error),
    /// It isn't well before anything has failed.
    #[error("it isn't well before the drill: not within {patience:?}: {what}")]
    NotWell {
        /// What was waited for.
        what: &'static str,
        /// How long.
        patience: Duration,
    },
}
