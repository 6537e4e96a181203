//! `halb k8s addon …`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use halb_k8s_bootstrap::addon::{Name, Order as Patronictl};

use super::Site;
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::k8s::{addon, inventory};
use crate::status::text::WIDTH;

/// What to do with add-ons.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// All add-ons that there are, and what the inventory wants of them; no host is asked
    #[command(after_help = "Example: halb k8s addon list")]
    List {
        /// The inventory
        #[arg(long, value_name = "FILE", default_value = inventory::FILE)]
        inventory: PathBuf,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Asks the cluster what is left to do, and shows every step; changes nothing
    #[command(after_help = "Examples:\n  \
        halb k8s addon plan\n  \
        halb k8s addon plan nginx --render > nginx.yaml")]
    Plan {
        #[command(flatten)]
        site: Site,

        /// Which [default: all that the inventory wants]
        #[arg(value_enum)]
        names: Vec<Choice>,

        /// Print the manifests instead, for whoever applies them by other means; no host is asked
        #[arg(long, conflicts_with = "json")]
        render: bool,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Does what is left to do; can be cut off anywhere and run again
    #[command(after_help = "Example: halb k8s addon apply")]
    Apply {
        #[command(flatten)]
        site: Site,

        /// Which [default: all that the inventory wants]
        #[arg(value_enum)]
        names: Vec<Choice>,

        /// Don't ask before the first change
        #[arg(long, short)]
        yes: bool,
    },

    /// Removes add-ons from the cluster; what they wrote into folders of hosts stays
    #[command(after_help = "Example: halb k8s addon remove nginx")]
    Remove {
        #[command(flatten)]
        site: Site,

        /// Which
        #[arg(value_enum, required = true)]
        names: Vec<Choice>,

        /// Don't ask before the first change
        #[arg(long, short)]
        yes: bool,
    },

    /// Looks at all add-ons that the inventory wants, and tells what differs; changes nothing
    ///
    /// The exit code is 0 if nothing differs, 1 if something does.
    #[command(after_help = "Example: halb k8s addon status")]
    Status {
        #[command(flatten)]
        site: Site,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// The registry: what goes into it
    #[command(subcommand)]
    Registry(RegistryOrder),

    /// The database: who leads it
    #[command(subcommand)]
    Patroni(PatroniOrder),
}

/// What to do with the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryOrder {
    /// Pulls an image on a node, names it after the registry, and pushes it there
    ///
    /// docker.io/library/nginx:1.29 becomes ADDRESS:5000/nginx:1.29. Only the node's own
    /// architecture is pulled.
    #[command(after_help = "Example: halb k8s addon registry push docker.io/library/nginx:1.29")]
    Push {
        #[command(flatten)]
        site: Site,

        /// Its whole name, with its registry
        image: String,
    },
}

/// What to do with the database.
#[derive(Debug, Subcommand)]
pub(crate) enum PatroniOrder {
    /// All members: who leads, who follows, and how far behind
    #[command(after_help = "Example: halb k8s addon patroni list")]
    List {
        #[command(flatten)]
        site: Site,
    },

    /// Has the leader hand over to a replica, without losing a write
    #[command(after_help = "Example: halb k8s addon patroni switchover --to patroni-1")]
    Switchover {
        #[command(flatten)]
        site: Site,

        /// Which replica [default: the one that is furthest]
        #[arg(long, value_name = "MEMBER")]
        to: Option<String>,

        /// Don't ask before
        #[arg(long, short)]
        yes: bool,
    },

    /// Makes a replica the leader where there is none that could hand over; writes may be lost
    #[command(after_help = "Example: halb k8s addon patroni failover --to patroni-1")]
    Failover {
        #[command(flatten)]
        site: Site,

        /// Which replica
        #[arg(long, value_name = "MEMBER")]
        to: String,

        /// Don't ask before
        #[arg(long, short)]
        yes: bool,
    },
}

/// An add-on on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Addresses for services
    Metallb,
    /// Volumes on nodes' own disks
    Storage,
    /// A sample application
    Nginx,
    /// A private registry of images
    Registry,
    /// A database
    Patroni,
}

impl From<Choice> for Name {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Metallb => Self::Metallb,
            Choice::Storage => Self::Storage,
            Choice::Nginx => Self::Nginx,
            Choice::Registry => Self::Registry,
            Choice::Patroni => Self::Patroni,
        }
    }
}

fn names(choices: Vec<Choice>) -> Vec<Name> {
    choices.into_iter().map(Name::from).collect()
}

pub(super) fn run(order: Order, out: &mut Output) -> Exit {
    let ended = match order {
        Order::List { inventory, json } => addon::list(&inventory).map(|all| match json {
            true => out.json(&all),
            false => text(out, &addon::list_text(&all, WIDTH)),
        }),
        Order::Plan { site, names: choices, render: true, .. } => {
            addon::render(&site.open().0, &names(choices)).map(|all| text(out, &all))
        }
        Order::Plan { site, names: choices, render: false, json } => {
            let (inventory, sources) = site.open();
            addon::plan(&inventory, sources, &names(choices)).map(|plan| match json {
                true => out.json(&plan),
                false => text(out, &addon::plan_text(&plan)),
            })
        }
        Order::Apply { site, names: choices, yes } => {
            let (inventory, sources) = site.open();
            Ok(addon::apply(&inventory, sources, &names(choices), yes))
        }
        Order::Remove { site, names: choices, yes } => {
            let (inventory, sources) = site.open();
            Ok(addon::remove(&inventory, sources, &names(choices), yes))
        }
        Order::Status { site, json } => {
            let (inventory, sources) = site.open();
            addon::status(&inventory, sources).map(|all| {
                let shown = match json {
                    true => out.json(&all),
                    false => text(out, &addon::status_text(&all, WIDTH)),
                };
                let differs = all.iter().any(|one| !one.left_to_do.is_empty());
                if differs && shown == Exit::Done { Exit::Failed } else { shown }
            })
        }
        Order::Registry(RegistryOrder::Push { site, image }) => {
            let (inventory, sources) = site.open();
            Ok(addon::push(&inventory, sources, &image))
        }
        Order::Patroni(order) => Ok(patroni(order, out)),
    };
    ended.unwrap_or_else(|exit| exit)
}

fn patroni(order: PatroniOrder, out: &mut Output) -> Exit {
    let (site, order, yes) = match order {
        PatroniOrder::List { site } => {
            let (inventory, sources) = site.open();
            let listed = addon::patroni_list(&inventory, sources);
            return listed.map_or_else(|exit| exit, |all| text(out, &all));
        }
        PatroniOrder::Switchover { site, to, yes } => (site, Patronictl::Switchover(to), yes),
        PatroniOrder::Failover { site, to, yes } => (site, Patronictl::Failover(to), yes),
    };
    let (inventory, sources) = site.open();
    addon::patroni_order(&inventory, sources, &order, yes)
}

fn text(out: &mut Output, text: &str) -> Exit {
    out.text(text).err().unwrap_or(Exit::Done)
}
