//! Where a comparison takes place: on loopback, or on hosts of the lab.

use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    process::Command,
};

use halb_lab::{Host, Lab, Loopback, Process, net, subject::Here, subject::Place};

use super::{
    STARTING,
    contender::{Contender, Programs},
};

/// Three hosts, or one.
#[derive(Debug)]
pub enum Site {
    /// Everything on this host, at an address of loopback that nobody else has.
    Loopback(Loopback),
    /// Clients, balancer and server each in a network namespace of its own, on one bridge.
    Lab(Box<Hosts>),
}

/// The hosts of a lab.
#[derive(Debug)]
pub struct Hosts {
    client: Host,
    /// In a network of its own, from which the balancer routes.
    beyond: Host,
    balancer: Host,
    server: Host,
    _lab: Lab,
}

/// Why there is no such place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address of loopback, or no port.
    #[error("no address for the comparison")]
    Address(#[from] io::Error),
    /// The hosts can't be made.
    #[error(transparent)]
    Lab(#[from] net::Error),
}

/// The backend's process.
#[derive(Debug)]
pub struct Backend {
    _process: Process,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Site {
    /// This host.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn loopback() -> Result<Self, Error> {
        Ok(Self::Loopback(Loopback::claim()?))
    }

    /// Hosts of the lab. It takes the right to make network namespaces.
    ///
    /// # Errors
    /// [`Error::Lab`].
    pub fn lab() -> Result<Self, Error> {
        let lab = Lab::new()?;
        let client = lab.host("client", "172.16.16.11/24")?;
        let beyond = lab.host("client beyond", "172.16.18.11/24")?;
        let balancer = lab.host("loadbalancer01", "172.16.16.51/24")?;
        let server = lab.host("kmaster1", "172.16.16.101/24")?;
        balancer.add_address("172.16.18.51/24")?;
        beyond.add_route("172.16.16.0/24", [172, 16, 18, 51].into())?;
        server.add_route("172.16.18.0/24", balancer.ip())?;
        for host in [&client, &beyond] {
            // A connection for each request uses up the ports that are usual within seconds.
            host.run(|| set("ipv4/ip_local_port_range", "1024 65535"))?;
        }
        Ok(Self::Lab(Box::new(Hosts { client, beyond, balancer, server, _lab: lab })))
    }

    /// Where balancers run.
    #[must_use]
    pub fn balancer(&self) -> &dyn Place {
        match self {
            Self::Loopback(_) => &Here,
            Self::Lab(hosts) => &hosts.balancer,
        }
    }

    /// An address there that nobody listens on.
    ///
    /// # Errors
    /// When the kernel has none.
    pub fn balancer_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Loopback(loopback) => loopback.free_port(),
            Self::Lab(hosts) => free_port(&hosts.balancer),
        }
    }

    /// Does something where clients of a contender are.
    pub(super) fn on_client_host<R: Send>(
        &self,
        contender: Contender,
        work: impl FnOnce() -> R + Send,
    ) -> R {
        match (self, contender) {
            (Self::Loopback(_), _) => work(),
            (Self::Lab(hosts), Contender::Router) => hosts.beyond.run(work),
            (
                Self::Lab(hosts),
                Contender::Balancer(_)
                | Contender::Kernel
                | Contender::Relay
                | Contender::Direct
                | Contender::Target(_),
            ) => hosts.client.run(work),
        }
    }

    /// Has the balancer pass packets on between its networks; nothing to do on loopback.
    pub(super) fn route(&self) -> io::Result<()> {
        let Self::Lab(hosts) = self else { return Ok(()) };
        hosts.balancer.run(|| {
            set("ipv4/ip_forward", "1")?;
            // Both networks are on one link: hosts would be told to speak past the router.
            set("ipv4/conf/all/send_redirects", "0")?;
            set(&format!("ipv4/conf/{}/send_redirects", net::INTERFACE), "0")
        })
    }

    /// Starts the backend.
    pub(super) fn backend(
        &self,
        programs: &Programs,
        threads: usize,
    ) -> Result<Backend, super::Error> {
        let free = match self {
            Self::Loopback(loopback) => loopback.free_port(),
            Self::Lab(hosts) => free_port(&hosts.server),
        };
        let address = free.map_err(Error::from)?;
        let mut command = Command::new(&programs.backend);
        command.args(["bench", "--serve", &address.to_string()]);
        command.args(["--threads", &threads.to_string()]);
        let process = match self {
            Self::Loopback(_) => Place::spawn(&Here, command),
            Self::Lab(hosts) => Place::spawn(&hosts.server, command),
        };
        let process = process.map_err(super::Error::Backend)?;
        process.wait_until_listening(address, STARTING).map_err(super::Error::Backend)?;
        Ok(Backend { _process: process, address })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback(_) => "loopback",
            Self::Lab(_) => "network namespaces on a bridge",
        })
    }
}

/// Sets what the kernel lets each network namespace choose, in that of this thread.
fn set(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/{name}"), value)
}

fn free_port(host: &Host) -> io::Result<SocketAddr> {
    let ip: IpAddr = host.ip();
    host.run(|| std::net::TcpListener::bind((ip, 0))?.local_addr())
}
