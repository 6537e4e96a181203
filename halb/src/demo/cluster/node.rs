//! A balancer: its host, and the real daemon there, with a configuration file as an operator would
//! write it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, bail};
use halb_lab::masters::PORT;
use halb_lab::process::Exit;
use halb_lab::subject::guides;
use halb_lab::{Host, Process};

use super::plan::{BALANCERS, Balancer, SERVERS, VIP, ip};
use super::story::{self, Said};
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::status::Status;
use crate::status::vrrp::{Instance, State};

/// The daemon must serve within this time; it takes some 20 ms on an idle host.
const START: Duration = Duration::from_secs(20);

/// Pause between two looks whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// It must end within this time: its `drain_timeout` and some more.
const END: Duration = Duration::from_secs(10);

/// The demo's files, all below one directory.
#[derive(Clone)]
pub(super) struct Files(PathBuf);

/// The balancer. Its daemon ends before its host does.
pub(super) struct Node {
    balancer: Balancer,
    process: Mutex<Option<Process>>,
    host: Host,
    files: Files,
}

impl Files {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The certificate that clients and checks trust.
    pub(super) fn authority(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    /// The secret of the link.
    pub(super) fn key(&self) -> PathBuf {
        self.0.join("peer.key")
    }

    /// A balancer's control socket.
    pub(super) fn socket(&self, balancer: Balancer) -> PathBuf {
        self.0.join(format!("{}.sock", balancer.index() + 1))
    }

    fn configuration(&self, balancer: Balancer) -> PathBuf {
        self.0.join(format!("{balancer}.toml"))
    }

    /// What outlasts a daemon.
    fn state(&self, balancer: Balancer) -> PathBuf {
        self.0.join(balancer.name())
    }
}

impl Node {
    pub(super) fn new(balancer: Balancer, host: Host, files: Files) -> anyhow::Result<Self> {
        fs::create_dir(files.state(balancer))?;
        fs::write(files.configuration(balancer), configuration(balancer, &files))?;
        Ok(Self { balancer, process: Mutex::new(None), host, files })
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Starts the daemon and waits until it answers.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let mut command = Command::new(env::current_exe().context("can't find this program")?);
        command.arg("run").arg("--config").arg(self.files.configuration(self.balancer));
        *self.process() = Some(self.host.spawn(command)?);
        self.wait("answered", |_| true)
    }

    /// Waits until it could serve clients.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        self.wait("was ready", |status| status.readiness.ready)
    }

