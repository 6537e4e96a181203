//! `halb k8s addon`: what is installed on top of a running cluster.

mod keys;

use std::path::Path;

use halb_config::render::Style;
use halb_k8s_bootstrap::addon::keys::Keys;
use halb_k8s_bootstrap::addon::{self, Context, Name, Order};
use halb_k8s_bootstrap::driver::{gather, look};
use halb_k8s_bootstrap::inventory::Inventory;
use halb_k8s_bootstrap::plan::{FactsByHost, Plan, text};
use serde::Serialize;

use super::ask::Sources;
use super::commands::with;
use super::inventory;
use super::run::{Agreement, Run, refuse, say};
use super::site::Site;
use crate::cli::{Exit, chain, complain};
use crate::status::text::table::{self, Align, Column};

/// What is known of one add-on without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Which.
    pub name: Name,
    /// What it is.
    pub title: &'static str,
    /// What the inventory wants of it; none if it doesn't want it.
    pub version: Option<String>,
}

/// All add-ons that there are, and what the inventory wants of them. No host is asked.
///
/// # Errors
/// How to end: what is wrong with the inventory was said.
pub fn list(inventory: &Path) -> Result<Vec<Listed>, Exit> {
    let inventory = read(inventory)?;
    let listed =
        |name: Name| Listed { name, title: name.title(), version: name.version(&inventory) };
    Ok(Name::ALL.map(listed).to_vec())
}

/// What is applied to the API, for whoever does that by other means. No host is asked.
///
/// # Errors
/// How to end: why was said.
pub fn render(inventory: &Path, names: &[Name]) -> Result<String, Exit> {
    let inventory = read(inventory)?;
    let names = wanted(&inventory, names)?;
    Ok(addon::render(&inventory, &names))
}

fn read(path: &Path) -> Result<Inventory, Exit> {
    let loaded = inventory::load(path, Style::for_stream(&std::io::stderr()));
    loaded.map(|loaded| loaded.inventory).map_err(|problems| {
        complain(&problems);
        Exit::BadConfiguration
    })
}

/// What is left to do for these add-ons, or for all that the inventory wants if none is named.
///
/// # Errors
/// How to end: why was said.
pub fn plan(inventory: &Path, sources: Sources, names: &[Name]) -> Result<Plan, Exit> {
    with(inventory, sources, |site| async move {
        let names = wanted(&site.inventory, names)?;
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        left(&site, &addon::plan(context(&site, &facts, &keys)?, &names)).await
    })
}

/// Does what is left to do for these add-ons.
#[must_use]
pub fn apply(inventory: &Path, sources: Sources, names: &[Name], yes: bool) -> Exit {
    let again = again("apply", names, inventory);
    let done = with(inventory, sources, |site| async move {
        let run = Run::begin(&site)?;
        let names = wanted(&site.inventory, names)?;
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let plan = left(&site, &addon::plan(context(&site, &facts, &keys)?, &names)).await?;
        if plan.is_empty() {
            say("All add-ons are as the inventory wants them: nothing to do.");
            return Ok(Exit::Done);
        }
        let agreement = Agreement { yes, shown_by: Some("halb k8s addon plan"), again: &again };
        run.carry_out(&site, plan, agreement).await?;
        Ok(Exit::Done)
    });
    done.unwrap_or_else(|exit| exit)
}

/// Removes these add-ons, whether the inventory still wants them or not.
#[must_use]
pub fn remove(inventory: &Path, sources: Sources, names: &[Name], yes: bool) -> Exit {
    let again = again("remove", names, inventory);
    let done = with(inventory, sources, |site| async move {
        let run = Run::begin(&site)?;
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let context = context(&site, &facts, &keys)?;
        refuse_needed(&site, context, names).await?;
        let plan = left(&site, &addon::removal(context, names)).await?;
        if plan.is_empty() {
            say("Nothing of it is there: nothing to do.");
            return Ok(Exit::Done);
        }
        let agreement = Agreement { yes, shown_by: None, again: &again };
        run.carry_out(&site, plan, agreement).await?;
        Ok(Exit::Done)
    });
    done.unwrap_or_else(|exit| exit)
}

/// How an add-on that the inventory wants is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Which.
    pub name: Name,
    /// What the inventory wants of it.
    pub version: String,
    /// Steps that would change something; empty if it is there and works.
    pub left_to_do: Vec<String>,
}

