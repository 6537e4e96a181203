//! The files of the old pair, and what `halb import` makes of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::files::HALB;

/// The guide's `keepalived.conf` with its missing brace, and its script.
pub(crate) const SEED: &str = include_str!("../../../../import/tests/keepalived/seed.conf");
pub(crate) const SCRIPT: &str =
    include_str!("../../../../import/tests/keepalived/check_apiserver.sh");

/// Where the guide has its script.
const INSTALLED: &str = "/etc/keepalived/check_apiserver.sh";

/// The same, mended: keepalived itself finds no tracker otherwise.
pub(crate) fn mended(seed: &str) -> String {
    let track = "    track_script {";
    assert_eq!(seed.matches(track).count(), 1);
    seed.replace(track, &format!("    }}\n{track}"))
}

/// The directories `/etc/haproxy` and `/etc/keepalived` of a node, in one.
#[derive(Debug)]
pub(crate) struct OldNode(TempDir);

impl OldNode {
    /// With the guide's script in it.
    pub(crate) fn new() -> Self {
        let node = Self(TempDir::new().unwrap());
        fs::write(node.script(), SCRIPT).unwrap();
        fs::set_permissions(node.script(), Permissions::from_mode(0o755)).unwrap();
        node
    }

    pub(crate) fn script(&self) -> PathBuf {
        self.path("check_apiserver.sh")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A configuration of keepalived's that names the script where it lies here.
    pub(crate) fn with_script(&self, keepalived: &str) -> String {
        keepalived.replace(INSTALLED, self.script().to_str().unwrap())
    }

    /// A configuration that keeps what outlives the daemon here.
    pub(crate) fn configuration(&self, text: &str) -> String {
        assert!(!text.contains("[global]"), "{text}");
        format!("{text}\n[global]\nstate_dir = \"{}\"\n", self.0.path().display())
    }

    /// What `halb import` makes of both files, which loses nothing and passes `halb check`.
    pub(crate) fn import(&self, haproxy: &str, keepalived: &str) -> String {
        let [cfg, conf, result] =
            ["haproxy.cfg", "keepalived.conf", "halb.toml"].map(|name| self.path(name));
        fs::write(&cfg, haproxy).unwrap();
        fs::write(&conf, keepalived).unwrap();
        let mut import = Command::new(HALB);
        import.arg("import").arg("--strict").arg("--haproxy").arg(&cfg);
        import.arg("--keepalived").arg(&conf).arg("-o").arg(&result);
        let mut check = Command::new(HALB);
        check.arg("check").arg(&result);
        for mut command in [import, check] {
            let output = command.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        }
        self.configuration(&fs::read_to_string(&result).unwrap())
    }
}
