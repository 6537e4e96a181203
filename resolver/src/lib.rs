//! Which address the name of a server stands for, asked again and again without anybody waiting
//! for it.
//!
//! ```text
//!  names ──▶ Book ──ask──▶ driver ──▶ hosts file, name servers
//!             │ ◀──answers──┘
//!             └──▶ an address for each name; what changed, and why
//! ```
//!
//! [`name`] is the machine of one name: an address is kept while answers still hold it, while
//! nobody answers, and for a while when answers no longer hold it. [`book`] has all names, and
//! bounds how many are asked at a time. [`message`], [`hosts`] and [`resolv_conf`] read what
//! others write. All of that is pure; `driver` has the sockets.
//!
//! What this crate does not do: it follows no search list (a name is asked as it stands), keeps no
//! cache beside the address in use, validates no DNSSEC, and speaks to the name servers of this
//! host, never to the roots. It knows nothing of servers, checks and connections.

pub mod book;
pub mod config;
pub mod hosts;
pub mod message;
pub mod name;
pub mod resolv_conf;

#[cfg(feature = "driver")]
pub mod driver;