    /// Waits until it has the address.
    pub(super) fn wait_until_active(&self) -> anyhow::Result<()> {
        self.wait("had the address", |status| {
            instance(status).is_some_and(|instance| instance.state == State::Active)
        })
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if self.status().is_ok_and(|status| is_so(&status)) {
                return Ok(());
            }
            let (exit, output) = match &*self.process() {
                Some(process) => (process.exit(), process.output()),
                None => (None, String::new()),
            };
            if let Some(exit) = exit {
                bail!("halb on {} ended ({exit}); it said:\n{output}", self.balancer);
            }
            if Instant::now() > deadline {
                bail!("halb on {} never {what}; it said:\n{output}", self.balancer);
            }
            thread::sleep(LOOK);
        }
    }

    /// Kills the daemon as nothing can be killed more.
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        if let Some(process) = self.process().take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Stops the daemon as a service manager would, and checks that it ends in good order.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let Some(process) = self.process().take() else { return Ok(()) };
        let exit = process.stop(END)?;
        if exit != Exit::Code(0) {
            bail!("halb on {} ended badly ({exit}); it said:\n{}", self.balancer, process.output());
        }
        Ok(())
    }

    /// `halb vip yield`.
    pub(super) fn give_away(&self) -> anyhow::Result<()> {
        self.steer(Request::VipYield { instance: None, force: false })
    }

    /// `halb vip resume`.
    pub(super) fn resume(&self) -> anyhow::Result<()> {
        self.steer(Request::VipResume { instance: None })
    }

    fn steer(&self, order: Request) -> anyhow::Result<()> {
        let response = client::ask(&self.files.socket(self.balancer), order)?;
        let Response::Vip { outcomes } = response else { return self.unexpected(response) };
        match outcomes.iter().find(|outcome| !outcome.done) {
            Some(outcome) => bail!("{}", outcome.message),
            None => Ok(()),
        }
    }

    /// What the kernel and the daemon say.
    pub(super) fn look(&self, vip: IpAddr) -> anyhow::Result<story::Node> {
        let holds = self.host.holds(vip)?;
        // One that is killed, or starts, says nothing.
        let said = self.status().ok().map(|status| Said {
            state: instance(&status).map_or("-", |instance| instance.state.loud()),
            servers: SERVERS.map(|(name, _)| {
                let mut servers = status.backends.iter().flat_map(|backend| &backend.servers);
                let server = servers.find(|server| server.name == name);
                server.map_or_else(String::new, |server| server.state.clone())
            }),
        });
        Ok(story::Node { holds, said })
    }

    fn status(&self) -> anyhow::Result<Status> {
        let response = client::ask(&self.files.socket(self.balancer), Request::Status)?;
        let Response::Status { status } = response else { return self.unexpected(response) };
        Ok(*status)
    }

    fn unexpected<T>(&self, response: Response) -> anyhow::Result<T> {
        match response {
            Response::Refused { message } => bail!("{}: {message}", self.balancer),
            Response::Done { .. }
            | Response::Status { .. }
            | Response::Sessions { .. }
            | Response::Killed { .. }
            | Response::Vip { .. }
            | Response::Reloaded { .. }
            | Response::Upgraded { .. } => {
                bail!("halb on {} gave another answer than asked for", self.balancer)
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one virtual router that a demo's daemon has.
fn instance(status: &Status) -> Option<&Instance> {
    status.vrrp.as_ref()?.instances.first()
}

/// As examples/fast-failover01.toml, with checks so fast that a watcher sees them work.
fn configuration(balancer: Balancer, files: &Files) -> String {
    let servers = SERVERS.map(|(name, address)| (name, SocketAddr::new(ip(address), PORT)));
    let priority = match balancer {
        Balancer::One => 100,
        Balancer::Two => 99,
    };
    let (_, peer) = BALANCERS[balancer.other().index()];
    let [authority, socket, state] =
        [files.authority(), files.socket(balancer), files.state(balancer)]
            .map(|path| path.display().to_string());
    let text = guides::halb(&guides::Halb {
        servers: &servers,
        check: &format!(
            r#"ca_file = "{authority}", interval = "500ms", timeout = "400ms", fall = 2, rise = 2"#
        ),
        version: 3,
        priority,
        interval: Duration::from_millis(100),
        vip: ip(VIP),
        peer: ip(peer),
        key: &files.key(),
        rest: &format!(
            "[admin]\nhttp   = \"127.0.0.1:8404\"\nsocket = \"{socket}\"\n\n\
             [global]\ndrain_timeout = \"1s\"\nstate_dir     = \"{state}\"\n"
        ),
    });
    format!("# Made by halb demo. It looks like /etc/halb/halb.toml, but is faster.\n{text}")
}

#[cfg(test)]
mod tests {
    use halb_lab::apiserver::Ca;
    use tempfile::TempDir;

    use super::super::stage::write_key;
    use super::*;

    #[test]
    fn the_configurations_are_as_an_operator_may_write_them() {
        let directory = TempDir::new().unwrap();
        let files = Files::new(directory.path());
        fs::write(files.authority(), Ca::new().unwrap().pem()).unwrap();
        write_key(&files.key()).unwrap();
        for balancer in Balancer::ALL {
            let loaded = halb_config::parse(&configuration(balancer, &files), balancer.name());
            assert!(
                loaded.is_ok(),
                "{}",
                loaded.unwrap_err().text(halb_config::render::Style::Plain)
            );
        }
    }
}
