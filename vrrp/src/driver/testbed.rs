//! What tests of the driver share: a host in a namespace, seen from inside.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use super::netlink::Netlink;
use crate::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use crate::interfaces::{Interface, Interfaces};
use crate::packet::{ChecksumForm, VirtualAddresses};
use crate::settings::{Instance, Placement, Settings};
use crate::values::{BasePriority, Centiseconds, VrId};

/// How long a test waits for what must come, on a host that others keep busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the kernel says, on the host that the calling thread is on.
pub(super) fn read(netlink: &mut Netlink) -> Interfaces {
    let mut picture = Interfaces::default();
    picture.replace(netlink.interfaces().unwrap(), netlink.addresses().unwrap());
    picture
}

/// An interface of the host that the calling thread is on.
pub(super) fn interface(name: &str) -> Interface {
    read(&mut Netlink::open().unwrap()).named(name).unwrap().clone()
}

/// `ip`'s word on the host that the calling thread is on.
pub(super) fn shell(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A virtual router of version 3 on eth1, priority 100, with lone addresses.
pub(super) fn instance(name: &str, vrid: u8, delivery: Delivery, addresses: &[&str]) -> Instance {
    let protocol = Protocol::V3 {
        interval: Centiseconds::new(100).unwrap(),
        checksum: ChecksumChoice::Fixed(ChecksumForm::PseudoHeader),
    };
    let addresses: Vec<_> = addresses.iter().map(|text| ip(text)).collect();
    let placement = |address: &IpAddr| Placement {
        address: *address,
        prefix_len: if address.is_ipv4() { 32 } else { 128 },
        interface: None,
        label: None,
    };
    let placements = addresses.iter().map(placement).collect();
    let router = RouterConfig::new(
        VrId::new(vrid).unwrap(),
        protocol,
        VirtualAddresses::new(addresses).unwrap(),
        delivery,
        Behaviour::default(),
    );
    Instance {
        name: name.into(),
        interface: "eth1".into(),
        router: router.unwrap(),
        priority: BasePriority::new(100).unwrap(),
        source: None,
        placements,
        trackers: Vec::new(),
    }
}

/// Settings with these routers and nothing else.
pub(super) fn settings_of(instances: Vec<Instance>) -> Settings {
    Settings { instances, groups: Vec::new(), realtime: None, freeze_limit: None }
}
