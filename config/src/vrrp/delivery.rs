//! Reads where the adverts of a virtual router go.

use std::net::IpAddr;

use halb_vrrp::config::{Delivery, PEERS_MAX};
use halb_vrrp::packet::HOP_LIMIT;
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Table;

/// The addresses of `unicast_peers`, each once.
pub(super) fn read_peers(table: &Table<'_>) -> Vec<(IpAddr, Span)> {
    let entries = table.list("unicast_peers").unwrap_or_default();
    let mut peers: Vec<(IpAddr, Span)> = Vec::new();
    for entry in &entries {
        let Some(peer) = table.ip_of(entry) else { continue };
        if let Some((_, first)) = peers.iter().find(|(known, _)| *known == peer) {
            table.sink.report(
                Diagnostic::error(entry.span.clone(), format!("{peer} is given twice"))
                    .consequence("it would get each advert twice")
                    .remedy("remove one of them")
                    .related(first.clone(), "first here"),
            );
            continue;
        }
        peers.push((peer, entry.span.clone()));
    }
    if let Some(entry) = table.get("unicast_peers") {
        let report = |what: String, consequence: &str, remedy: String| {
            let wrong = Diagnostic::error(entry.span.clone(), what);
            table.sink.report(wrong.consequence(consequence).remedy(remedy));
        };
        if matches!(entry.value, DeValue::Array(array) if array.is_empty()) {
            report(
                format!("'{}' is empty", entry.path),
                "adverts would go to nobody, and every node would hold the addresses",
                "write the other nodes' addresses, or remove the key for multicast".to_owned(),
            );
        }
        if peers.len() > PEERS_MAX {
            report(
                format!("{} peers are more than {PEERS_MAX}", peers.len()),
                "each costs a packet in every interval",
                format!("write at most {PEERS_MAX}, or remove the key for multicast"),
            );
        }
    }
    peers
}

/// None: there should be peers, and there are none that can be used.
pub(super) fn read(table: &Table<'_>, peers: &[(IpAddr, Span)]) -> Option<Delivery> {
    let hop_limit_min = table.number("hop_limit_min", 1..=u8::MAX);
    if !table.has("unicast_peers") {
        if let Some(entry) = table.get("hop_limit_min") {
            table.sink.report_absence(
                Diagnostic::error(
                    entry.key_span.clone(),
                    "'hop_limit_min' without 'unicast_peers'",
                )
                .consequence("multicast stays on its segment, so that adverts arrive with 255")
                .remedy("remove it, or write the other nodes' addresses as 'unicast_peers'"),
            );
        }
        return Some(Delivery::Multicast);
    }
    let peers: Vec<_> = peers.iter().map(|(peer, _)| *peer).collect();
    let hop_limit_min = hop_limit_min.unwrap_or(HOP_LIMIT);
    (!peers.is_empty()).then_some(Delivery::Unicast { peers, hop_limit_min })
}
