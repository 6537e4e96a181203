//! The files of a daemon, and the binary's commands on them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use halb::status::Status;
use tempfile::TempDir;

/// The binary under test.
pub(crate) const HALB: &str = env!("CARGO_BIN_EXE_halb");

/// The files of a daemon.
pub(crate) struct Files(TempDir);

/// What a command said, on both of its streams, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Files {
    pub(crate) fn new(configuration: &str) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(configuration);
        files
    }

    pub(crate) fn write(&self, configuration: &str) {
        fs::write(self.path("halb.toml"), configuration).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds `run` and where the files are to a command that ends with the name of the binary.
    pub(crate) fn run(&self, mut command: Command) -> Command {
        command.arg("run").arg("--config").arg(self.path("halb.toml"));
        command.arg("--socket").arg(self.path("admin.sock"));
        command
    }

    /// Runs a command against the daemon.
    pub(crate) fn halb(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(HALB);
        command.args(arguments).arg("--config").arg(self.path("halb.toml"));
        command.arg("--socket").arg(self.path("admin.sock"));
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Said { code: output.status.code().unwrap(), text }
    }

    pub(crate) fn status(&self) -> Status {
        serde_json::from_str(&self.done(&["status", "--json"])).unwrap()
    }

    /// What a command says that does what it was told.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let Said { code, text } = self.halb(arguments);
        assert_eq!(code, 0, "halb {arguments:?}: {text}");
        text
    }
}
