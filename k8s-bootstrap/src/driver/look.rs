//! Which steps of a plan are left: those whose probe doesn't say that all is as wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::plan::Plan;
use crate::plan::step::{Act, Step};

use super::host::{Host, HostError};

/// A host that couldn't be asked.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {step}")]
pub struct LookError {
    /// Which.
    pub host: String,
    /// What it was asked about.
    pub step: String,
    /// Why.
    #[source]
    pub source: Box<HostError>,
}

/// The plan without the steps that would change nothing. Hosts are asked at once, each step by step.
///
/// # Errors
/// [`LookError`], of the first host that can't be asked.
pub async fn left(plan: &Plan, hosts: &[Arc<Host>]) -> Result<Plan, LookError> {
    let mut by_host: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
    for part in plan.stages.iter().flat_map(|stage| &stage.hosts) {
        by_host.entry(&part.host).or_default().extend(part.steps.iter().cloned());
    }
    let mut asked = JoinSet::new();
    for (name, steps) in by_host {
        // A host that isn't there keeps its steps: whoever carries them out says so.
        let Some(host) = hosts.iter().find(|host| host.name() == name) else { continue };
        asked.spawn(done_on(Arc::clone(host), steps));
    }
    let mut done: Vec<(String, String)> = Vec::new();
    while let Some(ended) = asked.join_next().await {
        match ended {
            Ok(on_host) => done.extend(on_host?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let mut left = plan.clone();
    for stage in &mut left.stages {
        for part in &mut stage.hosts {
            let is_done = |step: &Step| done.iter().any(|(h, s)| *h == part.host && *s == step.id);
            part.steps.retain(|step| !is_done(step));
        }
        stage.hosts.retain(|part| !part.steps.is_empty());
    }
    left.stages.retain(|stage| !stage.hosts.is_empty());
    Ok(left)
}

/// What the plan's commands say, for a plan that changes nothing.
///
/// # Errors
/// A host that can't be asked, or a command that ends badly.
pub async fn said(plan: &Plan, hosts: &[Arc<Host>]) -> Result<String, LookError> {
    let mut text = String::new();
    for part in plan.stages.iter().flat_map(|stage| &stage.hosts) {
        let Some(host) = hosts.iter().find(|host| host.name() == part.host) else { continue };
        for step in &part.steps {
            let Act::Run { command } = &step.act else { continue };
            let failed = |source| LookError {
                host: part.host.clone(),
                step: step.title.clone(),
                source: Box::new(source),
            };
            let output = host.command(command, &mut |_| {}).await.map_err(failed)?;
            if !output.exit.success() {
                let (what, output) = (command.line(), Box::new(output));
                return Err(failed(HostError::Failed { what, output }));
            }
            text.push_str(&output.text());
        }
    }
    Ok(text)
}

/// Host and step of each step that is as wanted.
async fn done_on(host: Arc<Host>, steps: Vec<Step>) -> Result<Vec<(String, String)>, LookError> {
    let mut done = Vec::new();
    for step in steps {
        let Some(probe) = &step.probe else { continue };
        let looked = host.command(probe, &mut |_| {}).await;
        let output = looked.map_err(|source| LookError {
            host: host.name().to_owned(),
            step: step.title.clone(),
            source: Box::new(source),
        })?;
        if output.exit.success() {
            done.push((host.name().to_owned(), step.id));
        }
    }
    Ok(done)
}
