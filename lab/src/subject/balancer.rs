//! What balances TCP, by name: one task, put into the words of each program.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde_json::{Value, json};

use super::{Error, Place, Subject, envoy, halb, haproxy, nginx};

/// A program that balances TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Balancer {
    /// halb, without access log and admin pages, which the others don't have either.
    Halb,
    /// HAProxy, with `splice-auto`.
    Haproxy,
    /// nginx with its stream module.
    Nginx,
    /// Envoy with its TCP proxy.
    Envoy,
}

/// What a balancer is to do: pass connections on in turn, to servers that are taken to be well.
#[derive(Clone, Debug)]
pub struct Task {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Whom they are passed on to, one at least.
    pub servers: Vec<SocketAddr>,
    /// Threads that carry data.
    pub threads: usize,
    /// Client connections at a time, at least.
    pub connections: usize,
    /// The program `halb`; the others are looked for in the system's path.
    pub halb: PathBuf,
}

/// A name that isn't one of a balancer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no balancer {name:?} here: halb, haproxy, nginx or envoy")]
pub struct UnknownBalancer {
    /// The name.
    pub name: String,
}

impl Balancer {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Halb, Self::Haproxy, Self::Nginx, Self::Envoy];

    /// Its name, as [`FromStr`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Halb => "halb",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
        }
    }

    /// Where its program is; halb's is where the caller says.
    ///
    /// # Errors
    /// [`Error::Missing`] says how to install it.
    pub fn find(self, halb: &Path) -> Result<PathBuf, Error> {
        match self {
            Self::Halb if halb.is_file() => Ok(halb.to_owned()),
            Self::Halb => halb::PROGRAM.find(),
            Self::Haproxy => haproxy::PROGRAM.find(),
            Self::Nginx => nginx::find_proxy(),
            Self::Envoy => envoy::PROGRAM.find(),
        }
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Missing`] says how to install it.
    pub fn start(self, place: &dyn Place, task: &Task) -> Result<Subject, Error> {
        let (text, listens) = (self.configuration(task), [task.listen]);
        match self {
            Self::Halb => halb(Path::new(&task.halb), place, &text, &listens),
            Self::Haproxy => haproxy(place, &text, &listens),
            Self::Nginx => nginx::nginx_of(place, task.threads, &text, &listens),
            Self::Envoy => envoy(place, &text, task.threads, &listens),
        }
    }

    /// The task in its own words.
    #[must_use]
    pub fn configuration(self, task: &Task) -> String {
        match self {
            Self::Halb => for_halb(task),
            Self::Haproxy => for_haproxy(task),
            Self::Nginx => nginx::stream_proxy(task.listen, &task.servers),
            Self::Envoy => for_envoy(task).to_string(),
        }
    }
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Balancer {
    type Err = UnknownBalancer;

    fn from_str(name: &str) -> Result<Self, UnknownBalancer> {
        let found = Self::ALL.into_iter().find(|balancer| balancer.name() == name);
        found.ok_or_else(|| UnknownBalancer { name: name.to_owned() })
    }
}

fn for_halb(task: &Task) -> String {
    let Task { listen, servers, threads, connections, halb: _ } = task;
    let mut text = format!(
        "[global]\nworkers = {threads}\nmaxconn = {connections}\n\n\
         [frontend.work]\nbind = [\"{listen}\"]\nbackend = \"servers\"\n\
         access_log = false\n\n[admin]\nhttp = false\n\n[backend.servers.server]\n"
    );
    for (number, server) in servers.iter().enumerate() {
        line(&mut text, &format!("s{number} = \"{server}\""));
    }
    text
}

fn for_haproxy(task: &Task) -> String {
    let Task { listen, servers, threads, connections, halb: _ } = task;
    let mut text = format!(
        "global\n  nbthread {threads}\n  maxconn {connections}\n  no strict-limits\n\
         defaults\n  mode tcp\n  maxconn {connections}\n  option splice-auto\n  \
         timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         listen work\n  bind {listen}\n  balance roundrobin\n"
    );
    for (number, server) in servers.iter().enumerate() {
        line(&mut text, &format!("  server s{number} {server}"));
    }
    text
}

fn for_envoy(task: &Task) -> Value {
    let address = |of: SocketAddr| json!({ "socket_address": { "address": of.ip().to_string(), "port_value": of.port() } });
    let servers: Vec<_> = task
        .servers
        .iter()
        .map(|server| json!({ "endpoint": { "address": address(*server) } }))
        .collect();
    // Its own bounds are 1024 connections for each of these.
    let bounds = json!({ "thresholds": [{
        "max_connections": task.connections, "max_pending_requests": task.connections,
    }] });
    let proxy = json!({
        "@type":
            "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "work",
        "cluster": "servers",
    });
    json!({ "static_resources": {
        "listeners": [{
            "name": "work",
            "address": address(task.listen),
            "filter_chains": [{ "filters": [
                { "name": "envoy.filters.network.tcp_proxy", "typed_config": proxy },
            ] }],
        }],
        "clusters": [{
            "name": "servers",
            "type": "STATIC",
            "lb_policy": "ROUND_ROBIN",
            "connect_timeout": "5s",
            "circuit_breakers": bounds,
            "load_assignment": {
                "cluster_name": "servers",
                "endpoints": [{ "lb_endpoints": servers }],
            },
        }],
    } })
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            listen: "172.16.16.51:6443".parse().unwrap(),
            servers: [101, 102].map(|last| SocketAddr::from(([172, 16, 16, last], 6443))).into(),
            threads: 2,
            connections: 9000,
            halb: "/usr/bin/halb".into(),
        }
    }

    #[test]
    fn each_is_found_by_its_name_and_no_other() {
        for balancer in Balancer::ALL {
            assert_eq!(balancer.to_string().parse(), Ok(balancer));
        }
        let error = "ipvs".parse::<Balancer>().unwrap_err();
        assert!(error.to_string().contains("\"ipvs\""), "{error}");
    }

    #[test]
    fn each_configuration_has_the_whole_task() {
        for balancer in Balancer::ALL {
            let text = balancer.configuration(&task());
            // Envoy's has address and port apart.
            for address in ["172.16.16.51", "172.16.16.101", "172.16.16.102"] {
                assert!(text.contains(address), "{balancer}: {address} in {text}");
            }
            assert!(text.contains("6443"), "{balancer}: {text}");
        }
    }
}
