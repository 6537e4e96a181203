//! `halb k8s certs …`.

use clap::Subcommand;

use super::Site;
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::k8s::{certs, commands};
use crate::status::text::WIDTH;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Every certificate of every host with what is left of it, unusual ones first; changes nothing
    ///
    /// The exit code is 0 if none ends within 30 days, 1 if one does or has, 4 if one couldn't be
    /// read.
    #[command(after_help = "Example: halb k8s certs status")]
    Status {
        #[command(flatten)]
        site: Site,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Renews every certificate that kubeadm made, and the one in your kubeconfig
    ///
    /// One master after the other: kubeadm renews, the four static pods restart one by one, and the
    /// master has to serve again before the next one begins. It is refused while a master isn't
    /// well. Where certificates have ended, all masters go at once.
    #[command(after_help = "Example: halb k8s certs renew")]
    Renew {
        #[command(flatten)]
        site: Site,

        /// Don't ask before the first change
        #[arg(long, short)]
        yes: bool,
    },
}

pub(super) fn run(order: Order, out: &mut Output) -> Exit {
    match order {
        Order::Status { site, json } => {
            let (inventory, sources) = site.open();
            let all = match commands::certificates(&inventory, sources) {
                Ok(all) => all,
                Err(exit) => return exit,
            };
            let shown = match json {
                true => out.json(&all),
                false => out.text(&certs::text(&all, WIDTH)).err().unwrap_or(Exit::Done),
            };
            if shown == Exit::Done { all.exit() } else { shown }
        }
        Order::Renew { site, yes } => {
            let (inventory, sources) = site.open();
            commands::renew_certificates(&inventory, sources, yes)
        }
    }
}
