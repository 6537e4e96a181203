//! HAProxy, from Debian's package.

use std::{net::SocketAddr, process::Command};

use super::{Error, Place, Program, Subject};

/// Starts HAProxy with the given configuration file and waits until it listens on `listens`.
///
/// It runs as one process in the foreground (`-db`), so the configuration needs no `daemon` and no
/// `master-worker`; its log reaches the output with `log stdout format raw local0`.
///
/// # Errors
/// [`Error`]; a configuration that it rejects is an ended process with HAProxy's own words.
pub fn haproxy(
    place: &dyn Place,
    configuration: &str,
    listens: &[SocketAddr],
) -> Result<Subject, Error> {
    let program = PROGRAM.find()?;
    let (directory, file) = PROGRAM.configured("haproxy.cfg", configuration)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(file);
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.wait_for(listens)?;
    Ok(subject)
}

pub(super) const PROGRAM: Program = Program { name: "haproxy", install: "apt-get install haproxy" };
