//! Swap, modules, kernel settings, SELinux, firewall and names: what the system is told.

use std::fmt::Write as _;

use crate::facts::script::{MODULES, NETWORK_MANAGER, SYSCTLS};
use crate::facts::{Firewall, Selinux, Service};
use crate::inventory::{FirewallPolicy, Host, Inventory, Role, SelinuxPolicy, SwapPolicy};
use crate::paths;
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted::{Context, Progress, Steps};

/// Everything of the system itself.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps<'_>) {
    if context.inventory.policy.swap == SwapPolicy::Off {
        swap(steps);
    }
    modules(steps);
    sysctls(steps);
    selinux(context.inventory.policy.selinux, steps);
    firewall(context.inventory, steps);
    network_manager(context, steps);
    names(context.inventory, steps);
}

/// Off now, off at the next boot, and no unit that brings it back.
fn swap(steps: &mut Steps<'_>) {
    let fstab = steps.facts.files.get(paths::FSTAB).and_then(|file| file.text.clone());
    if let Some(fstab) = fstab {
        let without = fstab_without_swap(&fstab);
        if without != fstab {
            let title = "Take swap out of fstab (as comments)";
            steps.file("swap-fstab", title, paths::FSTAB, without);
        }
    }
    let masked = steps.facts.services.get("swap.target");
    let masked = masked.is_some_and(|target| target.enabled == "masked");
    if !steps.facts.swap_units.is_empty() && !masked {
        let command = Command::new(["systemctl", "mask", "swap.target"]);
        let title = "Keep systemd from switching swap on at boot";
        steps.push(Step::new("swap-units", title, Act::Run { command }));
    }
    if !steps.facts.swaps.is_empty() {
        let command = Command::new(["swapoff", "-a"]);
        let none = Command::script("test \"$(wc -l </proc/swaps)\" -le 1");
        let title = format!("Switch swap off ({})", steps.facts.swaps.join(", "));
        let step = Step::new("swap-off", title, Act::Run { command });
        steps.push(step.unless(none.clone()).verified_by(none));
    }
}

/// The same table with each line whose type is swap as a comment, and nothing else changed.
fn fstab_without_swap(fstab: &str) -> String {
    let is_swap = |line: &str| {
        !line.trim_start().starts_with('#') && line.split_whitespace().nth(2) == Some("swap")
    };
    let lines = fstab.split_inclusive('\n');
    lines
        .map(|line| if is_swap(line) { format!("# halb: {line}") } else { line.to_owned() })
        .collect()
}

/// Before the kernel's settings: those of bridges exist only when their module is loaded.
fn modules(steps: &mut Steps<'_>) {
    let text = MODULES.iter().fold(String::new(), |text, module| text + module + "\n");
    steps.file("modules-boot", "Load kernel modules at boot", paths::MODULES, text);
    for module in MODULES {
        if !steps.facts.modules.contains(*module) {
            let command = Command::new(["modprobe", module]);
            let title = format!("Load the kernel module {module}");
            steps.push(Step::new(format!("module-{module}"), title, Act::Run { command }));
        }
    }
}

fn sysctls(steps: &mut Steps<'_>) {
    let text: String = SYSCTLS.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let title = "Forward packets, also of bridges";
    steps.file("sysctl-boot", title, paths::SYSCTL, text);
    let wrong = |(key, value): &&(&str, &str)| {
        steps.facts.sysctls.get(*key).map(String::as_str) != Some(*value)
    };
    if SYSCTLS.iter().find(wrong).is_some() {
        let command = Command::new(["sysctl", "-p", paths::SYSCTL]);
        let read_back = SYSCTLS.iter().fold(String::new(), |mut script, (key, value)| {
            // Writing to a String doesn't fail.
            let _ = writeln!(script, "test \"$(sysctl -n {key})\" = {value}");
            script
        });
        let title = "Set them now, and read them back";
        let step = Step::new("sysctl-now", title, Act::Run { command });
        steps.push(step.verified_by(Command::script(read_back.trim_end())));
    }
}

/// The kernel's state and the file that it boots with.
fn selinux(policy: SelinuxPolicy, steps: &mut Steps<'_>) {
    if steps.facts.selinux == Selinux::Off || policy == SelinuxPolicy::Enforcing {
        return;
    }
    let config = steps.facts.files.get(paths::SELINUX_CONFIG).and_then(|file| file.text.clone());
    let config = config.unwrap_or_default();
    let line = |line: &str| match line.trim_start().starts_with("SELINUX=") {
        true => "SELINUX=permissive".to_owned(),
        false => line.to_owned(),
    };
    let wanted: String = config.lines().map(|text| line(text) + "\n").collect();
    if wanted != config {
        let title = "Make SELinux permissive at boot";
        steps.file("selinux-boot", title, paths::SELINUX_CONFIG, wanted);
    }
    if steps.facts.selinux == Selinux::Enforcing {
        let command = Command::new(["setenforce", "0"]);
        let title = "Make SELinux permissive now";
        steps.push(Step::new("selinux-now", title, Act::Run { command }));
    }
}

