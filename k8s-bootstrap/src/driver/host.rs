//! A host that can be asked to do something: its connection is made when it is needed, and anew
//! after it was lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::plan::step::{Command, File};
use crate::secret::Secret;
use crate::shell;

use super::Shared;
use super::run::{self, Input, Job, Output, RunError, Tap};
use super::session::{ConnectError, Session};
use super::target::Target;

/// A host of the inventory.
pub struct Host {
    target: Target,
    shared: Arc<Shared>,
    session: Mutex<Option<Arc<Session>>>,
}

/// Why a host did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It isn't connected.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The command has no result.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The command ended badly.
    #[error("{what} ended with {}{}", output.exit, last_words(output))]
    Failed {
        /// What was done.
        what: String,
        /// What came of it.
        output: Box<Output>,
    },
}

impl HostError {
    /// Whether the same may come out otherwise over a new connection.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass(),
            Self::Run(error) => error.may_pass(),
            Self::Failed { .. } => false,
        }
    }
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.trim().lines().next_back().map(|line| format!(": {line}")).unwrap_or_default()
}

/// How long writing, moving or removing a file may take: disks of virtual machines can be slow to
/// sync.
const FILE_MAX: Duration = Duration::from_secs(120);

/// How long putting a program on a host may take: thirty megabytes over a slow line.
const PROGRAM_MAX: Duration = Duration::from_secs(900);

/// How long a database of etcd may take either way: gigabytes over a slow line.
const UPLOAD_MAX: Duration = Duration::from_secs(3600);

/// Writes a file in one go: whoever reads it finds the old one or the new one, whole, with the
/// rights that it shall have. The new one is hidden until then: kubelet takes all else for a
/// manifest.
const PUT: &str = r#"
umask 077
folder=$(dirname -- "$path")
[ -d "$folder" ] || mkdir -p -m 0755 -- "$folder"
new=$folder/.${path##*/}.halb-$$
trap 'rm -f -- "$new"' EXIT
cat >"$new"
[ "$(stat -c %s -- "$new")" = "$size" ] || { echo "only a part of it arrived" >&2; exit 1; }
chown -- "$owner" "$new"
chmod -- "$mode" "$new"
sync -- "$new"
mv -fT -- "$new" "$path"
! command -v restorecon >/dev/null || restorecon -- "$path"
"#;

fn put(path: &str, owner: &str, mode: u32, content: Input, limit: Duration) -> Job {
    let script = format!(
        "set -eu; path={} owner={} mode={mode:o} size={}{PUT}",
        shell::quote(path),
        shell::quote(owner),
        content.len(),
    );
    Job::root(script, limit).reading(content)
}

/// What commands that change something take turns by.
const ACT_LOCK: &str = "/run/halb-act.lock";

impl Host {
    /// A host that nobody has connected to yet.
    #[must_use]
    pub fn new(target: Target, shared: Arc<Shared>) -> Self {
        Self { target, shared, session: Mutex::default() }
    }

    /// Its name in the inventory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// How it is reached.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Does a job, whatever comes of it. Each piece of output goes to `tap` as it comes.
    ///
    /// # Errors
    /// [`HostError`], but for [`HostError::Failed`].
    pub async fn run(&self, job: &Job, tap: Tap<'_>) -> Result<Output, HostError> {
        let session = self.session().await?;
        Ok(run::run(&session, &self.target, &self.shared, job, tap).await?)
    }

    /// Does a job that has to end well; `what` says in an error what was done.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn must(&self, what: &str, job: &Job) -> Result<Output, HostError> {
        let output = self.run(job, &mut |_| {}).await?;
        if output.exit.success() {
            return Ok(output);
        }
        Err(HostError::Failed { what: what.to_owned(), output: Box::new(output) })
    }

    /// Runs a command of a plan, as root.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn command(&self, command: &Command, tap: Tap<'_>) -> Result<Output, HostError> {
        let script = format!("exec {}", shell::join(&command.argv));
        let input = command.stdin.as_ref().map_or("", |content| content.expose());
        let job = Job::root(script, command.timeout).reading(Input::from(input));
        self.run(&job, tap).await
    }

    /// Runs a command of a plan that changes something, as root: after the one before it, should
    /// that still run since its connection was lost.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn command_alone(
        &self,
        command: &Command,
        tap: Tap<'_>,
    ) -> Result<Output, HostError> {
        let mut alone = command.clone();
        let limit = command.timeout.as_secs().max(1).to_string();
        alone.argv = ["flock", "-o", "-w", &limit, ACT_LOCK].map(str::to_owned).to_vec();
        alone.argv.extend_from_slice(&command.argv);
        self.command(&alone, tap).await
    }

    /// Passwords that were given for it, for whoever must keep them out of a log.
    pub async fn secrets(&self) -> Vec<Secret> {
        self.shared.access.secrets().await
    }

    /// Writes a file, as root.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn put(&self, file: &File, tap: Tap<'_>) -> Result<Output, HostError> {
        let content = Input::from(file.content.expose());
        self.run(&put(&file.path, &file.owner, file.mode, content, FILE_MAX), tap).await
    }

    /// Puts a program on the host, as root, executable by all.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn install(
        &self,
        path: &str,
        program: Input,
        tap: Tap<'_>,
    ) -> Result<Output, HostError> {
        self.run(&put(path, "root:root", 0o755, program, PROGRAM_MAX), tap).await
    }

    /// Puts a file on the host that is root's alone, as root.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn upload(&self, path: &str, file: Input, tap: Tap<'_>) -> Result<Output, HostError> {
        self.run(&put(path, "root:root", 0o600, file, UPLOAD_MAX), tap).await
    }

    /// What is in a file that only root may read, piece by piece, however large it is.
    ///
    /// # Errors
    /// As [`must`](Self::must).
    pub async fn fetch(&self, path: &str, tap: Tap<'_>) -> Result<(), HostError> {
        let job = Job::root(format!("exec cat -- {}", shell::quote(path)), UPLOAD_MAX);
        let output = self.run(&job, tap).await?;
        if output.exit.success() {
            return Ok(());
        }
        Err(HostError::Failed { what: format!("reading {path}"), output: Box::new(output) })
    }

    /// What is in a file that only root may read.
    ///
    /// # Errors
    /// As [`must`](Self::must).
    pub async fn read(&self, path: &str) -> Result<String, HostError> {
        let job = Job::root(format!("cat -- {}", shell::quote(path)), FILE_MAX);
        Ok(self.must(&format!("reading {path}"), &job).await?.text())
    }

    /// Removes a file, if it is there, as root.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn remove(&self, path: &str, tap: Tap<'_>) -> Result<Output, HostError> {
        let script = format!("rm -f -- {}", shell::quote(path));
        self.run(&Job::root(script, FILE_MAX), tap).await
    }

    /// Ends the connection, if there is one.
    pub async fn close(&self) {
        if let Some(session) = self.session.lock().await.take() {
            session.close().await;
        }
    }

    async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::open(&self.target, &self.shared).await?);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("target", &self.target).finish_non_exhaustive()
    }
}
