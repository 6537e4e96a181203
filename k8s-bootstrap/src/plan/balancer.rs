//! halb on the balancers: program, user, unit, configuration.

use std::fmt::Write as _;
use std::time::Duration;

use crate::facts::Facts;
use crate::inventory::{Host, Inventory, Role, VirtualIp};
use crate::kubeadm::API_SERVER_PORT;
use crate::paths;
use crate::pki::sha256;
use crate::plan::preflight::interface_of;
use crate::plan::step::{Act, Command, Content, Step};
use crate::plan::system;
use crate::plan::wanted::{Context, Steps, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName};

/// The unit and the user of the package, for hosts without it.
const UNIT: &str = include_str!("../../../packaging/systemd/halb.service");
const SYSUSERS: &str = include_str!("../../../packaging/sysusers.d/halb.conf");

/// How long halb may take to serve.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Priority of the first balancer, and by how much each further one has less. Near to the usual 100,
/// so that a balancer which can't serve is below any other that says nothing of its own.
const PRIORITY: (usize, usize) = (110, 10);

/// Services that hold what halb is to hold.
pub(super) const REPLACED: [&str; 2] = ["haproxy.service", "keepalived.service"];

/// One by one, so that an endpoint that works already goes on working.
pub(super) fn balancers(context: &Context<'_>) -> Stage {
    let hosts = context.inventory.with_role(Role::Balancer);
    stage(StageName::Balancers, Pace::OneByOne, hosts.map(|host| set_up(context, host)))
}

fn set_up(context: &Context<'_>, host: &Host) -> HostPlan {
    let mut steps = Steps::new(context, host);
    if !host.is_node() {
        system::firewall(context.inventory, &mut steps);
    }
    install(context, &mut steps);
    let configuration = configuration(context.inventory, host, steps.facts);
    let ca = context.material.ca.public.clone();
    let title = "Give halb the authority that API servers are checked against";
    steps.file("halb-ca", title, paths::HALB_CA, ca.clone());
    steps.file("halb-config", "Configure halb", paths::HALB_CONFIG, configuration.clone());
    start(&mut steps, &applied(&context.operator.halb_sha256, &configuration, &ca));
    steps.done()
}

/// What halb runs with, a line for each part that is changed in a way of its own.
fn applied(program: &str, configuration: &str, ca: &str) -> String {
    let hash = |parts: &[&str]| sha256(parts.join("\0").as_bytes());
    let (unit, configuration) = (hash(&[UNIT, SYSUSERS]), hash(&[configuration, ca]));
    format!("unit {unit}\nprogram {program}\nconfiguration {configuration}\n")
}

/// Whether a balancer's configuration has a master of this name.
pub(super) fn is_balanced(facts: &Facts, master: &str) -> bool {
    let configuration = facts.files.get(paths::HALB_CONFIG).and_then(|file| file.text.as_deref());
    let line = format!("\"{master}\" = ");
    configuration.is_some_and(|text| text.lines().any(|it| it.starts_with(&line)))
}

/// Program, unit, and what its user is to be.
fn install(context: &Context<'_>, steps: &mut Steps<'_>) {
    let wanted = &context.operator.halb_sha256;
    let there = steps.facts.files.get(paths::HALB_BINARY).and_then(|file| file.sha256.as_ref());
    if there != Some(wanted) {
        let act = Act::InstallHalb { path: paths::HALB_BINARY.to_owned(), sha256: wanted.clone() };
        steps.push(Step::new("halb-program", "Install halb", act));
    }
    let title = "Describe halb's user";
    steps.file("halb-user", title, paths::HALB_SYSUSERS, SYSUSERS.to_owned());
    steps.file("halb-unit", "Describe halb's service", paths::HALB_UNIT, UNIT.to_owned());
}

/// Starts halb, or has it take in what is new. `applied` names what it shall run with.
fn start(steps: &mut Steps<'_>, applied: &str) {
    let mark = steps.facts.files.get(paths::APPLIED_HALB).and_then(|file| file.text.as_deref());
    let running: Vec<_> = REPLACED
        .into_iter()
        .filter(|unit| steps.facts.services.get(*unit).is_some_and(|service| service.is_active()))
        .collect();
    let is_up = running.is_empty() && steps.service_is_up("halb.service");
    let change = mark.filter(|_| is_up).map_or(Taking::Restart, |mark| taking(mark, applied));
    if change == Taking::Nothing {
        return;
    }
    if change == Taking::Restart {
        // Whether it was made before a run ended doesn't show in files, and making it twice is
        // nothing.
        let command = Command::new(["systemd-sysusers", paths::HALB_SYSUSERS]);
        steps.push(Step::new("halb-user-made", "Make halb's user", Act::Run { command }));
    }
    let command = Command::new([paths::HALB_BINARY, "check", paths::HALB_CONFIG]);
    steps.push(Step::new("halb-check", "Check the configuration", Act::Run { command }));
    let step = match change {
        Taking::Nothing | Taking::Restart => restarted(&running),
        Taking::Program => upgraded(),
        Taking::Configuration => reloaded(),
    };
    steps.push(step);
    let content = Content::Public(applied.to_owned());
    let path = (paths::APPLIED_HALB, 0o644);
    steps.write("halb-applied", "Remember what halb runs with", path, content);
}

