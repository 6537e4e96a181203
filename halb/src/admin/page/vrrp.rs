//! The virtual IPs' part of the status page.

use std::fmt;
use std::fmt::Write as _;

use super::{Escaped, Table};
use crate::status::vrrp::{Instance, State, Vrrp};
use crate::status::words::{count, exact, span};

/// A heading, a paragraph and a table of the other nodes for each.
pub(super) fn section(vrrp: &Vrrp, html: &mut String) -> fmt::Result {
    vrrp.instances.iter().try_for_each(|instance| {
        let name = format!("VIP {}", instance.name);
        super::section(&name, html, |html| self::instance(instance, html))
    })
}

fn instance(instance: &Instance, html: &mut String) -> fmt::Result {
    let class = match instance.state {
        State::Active | State::Backup => "well",
        State::Initialize => "warning",
        State::Fault => "alert",
    };
    let yielded = if instance.yielded { ", given away as ordered" } else { "" };
    writeln!(
        html,
        "<h2>VIP {} <small class=\"{class}\">{}{yielded}</small></h2>\n<p>{} on {}, for {}: {}.\n\
         Priority {}. {} changes, {} adverts sent, {} taken, {} announcements.</p>",
        Escaped(&instance.name),
        instance.state.loud(),
        Escaped(&instance.address_list()),
        Escaped(&instance.interface.name),
        span(instance.since_seconds),
        Escaped(instance.why.trim_end_matches('.')),
        Escaped(&instance.priority.arithmetic),
        count(instance.transitions.iter().map(|one| one.count).sum()),
        count(instance.stats.get("advert_sent").copied().unwrap_or_default()),
        count(instance.stats.get("advert_rcvd").copied().unwrap_or_default()),
        count(instance.announcements),
    )?;
    if !instance.peers.is_empty() {
        peers(instance, html)?;
    }
    timeline(instance, html)
}

/// Changes of state that are shown; `halb vip explain` has more.
const CHANGES_SHOWN: usize = 6;

/// The last changes, the latest first.
fn timeline(instance: &Instance, html: &mut String) -> fmt::Result {
    if instance.history.is_empty() {
        return Ok(());
    }
    let name = Escaped(&instance.name);
    writeln!(html, "<h3>Last changes</h3>\n<ol aria-label=\"Last changes of {name}\">")?;
    for change in instance.history.iter().rev().take(CHANGES_SHOWN) {
        let earlier = if change.earlier_process { " (by an earlier process)" } else { "" };
        writeln!(
            html,
            "<li><b>{} to {}</b> {} ago{earlier}: {}</li>",
            change.from.loud(),
            change.to.loud(),
            span(change.ago_seconds),
            Escaped(&change.why),
        )?;
    }
    html.push_str("</ol>\n");
    Ok(())
}

fn peers(instance: &Instance, html: &mut String) -> fmt::Result {
    writeln!(
        html,
        "{}<thead><tr><th scope=\"col\">Other node</th>\
         <th scope=\"col\">Role</th><th scope=\"col\">Priority</th>\
         <th scope=\"col\">Last heard</th></tr></thead>\n<tbody>",
        Table(&format!("Other nodes of {}", instance.name)),
    )?;
    for peer in &instance.peers {
        let role = if peer.active { "active" } else { "" };
        let heard = peer.ago_seconds.map(|ago| format!("{} ago", exact(ago)));
        let priority = peer.last_priority.map(|priority| priority.to_string());
        writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{role}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            Escaped(&peer.address),
            priority.unwrap_or_default(),
            heard.unwrap_or_else(|| "never".to_owned()),
        )?;
    }
    html.push_str("</tbody></table></div>\n");
    Ok(())
}
