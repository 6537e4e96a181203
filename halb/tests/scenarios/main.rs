//! halb as its users meet it: the real binary before real servers, asked by real clients.
//!
//! ```text
//!   support   daemon    the binary, its files, its command line
//!             masters   stand-in API servers as processes: killed, frozen, started again
//!             load      clients that note what became of each request
//!             network   loadbalancer01, three masters and a client, a namespace each
//!             greeters  servers that say their name and nothing else
//! ```
//!
//! `daemon.rs` beside this folder tries orders and signals one by one; here they meet traffic.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

mod capacity;
mod clients;
mod detection;
mod etcd;
mod forward;
mod forward_reload;
mod haproxy_api;
mod import;
mod kubernetes;
mod nginx;
mod operator;
mod reload;
mod slow_start;
mod support;
mod upgrades;
mod virtual_ip;
