//! Asks all hosts at once what they are, and tells of all that don't answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use crate::facts::{self, Clock, Facts, ParseError};
use crate::inventory::Inventory;
use crate::plan::FactsByHost;

use super::Shared;
use super::host::{Host, HostError};
use super::run::Job;
use super::target::Target;

/// Hosts that are asked at once: a bastion lets about ten strangers knock at the same time.
const AT_ONCE_MAX: usize = 8;

/// How long a host may take to say what it is; one whose administrator's client hangs is among them.
const FACTS_MAX: Duration = Duration::from_secs(120);

/// Why a host didn't say what it is.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// It didn't run the script.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It said something else.
    #[error("the host says something that can't be read")]
    Parse(#[from] ParseError),
}

/// The hosts of an inventory, none of them connected.
#[must_use]
pub fn hosts(inventory: &Inventory, shared: &Arc<Shared>) -> Vec<Arc<Host>> {
    let host = |host| Arc::new(Host::new(Target::from(host), Arc::clone(shared)));
    inventory.hosts.iter().map(host).collect()
}

/// Facts of all hosts; `hosts` are the inventory's, in its order.
///
/// # Errors
/// For each host that didn't answer, its name and why, in the order of the inventory.
pub async fn gather(
    inventory: &Inventory,
    hosts: &[Arc<Host>],
) -> Result<FactsByHost, Vec<(String, GatherError)>> {
    let scripts = inventory.hosts.iter().map(facts::script);
    let mut waiting = hosts.iter().cloned().zip(scripts).enumerate();
    let mut asked = JoinSet::new();
    let mut answers = Vec::new();
    loop {
        while asked.len() < AT_ONCE_MAX {
            let Some((place, (host, script))) = waiting.next() else { break };
            asked.spawn(async move {
                let answer = ask(&host, script).await;
                (place, host.name().to_owned(), answer)
            });
        }
        match asked.join_next().await {
            Some(Ok(answer)) => answers.push(answer),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => break,
        }
    }
    answers.sort_by_key(|(place, ..)| *place);
    let (mut facts, mut faults) = (FactsByHost::new(), Vec::new());
    for (_, name, answer) in answers {
        match answer {
            Ok(answer) => drop(facts.insert(name, answer)),
            Err(error) => faults.push((name, error)),
        }
    }
    if faults.is_empty() { Ok(facts) } else { Err(faults) }
}

async fn ask(host: &Host, script: String) -> Result<Facts, GatherError> {
    // Connected, let in and root before the clocks are compared.
    host.must("becoming root", &Job::root(":", FACTS_MAX)).await?;
    let job = Job::root(script, FACTS_MAX);
    let asked_ms = milliseconds(SystemTime::now());
    let output = host.must("asking what it is", &job).await?;
    let answered_ms = milliseconds(SystemTime::now());
    Ok(facts::parse(&output.text(), Clock { asked_ms, answered_ms })?)
}

/// Since 1970.
fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
