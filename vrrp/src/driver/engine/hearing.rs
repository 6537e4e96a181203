//! Adverts of others.

use std::sync::Arc;
use std::time::Instant;

use super::super::sockets::Received;
use super::troubles::Need;
use super::{Engine, words};
use crate::router::Inbox;

/// Adverts that are read from one interface in a turn: more than all routers of a segment send in
/// the time that a turn takes; a flood has to wait for timers and for other interfaces.
const DATAGRAMS_PER_TURN: usize = 64;

/// Interfaces whose sockets may hold more.
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    full: Vec<Arc<str>>,
}

impl Inboxes {
    pub(super) fn of(&self, interface: &str) -> Inbox {
        let full = self.full.iter().any(|full| **full == *interface);
        if full { Inbox::MayHoldMore } else { Inbox::Drained }
    }
}

impl Engine {
    /// Reads every interface until it is empty, or as much as fits into a turn.
    pub(super) fn hear_adverts(&mut self, now: Instant) -> Inboxes {
        let mut inboxes = Inboxes::default();
        let mut errors = Vec::new();
        for port in &mut self.network.ports {
            let Some(sockets) = &mut port.sockets else { continue };
            let mut full = true;
            for _ in 0..DATAGRAMS_PER_TURN {
                match sockets.listener.receive() {
                    Ok(Some(Received::Datagram(datagram))) => {
                        self.node.handle_datagram(&port.interface, &datagram, now);
                        self.published.touch();
                    }
                    // Without a message it concerns no router.
                    Ok(Some(Received::Broken(_))) => self.broken = self.broken.saturating_add(1),
                    Ok(None) => {
                        full = false;
                        break;
                    }
                    Err(error) => errors.push((Arc::clone(&port.interface), words(&error))),
                }
            }
            if full {
                self.busy = true;
                inboxes.full.push(Arc::clone(&port.interface));
            }
        }
        for (interface, what) in errors {
            self.trouble_on(&interface, Need::Listen, &what);
        }
        inboxes
    }
}
