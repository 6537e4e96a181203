//! One host: its interface and addresses, and what runs on it.

use std::{
    fs,
    future::Future,
    io,
    net::IpAddr,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::{
    Handle, LinkMacVlan, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags, AddressMessage},
        link::{LinkAttribute, MacVlanMode},
    },
};

use super::{
    Error,
    link::{self, index_of},
    loss::Loss,
    namespace::Namespace,
    rate,
    segment::{Port, Segment},
    watch::Watch,
};
use crate::process::{self, Process, Shared};

/// A host of a [`Lab`](super::Lab). Dropping it is pulling its plug: its processes are killed and
/// its interface and addresses are gone.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    segment: Arc<Segment>,
    /// The other end of its cable, on the bridge.
    port: Port,
    /// Index of [`INTERFACE`].
    interface: u32,
    address: IpNet,
    is_plugged_in: AtomicBool,
    processes: Mutex<Vec<Weak<Shared>>>,
}

impl Host {
    pub(super) fn create(name: &str, address: &str, segment: Arc<Segment>) -> Result<Self, Error> {
        let address = parse(address)?;
        let namespace = Namespace::create(name)?;
        let port = segment.plug_in(&namespace)?;
        namespace
            .run(|| link_local_at_once(INTERFACE))
            .map_err(Error::kernel(name, "setting up its interface"))?;
        let interface = namespace
            .netlink(async |netlink: Handle| {
                for link in ["lo", INTERFACE] {
                    let up = LinkUnspec::new_with_name(link).up().build();
                    netlink.link().set(up).execute().await?;
                }
                index_of(&netlink, INTERFACE).await
            })
            .map_err(Error::netlink(name, "bringing its interfaces up"))?;
        let processes = Mutex::new(Vec::new());
        let is_plugged_in = AtomicBool::new(true);
        let host = Self { namespace, segment, port, interface, address, is_plugged_in, processes };
        host.add(address)?;
        host.wait_for_link()?;
        Ok(host)
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The address that it was made with.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.address.addr()
    }

