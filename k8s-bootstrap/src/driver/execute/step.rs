//! One phase of one step on its host.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ring::digest;
use ring::rand::{self, SystemRandom};

use crate::apply::{End, Phase, StepAt, StepEnd};
use crate::hints;
use crate::plan::Plan;
use crate::plan::step::{Act, Command, Content, Step};
use crate::secret::Secret;
use crate::shell;

use super::super::ends::OutputEnd;
use super::super::host::{Host, HostError};
use super::super::journal::{Journal, Redactor};
use super::super::run::{Exit, Input, Job, Output, Tap};
use super::super::unit;
use super::failure::{Failure, SAID_LINES, Trouble, chain};
use super::{BeginError, Settings};

/// A kubeconfig of the cluster, for the operator's own.
#[derive(Debug, Clone, Copy)]
pub struct Kubeconfig<'a> {
    /// The text on the host.
    pub text: &'a str,
    /// What cluster, user and context are to be called.
    pub context: &'a str,
    /// Where the cluster is reached: `https://HOST:PORT`.
    pub server: &'a str,
}

/// Merges a kubeconfig into the operator's own. It may block.
pub type Merge = Arc<dyn Fn(Kubeconfig<'_>) -> io::Result<()> + Send + Sync>;

/// What steps need of the operator's side.
#[derive(Clone)]
pub struct Local {
    /// The halb program for balancers.
    pub program: PathBuf,
    /// Where kubeconfigs go.
    pub kubeconfig: Merge,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What all steps of a run share.
pub(super) struct Context {
    plan: Arc<Plan>,
    hosts: BTreeMap<String, (Arc<Host>, Log)>,
    local: Local,
    redactor: Redactor,
    /// Tells units that this run began from those of others.
    run: String,
}

struct Log {
    path: PathBuf,
    journal: Mutex<Journal>,
}

/// What came of a phase.
pub(super) struct Done {
    pub(super) at: StepAt,
    pub(super) end: End,
    pub(super) trouble: Option<Trouble>,
}

impl Context {
    pub(super) async fn new(
        plan: Arc<Plan>,
        hosts: BTreeMap<String, Arc<Host>>,
        settings: Settings,
    ) -> Result<Self, BeginError> {
        let mut secrets = secrets(&plan);
        for host in hosts.values() {
            secrets.extend(host.secrets().await);
        }
        let redactor = Redactor::new(&secrets);
        let mut logged = BTreeMap::new();
        for (name, host) in hosts {
            let created = Journal::create(&settings.logs, &name, redactor.clone());
            let (journal, path) = created
                .map_err(|source| BeginError::Log { folder: settings.logs.clone(), source })?;
            logged.insert(name, (host, Log { path, journal: Mutex::new(journal) }));
        }
        let random = rand::generate::<[u8; 8]>(&SystemRandom::new());
        let number = random.map(rand::Random::expose).unwrap_or_default();
        let run = format!("{:x}", u64::from_be_bytes(number));
        Ok(Self { plan, hosts: logged, local: settings.local, redactor, run })
    }

    fn host(&self, at: StepAt) -> &(Arc<Host>, Log) {
        self.hosts.get(at.host_of(&self.plan)).expect("each host of the plan was looked up")
    }

    /// A log that can't be written to is no reason to stop half-way on a host.
    fn write(&self, at: StepAt, with: impl FnOnce(&mut Journal) -> io::Result<()>) {
        let journal = &self.host(at).1.journal;
        let mut journal: MutexGuard<'_, Journal> =
            journal.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = with(&mut journal);
    }

    fn note(&self, at: StepAt, text: &str) {
        self.write(at, |journal| journal.note(SystemTime::now(), text));
    }

    pub(super) fn note_end(&self, at: StepAt, end: StepEnd) {
        let word = match end {
            StepEnd::Unchanged => "as wanted",
            StepEnd::Changed => "done",
            StepEnd::Failed => "FAILED",
        };
        self.note(at, &format!("{}: {word}", at.of(&self.plan).id));
    }

    pub(super) fn failure(&self, at: StepAt, trouble: Option<Trouble>) -> Failure {
        let step = at.of(&self.plan);
        let trouble = trouble.unwrap_or_else(|| Trouble {
            what: "it didn't show its effect in time".to_owned(),
            said: String::new(),
        });
        let said = self.redactor.clean(&trouble.said);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.iter().skip(lines.len().saturating_sub(SAID_LINES));
        Failure {
            host: at.host_of(&self.plan).to_owned(),
            step: step.title.clone(),
            what: self.redactor.clean(&trouble.what),
            said: last.map(|line| (*line).to_owned()).collect(),
            hint: hints::hint(&trouble.said).or_else(|| hints::hint(&trouble.what)),
            command: self.redactor.clean(&by_hand(step)),
            log: self.host(at).1.path.clone(),
        }
    }
}

/// Does one phase of a step.
pub(super) async fn run(context: Arc<Context>, at: StepAt, phase: Phase) -> Done {
    let step = at.of(&context.plan);
    let (name, command) = match phase {
        Phase::Probe => ("probe", step.probe.as_ref()),
        Phase::Act => ("act", None),
        Phase::Verify => ("verify", step.verify.as_ref()),
    };
    let line = command.map_or_else(|| by_hand(step), Command::line);
    context.note(at, &format!("{} ({}), {name}: {line}", step.title, step.id));
    let mut said = OutputEnd::new(SAID_MAX);
    let host = Arc::clone(&context.host(at).0);
    let mut tap = |bytes: &[u8]| {
        said.push(bytes);
        context.write(at, |journal| journal.output(bytes));
    };
    let result = match (phase, command) {
        (Phase::Probe | Phase::Verify, Some(command)) => {
            look(&host, step, phase, command, &mut tap).await
        }
        (Phase::Act, _) | (_, None) => act(&host, step, &context, &mut tap).await,
    };
    let (end, what) = match result {
        Ok(None) => (End::Good, None),
        Ok(Some(what)) if phase == Phase::Act => (End::Failed, Some(what)),
        Ok(Some(what)) => (End::NotYet, Some(what)),
        Err(error) => {
            let end = if error.may_pass() { End::Lost } else { End::Failed };
            (end, Some(chain(&error)))
        }
    };
    if let Some(what) = &what {
        context.note(at, what);
    }
    let said = String::from_utf8_lossy(&said.into_bytes()).into_owned();
    Done { at, end, trouble: what.map(|what| Trouble { what, said }) }
}

/// Bytes of what a host said that a failure is made of.
const SAID_MAX: usize = 16 * 1024;

/// How a host notes how it is.
const REMEMBER: &str = include_str!("remember.sh");

/// How long that may take: disks can be slow to sync.
const REMEMBER_MAX: Duration = Duration::from_secs(120);

/// Nothing if all is well, else what isn't.
type Ended = Result<Option<String>, HostError>;

async fn look(host: &Host, step: &Step, phase: Phase, command: &Command, tap: Tap<'_>) -> Ended {
    // What an earlier run began may look as wanted before it has come to its end.
    if let (Phase::Probe, Act::RunDetached { unit, .. }) = (phase, &step.act)
        && unit::is_running(host, unit).await?
    {
        return Ok(Some(format!("the unit {unit} runs already")));
    }
    Ok(ended(&host.command(command, tap).await?))
}

async fn act(host: &Host, step: &Step, context: &Context, tap: Tap<'_>) -> Ended {
    let local = &context.local;
    let output = match &step.act {
        Act::Run { command } => host.command_alone(command, tap).await?,
        Act::RunDetached { unit, command, output } => {
            return Ok(match unit::run(host, &context.run, (unit, output), command, tap).await? {
                unit::State::Ended(Exit::Code(0)) => None,
                unit::State::Ended(exit) => Some(format!("it ended with {exit}")),
                unit::State::Running | unit::State::Gone => Some(format!(
                    "the unit {unit} is gone without a word: was the host rebooted, or the unit \
                     stopped?"
                )),
            });
        }
        Act::Write { file } => host.put(file, tap).await?,
        Act::Remove { path } => host.remove(path, tap).await?,
        Act::InstallHalb { path, sha256 } => match local_file(&local.program, sha256).await {
            Ok(program) => host.install(path, program, tap).await?,
            Err(what) => return Ok(Some(what)),
        },
        Act::Remember { files } => {
            let files = shell::quote(&files.join("\n")).into_owned();
            let job = Job::root(format!("set -eu\nfiles={files}\n{REMEMBER}"), REMEMBER_MAX);
            host.run(&job, tap).await?
        }
        Act::Upload { from, path, sha256 } => match local_file(from, sha256).await {
            Ok(file) => host.upload(path, file, tap).await?,
            Err(what) => return Ok(Some(what)),
        },
        Act::FetchKubeconfig { path, context, server } => {
            let text = host.read(path).await?;
            let (merge, context) = (Arc::clone(&local.kubeconfig), context.clone());
            let server = server.clone();
            let merging = tokio::task::spawn_blocking(move || {
                merge(Kubeconfig { text: &text, context: &context, server: &server })
            });
            return Ok(match merging.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("the kubeconfig can't be merged: {error}")),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            });
        }
    };
    Ok(ended(&output))
}

