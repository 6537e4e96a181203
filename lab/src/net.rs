//! Hosts on one network segment, each a network namespace, made in process.
//!
//! ```text
//!   namespace of the bridge             namespace of a host
//!   br0 ── port1 ◄──── veth pair ────► eth1  172.16.16.51/24
//!       ── port2 ◄──── veth pair ────► eth1  172.16.16.101/24
//! ```
//!
//! The namespaces have no names: descriptors and threads hold them, so the kernel takes everything
//! back when the program ends, however it ends. Nothing appears among the interfaces of the machine
//! itself, not even the bridge, which has a namespace of its own.
//!
//! All of it needs the right to make network namespaces: root has it, and anyone in a user
//! namespace ([`enter_user_namespace`]) where the system allows that.

mod error;
mod host;
mod link;
mod loss;
mod namespace;
mod rate;
mod segment;
mod user;
mod watch;

use std::sync::Arc;

use self::segment::Segment;
pub use self::{
    error::Error,
    host::{Host, INTERFACE},
    loss::Loss,
    user::enter_user_namespace,
    watch::{Change, Watch},
};

/// A network of hosts, gone when it and its hosts are dropped.
#[derive(Debug)]
pub struct Lab {
    segment: Arc<Segment>,
}

impl Lab {
    /// A network without hosts: one bridge, no spanning tree, so a port forwards at once.
    ///
    /// # Errors
    /// [`Error::Denied`] when this process may not make namespaces; [`Error::Kernel`] otherwise.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { segment: Arc::new(Segment::create()?) })
    }

    /// A host on the network with loopback up and `address` (such as `172.16.16.51/24`) on its
    /// interface [`INTERFACE`].
    ///
    /// # Errors
    /// [`Error::Address`] when `address` is no address with a prefix length; else as [`Lab::new`].
    pub fn host(&self, name: &str, address: &str) -> Result<Host, Error> {
        Host::create(name, address, Arc::clone(&self.segment))
    }
}
