//! `halb k8s reset`: a host, or all of them, as they were before halb.

use halb_k8s_bootstrap::plan::reset::{Scope, reset as plan};

use super::change;
use super::kubeconfig;
use super::run::{Agreement, Run, refuse, say};
use super::site::Site;
use crate::cli::{Exit, chain};

/// Puts back what is in scope, if the operator agrees; `again` is what to type to go on.
pub(super) async fn reset(site: &Site, scope: Scope<'_>, (yes, again): (bool, &str)) -> Exit {
    match try_reset(site, scope, (yes, again)).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn try_reset(
    site: &Site,
    scope: Scope<'_>,
    (yes, again): (bool, &str),
) -> Result<Exit, Exit> {
    let run = Run::begin(site)?;
    let facts = change::at_rest(site).await?;
    let plan = plan(&site.inventory, &facts, scope);
    let plan = plan.map_err(|faults| site.refuse_faults(&faults))?;
    if plan.is_empty() {
        say("There is nothing to put back: halb has changed nothing there.");
        return Ok(Exit::Done);
    }
    run.carry_out(site, plan, Agreement { yes, shown_by: None, again }).await?;
    match scope {
        Scope::Host(name) => say(&format!(
            "{name} is as it was before halb. Take it out of the inventory: halb k8s apply would \
             set it up anew."
        )),
        Scope::Cluster => {
            let path = kubeconfig::path();
            kubeconfig::remove(&path, &site.inventory.name)
                .map_err(|error| refuse(&chain(&error)))?;
            say("All hosts are as they were before halb, and your kubeconfig has no way to the \
                 cluster any more. Its keys and logs are still beside the inventory, in NAME.halb.");
        }
    }
    Ok(Exit::Done)
}
