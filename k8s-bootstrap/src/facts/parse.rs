//! Reads what the script of facts printed.

use std::str::FromStr;

use super::{
    Calico, Cluster, ClusterState, EtcdMember, Facts, FileFact, Firewall, Interface, Node, Os,
    Package, PackageManager, Runtime, Selinux, Service,
};
use crate::inventory::version::Version;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The script didn't come to its end.
    #[error(
        "the answer is cut off after {lines} lines: the script of facts didn't come to its end"
    )]
    CutOff {
        /// How many lines there are.
        lines: usize,
    },
    /// Something is missing that every host has.
    #[error("the host doesn't say its {0}: is it a Linux host with /proc and coreutils?")]
    Missing(&'static str),
    /// A line that the script doesn't print.
    #[error("the line '{0}' can't be understood")]
    Line(String),
    /// More lines than any host has.
    #[error("the answer has more than {LINES_MAX} lines")]
    TooLong,
}

/// Most lines of an answer: a node of a cluster of a thousand has about as many twice.
const LINES_MAX: usize = 20_000;

/// Longest part of a line that a message repeats.
const SHOWN: usize = 80;

/// The operator's clock around an answer, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the host was asked.
    pub asked_ms: i64,
    /// When all of its answer was there.
    pub answered_ms: i64,
}

impl Clock {
    /// By how much another clock must be ahead, if it said `then` in between.
    fn ahead_ms(self, then: i64) -> i64 {
        if then < self.asked_ms {
            then.saturating_sub(self.asked_ms)
        } else {
            then.saturating_sub(self.answered_ms).max(0)
        }
    }
}

/// Reads an answer; lines that aren't the script's (greetings of a shell) are passed over.
///
/// # Errors
/// The answer isn't whole, or isn't what the script prints.
pub fn parse(text: &str, clock: Clock) -> Result<Facts, ParseError> {
    let mut reader = Reader { facts: empty(), clock, seen: Seen::default(), lines: 0 };
    for line in text.lines() {
        let Some(line) = line.strip_prefix("halb:") else { continue };
        reader.lines += 1;
        if reader.lines > LINES_MAX {
            return Err(ParseError::TooLong);
        }
        if line == "end" {
            return reader.finish();
        }
        let fields: Vec<&str> = line.split('\t').collect();
        if reader.take(&fields).is_none() {
            return Err(ParseError::Line(line.chars().take(SHOWN).collect()));
        }
    }
    Err(ParseError::CutOff { lines: reader.lines })
}

struct Reader {
    facts: Facts,
    clock: Clock,
    seen: Seen,
    lines: usize,
}

/// What every host must say.
#[derive(Default)]
struct Seen {
    clock: bool,
    kernel: bool,
    os: bool,
    memory: bool,
}

