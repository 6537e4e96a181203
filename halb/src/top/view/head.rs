//! The upper part: the verdict, what is unusual, virtual IPs node by node, frontends.

use std::time::Instant;

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::Means;
use crate::status::notices::{Notice, Severity};
use crate::status::vrrp::nodes::Node;
use crate::status::vrrp::{Instance, nodes};
use crate::status::words::{clip, count, exact, plain, size, span, wrap};
use crate::status::{ForwardedBy, FrontendState, Status, forward, notices, peer, text};
use crate::top::series::Series;
use crate::top::state::{Silence, Top};

/// The share of the height that each part may take, so that none pushes the others out: notices a
/// third, virtual IPs a third, frontends an eighth; and what each may always take.
const NOTICES: (usize, usize) = (3, 4);
const VIRTUAL_IPS: (usize, usize) = (3, 4);
const FRONTENDS: (usize, usize) = (8, 2);

/// Longest name of a frontend, and of a node.
const NAME_WIDTH: usize = 24;

/// Width of a frontend's sparkline on 80 columns; wider terminals give it more.
const SPARK_WIDTH: usize = 9;

/// Below so many new connections a second a frontend is calm.
const CALM: u64 = 4;

fn share(means: Means, (part, least): (usize, usize)) -> usize {
    (means.height / part).max(least)
}

/// Before the first answer.
pub(super) fn nothing_yet(top: &Top, means: Means, now: Instant) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match top.silence(now).and_then(|silence| silence.why) {
        None => vec![means.line("halb is asked how it is …", bold)],
        Some(why) => {
            let mut lines = vec![means.line("NO ANSWER from halb", means.style(Severity::Alert))];
            wrapped(&format!("!! {why}"), means, means.style(Severity::Alert), &mut lines);
            lines.push(means.line("  It is asked again every second.", Style::new()));
            lines
        }
    }
}

/// The verdict and what is unusual. Where the daemon is silent, that is the news.
pub(super) fn verdict(
    top: &Top,
    status: &Status,
    means: Means,
    now: Instant,
) -> Vec<Line<'static>> {
    let notices = notices::of(status);
    let (worst, words) = text::verdict(status, &notices);
    let (alert, bold) = (means.style(Severity::Alert), Style::new().add_modifier(Modifier::BOLD));
    let mut lines = Vec::new();
    if let Some(Silence { age, why }) = top.silence(now) {
        let age = span(age.unwrap_or_default().as_secs_f64());
        lines.push(means.line(&format!("NO ANSWER from halb for {age}"), alert));
        let why = why.unwrap_or_else(|| "it was asked, and says nothing".to_owned());
        wrapped(&format!("!! {}", plain(&why)), means, alert, &mut lines);
        lines.push(means.line(&format!("As it was {age} ago: {words}"), bold));
    } else {
        let style = match worst {
            Some(severity @ (Severity::Alert | Severity::Warning)) => {
                means.style(severity).add_modifier(Modifier::BOLD)
            }
            Some(Severity::Note) | None => bold,
        };
        lines.push(means.line(&words, style));
    }
    unusual(&notices, means, &mut lines);
    lines
}

fn unusual(notices: &[Notice], means: Means, lines: &mut Vec<Line<'static>>) {
    let end = lines.len() + share(means, NOTICES);
    for (index, notice) in notices.iter().enumerate() {
        let mut said = Vec::new();
        let text = format!("{} {}", notice.severity.sign(), notice.text);
        wrapped(&text, means, means.style(notice.severity), &mut said);
        // The last line is kept for what isn't said, unless this is all.
        let is_last = index + 1 == notices.len();
        if lines.len() + said.len() + usize::from(!is_last) > end {
            let more = notices.len() - index;
            lines.push(means.line(&format!("  … and {more} more: halb status"), Style::new()));
            return;
        }
        lines.extend(said);
    }
}

fn wrapped(text: &str, means: Means, style: Style, lines: &mut Vec<Line<'static>>) {
    for line in wrap(text, means.width.saturating_sub(2).max(20), 3).lines() {
        lines.push(means.line(&format!("  {line}"), style));
    }
}

/// Each virtual IP with its nodes below each other, so that it is seen at a glance who says what.
pub(super) fn virtual_ips(status: &Status, means: Means) -> Vec<Line<'static>> {
    let Some(vrrp) = &status.vrrp else { return Vec::new() };
    let room = share(means, VIRTUAL_IPS);
    let mut lines = Vec::new();
    for (index, instance) in vrrp.instances.iter().enumerate() {
        let said = virtual_ip(instance, means);
        if index > 0 && lines.len() + said.len() > room {
            let more = vrrp.instances.len() - index;
            let text = format!("… and {more} more virtual IPs: halb vip status");
            lines.push(means.line(&text, Style::new()));
            break;
        }
        lines.extend(said);
    }
    if means.height >= 24 {
        lines.insert(0, Line::default());
    }
    lines
}

