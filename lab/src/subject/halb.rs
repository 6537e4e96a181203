//! halb itself: a program like the others, which whoever starts it must say where to find.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{Error, Place, Program, STARTING, Subject};

/// A halb that runs, and its command line.
#[derive(Debug)]
pub struct Halb {
    subject: Subject,
    program: PathBuf,
}

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
    let (directory, file) = PROGRAM.configured(CONFIGURATION, configuration)?;
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(file);
    if !configuration.lines().any(|line| line.trim_start().starts_with("socket")) {
        command.arg("--socket").arg(directory.path().join(SOCKET));
    }
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.wait_for(listens)?;
    Ok(subject)
}

/// Starts the halb of this path, with a configuration that may name files in the directory that it
/// is given, and waits until it says that it serves.
///
/// # Errors
/// As [`halb`].
pub fn halb_with(
    program: &Path,
    place: &dyn Place,
    configuration: impl FnOnce(&Path) -> String,
) -> Result<Halb, Error> {
    let directory = PROGRAM.directory()?;
    let text = configuration(directory.path());
    let written = fs::write(directory.path().join(CONFIGURATION), text);
    written.map_err(|source| Error::Files { program: PROGRAM.name, source })?;
    let mut command = Command::new(program);
    command.arg("run").args(files(directory.path()));
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.process.wait_for_line("halb serves", STARTING)?;
    Ok(Halb { subject, program: program.to_owned() })
}

impl Halb {
    /// The command that asks it or orders something, with `arguments` such as `vip yield`.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(files(self.directory()));
        command
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`Error::Asking`] when it doesn't answer.
    pub fn status(&self) -> Result<Value, Error> {
        let refused = |reason| Error::Asking { program: PROGRAM.name, reason };
        let output = self.command(&["status", "--json"]).output();
        let output = output.map_err(|error| refused(error.to_string()))?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).map_err(|_| refused(said()))
    }
}

impl From<Halb> for Subject {
    fn from(halb: Halb) -> Self {
        halb.subject
    }
}

impl Deref for Halb {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

/// Names the files to the command line.
fn files(directory: &Path) -> [OsString; 4] {
    let [file, socket] = [CONFIGURATION, SOCKET].map(|name| directory.join(name).into());
    ["--config".into(), file, "--socket".into(), socket]
}

pub(super) const PROGRAM: Program = Program { name: "halb", install: "cargo build --release" };

const CONFIGURATION: &str = "halb.toml";

const SOCKET: &str = "admin.sock";
