//! What `halb k8s` does with hosts.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use halb_k8s_bootstrap::plan::reset::Scope;
use halb_k8s_bootstrap::plan::{Plan, text};
use tokio::runtime::Runtime;

use super::ask::{self, Sources};
use super::certs::{self, Certificates};
use super::site::Site;
use super::status::{self, Status};
use crate::cli::{Exit, complain};

/// Opens the cluster of an inventory and does something with it.
pub(super) fn with<T, F: Future<Output = Result<T, Exit>>>(
    inventory: &Path,
    sources: Sources,
    what: impl FnOnce(Site) -> F,
) -> Result<T, Exit> {
    let site = Site::open(inventory, ask::answers(sources))?;
    let runtime = Runtime::new().map_err(|error| {
        complain(&format!("halb: can't start: {error}"));
        Exit::Failed
    })?;
    let done = runtime.block_on(what(site));
    // Whoever is still asked for a password would keep it from ending.
    runtime.shutdown_background();
    done
}

/// What is left to do; no host is changed.
///
/// # Errors
/// How to end: why was said.
pub fn plan(inventory: &Path, sources: Sources) -> Result<Plan, Exit> {
    with(inventory, sources, |site| async move {
        let facts = site.gather().await?;
        site.plan(&facts)
    })
}

/// A plan as people read it.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    text::render(plan)
}

/// Does what is left to do.
#[must_use]
pub fn apply(inventory: &Path, sources: Sources, yes: bool) -> Exit {
    let again = format!("halb k8s apply --inventory {}", inventory.display());
    let done = with(inventory, sources, |site| async move {
        Ok(super::apply::apply(&site, yes, &again).await)
    });
    done.unwrap_or_else(|exit| exit)
}

/// Every certificate of every host.
///
/// # Errors
/// How to end: why was said.
pub fn certificates(inventory: &Path, sources: Sources) -> Result<Certificates, Exit> {
    with(inventory, sources, |site| async move { Ok(certs::look(&site).await) })
}

/// Renews certificates.
#[must_use]
pub fn renew_certificates(inventory: &Path, sources: Sources, yes: bool) -> Exit {
    let again = format!("halb k8s certs renew --inventory {}", inventory.display());
    let done =
        with(inventory, sources, |site| async move { Ok(certs::renew(&site, yes, &again).await) });
    done.unwrap_or_else(|exit| exit)
}

/// Takes a backup: a snapshot of etcd and the cluster's keys.
#[must_use]
pub fn backup(inventory: &Path, sources: Sources, to: Option<&Path>) -> Exit {
    let done =
        with(inventory, sources, |site| async move { Ok(super::backup::backup(&site, to).await) });
    done.unwrap_or_else(|exit| exit)
}

/// Restores a backup on all masters.
#[must_use]
pub fn restore(
    inventory: &Path,
    sources: Sources,
    from: &Path,
    (discard_running, yes): (bool, bool),
) -> Exit {
    let shown = inventory.display();
    let discard = if discard_running { " --discard-running" } else { "" };
    let again = format!("halb k8s restore {}{discard} --inventory {shown}", from.display());
    let done = with(inventory, sources, |site| async move {
        Ok(super::backup::restore(&site, from, discard_running, (yes, &again)).await)
    });
    done.unwrap_or_else(|exit| exit)
}

/// Puts hosts back as they were.
#[must_use]
pub fn reset(inventory: &Path, sources: Sources, scope: Scope<'_>, yes: bool) -> Exit {
    let what = match scope {
        Scope::Cluster => "--cluster".to_owned(),
        Scope::Host(name) => format!("--host {name}"),
    };
    let again = format!("halb k8s reset {what} --inventory {}", inventory.display());
    let done = with(inventory, sources, |site| async move {
        Ok(super::reset::reset(&site, scope, (yes, &again)).await)
    });
    done.unwrap_or_else(|exit| exit)
}

/// One look, or looks until it has settled, at most so long.
///
/// # Errors
/// How to end: why was said.
pub fn status(inventory: &Path, sources: Sources, at_most: Duration) -> Result<Status, Exit> {
    with(inventory, sources, |site| async move { status::settled(&site, at_most).await })
}
