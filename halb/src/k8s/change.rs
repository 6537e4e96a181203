//! A change of a cluster that runs: made from what hosts say, shown, agreed to, carried out.

use std::time::{Duration, Instant};

use halb_k8s_bootstrap::driver::gather::Gathered;
use halb_k8s_bootstrap::facts::Facts;
use halb_k8s_bootstrap::plan::life::{Change, Ground};
use halb_k8s_bootstrap::plan::preflight::{self, Fault};
use halb_k8s_bootstrap::plan::{FactsByHost, text};
use tokio::time;

use super::run::{Agreement, Run, say};
use super::site::Site;
use crate::cli::{Exit, complain};

/// Longest wait for what an earlier run began: packages have half an hour, and kubeadm has less.
const AT_WORK_MAX: Duration = Duration::from_secs(1900);

/// Between two looks whether it has come to its end.
const AT_WORK_PAUSE: Duration = Duration::from_secs(2);

/// What all hosts say, once nothing is at work any more for a run that was cut off: what is left
/// shows only then.
///
/// # Errors
/// How to end: which hosts don't answer was said.
pub(super) async fn at_rest(site: &Site) -> Result<FactsByHost, Exit> {
    site.all_of(settled(site, None).await)
}

/// The same where some hosts may not answer; one may be gone. Nobody is waited for then.
async fn settled(site: &Site, gone: Option<&str>) -> Gathered<Facts> {
    let end = Instant::now() + AT_WORK_MAX;
    let mut said = String::new();
    loop {
        let gathered = site.ask(gone).await;
        let at_work = preflight::at_work(&site.inventory, &gathered.answers);
        if !gathered.silent.is_empty() || at_work.is_empty() || Instant::now() >= end {
            return gathered;
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

/// How the operator wants a change.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Nobody is asked.
    pub yes: bool,
    /// It is only shown: for people, or as JSON.
    pub shown: Option<Shown>,
    /// What to type to go on after an interruption.
    pub again: String,
}

/// How a change is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// For people.
    Text,
    /// As JSON.
    Json,
}

/// Makes a change and carries it out, or only shows it.
///
/// # Errors
/// How to end: why was said.
pub(super) async fn make(
    site: &Site,
    gone: Option<&str>,
    wish: &Wish,
    make: impl FnOnce(Ground<'_>) -> Result<Change, Vec<Fault>>,
) -> Result<(), Exit> {
    if let Some(shown) = wish.shown {
        let facts = site.told(site.ask(gone).await);
        return show(&site.change(&facts, make)?, shown);
    }
    let run = Run::begin(site)?;
    carry_out(site, &run, gone, wish, make).await
}

/// One change of a run.
///
/// # Errors
/// How to end: why was said.
pub(super) async fn carry_out(
    site: &Site,
    run: &Run,
    gone: Option<&str>,
    wish: &Wish,
    make: impl FnOnce(Ground<'_>) -> Result<Change, Vec<Fault>>,
) -> Result<(), Exit> {
    let facts = site.told(settled(site, gone).await);
    let Change { plan, notes } = site.change(&facts, make)?;
    if plan.is_empty() {
        return Ok(());
    }
    for note in notes {
        complain(&format!("Note: {note}"));
    }
    let agreement = Agreement { yes: wish.yes, shown_by: None, again: &wish.again };
    run.carry_out(site, plan, agreement).await
}

/// Shows a change.
///
/// # Errors
/// It can't be said.
pub(super) fn show(change: &Change, shown: Shown) -> Result<(), Exit> {
    match shown {
        Shown::Text => {
            say(text::render(&change.plan).trim_end());
            change.notes.iter().for_each(|note| say(&format!("Note: {note}")));
        }
        Shown::Json => {
            let json = serde_json::to_string_pretty(change).map_err(|error| {
                complain(&format!("halb: {error}"));
                Exit::Failed
            })?;
            say(&json);
        }
    }
    Ok(())
}
