//! What tests of the driver share: a host in a namespace, seen from inside.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use super::netlink::Netlink;
use crate::interfaces::{Interface, Interfaces};

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

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
