//! Hears adverts for a while, of whomever, and sends nothing.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use std::{io, thread};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::facts::{Heard, Interface, Wanted};
use crate::wire;

/// Where adverts go.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Different adverts that are kept of one interface: more than a segment has routers, and a bound
/// for whoever floods it.
const ADVERTS_MAX: usize = 1_000;

/// Longest packet that can be an advert: a header, 255 addresses, a password.
const PACKET_LEN_MAX: usize = 2_048;

/// Adverts that come in at the interfaces of all routers, for `span`.
pub(super) fn hear(
    wanted: &Wanted,
    interfaces: &[Interface],
    span: Duration,
) -> Result<Vec<Heard>, String> {
    if span.is_zero() {
        return Err("nobody listened (--listen 0)".to_owned());
    }
    let names: BTreeSet<&str> =
        wanted.routers.iter().map(|router| router.interface.as_str()).collect();
    let there = names.into_iter().filter(|name| interfaces.iter().any(|one| one.name == **name));
    let mut sockets = Vec::new();
    for name in there {
        match open(name) {
            Ok(socket) => sockets.push((name, socket)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err("only root, or who has CAP_NET_RAW, may listen".to_owned());
            }
            Err(error) => return Err(format!("can't listen on {name}: {error}")),
        }
    }
    let deadline = Instant::now() + span;
    let heard = thread::scope(|scope| {
        let ears: Vec<_> = sockets
            .into_iter()
            .map(|(name, socket)| scope.spawn(move || (name, collect(socket, deadline))))
            .collect();
        ears.into_iter().filter_map(|ear| ear.join().ok()).collect::<Vec<_>>()
    });
    let all = heard.into_iter().flat_map(|(name, adverts)| {
        adverts.into_iter().map(move |advert| Heard { interface: name.to_owned(), advert })
    });
    Ok(all.collect())
}

fn open(interface: &str) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(wire::PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
    Ok(socket)
}

fn collect(mut socket: Socket, deadline: Instant) -> BTreeSet<wire::Advert> {
    let mut adverts = BTreeSet::new();
    let mut packet = [0; PACKET_LEN_MAX];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return adverts;
        }
        match socket.read(&mut packet) {
            Ok(length) => {
                let advert = packet.get(..length).and_then(wire::advert);
                // One that leaves is no neighbour.
                let advert = advert.filter(|advert| advert.priority > 0);
                if adverts.len() < ADVERTS_MAX {
                    adverts.extend(advert);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return adverts,
        }
    }
}
