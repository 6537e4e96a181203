//! From sections to tables.
//!
//! What a frontend is told depends on its backends (HAProxy has idle timeouts on both sides, halb
//! has one), and what a backend is told depends on its frontends (a server without a port takes the
//! client's). So first it is settled who belongs to whom, then backends are written, then frontends.

mod access;
mod backends;
mod check_http;
mod checks;
mod compat;
mod frontends;
mod globals;
mod listeners;
mod logs;
mod names;
mod pages;
mod resolvers;
mod routes;
mod servers;
mod timeouts;

use std::collections::{BTreeMap, BTreeSet};

use halb_config::names::{BackendName, FrontendName};

use super::model::Proxy;
use super::parse::Parsed;
use super::work::Work;
use crate::document::Table;
use crate::finding::Class;
use crate::{FrontendKnown, FrontendsKnown};
use backends::Backend;
use globals::Globals;
use halb_config::defaults;
use listeners::BindLine;
pub(super) use logs::Chosen;
use routes::Targets;

/// The tables of the result, and what they come from.
pub(super) struct Translated {
    pub(super) tables: Vec<Table>,
    pub(super) frontends: FrontendsKnown,
    /// The top two parts of the names of tables that a section became, by its header's line.
    pub(super) origins: Vec<((usize, usize), Vec<String>)>,
}

/// A section that takes connections, as far as it is read before backends are.
struct Front<'p, 'a> {
    proxy: &'p Proxy<'a>,
    name: String,
    binds: Vec<BindLine<'a>>,
    targets: Targets<'a>,
}

/// Translates all sections.
pub(super) fn translate(parsed: &Parsed, proxies: &[Proxy<'_>], work: &mut Work<'_>) -> Translated {
    let globals = Globals::read(parsed);
    let of_sections = proxies.iter().flat_map(|proxy| proxy.lines.iter().copied());
    let of_sections = of_sections.filter(|line| line.word(0) == "log");
    work.syslog = Chosen::among(globals.logs().into_iter().chain(of_sections));
    let mut admin = Table::new(["admin"]);
    let mut translated = Translated {
        tables: Vec::new(),
        frontends: FrontendsKnown::default(),
        origins: Vec::new(),
    };
    let mut fronts = Vec::new();
    for proxy in proxies.iter().filter(|proxy| proxy.has_frontend()) {
        if !proxy.is_disabled() {
            begin_front(proxy, &mut fronts, &mut admin, &mut translated, work);
        }
    }
    let mut backends = translate_backends(proxies, &fronts, &globals, &mut translated, work);
    for front in fronts {
        translate_front(front, &mut backends, &mut translated, work);
    }
    // Backends that no frontend names stay, as HAProxy goes on checking them.
    for backend in proxies.iter().filter_map(|proxy| backends.remove(proxy.name)) {
        if backend.usable {
            translated.tables.extend(backend.tables);
        }
    }
    translated.tables.push(resolvers::translate(parsed, work));
    let mut global = Table::new(["global"]);
    globals.translate(&mut global, work);
    translated.tables.push(global);
    let syslog = work.syslog.clone();
    translated.tables.push(syslog.translate(&globals.logs(), proxies, work));
    keep_admin_apart(&translated.frontends, &mut admin);
    translated.tables.push(admin);
    let mut haproxy = Table::new(["haproxy"]);
    compat::translate(&globals.stats_sockets(), proxies, &mut haproxy, work);
    translated.tables.push(haproxy);
    for proxy in proxies {
        settle_frame(proxy, work);
    }
    translated
}

/// Reads a section that takes connections; one that only serves pages becomes `[admin]`.
fn begin_front<'p, 'a>(
    proxy: &'p Proxy<'a>,
    fronts: &mut Vec<Front<'p, 'a>>,
    admin: &mut Table,
    translated: &mut Translated,
    work: &mut Work<'_>,
) {
    let binds = listeners::read(proxy, work);
    if pages::is_page(proxy) {
        pages::translate(proxy, &binds, admin, work);
        translated.origins.push((line_of(proxy), vec!["admin".to_owned()]));
        return;
    }
    let taken = |name: &str| fronts.iter().any(|front: &Front<'_, '_>| front.name == name);
    let name = names::fitting(proxy.name, |name| FrontendName::new(name).is_ok() && !taken(name));
    let targets = routes::read(proxy, work);
    fronts.push(Front { proxy, name, binds, targets });
}

fn line_of(proxy: &Proxy<'_>) -> (usize, usize) {
    let place = proxy.header.place();
    (place.file, place.line)
}

/// Backends by the names that HAProxy knows them by.
fn translate_backends<'a>(
    proxies: &[Proxy<'a>],
    fronts: &[Front<'_, 'a>],
    globals: &Globals<'_>,
    translated: &mut Translated,
    work: &mut Work<'_>,
) -> BTreeMap<&'a str, Backend<'a>> {
    let mut backends: BTreeMap<&str, Backend<'_>> = BTreeMap::new();
    let named: BTreeSet<&str> = fronts.iter().flat_map(|front| front.targets.backends()).collect();
    for proxy in proxies.iter().filter(|proxy| proxy.has_backend() && !proxy.is_disabled()) {
        let page = pages::is_page(proxy);
        let empty = proxy.has_frontend() && !named.contains(proxy.name);
        if page || empty {
            continue;
        }
        if backends.contains_key(proxy.name) {
            let class = Class::lost("a section of this name was there before; HAProxy refuses it");
            work.settle_header(proxy, class);
            continue;
        }
        let ports = fronts.iter().filter(|front| front.targets.backends().contains(&proxy.name));
        let ports = ports.flat_map(|front| &front.binds).flat_map(|bind| &bind.addresses);
        let ports: BTreeSet<u16> = ports.map(std::net::SocketAddr::port).collect();
        let taken = |name: &str| backends.values().any(|backend| backend.name == name);
        let fits = |name: &str| BackendName::new(name).is_ok() && !taken(name);
        let name = names::fitting(proxy.name, fits);
        let backend = backends::translate(proxy, &name, &ports, globals, work);
        let class = if backend.usable {
            translated.origins.push((line_of(proxy), vec!["backend".to_owned(), name.clone()]));
            Class::to(format!("backend.{name}"))
        } else {
            Class::lost("no server of it can be kept").instead("servers with addresses")
        };
        work.settle_header(proxy, class);
        backends.insert(proxy.name, backend);
    }
    backends
}

/// Writes a frontend, and behind it the backends that no frontend before it named.
fn translate_front<'a>(
    mut front: Front<'_, 'a>,
    backends: &mut BTreeMap<&'a str, Backend<'a>>,
    translated: &mut Translated,
    work: &mut Work<'_>,
) {
    let Front { proxy, name, binds, targets } = &mut front;
    targets.keep_only(|backend| backends.get(backend).is_some_and(|backend| backend.usable));
    let speaks_tls = |name: &&str| backends.get(*name).is_some_and(|backend| backend.speaks_tls);
    if !targets.backends().iter().all(speaks_tls) {
        binds.iter_mut().for_each(BindLine::refuse_tls);
    }
    if let Some(why) = obstacle(binds, targets) {
        give_up(proxy, binds, targets, &why, work);
        return;
    }
    let named = targets.backends();
    let patience: Vec<_> =
        named.iter().filter_map(|name| Some(backends.get(name)?.patience)).collect();
    let called = |name: &str| backends.get(name).map_or_else(String::new, |b| b.name.clone());
    let given = frontends::Given { name, binds, targets, called: &called, patience: &patience };
    let (table, addresses) = frontends::translate(proxy, &given, work);
    work.settle_header(proxy, Class::to(format!("frontend.{name}")));
    translated.origins.push((line_of(proxy), table.path.clone()));
    translated.tables.push(table);
    let known = FrontendKnown { name: name.clone(), binds: addresses };
    translated.frontends.frontends.push(known);
    for name in named {
        if let Some(backend) = backends.get_mut(name) {
            translated.tables.append(&mut backend.tables);
        }
    }
}

