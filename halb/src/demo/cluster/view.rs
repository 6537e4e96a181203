//! What the demo shows, as text.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use super::felt::Felt;
use super::plan::{BALANCERS, Balancer, Deed, SERVERS, VIP};
use super::story::{Event, Node, Story, words};
use crate::status::text::table::{Align, Column};
use crate::status::text::{WIDTH, table};
use crate::status::words::{clip, count, span, things};

/// Everything that a picture is made of.
pub(super) struct Scene<'a> {
    pub(super) began: Instant,
    pub(super) now: Instant,
    pub(super) story: &'a Story,
    pub(super) felt: &'a Felt,
    /// The control socket of the first balancer.
    pub(super) socket: &'a Path,
    /// Somebody can press keys.
    pub(super) keyboard: bool,
}

/// One screen of 80 columns and 24 lines.
pub(super) fn picture(scene: &Scene<'_>) -> String {
    let mut out = String::new();
    let title = "halb demo: a cluster on this machine, each host a network namespace";
    let time = span(scene.now.saturating_duration_since(scene.began).as_secs_f64());
    line(&mut out, &format!("{title}  {time:>9}"));
    line(&mut out, "");
    out.push_str(&balancers(scene));
    line(&mut out, "");
    out.push_str(&servers(scene));
    line(&mut out, "");
    for text in clients(scene) {
        line(&mut out, &text);
    }
    line(&mut out, "");
    let events: Vec<&Event> = scene.story.events().rev().take(EVENTS).collect();
    for row in 0..EVENTS {
        let event = events.get(EVENTS - 1 - row).map(|event| self::event(event, scene.began));
        line(&mut out, &event.unwrap_or_default());
    }
    line(&mut out, "");
    for text in keys(scene) {
        line(&mut out, &text);
    }
    out
}

/// An event with the time since the beginning.
pub(super) fn event(event: &Event, began: Instant) -> String {
    let tenths = event.at.saturating_duration_since(began).as_millis() / 100;
    format!("{:>4}.{} s  {}", tenths / 10, tenths % 10, event.text)
}

/// What is said while it starts.
pub(super) fn opening() -> String {
    format!(
        "halb demo: two balancers, three API servers, and clients that ask {VIP}\n\
         all the time; each host is a network namespace on this machine\n\n"
    )
}

/// The last words.
pub(super) fn farewell(felt: &Felt) -> String {
    let requests = things(felt.answered + felt.failed, "request", "requests");
    format!("demo ended: {requests}, {}; nothing of it is left\n", failed(felt))
}

fn line(out: &mut String, text: &str) {
    // Writing into a string doesn't fail.
    let _ = writeln!(out, "{}", clip(format!("  {text}").trim_end(), WIDTH));
}

fn balancers(scene: &Scene<'_>) -> String {
    const COLUMNS: [Column; 6] = [
        Column { title: "BALANCER", align: Align::Left, width_max: 14 },
        Column { title: "ADDRESS", align: Align::Left, width_max: 13 },
        Column { title: "HALB", align: Align::Left, width_max: 8 },
        Column { title: "LINK", align: Align::Left, width_max: 4 },
        Column { title: "STATE", align: Align::Left, width_max: 8 },
        Column { title: "", align: Align::Left, width_max: 18 },
    ];
    let condition = scene.story.condition();
    let row = |balancer: Balancer| {
        let (name, address) = BALANCERS[balancer.index()];
        let node = scene.story.seen().map(|look| look.balancers[balancer.index()].clone());
        let Node { holds, said } = node.unwrap_or_default();
        let halb = match (condition.is_killed(balancer), &said) {
            (true, None) => "killed",
            (_, Some(_)) => "runs",
            (false, None) => "starts",
        };
        let link = if condition.is_cut(balancer) { "cut" } else { "up" };
        let state = said.map_or("-", |said| said.state);
        let vip = if holds { format!("<- {VIP}") } else { String::new() };
        [name, address, halb, link, state, &vip].map(str::to_owned).into()
    };
    let rows: Vec<Vec<String>> = Balancer::ALL.map(row).into();
    table::render(&COLUMNS, &rows, WIDTH, |line, _| line)
}

