//! `halb k8s reset`.

use clap::Args;
use halb_k8s_bootstrap::plan::reset::Scope;

use super::Site;
use crate::cli::Exit;
use crate::k8s::commands;

/// What is put back.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    what: What,

    #[command(flatten)]
    site: Site,

    /// Don't ask before the first change
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One host, without which the cluster goes on
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// All hosts: the cluster ends, and with it everything that is in it
    #[arg(long)]
    cluster: bool,
}

impl Reset {
    pub(super) fn run(self) -> Exit {
        let (inventory, sources) = self.site.open();
        let scope = self.what.host.as_deref().map_or(Scope::Cluster, Scope::Host);
        commands::reset(&inventory, sources, scope, self.yes)
    }
}
