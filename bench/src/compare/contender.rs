//! Who is compared, and how each is started.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use halb_lab::{
    Process,
    process::Usage,
    subject::{self, Balancer, Subject, Task},
};

use super::{Error, STARTING, site::Site};
use crate::scenario::Scenario;

/// Whom a load passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// A program, started for the comparison.
    Balancer(Balancer),
    /// halb, and the kernel forwards; on hosts of the lab only.
    Kernel,
    /// A host that routes, without a rule, a translation or a process: what passing through another
    /// host costs, whoever does it; on hosts of the lab only.
    Router,
    /// A process that only passes bytes on: what passing through a process costs, whoever wrote it.
    Relay,
    /// Nobody between client and server.
    Direct,
    /// Whoever answers at this address, with a backend of ours behind it.
    Target(SocketAddr),
}

/// Programs that aren't found by name.
#[derive(Debug)]
pub struct Programs {
    /// Answers and passes on as `halb bench --serve` does.
    pub backend: PathBuf,
    /// The halb under test.
    pub halb: PathBuf,
}

/// A contender that runs.
#[derive(Debug)]
pub struct Running {
    /// Who it is.
    pub contender: Contender,
    /// Where clients connect.
    pub address: SocketAddr,
    /// Memory before anybody connected, in bytes.
    pub(super) at_rest: Option<u64>,
    /// Memory after the first few connections, in bytes.
    pub(super) in_use: Option<u64>,
    program: Option<Program>,
}

/// What runs for a contender.
#[derive(Debug)]
enum Program {
    /// With files of its own.
    Subject(Subject),
    Relay(Process),
}

impl Contender {
    /// halb, whom the others are compared with.
    pub const HALB: Self = Self::Balancer(Balancer::Halb);

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Balancer(balancer) => balancer.name(),
            Self::Kernel => KERNEL,
            Self::Router => ROUTER,
            Self::Relay => RELAY,
            Self::Direct => DIRECT,
            Self::Target(_) => "target",
        }
    }

    /// Why it can't take part here, with what to do about it; none if it can.
    #[must_use]
    pub fn missing(self, programs: &Programs) -> Option<String> {
        let Self::Balancer(balancer) = self else { return None };
        balancer.find(&programs.halb).err().map(|error| format!("left out: {error}"))
    }

    /// Its version or address, in short; empty where there is nothing to ask.
    #[must_use]
    pub fn version(self, programs: &Programs) -> String {
        match self {
            Self::Balancer(balancer) => version(balancer, programs).unwrap_or_default(),
            Self::Kernel => version(Balancer::Halb, programs).unwrap_or_default(),
            Self::Router | Self::Relay | Self::Direct => String::new(),
            Self::Target(address) => address.to_string(),
        }
    }

    /// Whether it takes hosts: on loopback nothing passes through a host.
    #[must_use]
    pub fn takes_hosts(self) -> bool {
        matches!(self, Self::Kernel | Self::Router)
    }

    /// Whether a scenario says anything about it.
    #[must_use]
    pub fn takes(self, scenario: Scenario) -> bool {
        // Without a process there is no memory to look at.
        self.is_process() || !scenario.looks_at_memory()
    }

    /// Whether bytes pass through a process.
    fn is_process(self) -> bool {
        matches!(self, Self::Balancer(_) | Self::Relay)
    }

    /// Starts it before `backend`, and where it needs none, says where it is.
    pub(super) fn start(
        self,
        site: &Site,
        backend: SocketAddr,
        programs: &Programs,
    ) -> Result<Running, subject::Error> {
        let address = match self {
            Self::Direct => backend,
            Self::Target(address) => address,
            Self::Balancer(balancer) => return start(balancer, site, backend, programs),
            Self::Kernel => return start_forwarding(site, backend, programs),
            Self::Relay => return start_relay(site, backend, programs),
            Self::Router => {
                let files = |source| subject::Error::Files { program: ROUTER, source };
                site.route().map_err(files)?;
                backend
            }
        };
        Ok(Running::new(self, address, None))
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            DIRECT => return Ok(Self::Direct),
            KERNEL => return Ok(Self::Kernel),
            ROUTER => return Ok(Self::Router),
            RELAY => return Ok(Self::Relay),
            _ => {}
        }
        let names = || Balancer::ALL.map(Balancer::name).join(", ");
        name.parse()
            .map(Self::Balancer)
            .map_err(|_| format!("none of {}, {KERNEL}, {ROUTER}, {RELAY}, {DIRECT}", names()))
    }
}

impl Running {
    fn new(contender: Contender, address: SocketAddr, program: Option<Program>) -> Self {
        Self { contender, address, at_rest: None, in_use: None, program }
    }

    fn process(&self) -> Option<&Process> {
        self.program.as_ref().map(|program| match program {
            Program::Subject(subject) => &**subject,
            Program::Relay(process) => process,
        })
    }

