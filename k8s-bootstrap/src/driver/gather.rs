//! Asks all hosts at once what they are, and tells of all that don't answer.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use crate::facts::{self, Clock, Facts, ParseError};
use crate::inventory::Inventory;
use crate::verify::{self, View, ViewError};

use super::Shared;
use super::host::{Host, HostError};
use super::run::Job;
use super::target::Target;

/// Hosts that are asked at once: a bastion lets about ten strangers knock at the same time.
const AT_ONCE_MAX: usize = 8;

/// How long a host may take to say what it is; one whose administrator's client hangs is among them.
const FACTS_MAX: Duration = Duration::from_secs(120);

/// How long a host may take to say what it sees. What the script waits for is over within a minute,
/// ways that lead nowhere and an API server that hangs among them; the rest is for busy hosts.
const VIEW_MAX: Duration = Duration::from_secs(150);

/// Why a host didn't say what it is.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// It didn't run the script.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It said something else.
    #[error("the host says something that can't be read")]
    Parse(#[from] ParseError),
    /// It said something else of what it sees.
    #[error("what the host says of the cluster can't be read")]
    View(#[from] ViewError),
}

/// The hosts of an inventory, none of them connected.
#[must_use]
pub fn hosts(inventory: &Inventory, shared: &Arc<Shared>) -> Vec<Arc<Host>> {
    let host = |host| Arc::new(Host::new(Target::from(host), Arc::clone(shared)));
    inventory.hosts.iter().map(host).collect()
}

/// What hosts answered, and which of them didn't.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Answers by the name of the host.
    pub answers: BTreeMap<String, T>,
    /// Each host that didn't answer and why, in the order of the inventory.
    pub silent: Vec<(String, GatherError)>,
}

/// Facts of all hosts; `hosts` are the inventory's, in its order.
pub async fn gather(inventory: &Inventory, hosts: &[Arc<Host>]) -> Gathered<Facts> {
    let scripts = inventory.hosts.iter().map(facts::script);
    let hosts = hosts.iter().cloned().zip(scripts);
    all(hosts, |host, script| async move { ask(&host, script).await }).await
}

/// What those hosts see of their cluster for which `asked` says so; `hosts` are the inventory's, in
/// its order.
pub async fn views(
    inventory: &Inventory,
    hosts: &[Arc<Host>],
    asked: impl Fn(&str) -> bool,
) -> Gathered<View> {
    let scripts = inventory.hosts.iter().map(|host| verify::view_script(inventory, host));
    let hosts = hosts.iter().cloned().zip(scripts).filter(|(host, _)| asked(host.name()));
    let look = |host: Arc<Host>, script| async move {
        let output = host.must("asking what it sees", &Job::root(script, VIEW_MAX)).await?;
        Ok(verify::parse(&output.text())?)
    };
    all(hosts, look).await
}

/// Asks each host its own question, some at once.
async fn all<T, F>(
    questions: impl Iterator<Item = (Arc<Host>, String)>,
    ask: impl Fn(Arc<Host>, String) -> F,
) -> Gathered<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, GatherError>> + Send + 'static,
{
    let mut waiting = questions.enumerate();
    let mut asked = JoinSet::new();
    let mut ended = Vec::new();
    loop {
        while asked.len() < AT_ONCE_MAX {
            let Some((place, (host, script))) = waiting.next() else { break };
            let name = host.name().to_owned();
            let answer = ask(host, script);
            asked.spawn(async move { (place, name, answer.await) });
        }
        match asked.join_next().await {
            Some(Ok(answer)) => ended.push(answer),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => break,
        }
    }
    ended.sort_by_key(|(place, ..)| *place);
    let mut gathered = Gathered { answers: BTreeMap::new(), silent: Vec::new() };
    for (_, name, answer) in ended {
        match answer {
            Ok(answer) => drop(gathered.answers.insert(name, answer)),
            Err(error) => gathered.silent.push((name, error)),
        }
    }
    gathered
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
