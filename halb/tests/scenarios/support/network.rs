//! The network of the guides: loadbalancer01, three masters and a client, each a namespace.

use std::net::SocketAddr;

use halb_lab::subject::Place;
use halb_lab::{Host, Lab};

use super::masters::{Masters, PORT};

/// Hosts on 172.16.16.0/24.
pub(crate) struct Network {
    pub(crate) balancer: Host,
    pub(crate) masters: [Host; 3],
    pub(crate) client: Host,
    pub(crate) lab: Lab,
}

impl Network {
    pub(crate) fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = |name: &str, last: u8| lab.host(name, &format!("172.16.16.{last}/24")).unwrap();
        Self {
            balancer: host("loadbalancer01", 51),
            masters: [host("kmaster1", 101), host("kmaster2", 102), host("kmaster3", 103)],
            client: host("client", 9),
            lab,
        }
    }

    /// Where clients connect.
    pub(crate) fn frontend(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.balancer.ip(), port)
    }

    /// Each master's host with its address at a port.
    pub(crate) fn at(&self, port: u16) -> [(&Host, SocketAddr); 3] {
        self.masters.each_ref().map(|host| (host, SocketAddr::new(host.ip(), port)))
    }

    /// An API server on each master.
    pub(crate) fn api_servers(&self) -> Masters<'_> {
        let places = self.at(PORT).map(|(host, address)| (host as &dyn Place, address));
        Masters::start(self.frontend(PORT), places)
    }
}
