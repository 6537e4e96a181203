//! When an address came to a host and when it went, as the kernel says.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::StreamExt;
use rtnetlink::{
    MulticastGroup, new_multicast_connection,
    packet_core::NetlinkPayload,
    packet_route::{RouteNetlinkMessage, address::AddressMessage},
};

use super::{Error, host, namespace::Namespace};

/// An address that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When the kernel's word of it arrived.
    pub at: Instant,
    /// Which address.
    pub address: IpAddr,
    /// Whether the host has it from now on.
    pub present: bool,
}

/// All changes of a host's addresses since the watch began, on any of its interfaces.
#[derive(Debug)]
pub struct Watch {
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Watch {
    pub(super) fn begin(namespace: &Namespace) -> Result<Self, Error> {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&changes);
        let begun: io::Result<()> = namespace.block_on(async move {
            let groups = [MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
            let (connection, _, mut messages) = new_multicast_connection(&groups)?;
            tokio::spawn(connection);
            tokio::spawn(async move {
                while let Some((message, _)) = messages.next().await {
                    let at = Instant::now();
                    let NetlinkPayload::InnerMessage(message) = message.payload else { continue };
                    if let RouteNetlinkMessage::NewAddress(message) = message {
                        keep(&kept, at, &message, true);
                    } else if let RouteNetlinkMessage::DelAddress(message) = message {
                        keep(&kept, at, &message, false);
                    }
                }
            });
            Ok(())
        });
        begun.map_err(Error::kernel(namespace.name(), "watching its addresses"))?;
        Ok(Self { changes })
    }

    /// What has changed so far, oldest first.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        lock(&self.changes).clone()
    }

    /// When an address last came (`present`) or went, after a moment.
    #[must_use]
    pub fn last(&self, address: IpAddr, present: bool, after: Instant) -> Option<Instant> {
        let changes = lock(&self.changes);
        let found = changes.iter().rev().find(|change| {
            change.address == address && change.present == present && change.at >= after
        });
        found.map(|change| change.at)
    }
}

fn keep(changes: &Mutex<Vec<Change>>, at: Instant, message: &AddressMessage, present: bool) {
    let Some(address) = host::address_of(message).map(|net| net.addr()) else { return };
    let mut changes = lock(changes);
    if changes.len() < CHANGES {
        changes.push(Change { at, address, present });
    }
}

fn lock(changes: &Mutex<Vec<Change>>) -> MutexGuard<'_, Vec<Change>> {
    // A push is complete or hasn't happened; a panic elsewhere spoils nothing.
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes that are kept: far more than a drill of minutes brings about.
const CHANGES: usize = 100_000;
