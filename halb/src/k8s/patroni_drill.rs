//! `halb k8s drill patroni`: a master watches the database's members, the leader's pod is deleted,
//! and all of it is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use halb_k8s_bootstrap::drill::Entry;
use halb_k8s_bootstrap::drill::patroni::{Drill, How, Verdict, Watch, choose};
use halb_k8s_bootstrap::driver::drill as driver;
use halb_k8s_bootstrap::driver::host::Host;
use tokio::signal;

use super::ask::Sources;
use super::commands::with;
use super::drill::{json_text, line};
use super::run::{Run, agreed, refuse, say};
use super::site::Site;
use crate::cli::{Exit, chain, complain};

/// A drill as the operator asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// How the pod is deleted.
    pub how: How,
    /// Whether nobody is asked first.
    pub yes: bool,
    /// Whether it is told as JSON.
    pub json: bool,
}

/// Deletes the pod of the database's leader, and tells what was noticed.
#[must_use]
pub fn drill(inventory: &Path, sources: Sources, asked: &Asked) -> Exit {
    let drilled = with(inventory, sources, |site| async move {
        let _run = Run::begin(&site)?;
        let witness = witness(&site).await?;
        let round = driver::look(&witness).await.map_err(|error| refuse(&chain(&error)))?;
        let chosen = choose(&site.inventory, &round, asked.how, witness.name());
        let drill = chosen.map_err(|faults| site.refuse_faults(&faults))?;
        if !asked.yes && !agreed(&question(&drill)) {
            return Err(Exit::Failed);
        }
        carry_out(&witness, drill, asked.json).await
    });
    drilled.unwrap_or_else(|exit| exit)
}

/// A master that answers for the cluster.
async fn witness(site: &Site) -> Result<Arc<Host>, Exit> {
    let facts = site.gather().await?;
    let leader = site.leader(&facts);
    let host = leader.and_then(|leader| site.hosts.iter().find(|it| it.name() == leader.name));
    host.cloned().ok_or_else(|| {
        refuse(
            "no master answers for the cluster of this inventory and its keys: halb k8s status says \
             how it is",
        )
    })
}

fn question(drill: &Drill) -> String {
    let Drill { how, leader, witness, members: _ } = drill;
    let loss = match how {
        How::Stop => "",
        How::Kill => " at once, which may lose writes of the last moment",
    };
    format!("Delete the pod of {leader}, which leads the database{loss}, while {witness} watches?")
}

async fn carry_out(witness: &Arc<Host>, drill: Drill, json: bool) -> Result<Exit, Exit> {
    let mut watched = Watch::new(drill);
    let mut tell = |entry: &Entry| {
        if !json {
            say(&line(entry));
        }
    };
    tokio::select! {
        () = driver::carry_out(witness, &mut watched, &mut tell) => {}
        _ = signal::ctrl_c() => complain("Stopped: a pod that was deleted comes back by itself"),
    }
    let verdict = watched.verdict();
    let exit = if verdict.passed { Exit::Done } else { Exit::Failed };
    if json {
        say(&json_text(watched.drill(), watched.timeline(), &verdict)?);
    } else {
        say(&verdict_text(&verdict));
        verdict.faults.iter().for_each(|fault| complain(&format!("  {fault}")));
    }
    Ok(exit)
}

fn verdict_text(verdict: &Verdict) -> String {
    let seconds = Duration::from_millis(verdict.longest_without_leader_ms).as_secs_f64();
    let word = if verdict.passed { "PASSED" } else { "FAILED" };
    let leader = match &verdict.leader {
        Some(leader) => format!("{leader} leads now"),
        None => "nobody leads now".to_owned(),
    };
    format!("{word}: {leader}; no member led for {seconds:.1} s at the longest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_names_the_pod_and_what_it_may_cost() {
        let drill = |how| Drill {
            how,
            leader: "patroni-1".to_owned(),
            witness: "kmaster01".to_owned(),
            members: Vec::new(),
        };
        assert_eq!(
            question(&drill(How::Stop)),
            "Delete the pod of patroni-1, which leads the database, while kmaster01 watches?"
        );
        assert!(question(&drill(How::Kill)).contains("may lose writes"));
    }

    #[test]
    fn a_verdict_tells_who_leads_and_how_long_nobody_did() {
        let verdict = |leader: Option<&str>| Verdict {
            passed: leader.is_some(),
            longest_without_leader_ms: 4260,
            leader: leader.map(str::to_owned),
            faults: Vec::new(),
        };
        assert_eq!(
            verdict_text(&verdict(Some("patroni-2"))),
            "PASSED: patroni-2 leads now; no member led for 4.3 s at the longest"
        );
        assert!(verdict_text(&verdict(None)).starts_with("FAILED: nobody leads now;"));
    }
}
