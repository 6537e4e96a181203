//! One cluster as it looks from the operator's side: its inventory, its keys, its hosts, and what
//! lies beside the inventory.
//!
//! ```text
//!  cluster.yaml        the inventory
//!  NAME.known_hosts    host keys; may be shared with whoever else works with this inventory
//!  NAME.halb/          the cluster's keys, the lock of a run, logs of all runs: the operator's alone
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, process};

use halb_k8s_bootstrap::addon;
use halb_k8s_bootstrap::driver::Shared;
use halb_k8s_bootstrap::driver::access::{Access, Ask};
use halb_k8s_bootstrap::driver::gather::{self, Gathered};
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::driver::known_hosts::KnownHosts;
use halb_k8s_bootstrap::facts::Facts;
use halb_k8s_bootstrap::inventory::Inventory;
use halb_k8s_bootstrap::pki::Material;
use halb_k8s_bootstrap::plan::life::{Change, Ground};
use halb_k8s_bootstrap::plan::preflight::Fault;
use halb_k8s_bootstrap::plan::{self, FactsByHost, Operator, Plan};
use halb_k8s_bootstrap::verify::Seen;
use ring::digest;

use super::status::{self, Status};
use super::{inventory, kubeconfig, state};
use crate::cli::{Exit, chain, complain};
use halb_config::render::Style;

/// A cluster from the operator's side.
pub struct Site {
    /// What is wanted.
    pub inventory: Inventory,
    /// Its hosts, in the inventory's order.
    pub hosts: Vec<Arc<Host>>,
    material: Material,
    folder: PathBuf,
}

impl Site {
    /// Reads everything that lies on the operator's side; no host is asked anything.
    ///
    /// # Errors
    /// How to end: what is wrong was said.
    pub fn open(path: &Path, ask: Ask) -> Result<Self, Exit> {
        let loaded = inventory::load(path, Style::for_stream(&std::io::stderr()));
        let loaded = loaded.map_err(|problems| {
            complain(&problems);
            Exit::BadConfiguration
        })?;
        if !loaded.lints.is_empty() {
            complain(&loaded.lints);
        }
        let inventory = loaded.inventory;
        let folder = state::folder(path, &inventory.name);
        let material = state::open(&folder).map_err(|error| refuse(&chain(&error)))?;
        let known_hosts = KnownHosts::new(folder.with_extension("known_hosts"));
        let shared = Arc::new(Shared::new(known_hosts, Access::new(ask)));
        let hosts = gather::hosts(&inventory, &shared);
        Ok(Self { inventory, hosts, material, folder })
    }

    /// Asks all hosts what they are; all of them have to answer.
    ///
    /// # Errors
    /// How to end: what is wrong was said, host by host.
    pub async fn gather(&self) -> Result<FactsByHost, Exit> {
        self.all_of(self.ask(None).await)
    }

    /// Asks all hosts what they are; one that may be gone doesn't count as silent.
    pub async fn ask(&self, gone: Option<&str>) -> Gathered<Facts> {
        let mut gathered = gather::gather(&self.inventory, &self.hosts).await;
        gathered.silent.retain(|(host, _)| Some(host.as_str()) != gone);
        gathered
    }

