//! What a daemon hands over of what it knows: the checks' results, operators' orders, counters.

use std::time::Duration;

use halb_config::settings::Settings;
use halb_healthcheck::health::Verdict;
use halb_healthcheck::outcome::{FailureKind, Layer, Outcome};
use halb_healthcheck::status::{LastCheck, Mark, MarkResult, TargetStatus};
use halb_lb::config::Weight;
use halb_lb::driver::Handle;
use halb_lb::names::ServerRef;
use halb_lb::snapshot;
use halb_lb::snapshot::{Health, Snapshot};
use serde::{Deserialize, Serialize};

use crate::status::Admin;

pub(super) use super::counters::Counters;

/// What the checks know of a server: [`TargetStatus`], as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptCheck {
    id: String,
    health: u32,
    rise: u32,
    fall: u32,
    paused: bool,
    checks: u64,
    failures: u64,
    inconclusive: u64,
    flips: u64,
    since: Duration,
    last: Option<KeptLast>,
    /// How each check ended, and how long it took.
    history: Vec<(KeptMark, Duration)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptLast {
    outcome: KeptOutcome,
    detail: String,
    took: Duration,
    ago: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptMark {
    Passed,
    Failed,
    Inconclusive,
}

/// [`Outcome`] without its line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptOutcome {
    PassedConnect,
    PassedTls,
    PassedHttp,
    PassedScript,
    FailedSetup,
    FailedConnectTimeout,
    FailedConnect,
    FailedTlsTimeout,
    FailedTls,
    FailedResponseTimeout,
    FailedResponse,
    FailedStatus,
    FailedScriptTimeout,
    FailedScript,
    Inconclusive,
}

impl From<&Outcome> for KeptOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Passed { layer, .. } => match layer {
                Layer::Connect => Self::PassedConnect,
                Layer::Tls => Self::PassedTls,
                Layer::Http => Self::PassedHttp,
                Layer::Script => Self::PassedScript,
            },
            Outcome::Failed { kind, .. } => match kind {
                FailureKind::Setup => Self::FailedSetup,
                FailureKind::ConnectTimeout => Self::FailedConnectTimeout,
                FailureKind::Connect => Self::FailedConnect,
                FailureKind::TlsTimeout => Self::FailedTlsTimeout,
                FailureKind::Tls => Self::FailedTls,
                FailureKind::ResponseTimeout => Self::FailedResponseTimeout,
                FailureKind::Response => Self::FailedResponse,
                FailureKind::Status => Self::FailedStatus,
                FailureKind::ScriptTimeout => Self::FailedScriptTimeout,
                FailureKind::Script => Self::FailedScript,
            },
            Outcome::Inconclusive { .. } => Self::Inconclusive,
        }
    }
}

impl KeptOutcome {
    fn with(self, detail: &str) -> Outcome {
        let passed = |layer| Outcome::passed(layer, detail);
        let failed = |kind| Outcome::failed(kind, detail);
        match self {
            Self::PassedConnect => passed(Layer::Connect),
            Self::PassedTls => passed(Layer::Tls),
            Self::PassedHttp => passed(Layer::Http),
            Self::PassedScript => passed(Layer::Script),
            Self::FailedSetup => failed(FailureKind::Setup),
            Self::FailedConnectTimeout => failed(FailureKind::ConnectTimeout),
            Self::FailedConnect => failed(FailureKind::Connect),
            Self::FailedTlsTimeout => failed(FailureKind::TlsTimeout),
            Self::FailedTls => failed(FailureKind::Tls),
            Self::FailedResponseTimeout => failed(FailureKind::ResponseTimeout),
            Self::FailedResponse => failed(FailureKind::Response),
            Self::FailedStatus => failed(FailureKind::Status),
            Self::FailedScriptTimeout => failed(FailureKind::ScriptTimeout),
            Self::FailedScript => failed(FailureKind::Script),
            Self::Inconclusive => Outcome::inconclusive(detail),
        }
    }
}

impl From<&TargetStatus> for KeptCheck {
    fn from(target: &TargetStatus) -> Self {
        let mark = |mark: &Mark| match mark.result {
            MarkResult::Passed => (KeptMark::Passed, mark.took),
            MarkResult::Failed => (KeptMark::Failed, mark.took),
            MarkResult::Inconclusive => (KeptMark::Inconclusive, mark.took),
        };
        Self {
            id: target.id.clone(),
            health: target.health,
            rise: target.rise,
            fall: target.fall,
            paused: target.paused,
            checks: target.checks,
            failures: target.failures,
            inconclusive: target.inconclusive,
            flips: target.flips,
            since: target.since,
            last: target.last.as_ref().map(|last| KeptLast {
                outcome: KeptOutcome::from(&last.outcome),
                detail: last.outcome.detail().to_owned(),
                took: last.took,
                ago: last.ago,
            }),
            history: target.history.iter().map(mark).collect(),
        }
    }
}

impl From<KeptCheck> for TargetStatus {
    fn from(kept: KeptCheck) -> Self {
        let mark = |(result, took)| {
            let result = match result {
                KeptMark::Passed => MarkResult::Passed,
                KeptMark::Failed => MarkResult::Failed,
                KeptMark::Inconclusive => MarkResult::Inconclusive,
            };
            Mark { result, took }
        };
        Self {
            verdict: if kept.health >= kept.rise { Verdict::Up } else { Verdict::Down },
            id: kept.id,
            health: kept.health,
            rise: kept.rise,
            fall: kept.fall,
            checking: false,
            paused: kept.paused,
            checks: kept.checks,
            failures: kept.failures,
            inconclusive: kept.inconclusive,
            flips: kept.flips,
            since: kept.since,
            last: kept.last.map(|last| LastCheck {
                outcome: last.outcome.with(&last.detail),
                took: last.took,
                ago: last.ago,
            }),
            history: kept.history.into_iter().map(mark).collect(),
        }
    }
}

