//! The new daemon's end of a hand-over.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use halb_config::settings::{Names, Vrrp};
use halb_healthcheck::config::Target;
use halb_healthcheck::status::TargetStatus;
use halb_lb::driver::{Handle, Inherited};
use halb_vrrp::driver;
use tracing::{debug, warn};

use super::roles::Router;
use super::state::Order;
use super::taking::{Step, Taking};
use super::wire::Wire;
use super::words::{Door, NEWEST, OLDEST, Report, ToNew, ToOld};
use super::{Former, roles, state};

/// A conversation with the daemon that runs.
#[derive(Debug)]
pub(in crate::run) struct Taker {
    wire: Wire,
    core: Taking,
}

/// What was taken over; of a plain start nothing.
#[derive(Debug, Default)]
pub(in crate::run) struct Estate {
    pub(in crate::run) listeners: Inherited,
    pub(in crate::run) checks: Vec<TargetStatus>,
    admin: Option<(SocketAddr, OwnedFd)>,
    sockets: Vec<(PathBuf, OwnedFd)>,
    orders: Vec<Order>,
    report: Report,
    routers: Vec<Router>,
}

impl Taker {
    /// Finds the running daemon at the other end of the standard input, which it started this one
    /// with.
    pub(in crate::run) fn at_stdin() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Nothing else reads it, and a later program that is started here must not have it.
        if let Ok(nothing) = std::fs::File::open("/dev/null") {
            let _ = rustix::stdio::dup2_stdin(nothing);
        }
        Ok(Self { wire: Wire::new(socket)?, core: Taking::new(Instant::now()) })
    }

    /// Says why nothing is taken over.
    pub(in crate::run) fn refuse(&mut self, why: &str) {
        // The other end then tells of a daemon that ended without a word.
        if let Err(error) = self.wire.send(&ToOld::Refused { why: why.to_owned() }, None) {
            debug!(%error, "the running daemon does not hear why");
        }
    }

    /// Greets, and takes what it is given. Blocks until all is there.
    pub(in crate::run) fn gather(&mut self) -> anyhow::Result<Estate> {
        let halb_version = env!("CARGO_PKG_VERSION").to_owned();
        let hello = ToOld::Hello { oldest: OLDEST, newest: NEWEST, halb_version };
        self.core = Taking::new(Instant::now());
        self.wire.send(&hello, None)?;
        let mut estate = Estate::default();
        loop {
            let (step, word) = self.next()?;
            match step {
                Step::Keep => estate.keep(word, &mut self.wire)?,
                Step::Prepare => return Ok(estate),
                Step::Wait | Step::Serve | Step::Announce => {}
            }
        }
    }

    /// All stands; waits until this daemon is to serve. Blocks.
    pub(in crate::run) fn await_go(&mut self) -> anyhow::Result<Vec<driver::Role>> {
        self.core.prepared(Instant::now());
        self.wire.send(&ToOld::Ready, None)?;
        match self.next()? {
            (_, ToNew::Go { roles }) => Ok(roles.into_iter().map(driver::Role::from).collect()),
            (_, word) => anyhow::bail!("the running daemon said {word:?} instead of go"),
        }
    }

    /// This daemon serves; waits until the service manager knows. Whatever happens now, it goes on:
    /// the former one has given everything up. Blocks.
    pub(in crate::run) fn serve(mut self) -> Former {
        let told = self.wire.send(&ToOld::Serving, None).map_err(anyhow::Error::from);
        if let Err(error) = told.and_then(|()| self.next()) {
            warn!("the former daemon broke off: {error:#}");
        }
        Former::new(self.wire)
    }

    fn next(&mut self) -> anyhow::Result<(Step, ToNew)> {
        match self.wire.receive::<ToNew>(self.core.deadline())? {
            Some(word) => Ok((self.core.hear(Instant::now(), &word)?, word)),
            None => Err(self.core.silence().into()),
        }
    }
}

impl Estate {
    fn keep(&mut self, word: ToNew, wire: &mut Wire) -> anyhow::Result<()> {
        match word {
            ToNew::Door { door } => {
                let descriptor = wire.descriptor()?;
                match door {
                    Door::Listener(address) => self.listeners.push((address, descriptor.into())),
                    Door::Admin(address) => self.admin = Some((address, descriptor)),
                    Door::Control(path) | Door::Haproxy(path) => {
                        self.sockets.push((path, descriptor));
                    }
                }
            }
            ToNew::Checks { targets } => {
                self.checks.extend(targets.into_iter().map(TargetStatus::from));
            }
            ToNew::Orders { servers } => self.orders.extend(servers),
            ToNew::Report(report) => self.report = *report,
            ToNew::Routers { routers } => self.routers.extend(routers),
            ToNew::Welcome { .. }
            | ToNew::Mismatch { .. }
            | ToNew::Complete
            | ToNew::Go { .. }
            | ToNew::Main => {}
        }
        Ok(())
    }

    /// Looks whether the virtual routers that run are those of the configuration.
    pub(in crate::run) fn fits(&self, settings: &Vrrp) -> anyhow::Result<()> {
        anyhow::ensure!(
            roles::routers(settings) == self.routers,
            "the configuration has other virtual IPs than run; 'halb reload' first puts it into force"
        );
        Ok(())
    }

    /// Looks whether the names of servers were answered for this daemon, too: a name server that is
    /// away just now takes nobody down, an upgrade included.
    pub(in crate::run) fn knows_no_more_than(
        &self,
        targets: &[Target],
        names: &Names,
    ) -> anyhow::Result<()> {
        let had = |id: &str| self.checks.iter().any(|target| target.id == id);
        let has = |id: &str| targets.iter().any(|target| target.id == id);
        let named = names.servers.iter().map(|named| named.server.to_string());
        if let Some(server) = named.into_iter().find(|id| had(id) && !has(id)) {
            anyhow::bail!(
                "the name of {server} isn't answered now, and the running daemon knows its address; \
                 'halb upgrade' again when the name server is back"
            );
        }
        Ok(())
    }

    /// The listener of a unix socket, if the former daemon has it.
    pub(in crate::run) fn take_socket(&mut self, path: &Path) -> Option<OwnedFd> {
        let at = self.sockets.iter().position(|(of, _)| of == path)?;
        Some(self.sockets.swap_remove(at).1)
    }

    /// The listener of the admin address, if the former daemon has it.
    pub(in crate::run) fn take_admin(&mut self, address: SocketAddr) -> Option<OwnedFd> {
        self.admin.take_if(|(of, _)| *of == address).map(|(_, descriptor)| descriptor)
    }

    /// Removes the files of sockets that this daemon's configuration no longer has; the former one
    /// has left them.
    pub(in crate::run) fn remove_files(&mut self) {
        for (path, _) in self.sockets.drain(..) {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }

    /// What the former daemon had counted, as far as it is told yet.
    pub(super) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// Gives operators' orders anew.
    pub(in crate::run) fn obey_orders(&self, engine: &Handle) {
        state::obey(engine, &self.orders);
    }
}
