//! `halb k8s drill`: hosts watch, one of them is taken away, and all of it is told.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_k8s_bootstrap::drill::{self, Drill, Entry, How, Kind, Next, Seen, Verdict, Watch};
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::driver::lines::Lines;
use halb_k8s_bootstrap::driver::run::Job;
use serde::Serialize;
use tokio::signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time;

use super::ask::Sources;
use super::commands::with;
use super::run::{Run, say};
use super::site::Site;
use crate::cli::{Exit, chain, complain};

/// A drill as the operator asks for it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is taken away.
    pub kind: Kind,
    /// How.
    pub how: How,
    /// Which host; none to have one chosen.
    pub host: Option<String>,
    /// Whether nobody is asked first.
    pub yes: bool,
    /// Whether it is told as JSON.
    pub json: bool,
}

/// All that is told of a drill.
#[derive(Debug, Serialize)]
struct Told<'a, D, V> {
    drill: &'a D,
    timeline: &'a [Entry],
    verdict: &'a V,
}

/// Longest watch.
const WATCH_MAX: Duration = Duration::from_secs(900);

/// Between two looks at the time, and at a host that is to return.
const POLL: Duration = Duration::from_millis(200);
const RETURN_POLL: Duration = Duration::from_secs(1);

/// How long stopping or starting a service may take, and a look.
const ACT_MAX: Duration = Duration::from_secs(120);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Sights that wait: some seconds of all watchers. Whatever comes when it is full is seen again.
const SIGHTS_MAX: usize = 1024;

/// Has one host go, and tells what was noticed.
#[must_use]
pub fn drill(inventory: &Path, sources: Sources, asked: &Asked) -> Exit {
    let drilled = with(inventory, sources, |site| async move {
        let _run = Run::begin(&site)?;
        let facts = site.told(site.ask(None).await);
        let wish = (asked.kind, asked.how);
        let chosen = drill::choose(&site.inventory, &facts, wish, asked.host.as_deref());
        let drill = chosen.map_err(|faults| site.refuse_faults(&faults))?;
        if !asked.yes && !super::run::agreed(&question(&drill)) {
            return Err(Exit::Failed);
        }
        carry_out(&site, drill, asked.json).await
    });
    drilled.unwrap_or_else(|exit| exit)
}

fn question(drill: &Drill) -> String {
    let how = match drill.how {
        How::Stop => "Stop halb on",
        How::Reboot => "Reboot",
    };
    format!("{how} {} now, while {} watches?", drill.host, drill.witness)
}

async fn carry_out(site: &Site, drill: Drill, json: bool) -> Result<Exit, Exit> {
    let host = |name: &str| site.hosts.iter().find(|host| host.name() == name).cloned();
    let (Some(target), Some(witness)) = (host(&drill.host), host(&drill.witness)) else {
        return Err(Exit::Failed);
    };
    let (tell, mut sights) = mpsc::channel(SIGHTS_MAX);
    let mut watchers = JoinSet::new();
    watchers.spawn(watch(witness, drill::witness_script(&site.inventory), tell.clone()));
    for balancer in drill.balancers.iter().filter_map(|name| host(name)) {
        watchers.spawn(watch(balancer, drill::balancer_script(&site.inventory), tell.clone()));
    }
    let begun = Instant::now();
    let mut watched = Watch::new(drill.clone());
    let (mut told, mut acting) = (0, JoinSet::new());
    let mut clock = time::interval(POLL);
    let mut interrupted = false;
    loop {
        tokio::select! {
            Some(seen) = sights.recv() => watched.take(begun.elapsed(), seen),
            Some(_) = acting.join_next() => {}
            _ = clock.tick() => {}
            _ = signal::ctrl_c() => interrupted = true,
        }
        let next = if interrupted { Next::Over } else { watched.poll(begun.elapsed()) };
        if !json {
            for entry in &watched.timeline()[told..] {
                say(&line(entry));
            }
        }
        told = watched.timeline().len();
        match next {
            Next::Watch => {}
            Next::Act => {
                acting.spawn(act(Arc::clone(&target), drill.how, tell.clone()));
            }
            Next::Undo if drill.how == How::Stop => {
                acting.spawn(undo(Arc::clone(&target), tell.clone()));
            }
            Next::Undo => {}
            Next::Over => break,
        }
    }
    watchers.shutdown().await;
    acting.shutdown().await;
    if interrupted && drill.how == How::Stop {
        complain("Stopped: halb is started again");
        undo(target, tell).await;
    }
    conclude(&drill, &watched, json)
}

