//! The machine that a stand-in runs on: its files, services, and the log of what was done.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

/// Where events go, a line of JSON each.
pub const EVENTS: &str = "/var/log/stand-in/events.jsonl";

/// Names of phases (`init/certs`), a line each, before which kubeadm waits for as long as they stand
/// here.
pub const PAUSE: &str = "/etc/stand-in/pause";

/// Which version kubeadm is.
pub const VERSION: &str = "/usr/share/stand-in/version";

/// Which version kubelet is: its package comes behind kubeadm's in an upgrade.
pub const KUBELET_VERSION: &str = "/usr/share/stand-in/kubelet-version";

/// Longest wait for a test that pauses a phase.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// A machine as its file system.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self::below("/")
    }

    /// One whose files are below a folder.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where an absolute path of the machine is.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether a path exists.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The text of a file.
    ///
    /// # Errors
    /// It can't be read; the message has its path.
    pub fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.path(path)).map_err(|error| format!("open {path}: {error}"))
    }

    /// Writes a file with folders above it.
    ///
    /// # Errors
    /// It can't be written; the message has its path.
    pub fn write(&self, path: &str, text: &str, mode: u32) -> Result<(), String> {
        let put = || -> io::Result<()> {
            let target = self.path(path);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            let draft = target.with_extension("draft");
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
            file.write_all(text.as_bytes())?;
            fs::rename(draft, target)
        };
        put().map_err(|error| format!("write {path}: {error}"))
    }

    /// Removes a file, or a folder with all that is in it.
    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        let _not_there =
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }

    /// Whether a folder is there and has something in it.
    #[must_use]
    pub fn is_filled(&self, path: &str) -> bool {
        fs::read_dir(self.path(path)).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// `v1.36.4`, of this kubeadm.
    #[must_use]
    pub fn version(&self) -> String {
        self.version_in(VERSION)
    }

    /// The same of this kubelet.
    #[must_use]
    pub fn kubelet_version(&self) -> String {
        self.version_in(KUBELET_VERSION)
    }

    fn version_in(&self, path: &str) -> String {
        let version = self.read(path).unwrap_or_default();
        format!("v{}", version.trim().trim_start_matches('v'))
    }

    /// Has systemd do something.
    ///
    /// # Errors
    /// What it says.
    pub fn systemctl(&self, words: &[&str]) -> Result<(), String> {
        let output = Command::new("systemctl").args(words).output();
        let output = output.map_err(|error| format!("systemctl: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("systemctl: {}", said.trim())) }
    }

    /// Notes that something happened.
    pub fn event(&self, event: &str, more: Value) {
        let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let mut line = json!({ "at": at, "event": event });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        let path = self.path(EVENTS);
        let append = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new("/")))?;
            let mut file: File = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(format!("{line}\n").as_bytes())
        };
        if let Err(error) = append() {
            eprintln!("stand-in: {}: {error}", path.display());
        }
    }

    /// Begins a phase of kubeadm, and waits where a test says so.
    pub fn phase(&self, command: &str, phase: &str) {
        let name = format!("{command}/{phase}");
        self.event("phase", json!({ "phase": name }));
        let is_held = || {
            let held = self.read(PAUSE).unwrap_or_default();
            held.lines().any(|line| line.trim() == name)
        };
        if !is_held() {
            return;
        }
        self.event("paused", json!({ "phase": name }));
        let begun = Instant::now();
        while is_held() && begun.elapsed() < PAUSE_MAX {
            thread::sleep(POLL);
        }
        self.event("resumed", json!({ "phase": name }));
    }
}
