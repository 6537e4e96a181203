//! What the kernel may refuse.

use std::io;

/// An order or a question that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error("cannot open a {what} socket")]
    Open {
        /// Which.
        what: &'static str,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A question or an order went wrong.
    #[error("the kernel refuses to {what}")]
    Refused {
        /// What was wanted.
        what: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A list never came whole.
    #[error("the kernel's list of {what} changed during each of several readings")]
    Unsteady {
        /// Of what.
        what: &'static str,
    },
}

impl Error {
    pub(super) fn refused(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Refused { what: what.into(), source }
    }
}

/// Why kernel forwarding doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No access to nftables or conntrack.
    #[error(
        "the kernel's packet filter is out of reach: kernel forwarding needs CAP_NET_ADMIN and \
         CAP_NET_RAW, and the modules nf_tables, nft_nat, nft_numgen, nft_hash, \
         nft_reject_inet, nft_fib_inet and nf_conntrack_netlink"
    )]
    Kernel(#[from] Error),
    /// A setting of the kernel that forwarding needs.
    #[error("cannot set {name} to {value}, which kernel forwarding needs")]
    Setting {
        /// Its name, as sysctl has it.
        name: String,
        /// What it should be.
        value: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// No thread or no descriptor for it.
    #[error("cannot start the thread of kernel forwarding")]
    Thread(#[source] io::Error),
}
