//! A pair of halbs.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use halb_lab::{
    masters::PORT,
    process::{Held, Signal},
    subject::{Halb, guides, halb_with},
};

use super::balancer::{Balancer, Error, Kind, Node};
use crate::drill::plan::Setting;

/// Starts this halb on each node, with a link between them.
#[derive(Clone, Debug)]
pub struct Halbs {
    program: PathBuf,
    forward: Option<&'static str>,
}

/// A halb of a pair, and what has to be there as long as it runs.
#[derive(Debug)]
pub struct Member<T = ()> {
    // Declared first: threads that are held can't end.
    held: Option<Held>,
    halb: Halb,
    _beside: T,
}

impl<T> Member<T> {
    /// One that was started.
    #[must_use]
    pub fn new(halb: Halb, beside: T) -> Self {
        Self { held: None, halb, _beside: beside }
    }
}

impl Halbs {
    /// With this binary.
    #[must_use]
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), forward: None }
    }

    /// The same, but the kernel forwards, by this kind of `balance`.
    #[must_use]
    pub fn forwarding(program: &Path, balance: &'static str) -> Self {
        Self { program: program.to_owned(), forward: Some(balance) }
    }
}

impl Kind for Halbs {
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        let mut written = Ok(());
        let halb = halb_with(&self.program, node.host, |directory| {
            written = write_key(directory);
            self.configuration(node, directory)
        });
        written.map_err(Error::Files)?;
        Ok(Box::new(Member::new(halb?, ())))
    }
}

impl<T: fmt::Debug + Send> Balancer for Member<T> {
    fn is_ready(&self) -> Result<bool, Error> {
        let status = self.halb.status()?;
        let words = status["vrrp"]["instances"][0]["words"].as_array();
        let has_heard = words.is_some_and(|words| !words.is_empty());
        let link = &status["peer"];
        Ok(link.is_null() || (link["state"] == "up" && has_heard))
    }

    fn kill(&mut self) -> Result<(), Error> {
        Ok(self.halb.signal_group(Signal::SIGKILL)?)
    }

    fn freeze(&mut self) -> Result<(), Error> {
        Ok(self.halb.signal(Signal::SIGSTOP)?)
    }

    fn thaw(&mut self) -> Result<(), Error> {
        Ok(self.halb.signal(Signal::SIGCONT)?)
    }

    fn stop(&mut self) -> Result<(), Error> {
        Ok(self.halb.signal(Signal::SIGTERM)?)
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        let output = self.halb.command(&["vip", "yield"]).output().map_err(Error::Files)?;
        let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(Error::Refused(said())) }
    }

    fn hang_proxy(&mut self) -> Result<(), Error> {
        self.held = Some(self.halb.hold_threads(|name| name.starts_with(WORKERS))?);
        Ok(())
    }
}

/// The key of `[peer]`. Both nodes are made by this program, and nobody else is on their network.
fn write_key(directory: &Path) -> io::Result<()> {
    let key = directory.join(KEY);
    fs::write(&key, format!("{SECRET}\n"))?;
    fs::set_permissions(key, Permissions::from_mode(0o600))
}

impl Halbs {
    fn configuration(&self, node: &Node<'_>, directory: &Path) -> String {
        let mut text = configuration(node, directory);
        if let Some(port) = node.streams {
            text.push_str(&streams(node, port));
        }
        let Some(balance) = self.forward else { return text };
        let [api, other] = [PORT, node.streams.unwrap_or_default()].map(|port| {
            let forwarded = SocketAddr::new(node.vip, port);
            (format!("bind    = [\"*:{port}\"]"), format!("{KERNEL}bind    = [\"{forwarded}\"]"))
        });
        text = guides::replace(&text, &api.0, &api.1);
        text = text.replace(&other.0, &other.1);
        text.replace("balance = \"roundrobin\"", &format!("balance = \"{balance}\""))
    }
}

/// One more service.
fn streams(node: &Node<'_>, port: u16) -> String {
    let servers = node
        .masters
        .addresses()
        .map(|(name, address)| format!("{name} = \"{}\"\n", SocketAddr::new(address.ip(), port)));
    format!(
        "\n[frontend.streams]\nbind    = [\"*:{port}\"]\nbackend = \"streams\"\n\n\
         [backend.streams]\nbalance = \"roundrobin\"\non_down_spread = \"0s\"\n\
         check = {{ type = \"tcp\", interval = \"500ms\", timeout = \"1s\", fall = 3, rise = 2 }}\n\n\
         [backend.streams.server]\n{}",
        servers.collect::<String>()
    )
}

/// Its file.
fn configuration(node: &Node<'_>, directory: &Path) -> String {
    let Node { other, priority, setting, vip, .. } = *node;
    let servers: Vec<_> = node.masters.addresses().collect();
    let realtime = match setting {
        Setting::Guides | Setting::Second | Setting::Tenth => "",
        Setting::Hundredth => "realtime_priority = 50\n",
    };
    guides::halb(&guides::Halb {
        servers: &servers,
        check: CHECK,
        version: setting.version(),
        priority,
        interval: setting.interval(),
        vip,
        peer: other,
        key: &directory.join(KEY),
        rest: &format!(
            "[admin]\nhttp = false\n\n[global]\nstate_dir = \"{}\"\n{realtime}\n\
             [log]\naccess = \"off\"\n",
            directory.display()
        ),
    })
}

const KERNEL: &str = "forward = \"kernel\"\n";

/// As often as HAProxy checks.
const CHECK: &str = r#"verify = "none", interval = "2s", timeout = "1s", fall = 3, rise = 2"#;

const KEY: &str = "peer.key";

const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Threads of the data path, of which each session has one.
const WORKERS: &str = "halb-worker";