/// A file of the operator's side, if it is the one that the plan was made for.
async fn local_file(path: &Path, sha256: &str) -> Result<Input, String> {
    let file = tokio::fs::read(path).await;
    let path = path.display();
    let file = file.map_err(|error| format!("{path} can't be read: {error}"))?;
    let digest = digest::digest(&digest::SHA256, &file);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if hex != sha256 {
        return Err(format!("{path} is another one than when the plan was made: run again"));
    }
    Ok(Input::Bytes(file.into()))
}

fn ended(output: &Output) -> Option<String> {
    (!output.exit.success()).then(|| format!("it ended with {}", output.exit))
}

/// What somebody would type on the host instead.
fn by_hand(step: &Step) -> String {
    match &step.act {
        Act::Run { command } | Act::RunDetached { command, .. } => command.line(),
        Act::Write { file } => {
            format!("write {} (mode {:04o}, {})", file.path, file.mode, file.owner)
        }
        Act::Remove { path } => format!("rm -f {path}"),
        Act::InstallHalb { path, .. } => format!("install the halb program as {path}"),
        Act::Remember { .. } => "(a script of halb: see src/driver/execute/remember.sh)".to_owned(),
        Act::Upload { from, path, .. } => {
            format!("put {} of the operator's machine in place as {path}", from.display())
        }
        Act::FetchKubeconfig { path, .. } => format!("cat {path}"),
    }
}

/// Everything in a plan that nobody may see.
fn secrets(plan: &Plan) -> Vec<Secret> {
    let commands = |step: &Step| {
        let act = match &step.act {
            Act::Run { command } | Act::RunDetached { command, .. } => command.stdin.clone(),
            Act::Write { file } => Some(file.content.clone()),
            Act::Remove { .. }
            | Act::InstallHalb { .. }
            | Act::Remember { .. }
            | Act::Upload { .. }
            | Act::FetchKubeconfig { .. } => None,
        };
        let looks = [&step.probe, &step.verify].map(|look| look.as_ref()?.stdin.clone());
        looks.into_iter().chain([act]).flatten().collect::<Vec<_>>()
    };
    let hidden = |content| match content {
        Content::Secret(secret) => Some(secret),
        Content::Public(_) => None,
    };
    plan.steps().flat_map(commands).filter_map(hidden).collect()
}