fn virtual_ip(instance: &Instance, means: Means) -> Vec<Line<'static>> {
    let nodes = nodes::of(instance);
    let split = nodes::is_split(&nodes);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let addresses = clip(&instance.address_list(), means.width / 2);
    let (name, on) = (clip(&instance.name, NAME_WIDTH), &instance.interface.name);
    let trouble = match (split, nodes.iter().any(|node| node.active)) {
        (true, _) => "  !! SPLIT BRAIN: two nodes say ACTIVE",
        (false, true) => "",
        (false, false) => "  ! no node is known to hold it",
    };
    let text = format!("VIP {name}  {addresses} on {on}{trouble}");
    let head = if split { means.style(Severity::Alert) } else { bold };
    let mut lines = vec![means.line(&plain(&text), head)];
    let widest = |of: fn(&Node) -> &str| nodes.iter().map(|node| of(node).len()).max().unwrap_or(0);
    let who = widest(|node| &node.who).min(NAME_WIDTH);
    let priority = widest(|node| &node.priority);
    let health = widest(|node| &node.health).min(NAME_WIDTH);
    for node in &nodes {
        let mark = if split && node.active { "!!" } else { "  " };
        let text = format!(
            "{mark} {:<who$}  {:<8}  priority {:<priority$}  {:<health$}  {}",
            clip(&node.who, who),
            node.state,
            node.priority,
            clip(&node.health, health),
            node.known,
        );
        let style = match (split && node.active, node.active) {
            (true, _) => means.style(Severity::Alert),
            (false, true) => bold,
            (false, false) => Style::new(),
        };
        lines.push(means.line(&plain(&text), style));
    }
    lines
}

/// The link to the other balancer.
pub(super) fn peer(status: &Status, means: Means) -> Vec<Line<'static>> {
    let Some(link) = &status.peer else { return Vec::new() };
    let heard = link.heard_ago_seconds.map(|ago| format!(", heard {} ago", exact(ago)));
    let trip = link.round_trip_seconds.map(|trip| format!(", round trip {}", exact(trip)));
    let text = format!(
        "PEER {}  {} for {}{}{}",
        link.address,
        link.state.word().to_uppercase(),
        span(link.since_seconds),
        heard.unwrap_or_default(),
        trip.unwrap_or_default()
    );
    let style = match link.state {
        peer::State::Up => Style::new(),
        peer::State::Waiting | peer::State::Silent => means.style(Severity::Warning),
    };
    vec![means.line(&plain(&text), style)]
}

/// What the kernel forwards.
pub(super) fn kernel(status: &Status, means: Means) -> Vec<Line<'static>> {
    let Some(forward) = &status.forward else { return Vec::new() };
    let style = if forward.applied { Style::new() } else { means.style(Severity::Alert) };
    vec![means.line(&plain(&format!("KERNEL  {}", forward::sentence(forward))), style)]
}

/// A line for each frontend: connections, new ones a second, and bytes a second.
pub(super) fn frontends(top: &Top, status: &Status, means: Means) -> Vec<Line<'static>> {
    let room = share(means, FRONTENDS);
    let mut lines = Vec::new();
    if means.height >= 24 {
        lines.push(Line::default());
    }
    let more = status.frontends.len().saturating_sub(room);
    let shown = || status.frontends.iter().take(room);
    let widest = shown().map(|frontend| frontend.name.chars().count()).max().unwrap_or(0);
    let widest = widest.min(NAME_WIDTH);
    for frontend in shown() {
        let name = clip(&frontend.name, NAME_WIDTH);
        let mut text = format!("FRONTEND {name:<widest$}  {}", frontend.state.word());
        text.push_str(match frontend.forward {
            ForwardedBy::Proxy => "",
            ForwardedBy::Kernel => "  kernel",
        });
        let listeners: Vec<&str> = frontend.listeners.iter().map(|l| l.address.as_str()).collect();
        if means.width >= 100 {
            text.push_str(&format!("  {}", clip(&listeners.join(" "), means.width / 3)));
        }
        text.push_str(&format!("  {} conn", count(frontend.connections)));
        let text = match top.trends().of_frontend(&frontend.name) {
            None => plain(&text),
            Some(trend) => {
                let wide = SPARK_WIDTH + means.width.saturating_sub(80) / 4;
                let spark = trend.new.spark(wide, CALM, means.marks);
                let new = Series::last(&trend.new).unwrap_or(0);
                let (bytes_in, bytes_out) = (size(trend.bytes_in), size(trend.bytes_out));
                let new = count(new);
                format!("{}  {new} new/s {spark}  {bytes_in}/s in, {bytes_out}/s out", plain(&text))
            }
        };
        let style = match frontend.state {
            FrontendState::Open => Style::new(),
            FrontendState::Full | FrontendState::Stop => means.style(Severity::Alert),
        };
        lines.push(means.line(&text, style));
    }
    if more > 0 {
        lines.push(means.line(&format!("… and {more} more frontends: halb status"), Style::new()));
    }
    lines
}
