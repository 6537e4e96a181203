//! Reaches hosts over SSH and carries plans out.
//!
//! ```text
//!  Host ── Session (russh) ── sshd ── sudo ── sh      one command
//!  gather ── all hosts at once ──▶ facts
//!  execute ── what [`crate::apply`] says ──▶ hosts ──▶ what became of it
//! ```
//!
//! Nothing here decides what comes next: that is [`crate::apply`], which is pure. What is here can
//! be cut off anywhere. A step is looked at before it is done, a file is replaced in one go, a long
//! command runs as a unit of the host's systemd, and locks go with the connection that holds them.

pub mod access;
pub mod drill;
pub mod execute;
pub mod gather;
pub mod host;
pub mod identity;
pub mod journal;
pub mod known_hosts;
pub mod lines;
pub mod lock;
pub mod look;
pub mod run;
pub mod session;
pub mod target;

mod ends;
mod preface;
mod unit;

use std::sync::Arc;

use access::Access;
use identity::Keys;
use known_hosts::KnownHosts;

/// What all hosts of a run have in common.
#[derive(Debug)]
pub struct Shared {
    /// Host keys of the project.
    pub known_hosts: Arc<KnownHosts>,
    /// Passwords and passphrases.
    pub access: Access,
    /// Private keys that were read.
    pub keys: Keys,
}

impl Shared {
    /// Nothing asked and nothing read yet.
    #[must_use]
    pub fn new(known_hosts: KnownHosts, access: Access) -> Self {
        Self { known_hosts: Arc::new(known_hosts), access, keys: Keys::default() }
    }
}
