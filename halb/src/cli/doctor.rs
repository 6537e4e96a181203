//! `halb doctor`: what on this host stands in the way.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use halb_doctor::{Finding, Level, Wanted, driver, facts, judge};
use halb_vrrp::config::{Delivery, Protocol};
use halb_vrrp::settings::Instance;
use serde::Serialize;

use super::output::Output;
use super::{Exit, output, socket};
use crate::config;
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::status::text::WIDTH;
use crate::status::words::wrap;
use halb_config::settings::{Forwarded, Settings};

/// How to look.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// Listen for adverts of others for so long; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=300))]
    listen: u16,

    /// Say also what is as it should be
    #[arg(long, short)]
    verbose: bool,

    /// Answer as JSON
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
}

/// The answer as JSON.
#[derive(Serialize)]
struct Report {
    /// Version of this shape.
    version: u32,
    /// Nothing that is configured can't work.
    well: bool,
    findings: Vec<Finding>,
}

pub(super) fn run(order: &Order, path: &Path, out: &mut Output) -> Exit {
    let wanted = match config::load(path) {
        Ok(loaded) => wanted(&loaded.settings),
        Err(_) if path.exists() => {
            output::complain(&format!(
                "halb: {0} can't be used; see: halb check {0}",
                path.display()
            ));
            return Exit::BadConfiguration;
        }
        Err(_) => {
            output::complain(&format!(
                "halb: there is no {}: only the host itself is looked at",
                path.display()
            ));
            Wanted::default()
        }
    };
    let host = driver::examine(&wanted, daemon(path), Duration::from_secs(order.listen.into()));
    let findings = judge(&host, &wanted);
    let well = findings.iter().all(|finding| finding.level != Level::Fault);
    let told = if order.json {
        out.json(&Report { version: 1, well, findings })
    } else {
        out.text(&text(&findings, order.verbose)).err().unwrap_or(Exit::Done)
    };
    if well { told } else { Exit::Failed }
}

/// The process of the daemon, as it says itself.
fn daemon(config: &Path) -> Option<u32> {
    match client::ask(&socket::find(None, config), Request::Status) {
        Ok(Response::Status { status }) => Some(status.process.pid),
        Ok(_) | Err(_) => None,
    }
}

/// What the configuration asks of the host.
fn wanted(settings: &Settings) -> Wanted {
    let frontends = settings.lb.frontends().iter();
    Wanted {
        routers: settings.vrrp.routers.instances.iter().map(router).collect(),
        binds: frontends.flat_map(|frontend| frontend.binds.iter().copied()).collect(),
        forwarded: settings.forwarded.iter().map(|one| forwarded(settings, one)).collect(),
        link: settings.peer.as_ref().map(|peer| peer.bind),
        connections: settings.lb.maxconn().map(|most| most.get().into()),
    }
}

fn forwarded(settings: &Settings, forwarded: &Forwarded) -> facts::Forwarded {
    let backends = settings.lb.backends().iter();
    let servers = backends.filter(|backend| backend.name == forwarded.backend);
    facts::Forwarded {
        frontend: forwarded.name.to_string(),
        servers: servers.flat_map(|one| &one.servers).filter_map(|one| one.address).collect(),
        connections: forwarded.limits.maxconn.map(|most| most.get().into()),
    }
}

fn router(instance: &Instance) -> facts::Router {
    let (version, password) = match instance.router.protocol() {
        Protocol::V2 { auth, .. } => (2, auth.is_some()),
        Protocol::V3 { .. } => (3, false),
    };
    facts::Router {
        name: instance.name.to_string(),
        interface: instance.interface.to_string(),
        id: instance.router.vrid().get(),
        version,
        password,
        addresses: instance.router.addresses().as_slice().to_vec(),
        multicast: matches!(instance.router.delivery(), Delivery::Multicast),
    }
}

/// The worst first; what is fine only in number, unless all is asked for.
fn text(findings: &[Finding], verbose: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.level {
            Level::Fault => "FAULT  ",
            Level::Advice => "advice ",
            Level::Unknown => "?      ",
            Level::Fine if verbose => "ok     ",
            Level::Fine => continue,
        };
        let body = wrap(&finding.text, WIDTH - INDENT, 0).replace('\n', BELOW_MARK);
        text.push_str(&format!("{mark}{body}\n"));
        if let Some(remedy) = &finding.remedy {
            // To be copied, so never broken.
            text.push_str(&format!("{:INDENT$}-> {remedy}\n", ""));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (faults, advice) = (count(Level::Fault), count(Level::Advice));
    let fine = count(Level::Fine);
    text.push_str(&match (faults, advice) {
        (0, 0) => format!("Nothing stands in the way: {fine} things are as they should be\n"),
        (0, _) => format!("It works, and {advice} would be better otherwise; {fine} are fine\n"),
        (_, _) => {
            format!("{faults} in the way, {advice} to be better otherwise; {fine} are fine\n")
        }
    });
    text
}

/// Columns of a mark, and what a line below one begins with.
const INDENT: usize = 7;
const BELOW_MARK: &str = "\n       ";
