//! `tcp-request` rules: who is served, whether a PROXY header comes first, how long halb waits for
//! first bytes.

use ipnet::IpNet;

use super::super::acl::{self, Condition};
use super::super::model::{Proxy, begins_with};
use super::super::parse::Line;
use super::super::units;
use super::super::work::Work;
use super::timeouts::WAIT;
use crate::document::Table;
use crate::finding::Class;

/// What a frontend does with connections before they reach a backend.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) allow: Vec<IpNet>,
    pub(super) deny: Vec<IpNet>,
    pub(super) accept_proxy: bool,
}

/// What the frontend does besides, which decides what some rules mean.
pub(super) struct Context {
    /// It routes by server name, and so waits for a ClientHello.
    pub(super) routes: bool,
    /// Connections that no route matches have a backend.
    pub(super) has_default: bool,
}

/// A rule that lets connections in or keeps them out.
struct Rule<'a> {
    line: &'a Line,
    accept: bool,
    condition: Condition<'a>,
}

/// Reads and settles the rules of a frontend.
pub(super) fn read(
    proxy: &Proxy<'_>,
    context: &Context,
    table: &Table,
    work: &mut Work<'_>,
) -> Access {
    let path = table.path.join(".");
    let mut access = Access::default();
    for line in proxy.all(&["tcp-request", "connection", "expect-proxy"]) {
        if line.word(3) == "layer4" && line.words.len() == 4 {
            access.accept_proxy = true;
            work.settle(line, Class::to(format!("{path}.accept_proxy")));
        } else {
            let class = Class::lost("halb expects PROXY headers of all clients or of none");
            work.settle(line, class.instead("a frontend of its own for the proxies"));
        }
    }
    let rules = rules(proxy, work);
    let asks_for_tls = rules.iter().any(|rule| rule.condition.tls().is_some());
    let about_tls = |rule: &Rule<'_>| asks_for_tls && is_about_tls(rule);
    let (tls, sources): (Vec<_>, Vec<_>) = rules.into_iter().partition(about_tls);
    settle_tls(&tls, context, work);
    settle_sources(&sources, &mut access, &path, work);
    access
}

fn rules<'a>(proxy: &Proxy<'a>, work: &Work<'_>) -> Vec<Rule<'a>> {
    let places = ["connection", "session", "content"];
    let of_rules = |line: &&&Line| {
        line.word(0) == "tcp-request"
            && places.contains(&line.word(1))
            && matches!(line.word(2), "accept" | "reject" | "silent-drop")
    };
    let rule = |line: &&'a Line| Rule {
        line,
        accept: line.word(2) == "accept",
        condition: acl::condition(line.words.get(3..).unwrap_or_default(), proxy, work),
    };
    proxy.lines.iter().filter(of_rules).map(rule).collect()
}

/// Rules on content that look at TLS, and what follows them there.
fn is_about_tls(rule: &Rule<'_>) -> bool {
    let content = begins_with(rule.line, &["tcp-request", "content"]);
    content && (rule.condition.tls().is_some() || rule.condition.is_always())
}

fn settle_tls(rules: &[Rule<'_>], context: &Context, work: &mut Work<'_>) {
    for rule in rules {
        let keeps_out = !rule.accept;
        let class = match (context.routes, keeps_out && context.has_default) {
            (true, false) => Class::DefaultAnyway,
            (true, true) => Class::lost("what isn't TLS goes to `backend` too")
                .instead("leave `backend` out, and name each backend in `routes`"),
            (false, _) if keeps_out => Class::lost("halb looks at first bytes only to route them")
                .instead("a route for each server name"),
            (false, _) => Class::meaningless("nothing asks for the first bytes"),
        };
        settle_rule(rule, class, work);
    }
}

fn settle_rule(rule: &Rule<'_>, class: Class, work: &mut Work<'_>) {
    if !class.changes_behaviour() {
        for acl in &rule.condition.acls {
            work.settle(acl, class.clone());
        }
    }
    work.settle(rule.line, class);
}

/// The first rule that applies decides; halb has two lists, of which `deny` wins.
fn settle_sources(rules: &[Rule<'_>], access: &mut Access, path: &str, work: &mut Work<'_>) {
    let mut accepted: Vec<IpNet> = Vec::new();
    let mut decided = false;
    for (index, rule) in rules.iter().enumerate() {
        if decided {
            work.settle(rule.line, Class::meaningless("an earlier rule has decided already"));
            continue;
        }
        let kept_out_later = rules.iter().skip(index + 1).any(|later| !later.accept);
        let class = source_class(rule, access, &mut accepted, kept_out_later, path);
        decided = rule.condition.is_always();
        settle_rule(rule, class, work);
    }
}

fn source_class(
    rule: &Rule<'_>,
    access: &mut Access,
    accepted: &mut Vec<IpNet>,
    kept_out_later: bool,
    path: &str,
) -> Class {
    let overlap = |a: &[IpNet], b: &[IpNet]| {
        a.iter().any(|a| b.iter().any(|b| a.contains(b) || b.contains(a)))
    };
    let allow = || Class::to(format!("{path}.allow"));
    if rule.condition.is_always() {
        return match (rule.accept, accepted.is_empty()) {
            (true, _) => Class::DefaultAnyway,
            (false, true) => Class::lost("a frontend that refuses everyone").instead("no frontend"),
            (false, false) if access.allow.is_empty() => {
                access.allow.clone_from(accepted);
                allow()
            }
            (false, false) => Class::lost("halb has one list of clients that are allowed"),
        };
    }
    match (rule.accept, rule.condition.source()) {
        (_, None) => Class::lost(rule.condition.obstacle()),
        (true, Some((true, _))) if !kept_out_later => Class::DefaultAnyway,
        (true, Some((true, nets))) => {
            accepted.extend(nets);
            allow()
        }
        (true, Some((false, _))) => Class::lost("halb lists who is allowed, not who isn't"),
        (false, Some((true, nets))) if overlap(&nets, accepted) => {
            Class::lost("in halb `deny` wins over `allow`, whichever stands first")
                .instead("lists that don't overlap")
        }
        (false, Some((true, nets))) => {
            access.deny.extend(nets);
            Class::to(format!("{path}.deny"))
        }
        (false, Some((false, nets))) if access.allow.is_empty() => {
            access.allow = nets;
            access.allow.append(accepted);
            allow()
        }
        (false, Some((false, _))) => Class::lost("halb has one list of clients that are allowed"),
    }
}

/// `inspect_timeout`, where halb waits for first bytes at all.
pub(super) fn inspect_delay(
    proxy: &Proxy<'_>,
    waits: bool,
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let Some(line) = proxy.take(&["tcp-request", "inspect-delay"], &mut work.ledger) else {
        return;
    };
    let class = match units::time(line.word(2)) {
        Some(_) if !waits => Class::meaningless("nothing asks for the first bytes"),
        Some(delay) if delay == halb_config::defaults::INSPECT_TIMEOUT => Class::DefaultAnyway,
        Some(delay) => {
            table.set("inspect_timeout", units::written(delay, WAIT.0, WAIT.1));
            Class::to(format!("{}.inspect_timeout", table.path.join(".")))
        }
        None => Class::lost("that is no time, and HAProxy refuses it"),
    };
    work.settle(line, class);
}