/// How a halb takes in what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// It runs with all of it.
    Nothing,
    /// It reads its file again.
    Configuration,
    /// Another program follows it, and no client notices.
    Program,
    /// It has to be started by its service.
    Restart,
}

/// What there is to be taken in, by what halb runs with and what it shall run with.
fn taking(mark: &str, applied: &str) -> Taking {
    let line = |text: &str, part: &str| {
        text.lines().find_map(|line| line.strip_prefix(part)).map(str::to_owned)
    };
    let same = |part: &str| line(mark, part).is_some_and(|is| line(applied, part) == Some(is));
    match (same("unit "), same("program "), same("configuration ")) {
        (false, _, _) => Taking::Restart,
        (true, false, _) => Taking::Program,
        (true, true, false) => Taking::Configuration,
        (true, true, true) => Taking::Nothing,
    }
}

fn restarted(running: &[&str]) -> Step {
    if running.is_empty() {
        let command = Command::script(
            "systemctl daemon-reload\n\
             systemctl enable halb.service\n\
             systemctl restart halb.service",
        );
        return started("Start halb, also at boot".to_owned(), command);
    }
    // In the same script as the start, so that the endpoint is away for a moment only.
    let units = running.join(" ");
    let command = Command::script(format!(
        "systemctl disable --now {units}\n\
         systemctl daemon-reload\n\
         systemctl enable halb.service\n\
         systemctl restart halb.service"
    ));
    started(format!("Let halb take over from {units} (policy.replaceBalancers)"), command)
}

/// The new program follows the one that runs, with its connections and its addresses.
fn upgraded() -> Step {
    let halb = paths::HALB_BINARY;
    let command = Command::script(format!("{halb} upgrade"));
    let title = "Let the new halb follow the one that runs (halb upgrade)";
    let runs = Command::script(format!(
        "id=$(systemctl show -p MainPID --value halb.service)\n\
         cmp -s \"/proc/$id/exe\" {halb}"
    ));
    Step::new("halb-service", title, Act::Run { command: command.within(START_TIMEOUT) })
        .verified_by(runs.within(START_TIMEOUT))
}

/// A setting that a running halb can't change makes it start again.
fn reloaded() -> Step {
    let halb = paths::HALB_BINARY;
    let command = Command::script(format!(
        "said=$({halb} reload)\n\
         echo \"$said\"\n\
         case $said in *'waits for a restart'*) systemctl restart halb.service ;; esac"
    ));
    started("Let halb read its configuration again (halb reload)".to_owned(), command)
}

fn started(title: String, command: Command) -> Step {
    let active = Command::new(["systemctl", "is-active", "--quiet", "halb.service"]);
    Step::new("halb-service", title, Act::Run { command: command.within(START_TIMEOUT) })
        .verified_by(active.within(START_TIMEOUT))
}

/// The whole configuration of one balancer.
pub(crate) fn configuration(inventory: &Inventory, host: &Host, facts: &Facts) -> String {
    let mut text = format!(
        "# Balancer of the cluster '{}'. Written by halb k8s; changes are overwritten.\n\n\
         [frontend.kubernetes]\n\
         bind    = [\"*:{}\"]\n\
         backend = \"masters\"\n\n\
         [backend.masters]\n\
         balance = \"leastconn\"\n\
         check   = {{ type = \"https\", path = \"/readyz\", ca_file = \"{}\", interval = \"2s\", \
         timeout = \"1s\", fall = 3, rise = 2 }}\n\n\
         [backend.masters.server]\n",
        inventory.name,
        inventory.endpoint.port,
        paths::HALB_CA,
    );
    for master in inventory.with_role(Role::Master) {
        // Writing to a String doesn't fail.
        let _ = writeln!(text, "\"{}\" = \"{}:{API_SERVER_PORT}\"", master.name, master.address);
    }
    if let Some(vip) = &inventory.vip {
        text.push_str(&virtual_router(inventory, vip, host, facts));
    }
    text.push_str(
        "\n[admin]\n\
         http   = \"127.0.0.1:8404\"\n\
         socket = \"/run/halb/admin.sock\"\n",
    );
    text
}

/// Priorities differ, so who holds the address isn't left to the size of addresses. A balancer that
/// can't serve has less than each that can; if none can, the order is as before.
fn virtual_router(inventory: &Inventory, vip: &VirtualIp, host: &Host, facts: &Facts) -> String {
    let balancers: Vec<_> = inventory.with_role(Role::Balancer).collect();
    let index = balancers.iter().position(|other| other.name == host.name).unwrap_or_default();
    let (first, step) = PRIORITY;
    let priority = first - index * step;
    let weight = balancers.len() * step;
    let interface = interface_of(host, facts).unwrap_or_default();
    format!(
        "\n[vrrp.kubernetes]\n\
         interface       = \"{interface}\"\n\
         router_id       = {}\n\
         priority        = {priority}\n\
         advert_interval = \"1s\"\n\
         addresses       = [\"{}\"]\n\
         track           = [{{ frontend = \"kubernetes\", weight = -{weight} }}]\n",
        vip.router_id, vip.address
    )
}