/// What has to come in, in firewalld's words: ports, protocols, trusted sources.
pub(super) fn openings(inventory: &Inventory, host: &Host) -> Vec<String> {
    let mut ports: Vec<String> = Vec::new();
    if host.has(Role::Balancer) {
        ports.push(format!("{}/tcp", inventory.endpoint.port));
        if inventory.vip.is_some() {
            ports.push("vrrp".to_owned());
        }
    }
    if host.has(Role::Master) {
        let master = ["6443/tcp", "2379-2380/tcp", "10257/tcp", "10259/tcp"];
        ports.extend(master.map(str::to_owned));
    }
    if host.has(Role::Worker) {
        let worker = ["10256/tcp", "30000-32767/tcp", "30000-32767/udp"];
        ports.extend(worker.map(str::to_owned));
    }
    if host.is_node() {
        // kubelet; Calico's BGP, VXLAN and Typha; and pods themselves.
        let node = ["10250/tcp", "179/tcp", "4789/udp", "5473/tcp"];
        ports.extend(node.map(str::to_owned));
        ports.push(inventory.kubernetes.pod_subnet.to_string());
    }
    ports
}

/// Opens or disables a firewall that runs; of balancers, too.
pub(super) fn firewall(inventory: &Inventory, steps: &mut Steps<'_>) {
    let Some(firewall) = steps.facts.firewall else { return };
    match (inventory.policy.firewall, firewall) {
        (FirewallPolicy::Keep, _) | (FirewallPolicy::Open, Firewall::Ufw) => {}
        (FirewallPolicy::Disable, Firewall::Firewalld) => {
            let command = Command::new(["systemctl", "disable", "--now", "firewalld.service"]);
            let title = "Stop firewalld, also at boot (policy.firewall: disable)";
            steps.push(Step::new("firewall", title, Act::Run { command }));
        }
        (FirewallPolicy::Disable, Firewall::Ufw) => {
            let command = Command::new(["ufw", "disable"]);
            let title = "Switch ufw off, also at boot (policy.firewall: disable)";
            steps.push(Step::new("firewall", title, Act::Run { command }));
        }
        (FirewallPolicy::Open, Firewall::Firewalld) => open_firewalld(inventory, steps),
    }
}

fn open_firewalld(inventory: &Inventory, steps: &mut Steps<'_>) {
    let wanted = openings(inventory, steps.host);
    let missing: Vec<_> = wanted.iter().filter(|open| !steps.facts.open.contains(*open)).collect();
    if missing.is_empty() {
        return;
    }
    let mut script = String::new();
    for open in &missing {
        let option = if open.ends_with("/tcp") || open.ends_with("/udp") {
            format!("--add-port={open}")
        } else if open.contains('/') {
            format!("--zone=trusted --add-source={open}")
        } else {
            format!("--add-protocol={open}")
        };
        // Writing to a String doesn't fail.
        let _ = writeln!(script, "firewall-cmd --quiet --permanent {option}");
    }
    script.push_str("firewall-cmd --quiet --reload");
    let command = Command::script(script);
    let title = "Open the ports that this host needs";
    steps.push(Step::new("firewall", title, Act::Run { command }));
}

/// Without it NetworkManager takes routes off the interfaces that Calico makes.
fn network_manager(context: &Context<'_>, steps: &mut Steps<'_>) {
    let runs = steps.facts.services.get(NETWORK_MANAGER).is_some_and(Service::is_active);
    if !runs {
        return;
    }
    let interfaces = ["cali*", "tunl*", "vxlan.calico", "wireguard.cali"];
    let interfaces = interfaces.map(|name| format!("interface-name:{name}")).join(";");
    let text = format!("[keyfile]\nunmanaged-devices={interfaces}\n");
    let title = "Keep NetworkManager off the interfaces of pods";
    let changed = steps.file("network-manager", title, paths::NETWORK_MANAGER, text);
    // Whether it was told before a run ended can't be seen, so a node that isn't one yet is told.
    if changed || context.progress(steps.host) != Progress::Joined {
        let command = Command::new(["systemctl", "reload", NETWORK_MANAGER]);
        let title = "Make NetworkManager read that";
        steps.push(Step::new("network-manager-reload", title, Act::Run { command }));
    }
}

/// Lines around the names that halb keeps in a hosts file.
const NAMES_BEGIN: &str = "# halb k8s: begin";
const NAMES_END: &str = "# halb k8s: end";

/// All hosts and the endpoint by name, without a name server.
pub(super) fn names(inventory: &Inventory, steps: &mut Steps<'_>) {
    let there = steps.facts.files.get(paths::HOSTS).and_then(|file| file.text.clone());
    let wanted = hosts_file(&there.unwrap_or_default(), inventory);
    steps.file("hosts", "Know all hosts by name", paths::HOSTS, wanted);
}

/// A hosts file with halb's block in it, where it was or at the end.
fn hosts_file(there: &str, inventory: &Inventory) -> String {
    let mut block = format!("{NAMES_BEGIN}\n");
    let hosts = inventory.hosts.iter().map(|host| (host.address, host.name.clone()));
    let endpoint = inventory.endpoint.name.iter();
    let endpoint = endpoint.map(|name| (inventory.endpoint.address, name.clone()));
    for (address, name) in endpoint.chain(hosts) {
        // Writing to a String doesn't fail.
        let _ = writeln!(block, "{address} {name}");
    }
    let _ = writeln!(block, "{NAMES_END}");
    let begin = there.find(NAMES_BEGIN);
    let end = there.find(NAMES_END).map(|at| at + NAMES_END.len());
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            let rest = there[end..].strip_prefix('\n').unwrap_or_else(|| &there[end..]);
            format!("{}{block}{rest}", &there[..begin])
        }
        _ if there.is_empty() || there.ends_with('\n') => format!("{there}{block}"),
        _ => format!("{there}\n{block}"),
    }
}

#[cfg(test)]
mod tests;
