//! `use_backend` and `default_backend`: where connections go.

use super::super::acl;
use super::super::model::Proxy;
use super::super::parse::Line;
use super::super::work::Work;
use crate::finding::Class;

/// Where a frontend's connections go.
#[derive(Debug, Default)]
pub(super) struct Targets<'a> {
    /// By server name, in order.
    pub(super) routes: Vec<Route<'a>>,
    /// What no route matches.
    pub(super) default: Option<Target<'a>>,
    /// Rules that aren't kept, and why.
    refused: Vec<(&'a Line, Class)>,
}

/// A backend, and the line that names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) backend: &'a str,
    line: Option<&'a Line>,
}

/// Some server names, and where they go.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) names: Vec<String>,
    pub(super) target: Target<'a>,
    acls: Vec<&'a Line>,
}

impl<'a> Targets<'a> {
    /// The backends that are named, each once, in order.
    pub(super) fn backends(&self) -> Vec<&'a str> {
        let routed = self.routes.iter().map(|route| route.target.backend);
        let mut backends = Vec::new();
        for backend in routed.chain(self.default.map(|target| target.backend)) {
            if !backends.contains(&backend) {
                backends.push(backend);
            }
        }
        backends
    }

    /// Takes out what leads to backends that can't be kept.
    pub(super) fn keep_only(&mut self, usable: impl Fn(&str) -> bool) {
        let lost = || Class::lost("its backend can't be kept, so it leads nowhere");
        let routes = std::mem::take(&mut self.routes);
        for route in routes {
            if usable(route.target.backend) {
                self.routes.push(route);
            } else if let Some(line) = route.target.line {
                self.refused.push((line, lost()));
            }
        }
        if let Some(target) = self.default.take_if(|target| !usable(target.backend))
            && let Some(line) = target.line
        {
            self.refused.push((line, lost()));
        }
    }

    /// Settles all lines for a frontend that is written at `path`.
    pub(super) fn settle(&self, path: &str, work: &mut Work<'_>) {
        for (line, class) in &self.refused {
            work.settle(line, class.clone());
        }
        for route in &self.routes {
            for line in route.acls.iter().copied().chain(route.target.line) {
                work.settle(line, Class::to(format!("{path}.routes")));
            }
        }
        if let Some(line) = self.default.and_then(|target| target.line) {
            work.settle(line, Class::to(format!("{path}.backend")));
        }
    }

    /// Settles all lines of a frontend that isn't kept.
    pub(super) fn give_up(&self, because: &str, work: &mut Work<'_>) {
        let routed = self.routes.iter().filter_map(|route| route.target.line);
        let lines = routed.chain(self.default.and_then(|target| target.line));
        for line in lines.chain(self.refused.iter().map(|(line, _)| *line)) {
            work.settle(line, Class::meaningless(because));
        }
    }
}

/// Reads where a section's connections go. `listen` has servers of its own for what is left.
pub(super) fn read<'a>(proxy: &Proxy<'a>, work: &mut Work<'_>) -> Targets<'a> {
    let mut targets = Targets::default();
    for line in proxy.all(&["use_backend"]) {
        if targets.default.is_some() {
            let class = Class::meaningless("an earlier rule takes all connections");
            targets.refused.push((line, class));
            continue;
        }
        rule(line, proxy, &mut targets, work);
    }
    let default = proxy.take(&["default_backend"], &mut work.ledger);
    if let Some(line) = default {
        if targets.default.is_some() {
            let class = Class::meaningless("an earlier rule takes all connections");
            targets.refused.push((line, class));
        } else {
            targets.default = Some(Target { backend: line.word(1), line: Some(line) });
        }
    }
    let own = proxy.has_backend() && targets.default.is_none();
    if own && proxy.last(&["server"]).is_some() {
        targets.default = Some(Target { backend: proxy.name, line: None });
    }
    targets
}

fn rule<'a>(line: &'a Line, proxy: &Proxy<'a>, targets: &mut Targets<'a>, work: &Work<'_>) {
    let backend = line.word(1);
    if backend.contains('%') {
        let class = Class::lost("halb computes no names of backends");
        targets.refused.push((line, class.instead("a route for each server name")));
        return;
    }
    let target = Target { backend, line: Some(line) };
    let condition = acl::condition(line.words.get(2..).unwrap_or_default(), proxy, work);
    if condition.is_always() {
        targets.default = Some(target);
        return;
    }
    match condition.server_names() {
        Some(names) => targets.routes.push(Route { names, target, acls: condition.acls }),
        None => {
            let class = Class::lost(condition.obstacle());
            let class = class.instead("routes by TLS server name, or a frontend for each backend");
            targets.refused.push((line, class));
        }
    }
}
