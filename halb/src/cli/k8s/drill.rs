//! `halb k8s drill`.

use clap::{Args, ValueEnum};
use halb_k8s_bootstrap::drill::{How, Kind, patroni};

use super::Site;
use crate::cli::{Exit, complain};
use crate::k8s::drill::{self, Asked};
use crate::k8s::patroni_drill;

/// What is taken away, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Drill {
    /// What is taken away: the balancer with the virtual IP, the last master, the last worker, the
    /// pod of the database's leader
    #[arg(value_enum)]
    kind: DrillKind,

    /// Another host of that role
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// How it is taken away [default: reboot for a node, otherwise stop]
    #[arg(long, value_enum)]
    how: Option<DrillHow>,

    #[command(flatten)]
    site: Site,

    /// Answer as JSON, at the end
    #[arg(long)]
    json: bool,

    /// Don't ask first
    #[arg(long, short)]
    yes: bool,
}

/// What a drill takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DrillKind {
    /// The balancer that holds the virtual IP
    Balancer,
    /// A master: its API server, and its member of etcd
    Master,
    /// A worker
    Worker,
    /// The pod of the member that leads the database
    Patroni,
}

/// How a drill takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DrillHow {
    /// halb is stopped there, and started again; the pod ends in an orderly way and hands over
    Stop,
    /// The host is rebooted
    Reboot,
    /// The pod ends at once and hands nothing over; writes of the last moment may be lost
    Kill,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// A host goes.
    Host(Kind, How),
    /// The pod of the database's leader goes.
    Leader(patroni::How),
}

/// What kind and way mean together.
fn wish(kind: DrillKind, how: Option<DrillHow>, host: Option<&str>) -> Result<Wish, &'static str> {
    let kind = match kind {
        DrillKind::Balancer => Kind::Balancer,
        DrillKind::Master => Kind::Master,
        DrillKind::Worker => Kind::Worker,
        DrillKind::Patroni if host.is_some() => {
            return Err("--host names no host of a database: whoever leads it is taken");
        }
        DrillKind::Patroni => {
            return match how {
                None | Some(DrillHow::Stop) => Ok(Wish::Leader(patroni::How::Stop)),
                Some(DrillHow::Kill) => Ok(Wish::Leader(patroni::How::Kill)),
                Some(DrillHow::Reboot) => Err("a pod can't be rebooted: --how stop or --how kill"),
            };
        }
    };
    let how = match how {
        Some(DrillHow::Stop) => How::Stop,
        Some(DrillHow::Reboot) => How::Reboot,
        Some(DrillHow::Kill) => return Err("a host can't be killed: --how reboot"),
        None if kind == Kind::Balancer => How::Stop,
        None => How::Reboot,
    };
    Ok(Wish::Host(kind, how))
}

pub(super) fn drill(order: Drill) -> Exit {
    let Drill { kind, host, how, site, json, yes } = order;
    let wish = match wish(kind, how, host.as_deref()) {
        Ok(wish) => wish,
        Err(why) => {
            complain(&format!("halb: {why}"));
            return Exit::Usage;
        }
    };
    let (inventory, sources) = site.open();
    match wish {
        Wish::Host(kind, how) => {
            drill::drill(&inventory, sources, &Asked { kind, how, host, yes, json })
        }
        Wish::Leader(how) => {
            patroni_drill::drill(&inventory, sources, &patroni_drill::Asked { how, yes, json })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_way_of_its_own_and_others_are_refused() {
        use DrillHow::{Kill, Reboot, Stop};
        use DrillKind::{Balancer, Master, Patroni, Worker};
        for (kind, how, wanted) in [
            (Balancer, None, Some(Wish::Host(Kind::Balancer, How::Stop))),
            (Balancer, Some(Reboot), Some(Wish::Host(Kind::Balancer, How::Reboot))),
            (Master, None, Some(Wish::Host(Kind::Master, How::Reboot))),
            (Worker, None, Some(Wish::Host(Kind::Worker, How::Reboot))),
            (Worker, Some(Kill), None),
            (Patroni, None, Some(Wish::Leader(patroni::How::Stop))),
            (Patroni, Some(Stop), Some(Wish::Leader(patroni::How::Stop))),
            (Patroni, Some(Kill), Some(Wish::Leader(patroni::How::Kill))),
            (Patroni, Some(Reboot), None),
        ] {
            assert_eq!(wish(kind, how, None).ok(), wanted, "{kind:?} {how:?}");
        }
        assert!(wish(Patroni, None, Some("kworker01")).is_err());
    }
}
