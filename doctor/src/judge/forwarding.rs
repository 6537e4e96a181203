//! What connections need that the kernel forwards, beside rules that let them pass.

use super::{Finding, Topic};
use crate::facts::{Host, Tracking, Wanted};

/// In hundredths of the table: beyond it a crowd of new connections may find no room.
const FULL: u64 = 80;

pub(super) fn judge(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    if wanted.forwarded.is_empty() {
        return;
    }
    room(host.tracking, wanted, findings);
    bridges(host.tracking, findings);
}

fn room(tracking: Tracking, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let topic = Topic::Forwarding;
    let Tracking { most, entries, .. } = tracking;
    let Some(most) = most else {
        let what = "how many connections the kernel has room for: it tracks none before halb runs";
        findings.push(Finding::unknown(topic, what.to_owned()));
        return;
    };
    let bounds = wanted.forwarded.iter().map(|forwarded| forwarded.connections.unwrap_or(0));
    let bound = bounds.fold(0_u64, u64::saturating_add);
    let raise = |to: u64| format!("net.netfilter.nf_conntrack_max = {to} in /etc/sysctl.d/");
    findings.push(if entries.saturating_mul(100) >= most.saturating_mul(FULL) {
        Finding::advice(
            topic,
            format!(
                "{entries} of {most} places for connections are taken; without one, connections \
                 that the kernel forwards don't begin"
            ),
            raise(most.saturating_mul(2)),
        )
    } else if bound > most {
        Finding::advice(
            topic,
            format!(
                "the kernel has places for {most} connections, and maxconn of what it forwards is \
                 {bound}"
            ),
            raise(bound.saturating_mul(2)),
        )
    } else {
        Finding::fine(topic, format!("{entries} of {most} places for connections are taken"))
    });
}

fn bridges(tracking: Tracking, findings: &mut Vec<Finding>) {
    if tracking.bridged {
        findings.push(Finding::advice(
            Topic::Forwarding,
            "what a bridge of this host carries between others passes halb's rules, too: a packet to \
             a forwarded address is translated on its way to another node"
                .to_owned(),
            "net.bridge.bridge-nf-call-iptables = 0 and bridge-nf-call-ip6tables = 0 in \
             /etc/sysctl.d/, unless the host's own containers need them",
        ));
    }
}
