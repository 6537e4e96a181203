//! What halb is tried on: hosts, processes and a Kubernetes API server to stand in for the real one.
//!
//! ```text
//!   Lab ─ Host loadbalancer01 ─┐           Process   halb, haproxy, nginx, etcd …
//!       ─ Host kmaster1 ───────┤ bridge    Subject   a process with its configuration
//!       ─ Host client ─────────┘           ApiServer in process, or `halb-lab-apiserver`
//! ```
//!
//! - [`net`]: hosts as network namespaces on a bridge, as root or in a user namespace; links that
//!   are cut, lossy or slow.
//! - [`process`]: processes with their output and signals, gone with whoever started them, and what
//!   they cost.
//! - [`subject`]: halb, HAProxy, keepalived, FRR, nginx, Envoy and etcd, started with a given
//!   configuration; those that balance also by name, with one task for all; the guides' files.
//! - [`pair`]: two balancers and a client; [`masters`]: the API servers behind them.
//! - [`capture`]: what passes a host's interface, with the time; [`probe`]: how long an address was
//!   out of reach for a client; [`witness`]: when the machine itself stood still meanwhile;
//!   [`awake`]: a machine that doesn't doze off between two requests.
//! - [`apiserver`]: the stand-in API server; [`client`]: an HTTPS client that speaks to it.
//! - [`nameserver`]: a name server that answers what it is told to, or doesn't.
//! - [`loopback`]: addresses for tests on loopback; [`eventually`]: waiting with a deadline.
//!
//! # What this crate does not do
//! It knows no crate of the workspace: a subject is a process and the packets it sends. So the same
//! scenario runs on halb and on what it replaces, and a fault in halb can't hide in the apparatus.
//!
//! # Invariants
//! - Nothing outlives its owner: no name, interface or process is left when a test ends, panics or
//!   is killed.
//! - Nothing is sent but on loopback or inside namespaces that the lab made.
//! - Everything that a test waits for has a deadline, and says what it last saw.

pub mod apiserver;
pub mod awake;
pub mod capture;
pub mod client;
mod each;
pub mod loopback;
pub mod masters;
pub mod nameserver;
pub mod net;
pub mod pair;
pub mod probe;
pub mod process;
mod scheduling;
pub mod subject;
mod wait;
pub mod witness;

pub use apiserver::ApiServer;
pub use awake::Awake;
pub use capture::Capture;
pub use loopback::Loopback;
pub use masters::Masters;
pub use nameserver::Nameserver;
pub use net::{Host, Lab, enter_user_namespace};
pub use pair::Pair;
pub use probe::{Prober, Responder};
pub use process::Process;
pub use wait::{Condition, eventually, eventually_async};
pub use witness::Witness;
