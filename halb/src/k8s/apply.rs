//! `halb k8s apply`: what is left to do is done, with progress, and can be stopped.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use halb_k8s_bootstrap::apply::Outcome;
use halb_k8s_bootstrap::driver::execute::{
    Ended, Failure, Local, Merge, Report, Settings, Stop, execute,
};
use halb_k8s_bootstrap::driver::lock::ProjectLock;
use halb_k8s_bootstrap::plan::{Plan, preflight, text};
use halb_k8s_bootstrap::progress::Event;
use halb_k8s_bootstrap::verify::Verdict;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time;

use super::kubeconfig;
use super::screen::Screen;
use super::site::{self, Site};
use super::status;
use crate::cli::{Exit, chain, complain};
use crate::status::text::WIDTH;

/// Time between two pictures on a terminal.
const PICTURE: Duration = Duration::from_millis(250);

/// Plans and carries out; `yes` asks nobody. `again` is what to type to go on after an interruption.
pub(super) async fn apply(site: &Site, yes: bool, again: &str) -> Exit {
    let begun = SystemTime::now();
    let who = site::who(begun);
    let _lock = match ProjectLock::take(&site.lock_file(), &who) {
        Ok(lock) => lock,
        Err(error) => return refuse(&chain(&error)),
    };
    let plan = match plan(site).await {
        Ok(plan) => Arc::new(plan),
        Err(exit) => return exit,
    };
    if plan.is_empty() {
        say(text::render(&plan).trim_end());
        return verified(site).await;
    }
    if !yes && !confirmed(&plan) {
        return Exit::Failed;
    }
    let merge: Merge = Arc::new(|new| {
        kubeconfig::add(&kubeconfig::path(), new).map_err(|error| io::Error::other(chain(&error)))
    });
    let local = Local { program: site::program(), kubeconfig: merge };
    let settings = Settings { who, logs: site.logs(begun), local };
    let logs = settings.logs.clone();
    match carry_out(site, &plan, settings).await {
        Ok(report) => {
            let exit = tell(&report, again);
            if exit == Exit::Done {
                return verified(site).await;
            }
            complain(&format!("Logs: {}", logs.display()));
            exit
        }
        Err(error) => refuse(&error),
    }
}

/// Longest wait for what an earlier run began: packages have half an hour, and kubeadm has less.
const AT_WORK_MAX: Duration = Duration::from_secs(1900);

/// Between two looks whether it has come to its end.
const AT_WORK_PAUSE: Duration = Duration::from_secs(2);

/// What is left to do. Where something is at work for a run that was cut off, what is left shows when
/// it has come to its end.
async fn plan(site: &Site) -> Result<Plan, Exit> {
    let end = Instant::now() + AT_WORK_MAX;
    let mut said = String::new();
    loop {
        let facts = site.gather().await?;
        let at_work = preflight::at_work(&site.inventory, &facts);
        if at_work.is_empty() || Instant::now() >= end {
            return site.plan(&facts);
        }
        let each = at_work.iter().map(|(host, what)| format!("{what} on {}", host.name));
        let waiting = each.collect::<Vec<_>>().join(", ");
        if waiting != said {
            complain(&format!("Waiting for what an earlier run began: {waiting}"));
            said = waiting;
        }
        time::sleep(AT_WORK_PAUSE).await;
    }
}

/// How long a cluster may take after its last step until all that can be seen is good: nodes become
/// ready, and names are resolved, when their pods run.
const SETTLE: Duration = Duration::from_secs(60);

/// Looks at what came of it, and tells. Exit codes of `apply` are about its steps, and all of them
/// are done; those of `verify` are about the cluster.
async fn verified(site: &Site) -> Exit {
    let status = match status::settled(site, SETTLE).await {
        Ok(status) => status,
        Err(exit) => return exit,
    };
    say("");
    if status.verdict == Verdict::Bad {
        say(status::findings(&status).trim_end());
        complain("All steps are done, and something is bad: halb k8s verify --wait 5m looks again");
    } else {
        say(status::text(&status, WIDTH).trim_end());
        say("(halb k8s verify looks again. Try: kubectl get nodes)");
    }
    Exit::Done
}

/// Asks whoever sits at the terminal.
fn confirmed(plan: &Plan) -> bool {
    let steps = plan.steps().count();
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        complain(&format!(
            "halb: {steps} steps are to be done and nobody is there to be asked: look at `halb k8s \
             plan`, then say --yes"
        ));
        return false;
    }
    for stage in &plan.stages {
        let hosts: Vec<&str> = stage.hosts.iter().map(|host| host.host.as_str()).collect();
        let count: usize = stage.hosts.iter().map(|host| host.steps.len()).sum();
        complain(&format!("  {}: {count} steps on {}", stage.name.title(), hosts.join(", ")));
    }
    let _ = write!(io::stderr(), "Do these {steps} steps (halb k8s plan shows each)? [y/N] ");
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
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn refuse(why: &str) -> Exit {
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
