//! A stand-in for the Kubernetes API server, as far as a load balancer and its users can tell.
//!
//! ```text
//!   server    listener, connections, life and death ── gate    answers nothing while hung
//!      │ tls  CA, certificates, ALPN
//!   handler   which path is answered by what
//!      ├─ health      /livez /readyz /healthz
//!      ├─ resources   /version, discovery, lists
//!      ├─ watch       ?watch=true
//!      ├─ bulk        /bulk, /echo
//!      └─ api         or all of it from somebody else
//! ```
//!
//! It speaks HTTP/1.1 and HTTP/2 over TLS, chosen by ALPN, and says in `X-Served-By` which server
//! answered. It can do in process what happens to real ones: become unready, hang, die with FIN or
//! RST, come back, and leave gracefully as kube-apiserver does. For SIGKILL and SIGSTOP there is the
//! same server as a program, `halb-lab-apiserver`.
//!
//! # What it does not do
//! By itself it stores nothing, asks nobody who they are, and watches only for its own heartbeat.
//! Whoever has a cluster to show gives it one ([`Part`]): then wire, life and health are its own, and
//! everything else is asked of that cluster's [`Api`].

mod api;
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
    api::{Api, Caller, Part},
    counters::{Counts, MAX_PATHS},
    handler::Body,
    server::{ApiServer, DRAIN_LIMIT, Ending, Error, Options},
    tls::{Ca, CaError},
};
