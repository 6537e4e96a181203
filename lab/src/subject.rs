//! Programs that halb is compared with or put in front of, each started with a given configuration.
//!
//! A subject is a process and the directory with its files; it runs here or on a host of the lab,
//! wherever its [`Place`] is, in the foreground, and dies as any [`Process`] does. Where the program
//! isn't installed, the error says how to install it.
//!
//! What balances TCP is also chosen by name ([`Balancer`]), so that one scenario runs on each.

mod balancer;
mod envoy;
mod etcd;
mod frr;
pub mod guides;
mod halb;
mod haproxy;
mod keepalived;
pub mod nginx;

use std::{
    env, fmt, fs, io,
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

pub use self::{
    balancer::{Balancer, Task, UnknownBalancer},
    envoy::envoy,
    etcd::{Member, etcd},
    frr::{Frr, frr},
    halb::{Halb, halb, halb_with},
    haproxy::haproxy,
    keepalived::{Keepalived, Report, keepalived},
    nginx::nginx,
};
use crate::{
    net::Host,
    process::{self, Process},
};

/// A program that runs with a configuration of its own.
#[derive(Debug)]
pub struct Subject {
    // Declared first: the process ends before its files go.
    process: Process,
    directory: TempDir,
}

/// Where a process can be started: on this machine ([`Here`]) or on a [`Host`].
pub trait Place: fmt::Debug {
    /// Starts it there.
    ///
    /// # Errors
    /// [`process::Error::Start`].
    fn spawn(&self, command: Command) -> Result<Process, process::Error>;
}

/// This machine, in the network namespace of this program.
#[derive(Clone, Copy, Debug)]
pub struct Here;

/// Why a subject doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It isn't installed.
    #[error("{program} isn't installed: {install}")]
    Missing {
        /// The program, or the part of it.
        program: &'static str,
        /// The command that installs it.
        install: &'static str,
    },
    /// Its files can't be written.
    #[error("the files of {program} can't be written")]
    Files {
        /// The program.
        program: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It doesn't say how it is doing.
    #[error("{program} can't be asked: {reason}")]
    Asking {
        /// The program.
        program: &'static str,
        /// What came instead of an answer.
        reason: String,
    },
    /// It doesn't start, or doesn't listen in time.
    #[error(transparent)]
    Process(#[from] process::Error),
}

impl Place for Here {
    fn spawn(&self, command: Command) -> Result<Process, process::Error> {
        Process::spawn(command)
    }
}

impl Place for Host {
    fn spawn(&self, command: Command) -> Result<Process, process::Error> {
        Self::spawn(self, command)
    }
}

impl Subject {
    /// The directory with its configuration and data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until it listens on all of `addresses`.
    fn wait_for(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        for address in addresses {
            self.process.wait_until_listening(*address, STARTING)?;
        }
        Ok(())
    }
}

impl Deref for Subject {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// A program and where it comes from.
#[derive(Clone, Copy, Debug)]
struct Program {
    name: &'static str,
    /// The command that installs it.
    install: &'static str,
}

impl Program {
    /// Its path. Looks where Debian installs daemons too, which an ordinary user's PATH leaves out.
    fn find(self) -> Result<PathBuf, Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let daemons = ["/usr/sbin", "/sbin", "/usr/lib/frr"].map(PathBuf::from);
        env::split_paths(&path)
            .chain(daemons)
            .map(|directory| directory.join(self.name))
            .find(|candidate| candidate.is_file())
            .ok_or(Error::Missing { program: self.name, install: self.install })
    }

    /// A directory of its own, gone with the subject.
    fn directory(self) -> Result<TempDir, Error> {
        let made = tempfile::Builder::new().prefix(self.name).tempdir();
        made.map_err(|source| Error::Files { program: self.name, source })
    }

    /// A directory of its own with a file in it, and the path of that file.
    fn configured(self, file: &str, content: &str) -> Result<(TempDir, PathBuf), Error> {
        let directory = self.directory()?;
        let path = directory.path().join(file);
        fs::write(&path, content).map_err(|source| Error::Files { program: self.name, source })?;
        Ok((directory, path))
    }
}

/// How long a program may take to start on a machine that is busy with other things.
const STARTING: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_installed_is_named_with_the_command_that_installs_it() {
        let program = Program { name: "no-such-balancer", install: "apt-get install it" };
        let error = program.find().unwrap_err();
        assert_eq!(error.to_string(), "no-such-balancer isn't installed: apt-get install it");
    }
}
