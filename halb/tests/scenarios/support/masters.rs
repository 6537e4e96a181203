//! Stand-in API servers as processes: they can be killed, frozen and started again.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use halb_lab::process::Signal;
use halb_lab::subject::{Here, Place};
use halb_lab::{Loopback, Process};
use tempfile::TempDir;

use super::PATIENCE;
use super::files::HALB;

/// The address of the guides' pair.
pub(crate) const VIRTUAL_IP: &str = "172.16.16.100";

/// One server.
pub(crate) struct Master<'a> {
    name: String,
    address: SocketAddr,
    place: &'a dyn Place,
    pki: Arc<TempDir>,
    also_for: String,
    process: Option<Process>,
}

/// Servers under one authority.
pub(crate) struct Masters<'a> {
    pki: Arc<TempDir>,
    masters: Vec<Master<'a>>,
}

impl<'a> Masters<'a> {
    /// Starts servers, named `kmaster1` and so on, whose certificates are good for `balancer` and for
    /// the virtual IP too.
    pub(crate) fn start(
        balancer: SocketAddr,
        places: impl IntoIterator<Item = (&'a dyn Place, SocketAddr)>,
    ) -> Self {
        let pki = Arc::new(TempDir::new().unwrap());
        let masters = places.into_iter().enumerate().map(|(index, (place, address))| {
            let mut master = Master {
                name: format!("kmaster{}", index + 1),
                address,
                place,
                pki: Arc::clone(&pki),
                also_for: balancer.ip().to_string(),
                process: None,
            };
            master.start();
            master
        });
        let masters = masters.collect();
        Self { pki, masters }
    }

    pub(crate) fn all(&self) -> &[Master<'a>] {
        &self.masters
    }

    /// The server of that name.
    pub(crate) fn named(&mut self, name: &str) -> &mut Master<'a> {
        self.masters.iter_mut().find(|master| master.name == name).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.masters.iter().map(|master| master.name.as_str()).collect()
    }

    /// File with the certificate of the authority.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.pki.path().join("ca.crt")
    }

    /// The certificate of the authority.
    pub(crate) fn ca(&self) -> String {
        fs::read_to_string(self.ca_file()).unwrap()
    }

    /// Lines of a configuration's server table.
    pub(crate) fn lines(&self) -> String {
        self.masters.iter().map(Master::line).collect()
    }
}

impl Master<'_> {
    /// Starts it, for the first time or after its end, and waits until it listens.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(binary());
        command.arg("--listen").arg(self.address.to_string()).args(["--name", &self.name]);
        command.arg("--ca-dir").arg(self.pki.path()).args(["--also-for", &self.also_for]);
        command.args(["--also-for", VIRTUAL_IP]);
        let process = self.place.spawn(command).unwrap();
        process.wait_for_line("listening on", PATIENCE).unwrap();
        self.process = Some(process);
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill().unwrap();
    }

    /// Stops it as SIGSTOP does: the kernel goes on to accept, nobody answers.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().unwrap().signal(Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        self.process.as_ref().unwrap().signal(Signal::SIGCONT).unwrap();
    }

    /// Its line in a configuration's server table.
    pub(crate) fn line(&self) -> String {
        format!("{} = \"{}\"\n", self.name, self.address)
    }
}

/// The program beside halb's. Tests of this package alone don't build it.
fn binary() -> PathBuf {
    let binary = Path::new(HALB).with_file_name("halb-lab-apiserver");
    assert!(binary.is_file(), "{} is missing: cargo build -p halb-lab", binary.display());
    binary
}

/// `count` servers on loopback, and the address that a balancer can take before them. The claims
/// keep the addresses theirs.
pub(crate) fn on_loopback(count: usize) -> (Masters<'static>, Loopback, Vec<Loopback>) {
    let balancer = Loopback::claim().unwrap();
    let claims: Vec<_> = (0..count).map(|_| Loopback::claim().unwrap()).collect();
    let places = claims.iter().map(|claim| (&Here as &dyn Place, claim.port(PORT)));
    let masters = Masters::start(balancer.port(PORT), places);
    (masters, balancer, claims)
}

/// Where API servers listen.
pub(crate) const PORT: u16 = 6443;
