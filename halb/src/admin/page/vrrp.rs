//! The virtual IPs' part of the status page.

use std::fmt;
use std::fmt::Write as _;

use super::{Escaped, Table};
use crate::status::vrrp::nodes::Node;
use crate::status::vrrp::{Instance, State, Vrrp, nodes};
use crate::status::words::{count, span};

/// A heading, a paragraph and a table of the nodes for each.
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
    nodes(instance, html)
}

/// What a node says in a row of the table.
type Cell = fn(&Node) -> &str;

/// The rows below the state.
const CELLS: [(&str, Cell); 3] = [
    ("Priority", |node| &node.priority),
    ("Health", |node| &node.health),
    ("Known", |node| &node.known),
];

/// The nodes side by side: what each says of itself, or what was heard of it.
fn nodes(instance: &Instance, html: &mut String) -> fmt::Result {
    let nodes = nodes::of(instance);
    let split = nodes::is_split(&nodes);
    write!(
        html,
        "{}<thead><tr><th scope=\"col\">Node</th>",
        Table(&format!("Nodes of {}", instance.name))
    )?;
    for node in &nodes {
        write!(html, "<th scope=\"col\">{}</th>", Escaped(&node.who))?;
    }
    html.push_str("</tr></thead>\n<tbody>\n<tr><th scope=\"row\">State</th>");
    for node in &nodes {
        let (class, mark) = match (node.active, split) {
            (true, true) => ("alert", " (two nodes say so)"),
            (true, false) => ("well", ""),
            (false, _) => ("", ""),
        };
        write!(html, "<td class=\"{class}\">{}{mark}</td>", node.state)?;
    }
    html.push_str("</tr>\n");
    for (title, cell) in CELLS {
        write!(html, "<tr><th scope=\"row\">{title}</th>")?;
        for node in &nodes {
            write!(html, "<td>{}</td>", Escaped(cell(node)))?;
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    Ok(())
}
