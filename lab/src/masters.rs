//! Three API servers, each on a host of its own: the control plane of the guides.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use crate::{
    ApiServer, Host, Lab,
    apiserver::{self, Ca, CaError, Ending, Options},
    net,
};

/// kmaster1 to kmaster3, at .101 to .103.
#[derive(Debug)]
pub struct Masters {
    ca: Ca,
    servers: Vec<Master>,
}

#[derive(Debug)]
struct Master {
    // Declared first: it runs on the host.
    server: Arc<ApiServer>,
    host: Host,
}

/// Why there are no such servers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A host can't be made.
    #[error(transparent)]
    Host(#[from] net::Error),
    /// There is no authority.
    #[error("the authority of the API servers can't be made")]
    Authority(#[from] CaError),
    /// A server doesn't start.
    #[error(transparent)]
    Server(#[from] apiserver::Error),
}

/// Where API servers listen.
pub const PORT: u16 = 6443;

/// As many as the smallest cluster that outlives one of them.
const COUNT: u8 = 3;

impl Masters {
    /// Starts them on a network. Their certificates are good for `addresses` too: those of the
    /// balancers before them. A watch tells something once per `watch_interval`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(lab: &Lab, addresses: &[IpAddr], watch_interval: Duration) -> Result<Self, Error> {
        let ca = Ca::new()?;
        let servers = (1..=COUNT).map(|number| {
            let name = format!("kmaster{number}");
            let host = lab.host(&name, &format!("172.16.16.{}/24", 100 + number))?;
            let mut options = Options::new(&name, SocketAddr::new(host.ip(), PORT), &ca);
            options.names = addresses.iter().map(IpAddr::to_string).collect();
            options.watch_interval = watch_interval;
            let server = Arc::new(host.block_on(ApiServer::start(options))?);
            Ok(Master { server, host })
        });
        let servers = servers.collect::<Result<_, Error>>()?;
        Ok(Self { ca, servers })
    }

    /// The certificate that clients trust, as PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.ca.pem()
    }

    /// Name and address of each.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.servers.iter().map(|master| (master.server.name(), master.server.address()))
    }

    /// The hosts that they run on, in order.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.servers.iter().map(|master| &master.host)
    }

    /// Kills the first `count` of them: their connections are reset, and their ports are closed.
    pub fn kill(&self, count: usize) {
        for Master { server, host } in self.servers.iter().take(count) {
            let server = Arc::clone(server);
            host.block_on(async move { server.stop(Ending::Rst).await });
        }
    }

    /// From now on one of them answers nothing, or does again ([`ApiServer::hang`]); of those that
    /// aren't there, nothing comes.
    pub fn set_hung(&self, index: usize, hung: bool) {
        let Some(Master { server, .. }) = self.servers.get(index) else { return };
        if hung { server.hang() } else { server.unhang() }
    }

    /// Starts all of them again.
    ///
    /// # Errors
    /// [`Error::Server`] when one can't listen.
    pub fn restart(&self) -> Result<(), Error> {
        for Master { server, host } in &self.servers {
            let server = Arc::clone(server);
            host.block_on(async move { server.restart().await })?;
        }
        Ok(())
    }
}
