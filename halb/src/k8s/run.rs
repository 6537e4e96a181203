//! A run: a plan that the operator agrees to is carried out, with progress, and can be stopped.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use halb_k8s_bootstrap::apply::Outcome;
use halb_k8s_bootstrap::driver::execute::{
    Ended, Failure, Local, Merge, Report, Settings, Stop, execute,
};
use halb_k8s_bootstrap::driver::lock::ProjectLock;
use halb_k8s_bootstrap::plan::{Plan, text};
use halb_k8s_bootstrap::progress::Event;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time;

use super::kubeconfig;
use super::screen::Screen;
use super::site::{self, Site};
use crate::cli::{Exit, chain, complain};

/// Time between two pictures on a terminal.
const PICTURE: Duration = Duration::from_millis(250);

/// A run that no other one of this project disturbs.
pub(super) struct Run {
    begun: SystemTime,
    who: String,
    _lock: ProjectLock,
}

/// What the operator says of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreement<'a> {
    /// Nobody is asked.
    pub(super) yes: bool,
    /// The command that shows each step; without one the plan itself is shown.
    pub(super) shown_by: Option<&'a str>,
    /// What to type to go on after an interruption.
    pub(super) again: &'a str,
}

impl Run {
    /// Begins, unless another run works with this inventory.
    ///
    /// # Errors
    /// How to end: why was said.
    pub(super) fn begin(site: &Site) -> Result<Self, Exit> {
        let begun = SystemTime::now();
        let who = site::who(begun);
        let lock = ProjectLock::take(&site.lock_file(), &who);
        let _lock = lock.map_err(|error| refuse(&chain(&error)))?;
        Ok(Self { begun, who, _lock })
    }

    /// When it began: `2026-11-22T12:03:11Z`.
    pub(super) fn begun_text(&self) -> String {
        humantime::format_rfc3339_seconds(self.begun).to_string()
    }

    /// Carries a plan out, if the operator agrees, and says what came of it.
    ///
    /// # Errors
    /// How to end: not all is done, and why was said.
    pub(super) async fn carry_out(
        &self,
        site: &Site,
        plan: Plan,
        agreement: Agreement<'_>,
    ) -> Result<(), Exit> {
        if !agreement.yes && !confirmed(&plan, agreement.shown_by) {
            return Err(Exit::Failed);
        }
        let merge: Merge = Arc::new(|new| {
            kubeconfig::add(&kubeconfig::path(), new)
                .map_err(|error| io::Error::other(chain(&error)))
        });
        let local = Local { program: site::program(), kubeconfig: merge };
        let logs = site.logs(self.begun);
        let settings = Settings { who: self.who.clone(), logs: logs.clone(), local };
        let report = carry_out(site, &Arc::new(plan), settings).await;
        let report = report.map_err(|error| refuse(&error))?;
        let exit = tell(&report, agreement.again);
        if exit == Exit::Done {
            return Ok(());
        }
        complain(&format!("Logs: {}", logs.display()));
        Err(exit)
    }
}

/// Asks whoever sits at the terminal.
fn confirmed(plan: &Plan, shown_by: Option<&str>) -> bool {
    let steps = plan.steps().count();
    if shown_by.is_none() {
        complain(text::render(plan).trim_end());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let look = shown_by.map(|command| format!("look at `{command}`, then "));
        complain(&format!(
            "halb: {steps} steps are to be done and nobody is there to be asked: {}say --yes",
            look.unwrap_or_default()
        ));
        return false;
    }
    for stage in &plan.stages {
        let hosts: Vec<&str> = stage.hosts.iter().map(|host| host.host.as_str()).collect();
        let count: usize = stage.hosts.iter().map(|host| host.steps.len()).sum();
        complain(&format!("  {}: {count} steps on {}", stage.name.title(), hosts.join(", ")));
    }
    let each = shown_by.map(|command| format!(" ({command} shows each)")).unwrap_or_default();
    let _ = write!(io::stderr(), "Do these {steps} steps{each}? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Asks whoever sits at the terminal; nobody's answer is no.
pub(super) fn agreed(question: &str) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        complain(&format!("halb: {question} Nobody is there to be asked: say --yes"));
        return false;
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Does the steps, with a picture or lines, until they are done or the operator has had enough.
async fn carry_out(site: &Site, plan: &Arc<Plan>, settings: Settings) -> Result<Report, String> {
    let (stop, is_stopped) = watch::channel(Stop::No);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let screen = Mutex::new(Screen::new(plan, Instant::now()));
    let shown = || screen.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tell = |event: Event| shown().take(&event, Instant::now());
    let running = execute(Arc::clone(plan), &site.hosts, settings, is_stopped, &mut tell);
    tokio::pin!(running);
    let mut pictures = time::interval(PICTURE);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = pictures.tick() => shown().paint(Instant::now()),
            _ = interrupt.recv() => shown().note(stopping(&stop)),
            _ = terminate.recv() => shown().note(stopping(&stop)),
        }
    };
    shown().close();
    ended.map_err(|error| error.to_string())
}

