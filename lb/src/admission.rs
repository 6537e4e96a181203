//! Who is let in, and how many: rules for the moment of accept, without sockets.
//!
//! Over a limit, nothing is accepted: clients wait in the kernel's backlog and are served as room
//! appears (trap: accepting only to close makes them come back at once). A client out of a denied
//! prefix can't be told from others before accept; its connection is closed.

mod capacity;
mod list;
mod rate;

pub use capacity::{Capacity, FDS_PER_CONNECTION, RESERVED_FDS};
pub use list::{AccessList, canonical};
pub use rate::AcceptRate;
