//! Who is compared: how each is found, configured and started.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    time::Duration,
};

use halb_lab::{
    Process,
    subject::{self, Subject, haproxy, nginx},
};
use tempfile::TempDir;

use super::{Error, site::Site};
use crate::{scenario::Scenario, usage};

/// A program under comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// halb, two workers.
    Halb,
    /// HAProxy, two threads, splicing where it thinks it worthwhile.
    Haproxy,
    /// nginx's stream proxy, one process.
    Nginx,
    /// Envoy's TCP proxy, two threads.
    Envoy,
    /// Nobody between client and server.
    Direct,
    /// Whoever answers at this address, with a backend of ours behind it.
    Target(SocketAddr),
}

/// Programs that aren't found by name.
#[derive(Debug)]
pub struct Programs {
    /// Answers as `halb bench --serve` does.
    pub backend: PathBuf,
    /// The halb under test; a copy of it is run.
    pub halb: PathBuf,
}

/// A contender that runs.
#[derive(Debug)]
pub struct Running {
    /// Who it is.
    pub contender: Contender,
    /// Where clients connect.
    pub address: SocketAddr,
    /// Memory before anybody connected.
    pub(super) at_rest: Option<u64>,
    program: Program,
}

/// What is run.
#[derive(Debug)]
enum Program {
    None,
    Subject(Subject),
    /// Declared in this order: the process ends before its files go.
    Own(Process, #[expect(dead_code, reason = "holds the process's files")] TempDir),
}

impl Contender {
    /// All that can be compared.
    pub const ALL: [Self; 5] = [Self::Halb, Self::Haproxy, Self::Nginx, Self::Envoy, Self::Direct];

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Halb => "halb",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Direct => "direct",
            Self::Target(_) => "target",
        }
    }

    /// Why it can't take part here, with what to do about it; none if it can.
    #[must_use]
    pub fn missing(self, programs: &Programs) -> Option<String> {
        let how = match self {
            Self::Halb => return (!programs.halb.is_file()).then(|| "halb isn't there".to_owned()),
            Self::Direct | Self::Target(_) => return None,
            Self::Haproxy => "apt-get install haproxy",
            Self::Nginx => "apt-get install nginx libnginx-mod-stream",
            Self::Envoy => "see https://www.envoyproxy.io/docs/envoy/latest/start/install",
        };
        let note = || format!("{} isn't installed and was left out: {how}", self.name());
        find(self.name()).is_none().then(note)
    }

    /// What it says of its version, in short; empty where there is nothing to ask.
    #[must_use]
    pub fn version(self, programs: &Programs) -> String {
        let (program, argument) = match self {
            Self::Halb => (Some(programs.halb.clone()), "--version"),
            Self::Haproxy | Self::Nginx => (find(self.name()), "-v"),
            Self::Envoy => (find(self.name()), "--version"),
            Self::Target(address) => return address.to_string(),
            Self::Direct => (None, ""),
        };
        let Some(program) = program else { return String::new() };
        let Ok(output) = Command::new(program).arg(argument).output() else { return String::new() };
        let said = [output.stdout, output.stderr].concat();
        version_in(&String::from_utf8_lossy(&said)).unwrap_or_default()
    }

    /// Whether a scenario says anything about it.
    #[must_use]
    pub fn takes(self, scenario: Scenario) -> bool {
        // Without a process there is no memory to look at.
        self.is_process() || scenario != Scenario::Idle
    }

    fn is_process(self) -> bool {
        match self {
            Self::Halb | Self::Haproxy | Self::Nginx | Self::Envoy => true,
            Self::Direct | Self::Target(_) => false,
        }
    }

    /// Whether a backend must be started for it.
    pub(super) fn needs_backend(self) -> bool {
        !matches!(self, Self::Target(_))
    }

    /// Starts it before `backend`.
    pub(super) fn start(
        self,
        site: &Site,
        backend: Option<SocketAddr>,
        programs: &Programs,
    ) -> Result<Running, subject::Error> {
        let name = self.name();
        let files = |source| subject::Error::Files { program: name, source };
        let (Self::Halb | Self::Haproxy | Self::Nginx | Self::Envoy, Some(backend)) =
            (self, backend)
        else {
            let address = if let Self::Target(address) = self { Some(address) } else { backend };
            let address = address.ok_or_else(|| files(io::ErrorKind::NotConnected.into()))?;
            return Ok(Running { contender: self, address, at_rest: None, program: Program::None });
        };
        let listen = site.balancer_address().map_err(files)?;
        let place = site.balancer();
        let own = |directory: TempDir, command: Command| {
            let process = place.spawn(command)?;
            process.wait_until_listening(listen, STARTING)?;
            Ok::<_, subject::Error>(Program::Own(process, directory))
        };
        let (address, program) = match self {
            Self::Direct | Self::Target(_) => (backend, Program::None),
            Self::Haproxy => {
                let configuration = haproxy_configuration(listen, backend);
                (listen, Program::Subject(haproxy(place, &configuration, &[listen])?))
            }
            Self::Nginx => {
                let blocks = nginx::stream_proxy(listen, &[backend]);
                (listen, Program::Subject(nginx(place, &blocks, &[listen])?))
            }
            Self::Halb => {
                let (directory, command) =
                    halb_command(&programs.halb, listen, backend).map_err(files)?;
                (listen, own(directory, command)?)
            }
            Self::Envoy => {
                let (directory, command) = envoy_command(listen, backend).map_err(files)?;
                (listen, own(directory, command)?)
            }
        };
        Ok(Running { contender: self, address, at_rest: None, program })
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|contender| contender.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("'{name}' is none of {names}")
        })
    }
}