    /// Answers of which none may be missing.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn all_of(&self, gathered: Gathered<Facts>) -> Result<FactsByHost, Exit> {
        let (silent, all) = (gathered.silent.len(), self.hosts.len());
        let answers = self.told(gathered);
        if silent == 0 {
            return Ok(answers);
        }
        Err(refuse(&format!("{silent} of {all} hosts don't answer")))
    }

    /// Answers for somebody who judges what it means that some are missing; which ones is said.
    #[must_use]
    pub fn told(&self, gathered: Gathered<Facts>) -> FactsByHost {
        for (host, error) in &gathered.silent {
            complain(&format!("{host}: {}", chain(error)));
        }
        gathered.answers
    }

    /// What is left to do.
    ///
    /// # Errors
    /// How to end: what stands in the way was said, all of it.
    pub fn plan(&self, facts: &FactsByHost) -> Result<Plan, Exit> {
        self.try_plan(facts)?.map_err(|faults| self.refuse_faults(&faults))
    }

    /// A change that is made from what hosts say.
    ///
    /// # Errors
    /// How to end: why it is refused was said, all of it.
    pub fn change(
        &self,
        facts: &FactsByHost,
        make: impl FnOnce(Ground<'_>) -> Result<Change, Vec<Fault>>,
    ) -> Result<Change, Exit> {
        let operator = self.operator()?;
        let (inventory, material) = (&self.inventory, &self.material);
        let ground = Ground { inventory, facts, material, operator: &operator };
        make(ground).map_err(|faults| self.refuse_faults(&faults))
    }

    /// Says all that stands in the way of a plan.
    pub fn refuse_faults(&self, faults: &[Fault]) -> Exit {
        complain(&faults_text(faults));
        refuse("nothing was changed: this has to be put right first")
    }

    /// The cluster's keys.
    #[must_use]
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// The wall clock, in seconds since 1970.
    #[must_use]
    pub fn now_seconds(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
    }

    /// What is left to do, or all that stands in the way.
    fn try_plan(&self, facts: &FactsByHost) -> Result<Result<Plan, Vec<Fault>>, Exit> {
        Ok(plan::make(&self.inventory, facts, &self.material, &self.operator()?))
    }

    fn operator(&self) -> Result<Operator, Exit> {
        let program = fs::read(program()).map_err(|error| refuse(&chain(&error)))?;
        let authority = &self.material.ca.public;
        Ok(Operator {
            halb_sha256: hex(digest::digest(&digest::SHA256, &program).as_ref()),
            has_access: kubeconfig::has(&kubeconfig::path(), &self.inventory.name, authority),
        })
    }

    /// One look at everything: hosts that don't answer and faults that stand in the way are part of
    /// what is seen.
    ///
    /// # Errors
    /// How to end: why was said.
    pub async fn look(&self) -> Result<Status, Exit> {
        let gathered = gather::gather(&self.inventory, &self.hosts).await;
        let facts = gathered.answers;
        let seen =
            gather::views(&self.inventory, &self.hosts, |host| facts.contains_key(host)).await;
        let silent = gathered.silent.iter().chain(&seen.silent);
        let silent = silent.map(|(host, error)| (host.clone(), chain(error))).collect();
        let left = self.try_plan(&facts)?;
        Ok(status::of(&Seen {
            inventory: &self.inventory,
            facts: &facts,
            silent: &silent,
            views: &seen.answers,
            left: left.as_ref().map_err(Vec::as_slice),
            now_seconds: self.now_seconds(),
        }))
    }

    /// The master from which add-ons are steered.
    #[must_use]
    pub fn leader(&self, facts: &FactsByHost) -> Option<&halb_k8s_bootstrap::inventory::Host> {
        addon::leader(&self.inventory, facts, &self.material)
    }

    /// The folder of everything that is the operator's alone.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file whose lock says that a run is under way.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The folder of backups where nothing else is said.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.folder.join("backups")
    }

    /// The folder of logs of a run that begins now.
    #[must_use]
    pub fn logs(&self, begun: SystemTime) -> PathBuf {
        let time = humantime::format_rfc3339_seconds(begun).to_string();
        self.folder.join("logs").join(time.replace(':', "-"))
    }
}

/// The halb program that is running.
#[must_use]
pub fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// Who runs this, for whoever else wants to.
#[must_use]
pub fn who(begun: SystemTime) -> String {
    let user =
        env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_else(|_| "root".to_owned());
    let host = nix::unistd::gethostname().unwrap_or_default();
    let time = humantime::format_rfc3339_seconds(begun);
    format!("{user}@{} (process {}, since {time})", host.to_string_lossy(), process::id())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refuse(why: &str) -> Exit {
    complain(&format!("halb: {why}"));
    Exit::Failed
}

/// Everything that stands in the way, host by host.
pub(crate) fn faults_text(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        let host = fault.host.as_deref().unwrap_or("all hosts");
        let _ = writeln!(text, "{host}: {}\n    {}", fault.what, fault.remedy);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_with_host_and_remedy() {
        let fault = |host: Option<&str>| Fault {
            host: host.map(str::to_owned),
            what: "memory is swapped".to_owned(),
            remedy: "say `swap: off`".to_owned(),
        };
        assert_eq!(
            faults_text(&[fault(Some("kmaster01")), fault(None)]),
            "kmaster01: memory is swapped\n    say `swap: off`\n\
             all hosts: memory is swapped\n    say `swap: off`\n"
        );
    }
}