fn empty() -> Facts {
    let os = Os {
        id: String::new(),
        like: Vec::new(),
        version: String::new(),
        codename: None,
        title: String::new(),
    };
    Facts {
        hostname: String::new(),
        os,
        architecture: String::new(),
        kernel: String::new(),
        cgroup_v2: false,
        memory_bytes: 0,
        processors: 0,
        clock_ahead_ms: 0,
        free_bytes: Default::default(),
        swaps: Vec::new(),
        swap_units: Vec::new(),
        interfaces: Vec::new(),
        default_interface: None,
        machine_id: None,
        selinux: Selinux::Off,
        package_manager: None,
        packages: Default::default(),
        files: Default::default(),
        services: Default::default(),
        sysctls: Default::default(),
        modules: Default::default(),
        ports: Default::default(),
        firewall: None,
        open: Default::default(),
        runtime: None,
        api_server: None,
        drained: Default::default(),
        cluster: ClusterState::None,
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value that may be absent: nothing, or one that can be read.
fn maybe<T: FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

impl Reader {
    /// Takes a line; none if it makes no sense.
    fn take(&mut self, fields: &[&str]) -> Option<()> {
        self.take_system(fields).or_else(|| self.take_software(fields)).or_else(|| {
            let cluster = match fields {
                ["cluster", "answers"] => {
                    self.facts.cluster = ClusterState::Answers(Cluster::default());
                    return Some(());
                }
                ["cluster", "silent"] => {
                    self.facts.cluster = ClusterState::Silent;
                    return Some(());
                }
                _ => match &mut self.facts.cluster {
                    ClusterState::Answers(cluster) => cluster,
                    ClusterState::None | ClusterState::Silent => return None,
                },
            };
            take_cluster(cluster, fields)
        })
    }

    /// The machine and its system.
    fn take_system(&mut self, fields: &[&str]) -> Option<()> {
        const NANOSECONDS: i64 = 1_000_000;
        let facts = &mut self.facts;
        match fields {
            ["clock", now] => {
                let now: i64 = now.parse().ok()?;
                facts.clock_ahead_ms = self.clock.ahead_ms(now / NANOSECONDS);
                self.seen.clock = true;
            }
            ["hostname", name] => facts.hostname = (*name).to_owned(),
            ["kernel", machine, release] => {
                facts.architecture = (*machine).to_owned();
                facts.kernel = (*release).to_owned();
                self.seen.kernel = true;
            }
            ["os", id, version, codename, like, title] => {
                facts.os = Os {
                    id: (*id).to_owned(),
                    like: like.split_whitespace().map(str::to_owned).collect(),
                    version: (*version).to_owned(),
                    codename: some(codename),
                    title: (*title).to_owned(),
                };
                self.seen.os = !id.is_empty();
            }
            ["cgroup", version] => facts.cgroup_v2 = *version == "2",
            ["memory", kibibytes] => {
                facts.memory_bytes = kibibytes.parse::<u64>().ok()?.checked_mul(1024)?;
                self.seen.memory = true;
            }
            ["api-server", version] => facts.api_server = Version::parse(version),
            ["drained", name] => drop(facts.drained.insert((*name).to_owned())),
            ["processors", count] => facts.processors = count.parse().ok()?,
            ["machine-id", id] => facts.machine_id = some(id),
            ["free", path, kibibytes] => {
                let bytes = kibibytes.parse::<u64>().ok()?.checked_mul(1024)?;
                facts.free_bytes.insert((*path).to_owned(), bytes);
            }
            ["swap", name] => facts.swaps.push((*name).to_owned()),
            ["swap-unit", name] => facts.swap_units.push((*name).to_owned()),
            ["address", name, address] => {
                let address = address.parse().ok()?;
                match facts.interfaces.iter_mut().find(|known| known.name == *name) {
                    Some(known) => known.addresses.push(address),
                    None => facts
                        .interfaces
                        .push(Interface { name: (*name).to_owned(), addresses: vec![address] }),
                }
            }
            ["default-route", interface] => facts.default_interface = some(interface),
            ["selinux", state] => {
                facts.selinux = match *state {
                    "Enforcing" => Selinux::Enforcing,
                    "Permissive" => Selinux::Permissive,
                    "Disabled" => Selinux::Off,
                    _ => return None,
                }
            }
            ["sysctl", key, value] => {
                facts.sysctls.insert((*key).to_owned(), (*value).to_owned());
            }
            ["module", name] => {
                facts.modules.insert((*name).to_owned());
            }
            ["port", port, who] => {
                facts.ports.insert(port.parse().ok()?, (*who).to_owned());
            }
            ["firewall", name] => {
                facts.firewall = Some(match *name {
                    "firewalld" => Firewall::Firewalld,
                    "ufw" => Firewall::Ufw,
                    _ => return None,
                });
            }
            ["open", what] => {
                facts.open.insert((*what).to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    /// Packages, files, services.
    fn take_software(&mut self, fields: &[&str]) -> Option<()> {
        let facts = &mut self.facts;
        match fields {
            ["package-manager", name] => {
                facts.package_manager = Some(match *name {
                    "apt" => PackageManager::Apt,
                    "dnf4" => PackageManager::Dnf4,
                    "dnf5" => PackageManager::Dnf5,
                    _ => return None,
                });
            }
            ["package", name, version, want] => {
                let version = version.split_once(':').map_or(*version, |(_, rest)| rest);
                let package = Package { version: version.to_owned(), held: *want == "hold" };
                facts.packages.insert((*name).to_owned(), package);
            }
            ["file", path, mode, owner, sha256, text] => {
                let text = match text.strip_prefix(':') {
                    Some(hex) => Some(String::from_utf8_lossy(&unhex(hex)?).into_owned()),
                    None => None,
                };
                let file = FileFact {
                    mode: u32::from_str_radix(mode, 8).ok()?,
                    owner: (*owner).to_owned(),
                    sha256: some(sha256).filter(|hash| hash != "-"),
                    text,
                };
                facts.files.insert((*path).to_owned(), file);
            }
            ["service", name, active, enabled] => {
                let service =
                    Service { active: (*active).to_owned(), enabled: (*enabled).to_owned() };
                facts.services.insert((*name).to_owned(), service);
            }
            ["runtime", version, systemd] => {
                facts.runtime = Some(Runtime {
                    version: version.trim_start_matches('v').to_owned(),
                    systemd_cgroup: *systemd == "yes",
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> Result<Facts, ParseError> {
        let Seen { clock, kernel, os, memory } = self.seen;
        let needed = [
            (clock, "clock"),
            (kernel, "kernel"),
            (os, "distribution (/etc/os-release)"),
            (memory, "memory"),
        ];
        match needed.into_iter().find(|(seen, _)| !seen) {
            Some((_, missing)) => Err(ParseError::Missing(missing)),
            None => Ok(self.facts),
        }
    }
}

fn take_cluster(cluster: &mut Cluster, fields: &[&str]) -> Option<()> {
    match fields {
        ["kubernetes", version] => cluster.version = Version::parse(version),
        ["node", name, ready, version, address, service @ ..] => {
            let (cordoned, by) = match service {
                [] => ("", ""),
                [cordoned, by] => (*cordoned, *by),
                _ => return None,
            };
            let node = Node {
                ready: *ready == "True",
                version: Version::parse(version),
                address: maybe(address)?,
                master: false,
                cordoned: cordoned == "true",
                by_halb: !by.is_empty(),
            };
            cluster.nodes.insert((*name).to_owned(), node);
        }
        ["master", name] => cluster.nodes.get_mut(*name)?.master = true,
        ["etcd", id, name, peer, learner] => cluster.etcd.push(EtcdMember {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            peer: (*peer).to_owned(),
            learner: *learner == "true",
        }),
        ["calico", version, cidr, available] => {
            cluster.calico = Some(Calico {
                version: Version::parse(version),
                cidr: maybe(cidr)?,
                available: *available == "True",
            });
        }
        _ => return None,
    }
    Some(())
}

/// Bytes of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let [high, low] = pair else { return None };
            let digit = |letter: &u8| char::from(*letter).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests;
