//! What the guard does with its hands: adverts of priority 0, and the removal of addresses.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::net::if_::if_indextoname;

use crate::driver::netlink::{Netlink, NetlinkError};
use crate::driver::sockets::Sender;
use crate::interfaces::{Interface, Placed};
use crate::plan::{Farewell, Held, Plan};
use crate::values::Family;

/// Sockets, opened before they are needed.
pub(super) struct Hands {
    netlink: Netlink,
    senders: Vec<(u32, Family, Sender)>,
}

/// How many of each remain.
pub(super) struct Undone {
    pub(super) farewells: usize,
    pub(super) addresses: usize,
}

impl Hands {
    /// With a netlink socket; those for adverts follow from a plan.
    pub(super) fn new() -> Result<Self, NetlinkError> {
        Ok(Self { netlink: Netlink::open()?, senders: Vec::new() })
    }

    /// Opens what the plan needs, and closes what it doesn't.
    pub(super) fn prepare(&mut self, plan: &Plan) {
        let ways = || plan.farewells.iter().map(way);
        self.senders.retain(|(index, family, _)| ways().any(|way| way == (*index, *family)));
        for (index, family) in ways() {
            self.open(index, family);
        }
    }

    /// Sends every farewell and removes every address, and tries again what fails, so many times
    /// in all.
    pub(super) fn give_up(&mut self, plan: &Plan, rounds: u32) -> Undone {
        let mut farewells: Vec<&Farewell> = plan.farewells.iter().collect();
        let mut addresses: Vec<&Held> = plan.addresses.iter().collect();
        let mut pause = PAUSE_MIN;
        for round in 1..=rounds {
            if round <= FAREWELL_ROUNDS {
                farewells.retain(|farewell| !self.send(farewell));
            }
            addresses.retain(|held| !self.remove(held));
            // Who hears no farewell takes over all the same; an address must go.
            let is_over = farewells.is_empty() || round >= FAREWELL_ROUNDS;
            if addresses.is_empty() && is_over || round == rounds {
                break;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Undone { farewells: farewells.len(), addresses: addresses.len() }
    }
}

impl Hands {
    fn send(&mut self, farewell: &Farewell) -> bool {
        let (index, family) = way(farewell);
        let Some(sender) = self.open(index, family) else {
            // The interface is gone, and whoever might listen with it.
            return name(index).is_none();
        };
        let Farewell { source, destination, message, .. } = farewell;
        sender.send(*source, *destination, message).is_ok()
    }

    fn remove(&mut self, held: &Held) -> bool {
        let placed = Placed {
            index: held.interface,
            interface: Arc::from(""),
            address: held.address,
            prefix_len: held.prefix_len,
            label: None,
        };
        self.netlink.remove_address(&placed).is_ok()
    }

    /// The sender of an interface, opened if it isn't yet. None: it can't be, now at least.
    fn open(&mut self, index: u32, family: Family) -> Option<&Sender> {
        let is_it = |entry: &&(u32, Family, Sender)| (entry.0, entry.1) == (index, family);
        if !self.senders.iter().any(|entry| is_it(&entry)) {
            let interface = Interface {
                index,
                name: name(index)?,
                is_up: true,
                mac: None,
                forwards_ipv6: false,
            };
            self.senders.push((index, family, Sender::open(&interface, family).ok()?));
        }
        self.senders.iter().find(is_it).map(|(_, _, sender)| sender)
    }
}

/// The name of an interface, unless it is gone.
fn name(index: u32) -> Option<Arc<str>> {
    let name = if_indextoname(index).ok()?.into_string().ok()?;
    // What nix 0.31 returns where there is none.
    (!name.is_empty()).then(|| Arc::from(name))
}

/// Interface and family, for which there is one socket.
fn way(farewell: &Farewell) -> (u32, Family) {
    (farewell.interface, Family::of(farewell.destination))
}

/// Rounds in which farewells are tried: what the kernel refuses for longer than about ten
/// milliseconds has no carrier or no leave to pass.
const FAREWELL_ROUNDS: u32 = 4;

/// Pauses between rounds double within these bounds.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
