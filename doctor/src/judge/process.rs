//! What the process may do: capabilities, descriptors, ports; and the clock that it reads.

use std::net::SocketAddr;

use super::{Finding, Topic};
use crate::facts::{Clock, Host, Listening, Subject, Wanted};

/// A capability: its bit, its name, what halb does with it.
struct Capability(u8, &'static str, &'static str);

const NET_BIND_SERVICE: Capability = Capability(10, "CAP_NET_BIND_SERVICE", "opens ports below");
const NET_ADMIN: Capability =
    Capability(12, "CAP_NET_ADMIN", "sets virtual IPs and rules of the kernel");
const NET_RAW: Capability = Capability(13, "CAP_NET_RAW", "sends and hears VRRP and ARP");
const IPC_LOCK: Capability = Capability(14, "CAP_IPC_LOCK", "keeps memory from being swapped out");
const SYS_NICE: Capability =
    Capability(23, "CAP_SYS_NICE", "schedules the VRRP thread in real time");

/// Descriptors that the data path keeps for the rest: listeners, checks, pipes, logs.
const DESCRIPTORS_BESIDE: u64 = 200;

pub(super) fn judge(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    capabilities(host, wanted, findings);
    descriptors(host, wanted, findings);
    for &bind in &wanted.binds {
        port(host, bind, findings);
    }
    clock(host, findings);
}

fn capabilities(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let (who, remedy) = match host.subject {
        Subject::Daemon => (
            "the daemon",
            "start it by its unit (systemctl start halb), whose AmbientCapabilities= name it",
        ),
        Subject::Asker => (
            "no daemon runs, and the user who asks",
            "run halb by its unit (systemctl start halb), which gives it what it needs",
        ),
    };
    let low = wanted.binds.iter().any(|bind| bind.port() < host.unprivileged_port);
    let routers = !wanted.routers.is_empty();
    let rules = !wanted.forwarded.is_empty();
    let asked = [
        (&NET_BIND_SERVICE, low, true),
        (&NET_ADMIN, routers || rules, true),
        (&NET_RAW, routers, true),
        (&IPC_LOCK, routers, false),
        (&SYS_NICE, routers, false),
    ];
    let mut missing = false;
    for (capability, _, needed) in asked.into_iter().filter(|(_, asked, _)| *asked) {
        let Capability(bit, name, what) = capability;
        if host.capabilities >> bit & 1 == 1 {
            continue;
        }
        missing = true;
        let text = format!(
            "{who} lacks {name}, which {what}{}",
            match bit {
                10 => format!(" {}", host.unprivileged_port),
                _ => String::new(),
            }
        );
        // Who asks need not be whom systemd starts.
        findings.push(match (needed, host.subject) {
            (true, Subject::Daemon) => Finding::fault(Topic::Capabilities, text, remedy),
            (false, Subject::Daemon) | (_, Subject::Asker) => {
                Finding::advice(Topic::Capabilities, text, remedy)
            }
        });
    }
    if !missing {
        findings.push(Finding::fine(Topic::Capabilities, "every capability that is needed"));
    }
}

fn descriptors(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let have = host.descriptors;
    let room = have.saturating_sub(DESCRIPTORS_BESIDE) / 2;
    let topic = Topic::Descriptors;
    findings.push(match wanted.connections {
        Some(connections) if connections > room => Finding::advice(
            topic,
            format!(
                "{have} descriptors have room for {room} connections, and maxconn is \
                 {connections}; halb lets in as many as fit"
            ),
            format!(
                "systemctl edit halb: [Service] LimitNOFILE={}",
                connections.saturating_mul(2).saturating_add(DESCRIPTORS_BESIDE)
            ),
        ),
        Some(_) | None => {
            Finding::fine(topic, format!("{have} descriptors, room for {room} connections"))
        }
    });
}

fn port(host: &Host, bind: SocketAddr, findings: &mut Vec<Finding>) {
    let topic = Topic::Ports;
    let taken = |one: &&Listening| {
        let (theirs, ours) = (one.address.ip(), bind.ip());
        one.address.port() == bind.port()
            && (theirs == ours || theirs.is_unspecified() || ours.is_unspecified())
            && (theirs.is_ipv4() == ours.is_ipv4())
    };
    match host.listening.iter().find(taken) {
        Some(Listening { program: Some(program), .. }) if program == "halb" => {
            findings.push(Finding::fine(topic, format!("halb listens on {bind}")));
        }
        Some(Listening { address, program }) => {
            let program = program.as_deref().unwrap_or("another program (root can see which)");
            findings.push(Finding::fault(
                topic,
                format!("{program} listens on {address}, so that halb can't open {bind}"),
                format!("stop it, or choose another port: ss -lntp 'sport = :{}'", bind.port()),
            ));
        }
        None => findings.push(Finding::fine(topic, format!("{bind} is free"))),
    }
    let port = bind.port();
    let within = |(first, last): (u16, u16)| (first..=last).contains(&port);
    if within(host.ephemeral) && !host.reserved.iter().any(|range| within(*range)) {
        let (first, last) = host.ephemeral;
        findings.push(Finding::advice(
            topic,
            format!(
                "port {port} is among those that outgoing connections get ({first} to {last}): one \
                 of them may have it when halb starts"
            ),
            format!("sysctl -w net.ipv4.ip_local_reserved_ports={port}, and into /etc/sysctl.d"),
        ));
    }
}

fn clock(host: &Host, findings: &mut Vec<Finding>) {
    let topic = Topic::Clock;
    findings.push(match host.clock {
        Clock::Synchronised => Finding::fine(topic, "the clock is kept in step with others"),
        Clock::Free => Finding::advice(
            topic,
            "the clock runs free: once it is wrong, checks take good certificates for expired, and \
             times in the logs of two nodes can't be compared"
                .to_owned(),
            "timedatectl set-ntp true, or install chrony",
        ),
        Clock::Unknown => Finding::unknown(
            topic,
            "whether the clock is kept in step with others (no timedatectl)".to_owned(),
        ),
    });
}
