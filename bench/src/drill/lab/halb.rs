//! A pair of halbs.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use halb_lab::{
    process::{Held, Signal},
    subject::{Halb, guides, halb_with},
};

use super::balancer::{Balancer, Error, Kind, Node};
use crate::drill::plan::Setting;

/// Starts this halb on each node, with a link between them.
#[derive(Clone, Debug)]
pub struct Halbs {
    program: PathBuf,
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
        Self { program: program.to_owned() }
    }
}

impl Kind for Halbs {
    fn start(&self, node: &Node<'_>) -> Result<Box<dyn Balancer>, Error> {
        let mut written = Ok(());
        let halb = halb_with(&self.program, node.host, |directory| {
            written = write_key(directory);
            configuration(node, directory)
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

/// As often as HAProxy checks.
const CHECK: &str = r#"verify = "none", interval = "2s", timeout = "1s", fall = 3, rise = 2"#;

const KEY: &str = "peer.key";

const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Threads of the data path, of which each session has one.
const WORKERS: &str = "halb-worker";
