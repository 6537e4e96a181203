//! The real daemon as a child process, with a configuration file as an operator would write it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, bail};
use halb_lab::Process;
use tempfile::TempDir;
use tokio::task;

use super::cluster::{Cluster, PORT};
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::status::Status;

/// The daemon must serve within this time; it takes some 20 ms on an idle host.
const START: Duration = Duration::from_secs(20);

/// Pause between two looks whether it serves.
const LOOK: Duration = Duration::from_millis(20);

/// It must end within this time: its `drain_timeout` and some more.
const END: Duration = Duration::from_secs(10);

/// The running daemon and its files; both go with it.
pub(super) struct Daemon {
    process: Process,
    directory: TempDir,
    frontend: SocketAddr,
    http: SocketAddr,
}

impl Daemon {
    /// Starts it and waits until it serves.
    pub(super) async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("halb-demo-").tempdir();
        let directory = directory.context("can't make a directory for the demo's files")?;
        let frontend = cluster.balancer().port(PORT);
        let http = cluster.balancer().free_port().context("no free port")?;
        let config = directory.path().join("halb.toml");
        fs::write(directory.path().join("ca.crt"), cluster.authority())?;
        fs::write(&config, configuration(cluster, directory.path(), frontend, http))?;
        let mut command = Command::new(env::current_exe().context("can't find this program")?);
        command.arg("run").arg("--config").arg(&config);
        let daemon = Self { process: Process::spawn(command)?, directory, frontend, http };
        task::spawn_blocking(move || daemon.wait_until_it_serves()).await?
    }

    fn wait_until_it_serves(self) -> anyhow::Result<Self> {
        let deadline = Instant::now() + START;
        loop {
            if self.status().is_ok_and(|status| status.readiness.ready) {
                return Ok(self);
            }
            if let Some(exit) = self.process.exit() {
                bail!("the daemon ended ({exit}); it said:\n{}", self.process.output());
            }
            if Instant::now() > deadline {
                bail!("the daemon does not serve; it said:\n{}", self.process.output());
            }
            thread::sleep(LOOK);
        }
    }

    /// Where clients connect.
    pub(super) fn frontend(&self) -> SocketAddr {
        self.frontend
    }

    /// Its status page.
    pub(super) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its control socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }

    /// Asks it; blocks.
    pub(super) fn status(&self) -> anyhow::Result<Status> {
        match client::ask(&self.socket(), Request::Status)? {
            Response::Status { status } => Ok(*status),
            Response::Refused { message } => bail!(message),
            Response::Done { .. }
            | Response::Sessions { .. }
            | Response::Killed { .. }
            | Response::Vip { .. }
            | Response::Reloaded { .. }
            | Response::Upgraded { .. } => bail!("the daemon gave another answer than asked for"),
        }
    }

    /// Stops it as a service manager would, and checks that it ends in good order; blocks.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let exit = self.process.stop(END)?;
        if exit != halb_lab::process::Exit::Code(0) {
            bail!("the daemon ended badly ({exit}); it said:\n{}", self.process.output());
        }
        Ok(())
    }
}

const SOCKET: &str = "admin.sock";

/// Checks come faster than on a real balancer, so that a watcher sees them work.
fn configuration(
    cluster: &Cluster,
    directory: &Path,
    frontend: SocketAddr,
    http: SocketAddr,
) -> String {
    let servers: String =
        cluster.servers().map(|(name, address)| format!("{name} = \"{address}\"\n")).collect();
    let directory = directory.display();
    format!(
        r#"# Made by halb demo. It looks like /etc/halb/halb.toml, but checks faster.
[frontend.kubernetes]
bind    = ["{frontend}"]
backend = "masters"

[backend.masters]
balance = "roundrobin"
check   = {{ type = "https", path = "/readyz", ca_file = "{directory}/ca.crt", interval = "500ms", timeout = "400ms", fall = 2, rise = 2 }}

[backend.masters.server]
{servers}
[admin]
http   = "{http}"
socket = "{directory}/{SOCKET}"

[global]
drain_timeout = "1s"
"#
    )
}
