//! `halb k8s node …` and `halb k8s upgrade`.

use std::time::Duration;

use clap::{Args, Subcommand};
use halb_k8s_bootstrap::inventory::version::Version;
use halb_k8s_bootstrap::plan::life::{Draining, Upgrade};

use super::Site;
use crate::cli::Exit;
use crate::k8s::life::{self, Leaving, Shown, Wish};

/// What becomes of a node.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Node {
    /// Takes a node out of the cluster, and off its host what kubeadm made there
    ///
    /// Balancers send it no more connections, its pods move as far as budgets allow, its member of
    /// etcd goes, then the node. Refused where etcd would lose its quorum. The inventory stays as it
    /// is: which lines to take out is said at the end.
    #[command(after_help = "Example: halb k8s node remove kworker02")]
    Remove {
        /// Its name in the inventory
        node: String,

        /// Its host never comes back: it isn't asked, and nothing is cleared there
        #[arg(long)]
        host_is_gone: bool,

        #[command(flatten)]
        drain: Drain,

        #[command(flatten)]
        change: Change,
    },
    /// Has a host of the inventory join the cluster that there is
    ///
    /// What apply would do for this one host, and for balancers that get a new server.
    #[command(after_help = "Example: halb k8s node add kworker03")]
    Add {
        /// Its name in the inventory
        node: String,

        #[command(flatten)]
        change: Change,
    },
    /// Has one host of the inventory take another one's place
    ///
    /// The new one joins, then the old one leaves; with --host-is-gone the other way round.
    #[command(after_help = "Example: halb k8s node replace kmaster02 kmaster04 --host-is-gone")]
    Replace {
        /// Who leaves
        old: String,

        /// Who joins
        new: String,

        /// The old one's host never comes back
        #[arg(long)]
        host_is_gone: bool,

        #[command(flatten)]
        drain: Drain,

        #[command(flatten)]
        change: Change,
    },
}

/// The version, and at which pace.
#[derive(Debug, Args)]
pub(in crate::cli) struct To {
    /// The version, such as 1.37.2: of the next minor version at most
    #[arg(value_parser = version)]
    version: Version,

    /// Workers that are upgraded at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    workers_at_once: u16,

    #[command(flatten)]
    drain: Drain,

    #[command(flatten)]
    change: Change,
}

/// How nodes are emptied.
#[derive(Debug, Args)]
pub(in crate::cli) struct Drain {
    /// How long a node's pods may take to move, and budgets to let them
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
}

/// As above, for what is to be typed again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(300);

impl Drain {
    fn draining(&self) -> Draining {
        Draining { patience: self.drain_timeout }
    }

    /// What to type to have it again, behind other words.
    fn again(&self) -> String {
        if self.drain_timeout == DRAIN_TIMEOUT {
            return String::new();
        }
        let time = humantime::format_duration(self.drain_timeout).to_string().replace(' ', "");
        format!(" --drain-timeout {time}")
    }
}

/// What every change has.
#[derive(Debug, Args)]
pub(in crate::cli) struct Change {
    #[command(flatten)]
    site: Site,

    /// Show every step, and change nothing
    #[arg(long)]
    plan: bool,

    /// With --plan: as JSON
    #[arg(long, requires = "plan")]
    json: bool,

    /// Don't ask before the first change
    #[arg(long, short)]
    yes: bool,
}

impl Change {
    /// The wish, with what to type to have it again.
    fn wish(&self, words: &str) -> Wish {
        let shown = match (self.plan, self.json) {
            (false, _) => None,
            (true, false) => Some(Shown::Text),
            (true, true) => Some(Shown::Json),
        };
        let again = format!("halb k8s {words} --inventory {}", self.site.path().display());
        Wish { yes: self.yes, shown, again }
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| "a version has three numbers, such as 1.37.2".to_owned())
}

pub(super) fn node(order: Node) -> Exit {
    match order {
        Node::Remove { node, host_is_gone, drain, change } => {
            let gone = if host_is_gone { " --host-is-gone" } else { "" };
            let wish = change.wish(&format!("node remove {node}{gone}{}", drain.again()));
            let leaving = Leaving { node, is_gone: host_is_gone, draining: drain.draining() };
            let (inventory, sources) = change.site.open();
            life::remove(&inventory, sources, &leaving, &wish)
        }
        Node::Add { node, change } => {
            let wish = change.wish(&format!("node add {node}"));
            let (inventory, sources) = change.site.open();
            life::add(&inventory, sources, &node, &wish)
        }
        Node::Replace { old, new, host_is_gone, drain, change } => {
            let gone = if host_is_gone { " --host-is-gone" } else { "" };
            let again = drain.again();
            let wish = change.wish(&format!("node replace {old} {new}{gone}{again}"));
            let leaving = Leaving { node: old, is_gone: host_is_gone, draining: drain.draining() };
            let (inventory, sources) = change.site.open();
            life::replace(&inventory, sources, (&leaving, &new), &wish)
        }
    }
}

pub(super) fn upgrade(to: To) -> Exit {
    let To { version, workers_at_once, drain, change } = to;
    let at_once = match workers_at_once {
        1 => String::new(),
        many => format!(" --workers-at-once {many}"),
    };
    let wish = change.wish(&format!("upgrade {version}{at_once}{}", drain.again()));
    let (inventory, sources) = change.site.open();
    let workers_at_once = usize::from(workers_at_once);
    let upgrade = Upgrade { version, workers_at_once, draining: drain.draining() };
    life::upgrade(&inventory, sources, &upgrade, &wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_again_says_how_long_pods_may_take_unless_it_is_as_ever() {
        let again = |text: &str| {
            let drain_timeout = humantime::parse_duration(text).expect("a duration");
            Drain { drain_timeout }.again()
        };
        assert_eq!(again("5m"), "");
        assert_eq!(again("1h 30m"), " --drain-timeout 1h30m");
        assert!(humantime::parse_duration("1h30m").is_ok());
    }
}
