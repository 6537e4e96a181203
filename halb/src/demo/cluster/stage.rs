//! The cluster itself: hosts, servers and daemons, and the hand that does something to them.
//!
//! Everything here blocks; whoever shows it calls it from a thread that may.

use std::fs;
use std::io;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use halb_lab::masters::PORT;
use halb_lab::{Host, Lab, Masters};
use tempfile::TempDir;

use super::clients::Clients;
use super::felt::Felt;
use super::node::{Files, Node};
use super::plan::{BALANCERS, Balancer, Deed, VIP, ip};
use super::story::Look;

/// Where the clients are; the guides leave the address free.
const CLIENT: (&str, &str) = ("client", "172.16.16.9");

/// Nobody watches anything.
const WATCH: Duration = Duration::from_secs(1);

/// Length of the network's prefix.
const PREFIX: u8 = 24;

/// All of it. Fields go in this order: who asks, who answers, and what they run on.
pub(super) struct Stage {
    clients: Clients,
    balancers: [Node; BALANCERS.len()],
    masters: Masters,
    _lab: Lab,
    directory: TempDir,
}

impl Stage {
    /// Starts everything and waits until the first balancer has the address and serves.
    pub(super) fn start(felt: &Arc<Mutex<Felt>>) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("halb-demo-").tempdir();
        let directory = directory.context("can't make a directory for the demo's files")?;
        let lab = Lab::new()?;
        let masters = Masters::start(&lab, &[vip()], WATCH)?;
        let files = Files::new(directory.path());
        fs::write(files.authority(), masters.authority())?;
        write_key(&files.key())?;
        let node = |balancer: Balancer| {
            let host = host(&lab, BALANCERS[balancer.index()])?;
            Node::new(balancer, host, files.clone())
        };
        let balancers = [node(Balancer::One)?, node(Balancer::Two)?];
        // Both at once, as hosts of one power supply do.
        thread::scope(|scope| {
            let start = |node: &Node| node.start().and_then(|()| node.wait_until_ready());
            let started = balancers.each_ref().map(|node| scope.spawn(move || start(node)));
            started.into_iter().try_for_each(|node| node.join().unwrap_or_else(|_| panicked()))
        })?;
        balancers[Balancer::One.index()].wait_until_active()?;
        let client = host(&lab, CLIENT)?;
        let target = SocketAddr::new(vip(), PORT);
        let clients = Clients::start(client, target, masters.authority(), Arc::clone(felt));
        Ok(Self { clients, balancers, masters, _lab: lab, directory })
    }

    /// The control socket of the first balancer.
    pub(super) fn socket(&self) -> PathBuf {
        Files::new(self.directory.path()).socket(Balancer::One)
    }

    /// What the kernel and the daemons say at the moment.
    pub(super) fn look(&self) -> anyhow::Result<Look> {
        let mut balancers = Balancer::ALL.map(|_| super::story::Node::default());
        for (seen, node) in balancers.iter_mut().zip(&self.balancers) {
            *seen = node.look(vip())?;
        }
        Ok(Look { at: Instant::now(), balancers })
    }

    /// Does something to it.
    pub(super) fn act(&self, deed: Deed) -> anyhow::Result<()> {
        let node = |balancer: Balancer| &self.balancers[balancer.index()];
        match deed {
            Deed::Hang(server) => self.masters.set_hung(server, true),
            Deed::Wake(server) => self.masters.set_hung(server, false),
            Deed::Kill(balancer) => node(balancer).kill()?,
            Deed::Start(balancer) => node(balancer).start()?,
            Deed::Cut(balancer) => node(balancer).host().link_down()?,
            Deed::Restore(balancer) => node(balancer).host().link_up()?,
            Deed::Yield(balancer) => node(balancer).give_away()?,
            Deed::Resume(balancer) => node(balancer).resume()?,
        }
        Ok(())
    }

    /// Ends the daemons as a service manager would, both at once, and everything else with them.
    pub(super) fn end(self) -> anyhow::Result<()> {
        // First, so that nobody is counted who is refused by a cluster that is going.
        self.clients.end();
        thread::scope(|scope| {
            let stopped = self.balancers.each_ref().map(|node| scope.spawn(|| node.stop()));
            stopped.into_iter().try_for_each(|node| node.join().unwrap_or_else(|_| panicked()))
        })
    }
}

fn host(lab: &Lab, (name, address): (&str, &str)) -> Result<Host, halb_lab::net::Error> {
    lab.host(name, &format!("{address}/{PREFIX}"))
}

fn vip() -> IpAddr {
    ip(VIP)
}

fn panicked() -> anyhow::Result<()> {
    anyhow::bail!("a thread of the demo panicked")
}

/// A secret for the link between the two, as `openssl rand -hex 32` makes it.
pub(super) fn write_key(path: &Path) -> io::Result<()> {
    let mut secret = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(path, format!("{digits}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}
