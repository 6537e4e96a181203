//! The bridge that connects the hosts, in a namespace of its own.

use std::{
    os::fd::AsRawFd,
    sync::atomic::{AtomicU32, Ordering},
};

use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::link::{InfoData, InfoKind, InfoVeth},
};

use super::{
    Error,
    host::INTERFACE,
    link::{self, index_of},
    namespace::Namespace,
};

/// A network segment: what is sent on one port reaches all others.
#[derive(Debug)]
pub(super) struct Segment {
    namespace: Namespace,
    bridge: u32,
    ports: AtomicU32,
}

impl Segment {
    pub(super) fn create() -> Result<Self, Error> {
        let namespace = Namespace::create(BRIDGE)?;
        let bridge = namespace
            .netlink(async |netlink: Handle| {
                netlink.link().add(LinkBridge::new(BRIDGE).build()).execute().await?;
                index_of(&netlink, BRIDGE).await
            })
            .map_err(Error::netlink(BRIDGE, "making the bridge"))?;
        Ok(Self { namespace, bridge, ports: AtomicU32::new(1) })
    }

    /// Plugs a host in: an interface [`INTERFACE`] there, down, and a port here, up. Returns the
    /// port's index.
    pub(super) fn plug_in(&self, host: &Namespace) -> Result<u32, Error> {
        let number = self.ports.fetch_add(1, Ordering::Relaxed);
        let name = format!("port{number}");
        let there = LinkUnspec::new_with_name(INTERFACE).setns_by_fd(host.fd().as_raw_fd());
        let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(name.clone())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(there.build())))
            .controller(self.bridge)
            .up()
            .build();
        self.namespace
            .netlink(async move |netlink: Handle| {
                netlink.link().add(pair).execute().await?;
                index_of(&netlink, &name).await
            })
            .map_err(Error::netlink(host.name(), "plugging it into the bridge"))
    }

    /// Takes the carrier from a host's port.
    pub(super) fn cut(&self, port: u32, host: &str) -> Result<(), Error> {
        let down = LinkUnspec::new_with_index(port).down().build();
        self.namespace
            .netlink(async move |netlink: Handle| netlink.link().set(down).execute().await)
            .map_err(Error::netlink(host, "cutting its link"))
    }

    /// Gives the carrier back.
    pub(super) fn restore(&self, port: u32, host: &str) -> Result<(), Error> {
        let up = LinkUnspec::new_with_index(port).up().build();
        self.namespace
            .netlink(async move |netlink: Handle| netlink.link().set(up).execute().await)
            .map_err(Error::netlink(host, "restoring its link"))
    }

    /// Waits until a port forwards what comes.
    pub(super) fn wait_for(&self, port: u32, host: &str) -> Result<(), Error> {
        link::wait_until_operational(&self.namespace, port, host)
    }

    /// Unplugs a host that is gone.
    pub(super) fn unplug(&self, port: u32, host: &str) -> Result<(), Error> {
        self.namespace
            .netlink(async move |netlink: Handle| netlink.link().del(port).execute().await)
            .map_err(Error::netlink(host, "unplugging it from the bridge"))
    }
}

/// The bridge's interface, for those who look inside.
const BRIDGE: &str = "br0";
