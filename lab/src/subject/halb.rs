//! halb itself: a program like the others, which whoever starts it must say where to find.

use std::{net::SocketAddr, path::Path, process::Command};

use super::{Error, Place, Program, Subject};

/// Starts the halb of this path with the given configuration file and waits until it listens on
/// `listens`.
///
/// Its control socket is `admin.sock` in the subject's directory, unless the configuration names
/// another one.
///
/// # Errors
/// [`Error`]; a configuration that it rejects is an ended process with halb's own words.
pub fn halb(
    program: &Path,
    place: &dyn Place,
    configuration: &str,
    listens: &[SocketAddr],
) -> Result<Subject, Error> {
    let (directory, file) = PROGRAM.configured("halb.toml", configuration)?;
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(file);
    if !configuration.lines().any(|line| line.trim_start().starts_with("socket")) {
        command.arg("--socket").arg(directory.path().join("admin.sock"));
    }
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.wait_for(listens)?;
    Ok(subject)
}

pub(super) const PROGRAM: Program = Program { name: "halb", install: "cargo build --release" };
