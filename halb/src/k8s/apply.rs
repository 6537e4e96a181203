//! `halb k8s apply`: what is left to do is done.

use std::time::Duration;

use halb_k8s_bootstrap::plan::text;
use halb_k8s_bootstrap::verify::Verdict;

use super::change;
use super::run::{Agreement, Run, say};
use super::site::Site;
use super::status;
use crate::cli::{Exit, complain};
use crate::status::text::WIDTH;

/// Plans and carries out; `yes` asks nobody. `again` is what to type to go on after an interruption.
pub(super) async fn apply(site: &Site, yes: bool, again: &str) -> Exit {
    match try_apply(site, yes, again).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn try_apply(site: &Site, yes: bool, again: &str) -> Result<Exit, Exit> {
    let run = Run::begin(site)?;
    let facts = change::at_rest(site).await?;
    let plan = site.plan(&facts)?;
    if plan.is_empty() {
        say(text::render(&plan).trim_end());
        return Ok(verified(site).await);
    }
    let agreement = Agreement { yes, shown_by: Some("halb k8s plan"), again };
    run.carry_out(site, plan, agreement).await?;
    Ok(verified(site).await)
}

/// How long a cluster may take after its last step until all that can be seen is good: nodes become
/// ready, and names are resolved, when their pods run.
const SETTLE: Duration = Duration::from_secs(60);

/// Looks at what came of it, and tells. Exit codes of `apply` are about its steps, and all of them
/// are done; those of `verify` are about the cluster.
pub(super) async fn verified(site: &Site) -> Exit {
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