/// The first signal stops after the steps under way, the second at once.
fn stopping(stop: &watch::Sender<Stop>) -> &'static str {
    let mut said = "";
    stop.send_modify(|stop| {
        (*stop, said) = match stop {
            Stop::No => (
                Stop::AfterSteps,
                "Stopping after the steps under way; once more drops them at once",
            ),
            Stop::AfterSteps | Stop::Now => (Stop::Now, "Dropping everything"),
        };
    });
    said
}

/// Says how it ended.
fn tell(report: &Report, again: &str) -> Exit {
    let done = format!("{} steps done, {} as wanted before", report.changed, report.unchanged);
    match &report.ended {
        Ended::Steps(Outcome::Done) => {
            say(&format!("All is done: {done}."));
            return Exit::Done;
        }
        Ended::Steps(Outcome::Failed) => {
            for failure in &report.failures {
                complain(&failure_text(failure));
            }
            complain(&format!("{done}. When it is put right, go on with: {again}"));
        }
        Ended::Steps(Outcome::Cancelled) => {
            complain(&format!("Stopped between two steps: {done}. Go on with: {again}"));
        }
        Ended::Dropped => complain(&format!(
            "Dropped: {done}. What runs on a host as a unit goes on there, and is found again. Go \
             on with: {again}"
        )),
        Ended::TakenOver(taken) => complain(&format!(
            "{} was away, and is now being worked on by {}: {done}. Go on later with: {again}",
            taken.host, taken.holder
        )),
    }
    Exit::Failed
}

/// Host, step, what happened, the host's last words, what to do about it.
fn failure_text(failure: &Failure) -> String {
    let Failure { host, step, what, said, hint, command, log } = failure;
    let mut lines = vec![format!("\n{host}: {step}: {what}")];
    lines.extend(said.iter().map(|line| format!("    {line}")));
    lines.extend(hint.map(|hint| format!("  Hint: {hint}")));
    let mut command = command.lines();
    let first = command.next().unwrap_or_default();
    let more = if command.next().is_some() { " … (whole in the log)" } else { "" };
    lines.push(format!("  Command: {first}{more}"));
    lines.push(format!("  Log: {}", log.display()));
    lines.join("\n")
}

/// Says something on standard output, whose reader may have gone.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

pub(super) fn refuse(why: &str) -> Exit {
    complain(&format!("halb: {why}"));
    Exit::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_everything_that_helps() {
        let failure = Failure {
            host: "kmaster02".to_owned(),
            step: "Join the cluster".to_owned(),
            what: "it ended with exit code 1".to_owned(),
            said: vec!["[ERROR Swap]: running with swap on".to_owned()],
            hint: Some("memory is swapped"),
            command: "kubeadm join --config x\nrm x".to_owned(),
            log: "/home/alice/seed.halb/logs/x/kmaster02.log".into(),
        };
        assert_eq!(
            failure_text(&failure),
            "\nkmaster02: Join the cluster: it ended with exit code 1\n    \
             [ERROR Swap]: running with swap on\n  Hint: memory is swapped\n  \
             Command: kubeadm join --config x … (whole in the log)\n  \
             Log: /home/alice/seed.halb/logs/x/kmaster02.log"
        );
    }

    #[test]
    fn the_second_signal_drops_what_the_first_let_finish() {
        let (stop, stopped) = watch::channel(Stop::No);
        for wanted in [Stop::AfterSteps, Stop::Now, Stop::Now] {
            stopping(&stop);
            assert_eq!(*stopped.borrow(), wanted);
        }
    }
}
