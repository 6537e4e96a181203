//! A server behind halb's frontend, on a host of the segment.

use std::net::SocketAddr;

use halb_lab::Host;

use super::greeters::Greeter;

/// A server that listens until it is dropped.
pub(crate) struct Server<'a> {
    host: &'a Host,
    greeter: Option<Greeter>,
}

/// Its port.
const PORT: u16 = 7001;

impl<'a> Server<'a> {
    /// Where it listens on a host.
    pub(crate) fn address(host: &Host) -> SocketAddr {
        SocketAddr::new(host.ip(), PORT)
    }

    pub(crate) fn listen(host: &'a Host) -> Self {
        let greeter = host.run(|| Greeter::listen("kmaster1", Self::address(host)));
        Self { host, greeter: Some(greeter) }
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // It connects to itself to end, which reaches it on its own host only.
        self.host.run(|| drop(self.greeter.take()));
    }
}
