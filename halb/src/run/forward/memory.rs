//! Settings of the kernel as they were before kernel forwarding, kept for as long as it is meant to
//! go on: a daemon that is killed or replaced puts nothing back, and the next one knows what to.
//!
//! One JSON object in a file that is replaced as a whole. It isn't synced: what a loss of power takes
//! from the disk, it takes from the kernel as well.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use halb_forward::driver::Changed;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::status::forward::Setting;

/// Name of the file in the directory for state.
const FILE: &str = "forward.json";

/// Longest file that is read: a setting for each of some thousands of interfaces.
const FILE_LEN_MAX: u64 = 2 * 1024 * 1024;

/// Where changes are kept, and for which kernel.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    path: PathBuf,
    kernel: Kernel,
}

/// Settings are those of a boot, and of a network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kernel {
    boot: String,
    namespace: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    kernel: Kernel,
    settings: Vec<Setting>,
}

impl Memory {
    /// Of the kernel that this process runs on, in the directory for state.
    pub(super) fn new(state_dir: &Path) -> Self {
        // What can't be read is the same for whoever reads it later.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/net").unwrap_or_default();
        let namespace = namespace.display().to_string();
        let kernel = Kernel { boot: boot.trim().to_owned(), namespace };
        Self { path: state_dir.join(FILE), kernel }
    }

    /// What daemons before changed on this kernel and didn't put back. None: the last one that
    /// forwarded here stopped on purpose, or there was none.
    pub(super) fn recall(&self) -> Option<Vec<Changed>> {
        let mut text = String::new();
        let file = File::open(&self.path).ok()?;
        file.take(FILE_LEN_MAX).read_to_string(&mut text).ok()?;
        let record: Record = serde_json::from_str(&text).ok()?;
        let is_ours = record.kernel == self.kernel;
        // Nobody else's settings are written, whatever the file says.
        let settings = record.settings.into_iter().filter(|one| is_of_network(&one.name));
        let changed = |one: Setting| Changed { name: one.name, before: one.before, now: one.now };
        is_ours.then(|| settings.map(changed).collect())
    }

    /// Keeps changes, in place of those that were kept.
    pub(super) fn keep(&self, changed: &[Changed]) {
        if let Err(error) = self.write(changed) {
            let path = self.path.display();
            info!(%error, "can't write {path}: a daemon that is killed leaves the kernel's settings");
        }
    }

    /// They were put back.
    pub(super) fn forget(&self) {
        // It may never have been written.
        let _ = fs::remove_file(&self.path);
    }

    fn write(&self, changed: &[Changed]) -> io::Result<()> {
        let setting = |Changed { name, before, now }: Changed| Setting { name, before, now };
        let settings = changed.iter().cloned().map(setting).collect();
        let record = Record { kernel: self.kernel.clone(), settings };
        let next = self.path.with_extension("new");
        fs::write(&next, serde_json::to_vec(&record)?)?;
        fs::rename(&next, &self.path)
    }
}

/// A name of `net.…`, as sysctl has it, that leads nowhere else: slashes stand for dots there.
fn is_of_network(name: &str) -> bool {
    name.starts_with("net.") && name.split('.').all(|part| part != "//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(name: &str) -> Changed {
        Changed { name: name.to_owned(), before: "0".to_owned(), now: "1".to_owned() }
    }

    #[test]
    fn what_is_kept_is_recalled_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let memory = || Memory::new(directory.path());
        assert_eq!(memory().recall(), None);
        memory().keep(&[]);
        assert_eq!(memory().recall(), Some(Vec::new()));
        let forward = changed("net.ipv4.ip_forward");
        let elsewhere = ["kernel.sysrq", "net.//.kernel.sysrq"].map(changed);
        memory().keep(&[std::slice::from_ref(&forward), &elsewhere[..]].concat());
        assert_eq!(memory().recall(), Some(vec![forward]), "the network's only");
        memory().forget();
        assert_eq!(memory().recall(), None);
        memory().forget();
    }

    #[test]
    fn another_boot_or_network_namespace_has_settings_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::new(directory.path());
        memory.keep(&[changed("net.ipv4.ip_forward")]);
        for other in [
            Kernel { boot: "other".to_owned(), ..memory.kernel.clone() },
            Kernel { namespace: "net:[1]".to_owned(), ..memory.kernel.clone() },
        ] {
            let other = Memory { kernel: other, ..memory.clone() };
            assert_eq!(other.recall(), None, "{other:?}");
        }
    }

    #[test]
    fn a_file_without_sense_and_a_directory_that_is_not_there_are_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"kernel\": ").unwrap();
        assert_eq!(Memory::new(directory.path()).recall(), None);
        let missing = Memory::new(Path::new("/nonexistent/halb"));
        missing.keep(&[changed("net.ipv4.ip_forward")]);
        assert_eq!(missing.recall(), None);
    }
}