fn servers(scene: &Scene<'_>) -> String {
    const COLUMNS: [Column; 6] = [
        Column { title: "SERVER", align: Align::Left, width_max: 14 },
        Column { title: "ADDRESS", align: Align::Left, width_max: 13 },
        Column { title: "IN FACT", align: Align::Left, width_max: 8 },
        Column { title: "CHECKS SAY", align: Align::Left, width_max: 10 },
        Column { title: "ANSWERED", align: Align::Right, width_max: 9 },
        Column { title: "", align: Align::Left, width_max: BAR },
    ];
    let answered = |name: &str| scene.felt.by_server.get(name).copied().unwrap_or(0);
    let most = SERVERS.iter().map(|(name, _)| answered(name)).max().unwrap_or(0).max(1);
    let row = |server: usize| {
        let (name, address) = SERVERS[server];
        let is = if scene.story.condition().is_hung(server) { "hangs" } else { "works" };
        let said = scene.story.seen().map_or("", |look| look.server(server));
        let bar = u64::try_from(BAR).unwrap_or(u64::MAX);
        let length = usize::try_from(answered(name).saturating_mul(bar) / most).unwrap_or(BAR);
        let (number, bar) = (count(answered(name)), "#".repeat(length));
        [name, address, is, said, &number, &bar].map(str::to_owned).into()
    };
    let rows: Vec<Vec<String>> = (0..SERVERS.len()).map(row).collect();
    table::render(&COLUMNS, &rows, WIDTH, |line, _| line)
}

fn clients(scene: &Scene<'_>) -> [String; 2] {
    let Scene { felt, now, .. } = scene;
    let rate = felt.rate(*now);
    let total = things(felt.answered + felt.failed, "request", "requests");
    let outage = match felt.last_outage(*now) {
        None => "no outage yet".to_owned(),
        Some(outage) => match outage.to {
            None => format!("NO ANSWER for {}", words(outage.length(*now))),
            Some(to) => {
                let ago = span(now.saturating_duration_since(to).as_secs_f64());
                format!("last outage {}, {ago} ago", words(outage.length(*now)))
            }
        },
    };
    [
        format!("clients ask {VIP}: {rate} answers/s; {outage}"),
        format!("{total} so far, {}", failed(felt)),
    ]
}

fn failed(felt: &Felt) -> String {
    match felt.failed {
        0 => "none failed".to_owned(),
        failed => format!("{} failed", count(failed)),
    }
}

/// The keys and what to expect of each, or what else there is to say.
fn keys(scene: &Scene<'_>) -> Vec<String> {
    if !scene.keyboard {
        return vec!["no keyboard here: faults come by themselves; Ctrl-C ends it".to_owned()];
    }
    let key = |key: &str, deed: &str, expect: &str| format!("{key:KEYS$}{deed:DEED$}{expect}");
    let offers = scene.story.condition().offers();
    let mut lines = Vec::new();
    for offer in offers.iter().filter(|offer| !offer.key.is_ascii_digit()) {
        lines.push(key(&offer.key.to_string(), &offer.deed.to_string(), &offer.expect));
    }
    // Three servers have one line: of a hung one, since that is what should be undone.
    let mut of_servers = offers.iter().filter(|offer| offer.key.is_ascii_digit());
    let hung = of_servers.find(|offer| matches!(offer.deed, Deed::Wake(_)));
    let deed = match hung {
        Some(offer) => format!("{}: {}; the others too", offer.key, offer.deed),
        None => "hang kmaster1, 2 or 3".to_owned(),
    };
    let expect = hung.or_else(|| offers.last()).map_or("", |offer| &offer.expect);
    lines.push(key("1 2 3", &deed, expect));
    let inside = format!("look inside: halb status --socket {}", scene.socket.display());
    let quit = key("q", "quit", "");
    let both = format!("{}  {inside}", quit.trim_end());
    lines.push(if both.chars().count() + 2 <= WIDTH { both } else { quit });
    lines
}

/// Columns of keys and of the longest deed, with what keeps them apart.
const KEYS: usize = 7;
const DEED: usize = 34;

/// Longest bar, in characters.
const BAR: usize = 16;

/// Events that are shown.
const EVENTS: usize = 4;

#[cfg(test)]
mod tests;
