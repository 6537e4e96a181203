//! The thread's sockets, and its picture of the interfaces.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::StartError;
use super::super::announce::Announcer;
use super::super::claims;
use super::super::netlink::Netlink;
use super::super::netlink::watch::Watch;
use super::super::sockets::{Listener, Sender, SocketError};
use super::hands::{self, Reading};
use super::words;
use crate::config::Delivery;
use crate::interfaces::{Interface, Interfaces, SourceRule};
use crate::router::{Link, Outgoing};
use crate::settings::{Instance, Settings};
use crate::values::Family;

/// Everything that the thread reads from and writes to.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) watch: Watch,
    pub(super) picture: Interfaces,
    pub(super) announcer: Announcer,
    pub(super) ports: Vec<Port>,
    pub(super) claims: Vec<claims::Watch>,
    retry_at: Option<Instant>,
}

/// The sockets of an interface for one family.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) interface: Arc<str>,
    pub(super) family: Family,
    multicast: bool,
    /// None: the interface isn't there, or the kernel refuses.
    pub(super) sockets: Option<Sockets>,
    /// Why it refuses.
    pub(super) refusal: Option<String>,
}

#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) listener: Listener,
    pub(super) sender: Sender,
}

/// Stack of a thread that closes sockets.
const CLOSING_STACK: usize = 64 << 10;

/// Time until sockets that the kernel refused are tried again.
const RETRY_SOCKETS: Duration = Duration::from_secs(1);

impl Network {
    /// Opens what doesn't depend on interfaces, and looks at them.
    pub(super) fn open(netlink: &mut Netlink) -> Result<Self, StartError> {
        // Before the reading, so that nothing falls between.
        let watch = Watch::open().map_err(refused)?;
        let announcer = Announcer::open().map_err(refused)?;
        let picture = Interfaces::default();
        let (ports, claims) = (Vec::new(), Vec::new());
        let retry_at = None;
        let mut network = Self { watch, picture, announcer, ports, claims, retry_at };
        let Reading { interfaces, addresses } = hands::read(netlink).map_err(refused)?;
        network.picture.replace(interfaces, addresses);
        Ok(network)
    }

    /// Sees to it that there are sockets for these settings and no others, and that they belong to
    /// the interfaces as they are now.
    pub(super) fn fit(&mut self, settings: &[&Settings], now: Instant) {
        let instances = || settings.iter().flat_map(|settings| &settings.instances);
        let mut ports: Vec<Port> = Vec::new();
        for instance in instances() {
            let port = Port::of(instance);
            match ports.iter_mut().find(|other| other.is_for(&port)) {
                Some(other) => other.multicast |= port.multicast,
                None => ports.push(port),
            }
        }
        for port in &mut ports {
            let same = |old: &Port| old.is_for(port) && old.multicast == port.multicast;
            let known = self.ports.iter().position(same).map(|at| self.ports.swap_remove(at));
            port.sockets = known.and_then(|known| known.sockets);
        }
        let gone = std::mem::replace(&mut self.ports, ports).into_iter();
        let mut unwanted: Vec<Sockets> = gone.filter_map(|port| port.sockets).collect();
        let picture = &self.picture;
        let fit = |port: &mut Port| port.fit(picture.named(&port.interface));
        unwanted.extend(self.ports.iter_mut().filter_map(fit));
        let refused = self.ports.iter().any(|port| port.refusal.is_some());
        self.retry_at = refused.then_some(now + RETRY_SOCKETS);
        let placements: Vec<_> = instances().flat_map(|of| self.placed(of)).collect();
        let watches = self.fit_claims(&placements);
        close(unwanted, watches);
    }

    /// The addresses of an instance with the interfaces that they belong on.
    fn placed(&self, instance: &Instance) -> Vec<(u32, IpAddr)> {
        let placed = instance.placements.iter().filter_map(|placement| {
            let placed = self.picture.resolve(placement, &instance.interface)?;
            Some((placed.index, placed.address))
        });
        placed.collect()
    }

    /// Returns what isn't wanted any more.
    fn fit_claims(&mut self, placed: &[(u32, IpAddr)]) -> Vec<claims::Watch> {
        let mut old = std::mem::take(&mut self.claims);
        let mut wanted: Vec<(u32, Family, Vec<IpAddr>)> = Vec::new();
        for (index, address) in placed {
            let family = Family::of(*address);
            match wanted.iter_mut().find(|(other, of, _)| other == index && *of == family) {
                Some((_, _, addresses)) => addresses.push(*address),
                None => wanted.push((*index, family, vec![*address])),
            }
        }
        for (index, family, addresses) in wanted {
            let Some(interface) = self.picture.indexed(index) else { continue };
            let fits = |watch: &mut claims::Watch| watch.fit(interface, family, &addresses);
            if let Some(at) = old.iter_mut().position(fits) {
                self.claims.push(old.swap_remove(at));
            } else if let Ok(Some(watch)) = claims::Watch::open(interface, family, &addresses) {
                // Without it, claims go unnoticed, which is no reason to hold anything up.
                self.claims.push(watch);
            }
        }
        old
    }

