//! Listening sockets: opened, kept over reloads, closed when nobody waits in them any more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::net::TcpListener;
use slab::Slab;

use super::super::desk::listener_token;
use super::super::handle::ApplyError;
use super::super::shared::ListenerState;
use super::super::{sockets, sys};
use crate::config::Frontend;

pub(in crate::driver) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) state: Arc<ListenerState>,
    /// Index of the frontend that it accepts for.
    pub(super) frontend: usize,
    /// Clients may wait in its queue: the kernel said so, and no accept has come back empty since.
    pub(super) ready: bool,
    /// It leaves: new clients are dropped, and it closes then.
    pub(super) closes_at: Option<Instant>,
}

/// How long a listener that leaves still serves clients whose handshake is under way. Closing at
/// once would reset them; a handshake takes one round trip.
const LEAVE: Duration = Duration::from_millis(100);

impl Listener {
    /// Begins to leave.
    pub(super) fn leave(&mut self, now: Instant) {
        // Without the filter a few clients are reset at the end: worse, but no reason to stay.
        let _ = sockets::drop_new_clients(&self.socket);
        self.closes_at = Some(now + LEAVE);
    }

    /// Is wanted (again).
    pub(super) fn stay(&mut self) {
        if self.closes_at.take().is_some() {
            // Fails only where `leave` attached no filter.
            let _ = sockets::take_new_clients(&self.socket);
        }
    }
}

/// Opens a listener for one bind of a frontend; on failure nothing is left of it.
///
/// `outgoing` are listeners that are about to close. The kernel refuses an address that overlaps
/// theirs (`*:6443` replaced by `10.0.0.1:6443`) unless both sockets allow it for a moment.
pub(super) fn open(
    listeners: &mut Slab<Listener>,
    polls: &[Registry],
    address: SocketAddr,
    frontend: &Frontend,
    outgoing: &[usize],
) -> Result<usize, ApplyError> {
    let failed = |source: io::Error| ApplyError::Listen { address, source };
    let beside = !outgoing.is_empty();
    for key in outgoing {
        sockets::allow_overlap(&listeners[*key].socket, true).map_err(failed)?;
    }
    let socket =
        sockets::listen(address, frontend.backlog, &frontend.client, beside).map_err(failed)?;
    insert(listeners, polls, address, socket).map_err(failed)
}

/// Takes a listener that another process has opened for this bind. It stays open there.
pub(super) fn adopt(
    listeners: &mut Slab<Listener>,
    polls: &[Registry],
    address: SocketAddr,
    frontend: &Frontend,
    socket: std::net::TcpListener,
) -> Result<usize, ApplyError> {
    let failed = |source: io::Error| ApplyError::Listen { address, source };
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = TcpListener::from_std(socket);
    sockets::reconfigure(&socket, frontend.backlog, &frontend.client).map_err(failed)?;
    insert(listeners, polls, address, socket).map_err(failed)
}

fn insert(
    listeners: &mut Slab<Listener>,
    polls: &[Registry],
    address: SocketAddr,
    socket: TcpListener,
) -> io::Result<usize> {
    // Port 0 asks for any; what the kernel chose is what people need to know.
    let bound = socket.local_addr()?;
    let entry = listeners.vacant_entry();
    let key = entry.key();
    for poll in polls {
        sys::watch_shared(poll, &socket, listener_token(key))?;
    }
    entry.insert(Listener {
        socket,
        address,
        state: Arc::new(ListenerState::new(bound)),
        frontend: usize::MAX,
        ready: true,
        closes_at: None,
    });
    Ok(key)
}
