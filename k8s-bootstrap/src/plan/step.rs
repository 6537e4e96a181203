//! One step: what is looked at, done, and looked at again.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::secret::Secret;
use crate::shell;

/// One step on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Short name, unique on its host.
    pub id: String,
    /// What it does, for people.
    pub title: String,
    /// Ends with 0 if all is as wanted already. Changes nothing.
    pub probe: Option<Command>,
    /// What is done.
    pub act: Act,
    /// Ends with 0 if it worked; asked again until its own time is over. Changes nothing.
    pub verify: Option<Command>,
}

impl Step {
    /// A step without probe and verification.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, act: Act) -> Self {
        Self { id: id.into(), title: title.into(), probe: None, act, verify: None }
    }

    /// Leaves the act out if this command ends with 0.
    #[must_use]
    pub fn unless(mut self, probe: Command) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Takes the act for done only when this command ends with 0.
    #[must_use]
    pub fn verified_by(mut self, verify: Command) -> Self {
        self.verify = Some(verify);
        self
    }
}

/// What a step does, as root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// Runs a command and waits for its end.
    Run {
        /// The command.
        command: Command,
    },
    /// Runs a command as a unit of systemd, which goes on when the connection is lost. A unit of
    /// this name that runs already is waited for instead.
    RunDetached {
        /// Name of the unit, without `.service`.
        unit: String,
        /// The command.
        command: Command,
        /// File on the host that takes what the command says.
        output: String,
    },
    /// Writes a file as a whole, in one go, with folders above it as needed (0755).
    Write {
        /// The file.
        file: File,
    },
    /// Removes a file, if it is there.
    Remove {
        /// Its path.
        path: String,
    },
    /// Notes on the host how it is, so that a reset can put that back: its system once, and each of
    /// these files as it is for the first time.
    Remember {
        /// Files that are going to be changed.
        files: Vec<String>,
    },
    /// Puts the halb program that is running here on the host.
    InstallHalb {
        /// Where to.
        path: String,
        /// Its SHA-256, in hexadecimal digits.
        sha256: String,
    },
    /// Puts a file of the operator's side on the host, as root's alone (0600).
    Upload {
        /// The file here.
        from: PathBuf,
        /// Where to.
        path: String,
        /// Its SHA-256, in hexadecimal digits.
        sha256: String,
    },
    /// Merges a kubeconfig of the host into the operator's own.
    FetchKubeconfig {
        /// The file on the host.
        path: String,
        /// What cluster, user and context are called at the operator's.
        context: String,
        /// Where the cluster is reached from there: `https://HOST:PORT`.
        server: String,
    },
}

/// A command: words, no shell in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What it reads; nothing if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Content>,
    /// How long it may take; how long a verification is repeated.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds")]
    pub timeout: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// How long a command takes at most where nothing else is said.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

impl Command {
    /// A command of these words.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let argv = words.into_iter().map(Into::into).collect();
        Self { argv, stdin: None, timeout: COMMAND_TIMEOUT }
    }

    /// A script for the host's POSIX shell, which ends at the first failure.
    #[must_use]
    pub fn script(text: impl Into<String>) -> Self {
        Self::new(["sh".to_owned(), "-euc".to_owned(), text.into()])
    }

    /// Gives it another time.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn reading(mut self, content: Content) -> Self {
        self.stdin = Some(content);
        self
    }

    /// As a line that a shell would understand.
    #[must_use]
    pub fn line(&self) -> String {
        match self.argv.as_slice() {
            [sh, flags, script] if sh == "sh" && flags == "-euc" => script.clone(),
            words => shell::join(words),
        }
    }
}

/// A file as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Permissions, such as `0644`.
    #[serde(serialize_with = "octal")]
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
    /// All of it.
    pub content: Content,
    /// What is there now; none if there is nothing, or nothing that may be shown.
    #[serde(skip)]
    pub before: Option<String>,
}

fn octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{mode:04o}"))
}

/// What is in a file, or what a command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Anyone may see it.
    Public(String),
    /// Nobody may see it.
    Secret(Secret),
}

impl Content {
    /// The text, for the host.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Public(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Public(text) => serializer.serialize_str(text),
            Self::Secret(secret) => match secret.shown() {
                Some(shown) => serializer.serialize_str(shown),
                None => serializer.collect_str(&format_args!("{secret:?}")),
            },
        }
    }
}
