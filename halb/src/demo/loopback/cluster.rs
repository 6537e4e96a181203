//! Three stand-in API servers in this process, each on an address of its own.

use std::net::SocketAddr;

use anyhow::Context as _;
use halb_lab::apiserver::{Ca, Ending, Options};
use halb_lab::{ApiServer, Loopback};
use tokio::sync::Mutex;

/// The port of an API server, as a cluster has it.
pub(super) const PORT: u16 = 6443;

/// As many as the smallest cluster that outlives one of them.
const SERVERS: usize = 3;

/// The servers and what the balancer before them is given.
pub(super) struct Cluster {
    ca: Ca,
    servers: Vec<Member>,
    balancer: Loopback,
}

struct Member {
    server: ApiServer,
    running: Mutex<bool>,
    _address: Loopback,
}

impl Cluster {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let ca = Ca::new()?;
        let no_address = "no address of loopback is to be had";
        let balancer = Loopback::claim().context(no_address)?;
        let mut servers = Vec::with_capacity(SERVERS);
        for number in 1..=SERVERS {
            let address = Loopback::claim().context(no_address)?;
            let mut options = Options::new(&format!("kmaster{number}"), address.port(PORT), &ca);
            options.names.push(balancer.ip().to_string());
            let server = ApiServer::start(options).await?;
            servers.push(Member { server, running: Mutex::new(true), _address: address });
        }
        Ok(Self { ca, servers, balancer })
    }

    /// The certificate that clients trust, as PEM.
    pub(super) fn authority(&self) -> &str {
        self.ca.pem()
    }

    /// The address that is kept for the balancer.
    pub(super) fn balancer(&self) -> &Loopback {
        &self.balancer
    }

    /// Name and address of each server.
    pub(super) fn servers(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.servers.iter().map(|member| (member.server.name(), member.server.address()))
    }

    /// Kills the server of this number (from 1), or starts it again.
    pub(super) async fn toggle(&self, number: usize) -> anyhow::Result<()> {
        let Some(member) = number.checked_sub(1).and_then(|index| self.servers.get(index)) else {
            return Ok(());
        };
        let mut running = member.running.lock().await;
        if *running {
            member.server.stop(Ending::Rst).await;
        } else {
            member.server.restart().await?;
        }
        *running = !*running;
        Ok(())
    }
}
