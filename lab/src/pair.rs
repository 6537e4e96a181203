//! The network that a virtual address is tried on: two balancers, a client that asks the address
//! all the time, and witnesses of who has it.
//!
//! ```text
//!   loadbalancer01 .51 ──┐
//!   loadbalancer02 .52 ──┼── bridge      each runs whatever is tried
//!   client         .9  ──┘               asks the address, and hears all multicast
//! ```

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    Capture, Host, Lab, Prober, Responder,
    net::{self, Watch},
};

/// Two balancers and a client.
#[derive(Debug)]
pub struct Pair {
    /// Asks the virtual address at a steady pace.
    pub prober: Prober,
    /// What the client's interface sees.
    pub seen: Capture,
    /// When addresses came to the balancers and went.
    pub watches: [Watch; 2],
    _responders: [Responder; 2],
    /// loadbalancer01 and loadbalancer02.
    pub balancers: [Host; 2],
    /// The client.
    pub client: Host,
    vip: IpAddr,
    lab: Lab,
}

/// Why there is no such network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A host can't be made.
    #[error(transparent)]
    Host(#[from] net::Error),
    /// A witness has no socket.
    #[error("the virtual address can't be watched")]
    Witness(#[source] io::Error),
}

/// The balancers' names.
pub const BALANCERS: [&str; 2] = ["loadbalancer01", "loadbalancer02"];

/// Where the balancers answer the prober.
const PORT: u16 = 4000;

impl Pair {
    /// Makes the network 172.16.16.0/24, with fd00::/64 beside it. The client asks `vip` once per
    /// `pace`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(vip: IpAddr, pace: Duration) -> Result<Self, Error> {
        let lab = Lab::new()?;
        let host = |name: &str, last: u8| {
            let host = lab.host(name, &format!("172.16.16.{last}/24"))?;
            host.add_address(&format!("fd00::{last}/64"))?;
            Ok::<_, net::Error>(host)
        };
        let balancers = [host(BALANCERS[0], 51)?, host(BALANCERS[1], 52)?];
        let client = host("client", 9)?;
        let [one, other] = &balancers;
        let target = SocketAddr::new(vip, PORT);
        let answer = |host| Responder::start(host, PORT).map_err(Error::Witness);
        Ok(Self {
            prober: Prober::start(&client, target, pace).map_err(Error::Witness)?,
            seen: Capture::start(&client).map_err(Error::Witness)?,
            watches: [one.watch_addresses()?, other.watch_addresses()?],
            _responders: [answer(one)?, answer(other)?],
            balancers,
            client,
            vip,
            lab,
        })
    }

    /// The virtual address.
    #[must_use]
    pub fn vip(&self) -> IpAddr {
        self.vip
    }

    /// The network, for further hosts.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Which of the balancers have the address, as their kernels say.
    ///
    /// # Errors
    /// [`net::Error::Netlink`].
    pub fn holders(&self) -> Result<[bool; 2], net::Error> {
        let [one, other] = &self.balancers;
        Ok([one.holds(self.vip)?, other.holds(self.vip)?])
    }
}
