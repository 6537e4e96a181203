//! Stand-ins for kubeadm and kubelet, for tests of what drives them; never shipped.
//!
//! ```text
//!   kubeadm ── config     v1beta4 files, unknown fields refused
//!           ├─ preflight  what kubeadm refuses to begin on
//!           ├─ init, join, upgrade, reset, token, certs: kubeadm's phases, words and exit codes
//!           └─ client ─────HTTPS──▶ endpoint ─▶ balancer ─▶ api
//!   kubelet ── runs what lies in /etc/kubernetes/manifests, and tells of its node
//!           └─ api ── auth, objects, discovery, exec ── store    on the lab's stand-in API server
//! ```
//!
//! Where the real ones are strict, so are these: files are read with unknown fields refused; tokens
//! have to be good and in time; the authority is checked by the signature that the token makes and
//! by the hash of its public key; keys have to belong to certificates; etcd takes one learner at a
//! time. Real kubectl works with the API. Each phase leaves a line in an event log
//! ([`machine::EVENTS`]), and waits before a phase that is written in [`machine::PAUSE`].
//!
//! # What they do not do
//! No container runs. What etcd would hold is a folder that masters share ([`store::FOLDER`]), so a
//! quorum that is lost isn't noticed.

mod api;
mod client;
pub mod config;
pub mod crypto;
mod etcd;
mod kubeadm;
mod kubelet;
pub mod machine;
mod manifests;
pub mod preflight;
pub mod store;

use std::process::ExitCode;

pub use api::api;
pub use kubeadm::kubeadm;
pub use kubelet::kubelet;

/// Acts as the program of this name; none for a name of another program.
#[must_use]
pub fn act_as(program: &str, arguments: &[String]) -> Option<ExitCode> {
    let machine = machine::Machine::here();
    match program {
        "kubeadm" => Some(kubeadm(&machine, arguments)),
        "kubelet" => Some(kubelet(&machine)),
        "etcdutl" => Some(etcd::etcdutl(&machine, arguments)),
        _ => None,
    }
}
