//! A stand-in for the Kubernetes API server, as far as a load balancer and its users can tell.
//!
//! ```text
//!   server    listener, connections, life and death ── gate    answers nothing while hung
//!      │ tls  CA, certificates, ALPN
//!   handler   which path is answered by what
//!      ├─ health      /livez /readyz /healthz
//!      ├─ resources   /version, discovery, lists
//!      ├─ watch       ?watch=true
//!      └─ bulk        /bulk, /echo
//! ```
//!
//! It speaks HTTP/1.1 and HTTP/2 over TLS, chosen by ALPN, and says in `X-Served-By` which server
//! answered. It can do in process what happens to real ones: become unready, hang, die with FIN or
//! RST, come back, and leave gracefully as kube-apiserver does. For SIGKILL and SIGSTOP there is the
//! same server as a program, `halb-lab-apiserver`.
//!
//! # What it does not do
//! It stores nothing yet, asks nobody who they are, and watches only for its own heartbeat.

mod bulk;
mod connection;
mod counters;
mod gate;
mod handler;
mod health;
mod resources;
mod server;
mod tls;
mod watch;

pub use self::{
    counters::{Counts, MAX_PATHS},
    server::{ApiServer, DRAIN_LIMIT, Ending, Error, Options},
    tls::{Ca, CaError},
};
