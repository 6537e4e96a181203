//! `halb k8s node …` and `halb k8s upgrade`: what happens to a cluster after its first day.

use std::fs;
use std::path::Path;

use halb_k8s_bootstrap::inventory::lines;
use halb_k8s_bootstrap::plan::life::{Draining, Ground, Removal, Upgrade};

use super::apply;
use super::ask::Sources;
use super::change;
use super::commands::with;
use super::run::{Run, say};
use super::site::Site;
use crate::cli::{Exit, complain};

pub use super::change::{Shown, Wish};

/// A node that is to go.
#[derive(Debug, Clone)]
pub struct Leaving {
    /// Its name.
    pub node: String,
    /// Whether its host is gone for good.
    pub is_gone: bool,
    /// How its pods go.
    pub draining: Draining,
}

impl Leaving {
    fn removal(&self) -> Removal<'_> {
        Removal { node: &self.node, is_gone: self.is_gone, draining: self.draining }
    }

    fn gone(&self) -> Option<&str> {
        self.is_gone.then_some(self.node.as_str())
    }
}

/// Takes a node out of its cluster.
#[must_use]
pub fn remove(inventory: &Path, sources: Sources, leaving: &Leaving, wish: &Wish) -> Exit {
    let removed = with(inventory, sources, |site| async move {
        change::make(&site, leaving.gone(), wish, |ground| ground.remove(&leaving.removal())).await
    });
    match removed {
        Ok(()) if wish.shown.is_none() => tell_lines(inventory, &leaving.node),
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// Has a host of the inventory join.
#[must_use]
pub fn add(inventory: &Path, sources: Sources, node: &str, wish: &Wish) -> Exit {
    let added = with(inventory, sources, |site| async move {
        change::make(&site, None, wish, |ground| ground.join(node)).await
    });
    match added {
        Ok(()) if wish.shown.is_none() => {
            say(&format!("{node} is a node of the cluster."));
            Exit::Done
        }
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// Has one host take another one's place. Who is gone for good leaves first, so that etcd needs
/// nothing of it; who is there leaves last, so that nothing is missing meanwhile.
#[must_use]
pub fn replace(
    inventory: &Path,
    sources: Sources,
    (leaving, coming): (&Leaving, &str),
    wish: &Wish,
) -> Exit {
    if leaving.node == coming {
        complain("halb: a host can't take its own place: 'node remove', then 'node add'");
        return Exit::Usage;
    }
    let replaced =
        with(
            inventory,
            sources,
            |site| async move { replacing(&site, (leaving, coming), wish).await },
        );
    match replaced {
        Ok(()) if wish.shown.is_none() => tell_lines(inventory, &leaving.node),
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

async fn replacing(
    site: &Site,
    (leaving, coming): (&Leaving, &str),
    wish: &Wish,
) -> Result<(), Exit> {
    let gone = leaving.gone();
    let succeed = |ground: Ground<'_>| ground.succeed(&leaving.node, coming);
    let remove = |ground: Ground<'_>| ground.remove(&leaving.removal());
    if let Some(shown) = wish.shown {
        let facts = site.told(site.ask(gone).await);
        // The second half is made from what the first one leaves.
        let first = match leaving.is_gone {
            true => site.change(&facts, remove)?,
            false => site.change(&facts, succeed)?,
        };
        let then = if leaving.is_gone { "add" } else { "remove" };
        let second = if leaving.is_gone { coming } else { leaving.node.as_str() };
        change::show(&first, shown)?;
        complain(&format!("Then, made from what hosts say by then: node {then} {second}"));
        return Ok(());
    }
    let run = Run::begin(site)?;
    if leaving.is_gone {
        change::carry_out(site, &run, gone, wish, remove).await?;
    }
    change::carry_out(site, &run, gone, wish, succeed).await?;
    if !leaving.is_gone {
        change::carry_out(site, &run, None, wish, remove).await?;
    }
    Ok(())
}

/// Which lines of the inventory are of no more use. halb changes nothing there: it is the operator's
/// file, and others may have it in their keeping.
fn tell_lines(inventory: &Path, node: &str) -> Exit {
    say(&format!("{node} is no node of the cluster any more."));
    let text = fs::read_to_string(inventory).unwrap_or_default();
    let Some(lines) = lines::of_host(&text, node) else { return Exit::Done };
    let (first, last) = (*lines.start(), *lines.end());
    let place =
        if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    say(&format!(
        "Take it out of {}, {place}, before the next 'halb k8s apply':",
        inventory.display()
    ));
    for line in text.lines().skip(first - 1).take(last + 1 - first) {
        say(&format!("  {line}"));
    }
    Exit::Done
}

/// Brings a cluster to another version.
#[must_use]
pub fn upgrade(inventory: &Path, sources: Sources, upgrade: &Upgrade, wish: &Wish) -> Exit {
    let upgraded = with(inventory, sources, |mut site| async move {
        let before = site.inventory.kubernetes.version;
        change::make(&site, None, wish, |ground| ground.upgrade(upgrade)).await?;
        if wish.shown.is_some() {
            return Ok(Exit::Done);
        }
        site.inventory.kubernetes.version = upgrade.version;
        let exit = apply::verified(&site).await;
        if before != upgrade.version {
            tell_version(inventory, upgrade);
        }
        Ok(exit)
    });
    upgraded.unwrap_or_else(|exit| exit)
}

fn tell_version(inventory: &Path, upgrade: &Upgrade) {
    let text = fs::read_to_string(inventory).unwrap_or_default();
    let line = lines::of_version(&text).map(|line| format!(", line {line}")).unwrap_or_default();
    say(&format!(
        "Write 'version: {}' into {}{line}, before the next 'halb k8s apply'.",
        upgrade.version,
        inventory.display()
    ));
}
