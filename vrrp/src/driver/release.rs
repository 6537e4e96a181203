//! What is done without a daemon about addresses that it left behind: by `halb vip release`, which
//! systemd runs after the daemon has ended in whichever way, and at the next start.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::netlink::{AddressError, Netlink, NetlinkError, Removed};
use super::ownership::{Marks, OwnershipError, Tagging};
use super::sockets::{Sender, SocketError};
use crate::config::Delivery;
use crate::interfaces::{Assigned, Interfaces, Placed, SourceRule};
use crate::router::Router;
use crate::settings::{Instance, Settings};
use crate::track::Standing;

/// What was found and done.
#[derive(Debug, Default)]
pub struct Released {
    /// Addresses that are gone now, with the names of their interfaces.
    pub addresses: Vec<(Arc<str>, IpAddr)>,
    /// Virtual routers for which priority 0 was sent.
    pub instances: Vec<Arc<str>>,
    /// What couldn't be done; the rest was done nevertheless.
    pub problems: Vec<ReleaseError>,
}

/// Why an address can't be released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// What is on the interfaces can't be read.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// An address stays where it is.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The other nodes weren't told, and find out by themselves.
    #[error(transparent)]
    Farewell(#[from] SocketError),
    /// On a kernel without marks, what is ours isn't known.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
}

/// Takes every address away that an earlier daemon put on an interface, also of a configuration
/// that is no more, and says priority 0 for the virtual routers among `settings` that had one.
/// Addresses that somebody else put there stay.
///
/// Must not run beside a daemon, whose addresses it would take.
///
/// # Errors
/// [`ReleaseError::Netlink`] if nothing can be seen. Else [`Released::problems`] has what failed.
pub fn release(settings: &Settings, run_dir: &Path) -> Result<Released, ReleaseError> {
    release_as(settings, run_dir, Tagging::AsTheKernelDoes)
}

/// The same on a kernel that keeps marks or not.
pub(super) fn release_as(
    settings: &Settings,
    run_dir: &Path,
    tagging: Tagging,
) -> Result<Released, ReleaseError> {
    let mut netlink = Netlink::open()?;
    let mut picture = Interfaces::default();
    picture.replace(netlink.interfaces()?, netlink.addresses()?);
    let mut released = Released::default();
    let held = match Marks::find(&picture, run_dir, tagging) {
        Ok(marks) => marks.held(&picture),
        Err(error) => {
            released.problems.push(error.into());
            Vec::new()
        }
    };
    for instance in &settings.instances {
        let addresses = instance.router.addresses();
        if held.iter().any(|assigned| addresses.contains(assigned.address)) {
            match say_farewell(settings, instance, &picture) {
                Ok(true) => released.instances.push(Arc::clone(&instance.name)),
                Ok(false) => {}
                Err(error) => released.problems.push(error.into()),
            }
        }
    }
    for assigned in held {
        let Some(placed) = placed(&picture, assigned) else { continue };
        match netlink.remove_address(&placed) {
            Ok(Removed::Gone) => released.addresses.push((placed.interface, placed.address)),
            Ok(Removed::Absent) => {}
            Err(error) => released.problems.push(error.into()),
        }
    }
    Ok(released)
}

/// False: there is nobody to tell, or no address to tell it from.
fn say_farewell(
    settings: &Settings,
    instance: &Instance,
    picture: &Interfaces,
) -> Result<bool, SocketError> {
    let Some(interface) = picture.named(&instance.interface) else { return Ok(false) };
    let family = instance.router.addresses().family();
    let towards = match instance.router.delivery() {
        Delivery::Multicast => None,
        Delivery::Unicast { peers, .. } => peers.first().copied(),
    };
    let rule = SourceRule { wanted: instance.source, towards };
    let is_virtual = |address| {
        settings.instances.iter().any(|instance| {
            !instance.priority.is_owner() && instance.router.addresses().contains(address)
        })
    };
    let link = picture.link(&instance.interface, family, rule, is_virtual);
    let now = Instant::now();
    let standing = Standing::untracked(instance.priority);
    let mut router = Router::new(instance.router.clone(), standing, now);
    router.handle_link(link, now);
    let farewell = router.farewell();
    if farewell.is_empty() {
        return Ok(false);
    }
    let sender = Sender::open(interface, family)?;
    for outgoing in farewell {
        sender.send(outgoing.source, outgoing.destination, &outgoing.message())?;
    }
    Ok(true)
}

fn placed(picture: &Interfaces, assigned: Assigned) -> Option<Placed> {
    let Assigned { index, address, prefix_len, .. } = assigned;
    let interface = Arc::clone(&picture.indexed(index)?.name);
    Some(Placed { index, interface, address, prefix_len, label: None })
}

#[cfg(test)]
mod tests;
