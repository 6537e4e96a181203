//! Hosts come to the inventory, and go from it; each is a Debian of its own.

use std::fs;
use std::net::Ipv4Addr;

use halb_stand_in::store;

use super::{Cluster, Member, network_of, path_of};
use crate::host::Disk;
use crate::packages::KUBERNETES;

/// What hosts have beside what every Debian has: a server's usual installation.
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "kmod",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
];

impl Cluster {
    /// Boots bare hosts, all that there are in the inventory.
    pub(super) fn boot_all(&mut self) {
        for place in 0..self.members.len() {
            self.launch(place);
        }
        for place in 0..self.members.len() {
            self.await_boot(place);
        }
    }

    /// Boots one more bare host, and enters it into the inventory.
    pub(crate) fn enlist(&mut self, name: &str, role: &'static str, last: u8) {
        let address = Ipv4Addr::new(172, 16, 16, last);
        self.members.push(Member { name: name.to_owned(), role, address });
        self.launch(self.members.len() - 1);
        self.await_boot(self.members.len() - 1);
        self.write("cluster.yaml", &self.inventory(KUBERNETES));
    }

    /// Strikes a host out of the inventory.
    pub(crate) fn strike(&mut self, name: &str) {
        self.members.retain(|member| member.name != name);
        self.write("cluster.yaml", &self.inventory(KUBERNETES));
    }

    /// A host loses its power, and its place on the segment is empty.
    pub(crate) fn lose(&mut self, name: &str) {
        self.host_mut(name).power_off();
        let (plug, _) = self.plugs.iter().find(|(plug, _)| plug.name() == name).unwrap();
        plug.link_down().unwrap();
    }

    fn launch(&mut self, place: usize) {
        let Member { name, role, address } = &self.members[place];
        let plug = self.lab.host(name, &format!("{address}/24")).unwrap();
        let network = network_of(&plug);
        let mut disk = Disk::new("cluster-host", PACKAGES);
        disk = disk.named(name).in_namespace(path_of(&network));
        if *role == "master" {
            disk = disk.sharing(self.store.path(), store::FOLDER);
        }
        prepare(&disk, name, &fs::read(self.path("id_ed25519.pub")).unwrap());
        self.hosts.insert(name.clone(), disk.launch());
        self.plugs.push((plug, network));
    }

    fn await_boot(&mut self, place: usize) {
        let host = self.hosts.get_mut(&self.members[place].name).unwrap();
        host.await_boot();
        host.ok(&["useradd", "--create-home", "--shell", "/bin/bash", "op"]);
        host.ok(&["chown", "-R", "op:", "/home/op"]);
    }
}

/// A host's own name, identity, and the operator's way in.
fn prepare(disk: &Disk, name: &str, key: &[u8]) {
    let id: String =
        format!("{:0<32}", name.bytes().map(|b| format!("{b:02x}")).collect::<String>());
    disk.install("/etc/machine-id", format!("{}\n", &id[..32]).as_bytes(), 0o444);
    disk.install(
        "/etc/hosts",
        format!("127.0.0.1 localhost\n127.0.1.1 {name}\n").as_bytes(),
        0o644,
    );
    disk.install("/etc/sudoers.d/op", b"op ALL=(ALL) NOPASSWD: ALL\n", 0o440);
    disk.install("/home/op/.ssh/authorized_keys", key, 0o600);
    // What a test installs needn't outlive a crash of this machine.
    disk.install("/etc/dpkg/dpkg.cfg.d/fast", b"force-unsafe-io\n", 0o644);
    // Nor is it needed twice: all hosts share this machine's disk.
    let keep = b"APT::Keep-Downloaded-Packages \"false\";\n";
    disk.install("/etc/apt/apt.conf.d/90small", keep, 0o644);
    // Debian's own lists come from a mirror that isn't in this network.
    disk.install("/etc/apt/sources.list", b"", 0o644);
}