    /// Looks at what its process uses, if bytes pass one.
    pub(super) fn usage(&self) -> Result<Option<Usage>, Error> {
        let name = self.contender.name();
        let process = self.process().filter(|_| self.contender.is_process());
        let usage = process.map(Process::usage).transpose();
        usage.map_err(|source| Error::Usage { name, source })
    }

    /// The last lines of its output.
    pub(super) fn words(&self) -> String {
        self.process().map(Process::output).unwrap_or_default()
    }
}

fn start(
    balancer: Balancer,
    site: &Site,
    backend: SocketAddr,
    programs: &Programs,
) -> Result<Running, subject::Error> {
    let files = |source| subject::Error::Files { program: balancer.name(), source };
    let listen = site.balancer_address().map_err(files)?;
    let halb = programs.halb.clone();
    let task =
        Task { listen, servers: vec![backend], threads: THREADS, connections: CONNECTIONS, halb };
    let subject = balancer.start(site.balancer(), &task)?;
    Ok(Running::new(Contender::Balancer(balancer), listen, Some(Program::Subject(subject))))
}

fn start_forwarding(
    site: &Site,
    backend: SocketAddr,
    programs: &Programs,
) -> Result<Running, subject::Error> {
    let files = |source| subject::Error::Files { program: KERNEL, source };
    let listen = site.balancer_address().map_err(files)?;
    let text = |directory: &Path| {
        format!(
            "[frontend.bench]\nforward = \"kernel\"\nbind = [\"{listen}\"]\nbackend = \"bench\"\n\n\
             [backend.bench]\nbalance = \"flow\"\ncheck = false\n\n\
             [backend.bench.server]\nserver = \"{backend}\"\n\n\
             [admin]\nhttp = false\n\n[global]\nstate_dir = \"{}\"\n",
            directory.display()
        )
    };
    let halb = subject::halb_with(&programs.halb, site.balancer(), text)?;
    Ok(Running::new(Contender::Kernel, listen, Some(Program::Subject(halb.into()))))
}

fn start_relay(
    site: &Site,
    backend: SocketAddr,
    programs: &Programs,
) -> Result<Running, subject::Error> {
    let files = |source| subject::Error::Files { program: RELAY, source };
    let listen = site.balancer_address().map_err(files)?;
    let mut command = Command::new(&programs.backend);
    command.args(["bench", "--serve", &listen.to_string(), "--relay", &backend.to_string()]);
    command.args(["--threads", &THREADS.to_string()]);
    let process = site.balancer().spawn(command)?;
    process.wait_until_listening(listen, STARTING)?;
    Ok(Running::new(Contender::Relay, listen, Some(Program::Relay(process))))
}

fn version(balancer: Balancer, programs: &Programs) -> Option<String> {
    let argument = match balancer {
        Balancer::Halb | Balancer::Envoy => "--version",
        Balancer::Haproxy | Balancer::Nginx => "-v",
    };
    let program = balancer.find(&programs.halb).ok()?;
    let output = Command::new(program).arg(argument).output().ok()?;
    version_in(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
}

/// The first thing in a text that looks like a version: digits, a point, digits.
fn version_in(text: &str) -> Option<String> {
    let is_part = |character: char| character.is_ascii_digit() || character == '.';
    text.split(|character: char| !is_part(character))
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()))
        .map(str::to_owned)
}

const DIRECT: &str = "direct";
const KERNEL: &str = "kernel";
const ROUTER: &str = "router";
const RELAY: &str = "relay";

/// Threads that carry data: as many as the smallest balancer of a cluster has cores.
const THREADS: usize = 2;

/// Connections that each is configured for. HAProxy that splices reckons with two and a half
/// descriptors for each, which stay below 20,000.
const CONNECTIONS: usize = 7_900;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let said = [
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12"),
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("halb 0.1.0", "0.1.0"),
            ("envoy  version: b5ca88acee3453c9459474b8f22215796eff4dde/1.40.0/Clean", "1.40.0"),
        ];
        for (text, version) in said {
            assert_eq!(version_in(text).as_deref(), Some(version));
        }
        assert_eq!(version_in("no version"), None);
    }

    #[test]
    fn a_contender_is_known_by_its_name() {
        let balancers = Balancer::ALL.map(Contender::Balancer);
        let others = [Contender::Direct, Contender::Kernel, Contender::Router, Contender::Relay];
        for contender in balancers.into_iter().chain(others) {
            assert_eq!(contender.name().parse(), Ok(contender));
        }
        assert!("apache".parse::<Contender>().unwrap_err().contains("haproxy, nginx"));
    }

    #[test]
    fn nobody_has_a_process_where_nobody_was_started() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let others = [Contender::Direct, Contender::Kernel, Contender::Router];
        for contender in others.into_iter().chain([Contender::Target(address)]) {
            assert!(!contender.takes(Scenario::Idle) && contender.takes(Scenario::Requests));
        }
        assert!(Contender::HALB.takes(Scenario::Idle));
    }
}