    /// Runs `work` on a thread of its own on this host, and returns what it returns.
    ///
    /// Sockets that it opens and processes that it starts belong to this host.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.namespace.run(work)
    }

    /// Index of [`INTERFACE`].
    pub(crate) fn interface(&self) -> u32 {
        self.interface
    }

    /// Runs a future on this host's runtime and blocks until it is done.
    ///
    /// Tasks that it spawns go on afterwards, until the host is dropped. The runtime has one
    /// thread: a task that blocks it blocks the host's other tasks and the change of its addresses,
    /// and a task that calls this blocks itself.
    ///
    /// # Panics
    /// When the future does.
    pub fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.namespace.block_on(future)
    }

    /// Starts a process on this host. It ends with the [`Process`] or with the host, whichever
    /// goes first.
    ///
    /// # Errors
    /// [`process::Error::Start`].
    pub fn spawn(&self, command: Command) -> Result<Process, process::Error> {
        let process = Process::spawn_in(Some(Arc::clone(self.namespace.fd())), command)?;
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.retain(|shared| shared.strong_count() > 0);
        processes.push(Arc::downgrade(process.shared()));
        Ok(process)
    }

    /// Adds an address with its prefix length to [`INTERFACE`].
    ///
    /// An IPv6 address can be used at once: the search for duplicates is left out.
    ///
    /// # Errors
    /// [`Error::Address`], or [`Error::Netlink`], also when the host has it already.
    pub fn add_address(&self, address: &str) -> Result<(), Error> {
        self.add(parse(address)?)
    }

    /// Removes an address.
    ///
    /// # Errors
    /// As [`Self::add_address`], also when the host doesn't have it.
    pub fn remove_address(&self, address: &str) -> Result<(), Error> {
        let address = parse(address)?;
        let interface = self.interface;
        self.namespace
            .netlink(async move |netlink: Handle| {
                // The message of an addition names what is to go, too.
                let mut add =
                    netlink.address().add(interface, address.addr(), address.prefix_len());
                let message = add.message_mut().clone();
                netlink.address().del(message).execute().await
            })
            .map_err(Error::netlink(self.name(), format!("removing {address}")))
    }

    /// The addresses on [`INTERFACE`], without the link-local ones that the kernel makes itself.
    ///
    /// # Errors
    /// [`Error::Netlink`].
    pub fn addresses(&self) -> Result<Vec<IpNet>, Error> {
        let interface = self.interface;
        let messages: Vec<_> = self
            .namespace
            .netlink(async move |netlink: Handle| {
                let all = netlink.address().get().set_link_index_filter(interface).execute();
                all.try_collect().await
            })
            .map_err(Error::netlink(self.name(), "listing its addresses"))?;
        let addresses = messages.iter().filter_map(address_of);
        Ok(addresses.filter(|address| !is_link_local(address.addr())).collect())
    }

    /// Whether the host has an address, on any interface that its owner hasn't taken out of
    /// service (protodown, as FRR does with the interface of an address that it gives up).
    ///
    /// # Errors
    /// [`Error::Netlink`].
    pub fn holds(&self, address: IpAddr) -> Result<bool, Error> {
        self.namespace
            .netlink(async move |netlink: Handle| {
                let links: Vec<_> = netlink.link().get().execute().try_collect().await?;
                let down = LinkAttribute::ProtoDown(1);
                let out_of_service: Vec<_> = links
                    .iter()
                    .filter(|link| link.attributes.contains(&down))
                    .map(|link| link.header.index)
                    .collect();
                let all: Vec<_> = netlink.address().get().execute().try_collect().await?;
                Ok(all.iter().any(|message| {
                    address_of(message).is_some_and(|found| found.addr() == address)
                        && !out_of_service.contains(&message.header.index)
                }))
            })
            .map_err(Error::netlink(self.name(), format!("looking for {address}")))
    }

    /// Cuts the power: nothing comes or goes any more, not even a goodbye, and then its processes
    /// are killed. Its interface and addresses are gone.
    ///
    /// # Errors
    /// [`Error::Netlink`], also when it was done before.
    pub fn power_off(&self) -> Result<(), Error> {
        let unplugged = self.segment.unplug(self.port.index, self.name());
        self.is_plugged_in.store(false, Ordering::Relaxed);
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        for process in processes.iter().filter_map(Weak::upgrade) {
            process.kill_group();
        }
        unplugged
    }

    /// Begins to note when addresses come and go.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn watch_addresses(&self) -> Result<Watch, Error> {
        Watch::begin(&self.namespace)
    }

    /// Adds an interface with a hardware address of its own on top of [`INTERFACE`] (macvlan in
    /// bridge mode), up and with these addresses: where FRR wants its virtual addresses.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Netlink`], [`Error::Kernel`].
    pub fn add_macvlan(&self, name: &str, mac: [u8; 6], addresses: &[&str]) -> Result<(), Error> {
        let addresses =
            addresses.iter().map(|address| parse(address)).collect::<Result<Vec<_>, _>>()?;
        let what = format!("adding interface {name}");
        let macvlan = LinkMessageBuilder::<LinkMacVlan>::new(name)
            .mode(MacVlanMode::Bridge)
            .link(self.interface)
            .address(mac.to_vec())
            .build();
        let of = name.to_owned();
        let index = self
            .namespace
            .netlink(async move |netlink: Handle| {
                netlink.link().add(macvlan).execute().await?;
                index_of(&netlink, &of).await
            })
            .map_err(Error::netlink(self.name(), &what))?;
        self.run(|| link_local_at_once(name)).map_err(Error::kernel(self.name(), &what))?;
        for address in addresses {
            self.add_on(index, address)?;
        }
        let up = LinkUnspec::new_with_index(index).up().build();
        self.namespace
            .netlink(async move |netlink: Handle| netlink.link().set(up).execute().await)
            .map_err(Error::netlink(self.name(), what))
    }

    /// Adds a route to `destination` (such as `0.0.0.0/0`) by way of another host.
    ///
    /// # Errors
    /// [`Error::Address`] for a destination that is no prefix, or [`Error::Netlink`], also when
    /// destination and gateway are of two families.
    pub fn add_route(&self, destination: &str, gateway: IpAddr) -> Result<(), Error> {
        let destination = parse(destination)?;
        let what = format!("adding a route to {destination} by {gateway}");
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination.network(), destination.prefix_len())
            .and_then(|route| route.gateway(gateway))
            .map_err(|error| Error::kernel(self.name(), &what)(io::Error::other(error)))?
            .output_interface(self.interface)
            .build();
        self.namespace
            .netlink(async move |netlink: Handle| netlink.route().add(route).execute().await)
            .map_err(Error::netlink(self.name(), what))
    }

    /// Pulls the cable: the interface loses its carrier, keeps its addresses and routes, and
    /// nothing comes or goes.
    ///
    /// # Errors
    /// [`Error::Netlink`].
    pub fn link_down(&self) -> Result<(), Error> {
        self.segment.cut(self.port.index, self.name())
    }

    /// Puts the cable back, and returns when packets pass.
    ///
    /// The first of them may still take a second: a neighbour that was asked for in vain while the
    /// link was cut is asked again only then.
    ///
    /// # Errors
    /// [`Error::Netlink`], or [`Error::Kernel`] when the link doesn't come up.
    pub fn link_up(&self) -> Result<(), Error> {
        self.segment.restore(self.port.index, self.name())?;
        self.wait_for_link()
    }

    /// Loses packets of this host without taking its carrier, until it is told otherwise.
    ///
    /// # Errors
    /// [`Error::Kernel`] when nft (Debian package nftables) isn't there or refuses.
    pub fn lose(&self, loss: Loss) -> Result<(), Error> {
        self.segment.lose(&self.port, loss, self.name())
    }

    /// Lets the link carry at most so many bytes a second each way, without a limit where none is
    /// given. Bursts of 128 KiB pass at once; what waits longer than a tenth of a second is lost.
    ///
    /// # Errors
    /// [`Error::Netlink`], for one where the kernel has no token bucket (`CONFIG_NET_SCH_TBF`).
    pub fn limit_rate(&self, bytes_per_second: Option<u32>) -> Result<(), Error> {
        let interface = self.interface;
        self.namespace
            .netlink(move |netlink| rate::limit(netlink, interface, bytes_per_second))
            .map_err(Error::netlink(self.name(), "limiting the rate of what it sends"))?;
        self.segment.limit_rate(self.port.index, bytes_per_second, self.name())
    }

    fn wait_for_link(&self) -> Result<(), Error> {
        self.segment.wait_for(self.port.index, self.name())?;
        link::wait_until_operational(&self.namespace, self.interface, self.name())
    }

    fn add(&self, address: IpNet) -> Result<(), Error> {
        self.add_on(self.interface, address)
    }

    fn add_on(&self, interface: u32, address: IpNet) -> Result<(), Error> {
        self.namespace
            .netlink(async move |netlink: Handle| {
                let mut add =
                    netlink.address().add(interface, address.addr(), address.prefix_len());
                if address.addr().is_ipv6() {
                    let usable_at_once = AddressAttribute::Flags(AddressFlags::Nodad);
                    add.message_mut().attributes.push(usable_at_once);
                }
                add.execute().await
            })
            .map_err(Error::netlink(self.name(), format!("adding {address}")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The kernel would unplug it with the namespace, but only when the last socket is gone.
        if self.is_plugged_in.load(Ordering::Relaxed)
            && let Err(error) = self.power_off()
        {
            eprintln!("{error}");
        }
    }
}

fn parse(text: &str) -> Result<IpNet, Error> {
    text.parse().map_err(|source| Error::Address { text: text.to_owned(), source })
}

/// Has the kernel give an interface a link-local address that can be used at once, without the
/// second that the search for duplicates takes. Nothing to do where there is no IPv6.
fn link_local_at_once(interface: &str) -> io::Result<()> {
    let setting = format!("/proc/sys/net/ipv6/conf/{interface}/accept_dad");
    match fs::write(setting, "0") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// The address that a netlink message tells of.
pub(super) fn address_of(message: &AddressMessage) -> Option<IpNet> {
    let (mut local, mut any) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            any = Some(*ip);
        }
    }
    // IPv4 tells the host's own address as `Local`; IPv6 has `Address` only.
    IpNet::new(local.or(any)?, message.header.prefix_len).ok()
}

/// The interface of each host, named as on the machines of the guides: there eth0 is the way in for
/// administration and eth1 carries the cluster.
pub const INTERFACE: &str = "eth1";
