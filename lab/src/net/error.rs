//! What can go wrong with hosts and their network.

use std::io;

/// Why a host or its network isn't as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This process may not make namespaces.
    #[error(
        "this system lets this user make no network namespaces: run as root, or allow user \
         namespaces (sysctl user.max_user_namespaces, \
         kernel.apparmor_restrict_unprivileged_userns, or the container's settings)"
    )]
    Denied(#[source] io::Error),
    /// A user namespace was asked for by a program that has threads already.
    #[error("a user namespace can only be entered before the program starts threads")]
    Threads(#[source] io::Error),
    /// Not an address with a prefix length, or not a prefix.
    #[error("{text:?} is no address with a prefix length, such as 172.16.16.51/24")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        source: ipnet::AddrParseError,
    },
    /// A request over netlink was refused.
    #[error("{host}: {what} failed")]
    Netlink {
        /// The host, or the bridge.
        host: String,
        /// What was asked.
        what: String,
        /// The kernel's answer.
        #[source]
        source: rtnetlink::Error,
    },
    /// Another system call failed.
    #[error("{host}: {what} failed")]
    Kernel {
        /// The host, or the bridge.
        host: String,
        /// What was asked.
        what: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on a system call.
    pub(super) fn kernel<E: Into<io::Error>>(host: &str, what: &str) -> impl FnOnce(E) -> Self {
        let (host, what) = (host.to_owned(), what.to_owned());
        move |source| Self::Kernel { host, what, source: source.into() }
    }

    /// For `map_err` on a netlink request.
    pub(super) fn netlink(
        host: &str,
        what: impl Into<String>,
    ) -> impl FnOnce(rtnetlink::Error) -> Self {
        let (host, what) = (host.to_owned(), what.into());
        move |source| Self::Netlink { host, what, source }
    }
}