/// A server that stands otherwise than configured, by an operator's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// `backend/server`.
    server: String,
    admin: Admin,
    /// None: as configured.
    weight: Option<u16>,
}

/// The orders in force.
pub(super) fn orders(snapshot: &Snapshot, settings: &Settings) -> Vec<Order> {
    let configured = |server: &ServerRef| {
        let backends = settings.lb.backends().iter();
        let mut servers = backends.filter(|b| b.name == server.backend).flat_map(|b| &b.servers);
        servers.find(|one| one.name == server.server).map(|one| one.weight.get())
    };
    present(snapshot)
        .filter_map(|(reference, server)| {
            let weight = Some(server.weight).filter(|now| configured(&reference) != Some(*now));
            let admin = admin(server.admin);
            let ordered = weight.is_some() || admin != Admin::Ready;
            ordered.then(|| Order { server: reference.to_string(), admin, weight })
        })
        .collect()
}

/// Gives them anew; servers that the configuration no longer has are left out.
pub(super) fn obey(engine: &Handle, orders: &[Order]) {
    let present: Vec<_> = present(&engine.snapshot()).map(|(reference, _)| reference).collect();
    for order in orders {
        let Some(server) = present.iter().find(|one| one.to_string() == order.server) else {
            continue;
        };
        // The data path answers, since it has just started; a server that is there is known.
        if order.admin != Admin::Ready {
            let _ = engine.set_admin(server, lb_admin(order.admin));
        }
        if let Some(weight) = order.weight.and_then(Weight::new) {
            let _ = engine.set_weight(server, Some(weight));
        }
    }
}

/// How a server stands, for connections to it that another daemon serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// `backend/server`.
    server: String,
    healthy: bool,
    admin: Admin,
}

/// How all servers stand.
pub(super) fn standings(snapshot: &Snapshot) -> Vec<Standing> {
    present(snapshot)
        .map(|(reference, server)| Standing {
            server: reference.to_string(),
            healthy: server.health == Health::Up,
            admin: admin(server.admin),
        })
        .collect()
}

/// Makes servers stand as another daemon says; those that it doesn't know stay as they are.
pub(super) fn follow(engine: &Handle, standings: &[Standing]) {
    for (reference, server) in present(&engine.snapshot()) {
        let name = reference.to_string();
        let Some(wanted) = standings.iter().find(|one| one.server == name) else { continue };
        let health = if wanted.healthy { Health::Up } else { Health::Down };
        if server.health != health {
            engine.set_health(&reference, health);
        }
        if admin(server.admin) != wanted.admin {
            // A data path that is stuck is told again with the next change.
            let _ = engine.set_admin(&reference, lb_admin(wanted.admin));
        }
    }
}

fn present(snapshot: &Snapshot) -> impl Iterator<Item = (ServerRef, &snapshot::ServerSnapshot)> {
    snapshot.backends.iter().flat_map(|backend| {
        let servers = backend.servers.iter().filter(|server| !server.removed);
        servers.map(|server| {
            let (backend, name) = (backend.name.clone(), server.name.clone());
            (ServerRef { backend, server: name }, server)
        })
    })
}

fn admin(admin: snapshot::Admin) -> Admin {
    match admin {
        snapshot::Admin::Ready => Admin::Ready,
        snapshot::Admin::Drain => Admin::Drain,
        snapshot::Admin::Maint => Admin::Maint,
    }
}

fn lb_admin(admin: Admin) -> snapshot::Admin {
    match admin {
        Admin::Ready => snapshot::Admin::Ready,
        Admin::Drain => snapshot::Admin::Drain,
        Admin::Maint => snapshot::Admin::Maint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(outcome: Outcome) -> TargetStatus {
        let took = Duration::from_millis(3);
        TargetStatus {
            id: "masters/kmaster1".to_owned(),
            verdict: Verdict::Up,
            health: 3,
            rise: 2,
            fall: 3,
            checking: false,
            paused: true,
            checks: 10,
            failures: 2,
            inconclusive: 1,
            flips: 1,
            since: Duration::from_secs(7),
            history: vec![
                Mark { result: MarkResult::Passed, took },
                Mark { result: MarkResult::Failed, took },
                Mark { result: MarkResult::Inconclusive, took },
            ],
            last: Some(LastCheck { outcome, took, ago: Duration::from_millis(900) }),
        }
    }

    #[test]
    fn what_checks_know_is_the_same_after_the_journey() {
        let layers = [Layer::Connect, Layer::Tls, Layer::Http, Layer::Script];
        let kinds = [
            FailureKind::Setup,
            FailureKind::ConnectTimeout,
            FailureKind::Connect,
            FailureKind::TlsTimeout,
            FailureKind::Tls,
            FailureKind::ResponseTimeout,
            FailureKind::Response,
            FailureKind::Status,
            FailureKind::ScriptTimeout,
            FailureKind::Script,
        ];
        let passed = layers.map(|layer| Outcome::passed(layer, "fine"));
        let failed = kinds.map(|kind| Outcome::failed(kind, "not so fine"));
        let outcomes = passed.into_iter().chain(failed).chain([Outcome::inconclusive("short")]);
        for outcome in outcomes {
            let before = target(outcome);
            let written = serde_json::to_vec(&KeptCheck::from(&before)).unwrap();
            let kept: KeptCheck = serde_json::from_slice(&written).unwrap();
            assert_eq!(TargetStatus::from(kept), before);
        }
    }
}