/// A line of the timeline.
pub(super) fn line(entry: &Entry) -> String {
    let (seconds, tenths) = (entry.at_ms / 1000, entry.at_ms % 1000 / 100);
    format!("{:>8} s  {}", format!("+{seconds}.{tenths}"), entry.what)
}

/// All that is told of a drill, as JSON.
pub(super) fn json_text(
    drill: &impl Serialize,
    timeline: &[Entry],
    verdict: &impl Serialize,
) -> Result<String, Exit> {
    serde_json::to_string_pretty(&Told { drill, timeline, verdict }).map_err(|error| {
        complain(&format!("halb: {error}"));
        Exit::Failed
    })
}

fn conclude(drill: &Drill, watched: &Watch, json: bool) -> Result<Exit, Exit> {
    let verdict = watched.verdict();
    let exit = if verdict.passed { Exit::Done } else { Exit::Failed };
    if json {
        say(&json_text(drill, watched.timeline(), &verdict)?);
        return Ok(exit);
    }
    let Verdict { passed, longest_outage_ms, answered, unanswered, faults } = verdict;
    let (seconds, tenths) = (longest_outage_ms / 1000, longest_outage_ms % 1000 / 100);
    let word = if passed { "PASSED" } else { "FAILED" };
    say(&format!(
        "{word}: {answered} requests answered, {unanswered} not; the API was away for {seconds}.{tenths} s \
         at the longest"
    ));
    faults.iter().for_each(|fault| complain(&format!("  {fault}")));
    Ok(exit)
}

/// Runs a watcher, again after each loss, until nobody listens.
async fn watch(host: Arc<Host>, script: String, tell: mpsc::Sender<Seen>) {
    while !tell.is_closed() {
        let mut lines = Lines::default();
        let name = host.name().to_owned();
        let mut tap = |bytes: &[u8]| {
            let Ok(()) = lines.take::<Infallible>(bytes, |line| {
                if let Some(seen) = drill::read(&name, line) {
                    // When it is full, the next one says it, too.
                    let _ = tell.try_send(seen);
                }
                Ok(())
            });
        };
        let _ended = host.run(&Job::root(script.clone(), WATCH_MAX), &mut tap).await;
        // Who can't be asked holds nothing that anyone could reach.
        let _ = tell.try_send(Seen::Holds(name, false));
        time::sleep(RETURN_POLL).await;
    }
}

/// Takes the host away, and says when it is back by itself.
async fn act(host: Arc<Host>, how: How, tell: mpsc::Sender<Seen>) {
    let boot = "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d ' ' -f 1,22";
    let look = Job::root(boot, LOOK_MAX);
    let ask = || async {
        let output = host.run(&look, &mut |_| {}).await.ok()?;
        Some(output.text()).filter(|_| output.exit.success())
    };
    match how {
        // Its connections may take longer to end than the rest to go on; who starts it waits for that.
        How::Stop => order(&host, "systemctl stop --no-block halb.service").await,
        How::Reboot => {
            let before = ask().await;
            order(&host, "systemctl reboot --no-block").await;
            loop {
                time::sleep(RETURN_POLL).await;
                let now = ask().await;
                if now.is_some() && now != before {
                    let _ = tell.send(Seen::Returned).await;
                    return;
                }
            }
        }
    }
}

/// Starts again what was stopped.
async fn undo(host: Arc<Host>, tell: mpsc::Sender<Seen>) {
    order(&host, "systemctl start halb.service && systemctl is-active halb.service").await;
    let _ = tell.try_send(Seen::Returned);
}

async fn order(host: &Host, script: &str) {
    match host.run(&Job::root(script, ACT_MAX), &mut |_| {}).await {
        Ok(output) if output.exit.success() => {}
        Ok(output) => complain(&format!("{}: {script}: {}", host.name(), output.exit)),
        // A host that is rebooted hangs up.
        Err(error) if error.may_pass() => {}
        Err(error) => complain(&format!("{}: {script}: {}", host.name(), chain(&error))),
    }
}
