//! FRR's VRRP, from Debian's package: `vrrpd`, and `zebra`, which it knows interfaces through.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::unistd::User;
use serde_json::Value;
use tempfile::TempDir;

use super::{Error, Place, Program, STARTING};
use crate::{net::Host, process::Process};

/// FRR that runs, both daemons.
#[derive(Debug)]
pub struct Frr {
    vrrpd: Process,
    _zebra: Process,
    directory: TempDir,
    vtysh: PathBuf,
}

/// Starts FRR's VRRP on a host with the given configuration file. It takes a moment more until it
/// knows the host's interfaces.
///
/// A virtual address belongs on an interface with the router's hardware address
/// ([`Host::add_macvlan`], 00:00:5e:00:01:ID for IPv4, 00:00:5e:00:02:ID for IPv6), which FRR takes
/// out of service as long as another router is master.
///
/// # Errors
/// [`Error`].
pub fn frr(host: &Host, configuration: &str) -> Result<Frr, Error> {
    let (zebra, vrrpd) = (ZEBRA.find()?, VRRPD.find()?);
    let (directory, file) = VRRPD.configured("vrrpd.conf", configuration)?;
    let empty = directory.path().join("zebra.conf");
    fs::write(&empty, "").map_err(unusable)?;
    give_to_frr(directory.path()).map_err(unusable)?;
    let start = |program: &Path, file: &Path| {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command
            .args(["--user", USER, "--group", USER, "--vty_port", "0", "--log", "stdout"])
            .arg("--vty_socket")
            .arg(directory.path())
            .arg("--socket")
            .arg(directory.path().join(SOCKET))
            .arg("--pid_file")
            .arg(directory.path().join(format!("{name}.pid")))
            .arg("--config_file")
            .arg(file);
        Place::spawn(host, command)
    };
    let zebra = start(&zebra, &empty)?;
    // vrrpd, when it finds nobody there, waits for seconds before it tries again.
    wait_for_file(&zebra, &directory.path().join(SOCKET))?;
    let vrrpd = start(&vrrpd, &file)?;
    wait_for_file(&vrrpd, &directory.path().join("vrrpd.vty"))?;
    Ok(Frr { vrrpd, _zebra: zebra, directory, vtysh: VTYSH.find()? })
}

impl Frr {
    /// The process that speaks VRRP.
    #[must_use]
    pub fn vrrpd(&self) -> &Process {
        &self.vrrpd
    }

    /// What `show vrrp json` says of the first virtual router's half that is for the family of
    /// `address`.
    ///
    /// # Errors
    /// [`Error::Asking`] when it doesn't answer.
    pub fn report(&self, address: IpAddr) -> Result<Value, Error> {
        let mut command = Command::new(&self.vtysh);
        command.arg("--vty_socket").arg(self.directory.path());
        command.args(["-d", "vrrpd", "-c", "show vrrp json"]);
        let output = command.output().map_err(unusable)?;
        let family = if address.is_ipv4() { "v4" } else { "v6" };
        serde_json::from_slice::<Value>(&output.stdout)
            .ok()
            .and_then(|all| Some(all.get(0)?.get(family)?.clone()))
            .ok_or_else(|| {
                let said = [output.stdout, output.stderr].concat();
                let reason = String::from_utf8_lossy(&said).into_owned();
                Error::Asking { program: VRRPD.name, reason }
            })
    }

    /// Whether it is master for an address of that family.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn is_master(&self, address: IpAddr) -> Result<bool, Error> {
        Ok(self.report(address)?["status"] == "Master")
    }
}

/// The daemons give up being root, and keep files of theirs here.
fn give_to_frr(directory: &Path) -> io::Result<()> {
    let user = User::from_name(USER)?.ok_or_else(|| io::Error::other("there is no user frr"))?;
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    chown(directory, Some(uid), Some(gid))
}

fn wait_for_file(process: &Process, path: &Path) -> Result<(), Error> {
    let deadline = Instant::now() + STARTING;
    while !path.exists() {
        if process.exit().is_some() || Instant::now() >= deadline {
            let reason = format!("there is no {}:\n{}", path.display(), process.output());
            return Err(Error::Asking { program: VRRPD.name, reason });
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(())
}

fn unusable(source: io::Error) -> Error {
    Error::Files { program: VRRPD.name, source }
}

const VRRPD: Program = Program { name: "vrrpd", install: "apt-get install frr" };

const ZEBRA: Program = Program { name: "zebra", install: "apt-get install frr" };

const VTYSH: Program = Program { name: "vtysh", install: "apt-get install frr" };

const USER: &str = "frr";

const SOCKET: &str = "zserv.api";

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