/// How all add-ons are that the inventory wants.
///
/// # Errors
/// How to end: why was said.
pub fn status(inventory: &Path, sources: Sources) -> Result<Vec<Standing>, Exit> {
    with(inventory, sources, |site| async move {
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let context = context(&site, &facts, &keys)?;
        let mut all = Vec::new();
        for name in Name::ALL {
            let Some(version) = name.version(&site.inventory) else { continue };
            let plan = left(&site, &addon::plan(context, &[name])).await?;
            let left_to_do = plan.steps().map(|step| step.title.clone()).collect();
            all.push(Standing { name, version, left_to_do });
        }
        Ok(all)
    })
}

/// The add-ons that are named, or all that the inventory wants.
fn wanted(inventory: &Inventory, names: &[Name]) -> Result<Vec<Name>, Exit> {
    if let Some(name) = names.iter().find(|name| !name.is_wanted(inventory)) {
        return Err(refuse(&format!(
            "the inventory has no section 'addons.{name}': write it, or take the add-on away with \
             halb k8s addon remove {name}"
        )));
    }
    let all = Name::ALL.into_iter().filter(|name| name.is_wanted(inventory));
    let chosen: Vec<_> = all.filter(|name| names.is_empty() || names.contains(name)).collect();
    if chosen.is_empty() {
        return Err(refuse("the inventory has no section 'addons': there is nothing to install"));
    }
    Ok(chosen)
}

/// Facts of the hosts that answer; of the others it is said that they don't.
async fn answers(site: &Site) -> FactsByHost {
    let gathered = gather::gather(&site.inventory, &site.hosts).await;
    for (host, error) in &gathered.silent {
        complain(&format!("{host} is left out, it doesn't answer: {}", chain(error)));
    }
    gathered.answers
}

/// What is there already and can't be without what is to be removed.
async fn refuse_needed(site: &Site, context: Context<'_>, names: &[Name]) -> Result<(), Exit> {
    let stays = Name::ALL.into_iter().filter(|name| !names.contains(name));
    for name in stays {
        let Some(needed) = name.needs().iter().find(|needed| names.contains(needed)) else {
            continue;
        };
        let there = addon::removal(context, &[name]);
        if !left(site, &there).await?.is_empty() {
            return Err(refuse(&format!(
                "{name} is installed and needs {needed}: halb k8s addon remove {name} {needed}"
            )));
        }
    }
    Ok(())
}

fn keys(site: &Site) -> Result<Keys, Exit> {
    let address = site.inventory.addons.registry.as_ref().map(|registry| registry.address);
    keys::open(site.folder(), address).map_err(|error| refuse(&chain(&error)))
}

/// Brings an image into the registry.
#[must_use]
pub fn push(inventory: &Path, sources: Sources, image: &str) -> Exit {
    let again = format!("halb k8s addon registry push {image} --inventory {}", inventory.display());
    let done = with(inventory, sources, |site| async move {
        let run = Run::begin(&site)?;
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let plan = addon::push(context(&site, &facts, &keys)?, image)
            .ok_or_else(|| refuse("the inventory has no section 'addons.registry'"))?;
        // Whoever names an image has been asked.
        let agreement = Agreement { yes: true, shown_by: None, again: &again };
        run.carry_out(&site, plan, agreement).await?;
        Ok(Exit::Done)
    });
    done.unwrap_or_else(|exit| exit)
}

/// All members of the database, as patronictl tells of them.
///
/// # Errors
/// How to end: why was said.
pub fn patroni_list(inventory: &Path, sources: Sources) -> Result<String, Exit> {
    with(inventory, sources, |site| async move {
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let context = context(&site, &facts, &keys)?;
        let plan = addon::patronictl(context, &Order::List);
        look::said(&plan, &site.hosts).await.map_err(|error| refuse(&chain(&error)))
    })
}

/// Has patronictl do something.
#[must_use]
pub fn patroni_order(inventory: &Path, sources: Sources, order: &Order, yes: bool) -> Exit {
    let done = with(inventory, sources, |site| async move {
        let run = Run::begin(&site)?;
        let (facts, keys) = (answers(&site).await, keys(&site)?);
        let plan = addon::patronictl(context(&site, &facts, &keys)?, order);
        let again = "halb k8s addon patroni list, and decide anew";
        run.carry_out(&site, plan, Agreement { yes, shown_by: None, again }).await?;
        Ok(Exit::Done)
    });
    done.unwrap_or_else(|exit| exit)
}

