//! HAProxy and keepalived on each node, with the guide's files.

use std::{
    fs::{self, Permissions},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use halb_lab::{
    masters::PORT,
    process::{Process, Signal},
    subject::{Keepalived, Subject, guides, haproxy, keepalived},
};
use tempfile::TempDir;

use super::balancer::{Balancer, Error, Kind, Node};

/// Starts HAProxy and keepalived on each node.
#[derive(Clone, Copy, Debug)]
pub struct Peers;

/// One node's.
#[derive(Debug)]
struct Member {
    keepalived: Keepalived,
    haproxy: Subject,
    _script: TempDir,
}

impl Kind for Peers {
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
        // The guide's servers are where the lab's are.
        let mut configuration = format!("{}{}", guides::HAPROXY_DEFAULTS, guides::HAPROXY);
        if let Some(port) = node.streams {
            configuration.push_str(&streams(node, port));
        }
        let haproxy = haproxy(node.host, &configuration, &[everywhere])?;
        let (directory, script) = check_script().map_err(Error::Files)?;
        let setting = node.setting;
        let configuration =
            guides::keepalived(setting.version(), node.priority, setting.interval(), &script);
        let keepalived = keepalived(node.host, &configuration)?;
        Ok(Box::new(Member { keepalived, haproxy, _script: directory }))
    }
}

impl Member {
    fn processes(&self) -> [&Process; 2] {
        [&self.keepalived, &self.haproxy]
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        Ok(self.processes().into_iter().try_for_each(|process| process.signal_group(signal))?)
    }
}

impl Balancer for Member {
    fn is_ready(&self) -> Result<bool, Error> {
        Ok(true)
    }

    fn kill(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGKILL)
    }

    fn freeze(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGSTOP)
    }

    fn thaw(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGCONT)
    }

    fn stop(&mut self) -> Result<(), Error> {
        let [keepalived, haproxy] = self.processes();
        keepalived.signal(Signal::SIGTERM)?;
        Ok(haproxy.signal(Signal::SIGTERM)?)
    }

    /// As one does it with keepalived: it ends, and says so.
    fn hand_over(&mut self) -> Result<(), Error> {
        Ok(self.keepalived.signal(Signal::SIGTERM)?)
    }

    fn hang_proxy(&mut self) -> Result<(), Error> {
        Ok(self.haproxy.signal_group(Signal::SIGSTOP)?)
    }
}

/// One more service in HAProxy's file.
fn streams(node: &Node<'_>, port: u16) -> String {
    let servers = node.masters.addresses().map(|(name, address)| {
        let ip = address.ip();
        format!("    server {name} {ip}:{port} check inter 500ms fall 3 rise 2\n")
    });
    format!(
        "\nfrontend streams\n    bind *:{port}\n    mode tcp\n    default_backend streams\n\n\
         backend streams\n    mode tcp\n    balance roundrobin\n{}",
        servers.collect::<String>()
    )
}

/// The guide's script as a file, and its path.
fn check_script() -> io::Result<(TempDir, String)> {
    let directory = TempDir::new()?;
    let path = directory.path().join("check_apiserver.sh");
    fs::write(&path, guides::CHECK_APISERVER)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    let path = text(&path)?;
    Ok((directory, path))
}

fn text(path: &Path) -> io::Result<String> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("the directory's name is no text"))
}
