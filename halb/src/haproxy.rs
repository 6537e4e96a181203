//! What is offered to scripts and dashboards that were built around HAProxy. `halb-haproxy-api` has
//! the commands and the names; here the daemon is drawn for it ([`picture`]) and its socket is
//! served ([`socket`]).

pub mod picture;
pub mod socket;