fn context<'a>(
    site: &'a Site,
    facts: &'a FactsByHost,
    keys: &'a Keys,
) -> Result<Context<'a>, Exit> {
    let leader = site.leader(facts).ok_or_else(|| {
        refuse(
            "no master answers for the cluster of this inventory and its keys: halb k8s status says \
             how it is",
        )
    })?;
    Ok(Context { inventory: &site.inventory, leader, keys: Some(keys) })
}

/// A plan without the steps that would change nothing.
async fn left(site: &Site, plan: &Plan) -> Result<Plan, Exit> {
    look::left(plan, &site.hosts).await.map_err(|error| refuse(&chain(&error)))
}

fn again(order: &str, names: &[Name], inventory: &Path) -> String {
    let names: String = names.iter().map(|name| format!(" {name}")).collect();
    format!("halb k8s addon {order}{names} --inventory {}", inventory.display())
}

/// What is left to do, as people read it.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    if plan.is_empty() {
        return "All add-ons are as the inventory wants them: nothing to do.\n".to_owned();
    }
    text::render(plan)
}

const LIST: [Column; 3] = [
    Column { title: "ADD-ON", align: Align::Left, width_max: 10 },
    Column { title: "WANTED", align: Align::Left, width_max: 24 },
    Column { title: "WHAT IT IS", align: Align::Left, width_max: 70 },
];

/// One line for each add-on.
#[must_use]
pub fn list_text(all: &[Listed], width: usize) -> String {
    let row = |one: &Listed| {
        let version = one.version.clone().unwrap_or_else(|| "-".to_owned());
        vec![one.name.to_string(), version, one.title.to_owned()]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table::render(&LIST, &rows, width, |line, _| line)
}

const STATUS: [Column; 3] = [
    Column { title: "ADD-ON", align: Align::Left, width_max: 10 },
    Column { title: "WANTED", align: Align::Left, width_max: 24 },
    Column { title: "DIFFERS IN", align: Align::Left, width_max: 70 },
];

/// One line for each add-on, and one for each further thing that it differs in.
#[must_use]
pub fn status_text(all: &[Standing], width: usize) -> String {
    if all.is_empty() {
        return "The inventory wants no add-on.\n".to_owned();
    }
    let mut rows = Vec::new();
    for one in all {
        let first = one.left_to_do.first().cloned().unwrap_or_else(|| "-".to_owned());
        rows.push(vec![one.name.to_string(), one.version.clone(), first]);
        let more = one.left_to_do.iter().skip(1);
        rows.extend(more.map(|title| vec![String::new(), String::new(), title.clone()]));
    }
    table::render(&STATUS, &rows, width, |line, _| line)
}

#[cfg(test)]
mod tests {
    use halb_k8s_bootstrap::inventory::{self, example};

    use super::*;

    const METALLB: &str =
        "\naddons: {metallb: {pools: [{name: default, addresses: [172.16.16.150]}]}}\n";

    #[test]
    fn an_add_on_that_the_inventory_does_not_want_is_not_installed() {
        let none = inventory::parse(example::HIGHLY_AVAILABLE).expect("good").inventory;
        assert_eq!(wanted(&none, &[]), Err(Exit::Failed));
        assert_eq!(wanted(&none, &[Name::Metallb]), Err(Exit::Failed));
        let text = format!("{}{METALLB}", example::HIGHLY_AVAILABLE);
        let one = inventory::parse(&text).expect("good").inventory;
        assert_eq!(wanted(&one, &[]), Ok(vec![Name::Metallb]));
    }

    #[test]
    fn a_screen_tells_what_each_add_on_differs_in() {
        let standing = |left: &[&str]| Standing {
            name: Name::Metallb,
            version: "0.16.1".to_owned(),
            left_to_do: left.iter().map(|title| (*title).to_owned()).collect(),
        };
        let text = status_text(&[standing(&[]), standing(&["Install it", "Configure it"])], 80);
        for line in [
            "  metallb  0.16.1  -",
            "  metallb  0.16.1  Install it",
            "                   Configure it",
        ] {
            assert!(text.lines().any(|other| other == line), "no «{line}» in\n{text}");
        }
    }
}