impl Running {
    /// Looks at its process, if it has one.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(u32) -> Result<T, usage::Error>,
    ) -> Result<Option<T>, Error> {
        let Some(process) = self.process() else { return Ok(None) };
        let name = self.contender.name();
        look(process.pid()).map(Some).map_err(|source| Error::Usage { name, source })
    }

    /// The last lines of its output.
    pub(super) fn words(&self) -> String {
        self.process().map(Process::output).unwrap_or_default()
    }

    fn process(&self) -> Option<&Process> {
        match &self.program {
            Program::None => None,
            Program::Subject(subject) => Some(subject),
            Program::Own(process, _) => Some(process),
        }
    }
}

/// As somebody would write it who cares for speed: threads as halb has workers, and kernel splicing.
fn haproxy_configuration(listen: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "global\n  nbthread 2\n  maxconn 9500\n  no strict-limits\n\
         defaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\n\
         frontend f\n  bind {listen}\n  default_backend b\n\
         backend b\n  server s {backend} check inter 2s\n"
    )
}

/// A copy of halb with a configuration that does the same.
fn halb_command(
    halb: &Path,
    listen: SocketAddr,
    backend: SocketAddr,
) -> io::Result<(TempDir, Command)> {
    let directory = tempfile::Builder::new().prefix("halb-bench").tempdir()?;
    let (copy, file) = (directory.path().join("halb"), directory.path().join("halb.toml"));
    fs::copy(halb, &copy)?;
    let socket = directory.path().join("admin.sock");
    let configuration = format!(
        "[global]\nworkers = 2\n\
         [frontend.f]\nbind = [\"{listen}\"]\nbackend = \"b\"\naccess_log = false\n\
         [backend.b]\ncheck = {{ type = \"tcp\" }}\n\
         [backend.b.server]\ns = \"{backend}\"\n\
         [admin]\nhttp = false\nsocket = \"{}\"\n",
        socket.display()
    );
    fs::write(&file, configuration)?;
    let mut command = Command::new(copy);
    command.arg("run").arg("--config").arg(file);
    Ok((directory, command))
}

fn envoy_command(listen: SocketAddr, backend: SocketAddr) -> io::Result<(TempDir, Command)> {
    let directory = tempfile::Builder::new().prefix("halb-bench").tempdir()?;
    let file = directory.path().join("envoy.yaml");
    let socket = |address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!("{{ socket_address: {{ address: \"{ip}\", port_value: {port} }} }}")
    };
    let (listen, backend) = (socket(listen), socket(backend));
    let configuration = format!(
        "static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: b
  clusters:
  - name: b
    type: STATIC
    circuit_breakers: {{ thresholds: [ {{ max_connections: 20000, max_pending_requests: 20000 }} ] }}
    load_assignment:
      cluster_name: b
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {backend} }} }} ] }} ]
"
    );
    fs::write(&file, configuration)?;
    let program = find("envoy").ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(["--concurrency", "2", "--disable-hot-restart", "--log-level", "warn"]);
    command.arg("--config-path").arg(file);
    Ok((directory, command))
}

/// Where a program is, also where Debian installs daemons.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(daemons)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// The first thing in a text that looks like a version: digits, a point, digits.
fn version_in(text: &str) -> Option<String> {
    let is_part = |character: char| character.is_ascii_digit() || character == '.';
    text.split(|character: char| !is_part(character))
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()))
        .map(str::to_owned)
}

/// How long a program may take to start on a machine that is busy with other things.
const STARTING: Duration = Duration::from_secs(20);

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
        for contender in Contender::ALL {
            assert_eq!(contender.name().parse(), Ok(contender));
        }
        assert!("apache".parse::<Contender>().unwrap_err().contains("haproxy, nginx"));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_to_do() {
        let nowhere = PathBuf::from("/nonexistent");
        let programs = Programs { backend: nowhere.clone(), halb: nowhere };
        assert!(Contender::Halb.missing(&programs).unwrap().contains("halb isn't there"));
        assert_eq!(Contender::Direct.missing(&programs), None);
    }
}
