//! The bridge that connects the hosts, in a namespace of its own.

use std::{
    fs, io,
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
    loss::Loss,
    namespace::Namespace,
    rate,
};

/// Where a host is plugged in.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) index: u32,
    /// Its interface here.
    name: String,
}

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
        namespace
            .run(switch_only)
            .map_err(Error::kernel(BRIDGE, "keeping IP's rules away from the bridge"))?;
        let bridge = namespace
            .netlink(async |netlink: Handle| {
                // Snooping without a querier on the network would end multicast after minutes.
                let bridge = LinkBridge::new(BRIDGE).mcast_snooping(false).build();
                netlink.link().add(bridge).execute().await?;
                index_of(&netlink, BRIDGE).await
            })
            .map_err(Error::netlink(BRIDGE, "making the bridge"))?;
        Ok(Self { namespace, bridge, ports: AtomicU32::new(1) })
    }

    /// Plugs a host in: an interface [`INTERFACE`] there, down, and a port here, up.
    pub(super) fn plug_in(&self, host: &Namespace) -> Result<Port, Error> {
        let name = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let there = LinkUnspec::new_with_name(INTERFACE).setns_by_fd(host.fd().as_raw_fd());
        let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(name.clone())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(there.build())))
            .controller(self.bridge)
            .up()
            .build();
        let of = name.clone();
        let index = self
            .namespace
            .netlink(async move |netlink: Handle| {
                netlink.link().add(pair).execute().await?;
                index_of(&netlink, &of).await
            })
            .map_err(Error::netlink(host.name(), "plugging it into the bridge"))?;
        Ok(Port { index, name })
    }

    /// Drops what comes or goes at a host's port, without taking its carrier.
    pub(super) fn lose(&self, port: &Port, loss: Loss, host: &str) -> Result<(), Error> {
        self.namespace.run(|| loss.apply(&port.name)).map_err(Error::kernel(host, "losing packets"))
    }

    /// Lets a host's port send it at most so many bytes a second.
    pub(super) fn limit_rate(
        &self,
        port: u32,
        bytes_per_second: Option<u32>,
        host: &str,
    ) -> Result<(), Error> {
        self.namespace
            .netlink(move |netlink| rate::limit(netlink, port, bytes_per_second))
            .map_err(Error::netlink(host, "limiting the rate of what it receives"))
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

/// Keeps a bridge from showing what it carries to the rules for IP, as the kernel does by default
/// once `br_netfilter` is loaded (`net.bridge.bridge-nf-call-*`): no switch does that, and it costs
/// each packet another way through the hooks. Elsewhere there are no such settings.
fn switch_only() -> io::Result<()> {
    for rules in ["iptables", "ip6tables", "arptables"] {
        let setting = format!("/proc/sys/net/bridge/bridge-nf-call-{rules}");
        match fs::write(setting, "0") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The bridge's interface, for those who look inside.
const BRIDGE: &str = "br0";