/// Why a frontend can't be kept.
fn obstacle(binds: &[BindLine<'_>], targets: &Targets<'_>) -> Option<String> {
    if targets.backends().is_empty() {
        return Some("its connections would have nowhere to go".to_owned());
    }
    if binds.iter().any(|bind| !bind.addresses.is_empty()) {
        return None;
    }
    let refusal = binds.iter().find_map(BindLine::refusal);
    Some(refusal.unwrap_or("it listens nowhere").to_owned())
}

/// A frontend that can't be kept: its header tells why, and its lines have no meaning without it.
fn give_up(
    proxy: &Proxy<'_>,
    binds: &[BindLine<'_>],
    targets: &Targets<'_>,
    why: &str,
    work: &mut Work<'_>,
) {
    let class = Class::lost(format!("this frontend isn't kept: {why}"));
    work.settle_header(proxy, class);
    let table = Table::new(["frontend", proxy.name]);
    if binds.iter().all(|bind| bind.addresses.is_empty()) {
        listeners::settle(binds, &table, work);
    }
    targets.give_up("its frontend isn't kept", work);
    for line in proxy.own_lines() {
        if line.words.iter().all(|word| !work.ledger.covers(&word.place)) {
            work.settle(line, Class::meaningless("its frontend isn't kept"));
        }
    }
}

/// What frames a section: its mode, whether it is switched off, its header.
fn settle_frame(proxy: &Proxy<'_>, work: &mut Work<'_>) {
    if proxy.is_disabled() {
        work.settle_header(proxy, Class::meaningless("it is disabled"));
        for line in proxy.own_lines() {
            work.settle(line, Class::meaningless("its section is disabled"));
        }
        return;
    }
    if let Some(line) = proxy.take(&["mode"], &mut work.ledger)
        && !pages::is_page(proxy)
    {
        let class = match line.word(1) {
            "tcp" => Class::DefaultAnyway,
            "http" => Class::lost(
                "halb balances connections, not requests: a client's requests on one connection \
                 all go to one server",
            )
            .instead("clients that open a connection for each request, or a proxy for HTTP"),
            other => Class::lost(format!("halb knows no mode '{other}'")),
        };
        work.settle(line, class);
    }
}

/// halb's page is served at an address of its own even if nobody asks for it.
fn keep_admin_apart(frontends: &FrontendsKnown, admin: &mut Table) {
    let port = defaults::ADMIN_HTTP.port();
    let taken = frontends.frontends.iter().flat_map(|f| &f.binds).any(|bind| bind.port() == port);
    if admin.entries.is_empty() && taken {
        let comment = "its usual address is taken by a frontend";
        admin.set_because("http", false, comment);
    }
}

/// Whether a section balances HTTP, as far as it is kept.
pub(super) fn balances_http(proxy: &Proxy<'_>) -> bool {
    proxy.is_http() && !proxy.is_disabled() && !pages::is_page(proxy)
}