    /// When sockets that were refused are tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// What a router is told of its interface. One that it can't send and hear on is down to it.
    pub(super) fn link(&self, instance: &Instance, is_virtual: impl Fn(IpAddr) -> bool) -> Link {
        let towards = match instance.router.delivery() {
            Delivery::Multicast => None,
            Delivery::Unicast { peers, .. } => peers.first().copied(),
        };
        let rule = SourceRule { wanted: instance.source, towards };
        let family = family(instance);
        let link = self.picture.link(&instance.interface, family, rule, is_virtual);
        let port = self.port(&instance.interface, family);
        let open = port.is_some_and(|port| port.sockets.is_some());
        Link { is_up: link.is_up && open, ..link }
    }

    /// The sockets of an interface.
    pub(super) fn port(&self, interface: &str, family: Family) -> Option<&Port> {
        self.ports.iter().find(|port| *port.interface == *interface && port.family == family)
    }

    /// Sends an advert of a router.
    pub(super) fn send(&self, instance: &Instance, outgoing: &Outgoing) -> Result<(), String> {
        let port = self.port(&instance.interface, family(instance));
        let Some(sockets) = port.and_then(|port| port.sockets.as_ref()) else {
            return Err(format!("adverts can't be sent: there is no {}", instance.interface));
        };
        let Outgoing { source, destination, .. } = *outgoing;
        let sent = sockets.sender.send(source, destination, &outgoing.message());
        sent.map_err(|error| words(&error))
    }

    /// What is to be waited for, beside claims.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sockets = self.ports.iter().filter_map(|port| port.sockets.as_ref());
        let listeners = sockets.map(|sockets| sockets.listener.as_fd());
        std::iter::once(self.watch.as_fd()).chain(listeners)
    }
}

impl Port {
    fn of(instance: &Instance) -> Self {
        let (interface, family) = (Arc::clone(&instance.interface), family(instance));
        let multicast = matches!(instance.router.delivery(), Delivery::Multicast);
        Self { interface, family, multicast, sockets: None, refusal: None }
    }

    /// Index of its interface, if there are sockets.
    pub(super) fn index(&self) -> Option<u32> {
        self.sockets.as_ref().map(|sockets| sockets.sender.index())
    }

    fn is_for(&self, other: &Self) -> bool {
        self.interface == other.interface && self.family == other.family
    }

    /// Returns sockets that aren't wanted any more.
    fn fit(&mut self, interface: Option<&Interface>) -> Option<Sockets> {
        self.refusal = None;
        let Some(interface) = interface else { return self.sockets.take() };
        let fits = |sockets: &Sockets| sockets.listener.index() == interface.index;
        if self.sockets.as_ref().is_some_and(fits) {
            return None;
        }
        let unwanted = self.sockets.take();
        match self.open(interface) {
            Ok(sockets) => self.sockets = Some(sockets),
            Err(error) => self.refusal = Some(words(&error)),
        }
        unwanted
    }

    fn open(&self, interface: &Interface) -> Result<Sockets, SocketError> {
        let listener = Listener::open(interface, self.family)?;
        if self.multicast {
            listener.join()?;
        }
        Ok(Sockets { listener, sender: Sender::open(interface, self.family)? })
    }
}

/// Closes sockets on another thread with the same descriptors: the kernel waits for all cores when
/// it closes a packet socket, and for whoever changes interfaces when it leaves a group, which is
/// longer than adverts can wait.
fn close(sockets: Vec<Sockets>, watches: Vec<claims::Watch>) {
    if sockets.is_empty() && watches.is_empty() {
        return;
    }
    let closing = move || drop((sockets, watches));
    // A thread that can't be had drops what it was to do, which is the same, only slower.
    let _ = thread::Builder::new().stack_size(CLOSING_STACK).spawn(closing);
}

pub(super) fn refused(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    let what = "the virtual routers cannot start; they need the capabilities CAP_NET_ADMIN and \
                CAP_NET_RAW, as halb.service gives them";
    StartError::Kernel { what: what.to_owned(), source: std::io::Error::other(error) }
}

/// The family of an instance's adverts.
pub(super) fn family(instance: &Instance) -> Family {
    instance.router.addresses().family()
}
