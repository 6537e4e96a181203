//! From bare hosts to a highly available Kubernetes cluster, by kubeadm, out of one file.
//!
//! ```text
//!  cluster.yaml ──inventory──▶ Inventory ─┐
//!                                         ├─ plan ──▶ Plan ──▶ apply ◀─▶ driver ◀─▶ hosts
//!  hosts ──script, parse──▶ Facts ────────┤
//!  keys and token ───────▶ Material ──────┘
//! ```
//!
//! The pure part ([`inventory`], [`facts`], [`plan`], [`pki`], [`kubeadm`]) says what there is to do
//! and which step comes next ([`apply`]); the driver (feature `driver`, on by default) reaches hosts
//! and does it. A plan is made from
//! what hosts say at that moment, so that after an interruption the next one holds what is left,
//! and the one after a finished run is empty.
//!
//! # What it promises
//! - An inventory's problems are shown all at once, with line and column, before any host is asked;
//!   a host's, on all hosts at once, before anything is changed.
//! - No secret is in an argument of a command, in a plan's text or in a `Debug` of anything: only in
//!   [`secret::Secret`], which goes to hosts as the content of files that root alone can read.
//! - Nothing is parsed from what kubeadm prints: authorities, token and hash are made here.
//!
//! What this crate does not do: it makes no machines, runs no daemon, and knows no other crate of
//! halb. What it writes for balancers is text in halb's own format.

pub mod addon;
pub mod apply;
pub mod backup;
pub mod certs;
pub mod drill;
#[cfg(feature = "driver")]
pub mod driver;
pub mod facts;
pub mod hints;
pub mod inventory;
pub mod kubeadm;
mod paths;
pub mod pki;
pub mod placement;
pub mod plan;
pub mod progress;
pub mod secret;
pub mod shell;
pub mod verify;

#[cfg(test)]
mod testing;
