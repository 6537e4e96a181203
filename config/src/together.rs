//! Compares tables with each other: references, addresses taken twice, what nobody uses.

use std::collections::HashMap;
use std::net::SocketAddr;

use halb_lb::names::BackendName;

use crate::backend::BackendDraft;
use crate::daemon::Daemon;
use crate::diagnostic::{Diagnostic, Span};
use crate::frontend::FrontendDraft;
use crate::keys;
use crate::reader::Entry;
use crate::sink::Sink;

/// Reports what doesn't fit together. `named` are all backends of the file, readable or not.
pub(super) fn check(
    sink: &Sink,
    frontends: &[FrontendDraft],
    backends: &[BackendDraft],
    named: &[Entry<'_>],
    daemon: &Daemon,
) {
    check_targets(sink, frontends, named);
    check_listeners(sink, frontends, daemon);
    check_loops(sink, frontends, backends);
    lint_unused(sink, frontends, backends);
    lint_maxconn(sink, frontends, daemon);
}

fn check_targets(sink: &Sink, frontends: &[FrontendDraft], named: &[Entry<'_>]) {
    let known = |target: &BackendName| named.iter().any(|entry| entry.key == target.as_str());
    for (target, span) in frontends.iter().flat_map(|frontend| &frontend.targets) {
        if known(target) {
            continue;
        }
        let names: Vec<_> = named.iter().map(|entry| entry.key).collect();
        let remedy = match keys::nearest(names.iter().copied(), target.as_str()) {
            Some(near) => format!("write \"{near}\""),
            None if names.is_empty() => format!("add `[backend.{target}]` and its servers"),
            None => format!("add `[backend.{target}]`, or write one of: {}", names.join(", ")),
        };
        sink.report_absence(
            Diagnostic::error(span.clone(), format!("there is no backend '{target}'"))
                .consequence("connections would have nowhere to go")
                .remedy(remedy),
        );
    }
}

/// Only in a file without errors: a reference that is wrong is no reference that isn't there.
fn lint_unused(sink: &Sink, frontends: &[FrontendDraft], backends: &[BackendDraft]) {
    if sink.has_errors() {
        return;
    }
    for BackendDraft { backend, name_span, .. } in backends {
        let used = |f: &FrontendDraft| f.targets.iter().any(|(target, _)| *target == backend.name);
        if !frontends.iter().any(used) {
            sink.report_absence(
                Diagnostic::lint(
                    name_span.clone(),
                    format!("nobody uses backend '{}'", backend.name),
                )
                .consequence("its servers are checked, but get no connection")
                .remedy("name it in a frontend's 'backend' or 'routes', or remove it"),
            );
        }
    }
}

/// Two listeners for one port, where one covers the other.
fn check_listeners(sink: &Sink, frontends: &[FrontendDraft], daemon: &Daemon) {
    let binds = frontends.iter().flat_map(|frontend| &frontend.binds);
    let admin = daemon.admin.http.zip(daemon.admin_http_span.clone());
    let mut taken: HashMap<u16, Vec<(SocketAddr, Span)>> = HashMap::new();
    for (address, span) in binds.cloned().chain(admin) {
        let earlier = taken.entry(address.port()).or_default();
        if let Some((first, first_span)) = earlier.iter().find(|(a, _)| overlap(*a, address)) {
            let what = if *first == address {
                format!("{address} is listened on twice")
            } else {
                format!("{address} and {first} can't both be listened on")
            };
            sink.report(
                Diagnostic::error(span.clone(), what)
                    .consequence("the kernel gives an address and port to one listener only")
                    .remedy("remove one of them, or choose another port")
                    .related(first_span.clone(), "first here"),
            );
        }
        earlier.push((address, span));
    }
    check_default_admin(sink, frontends, daemon);
}

/// The admin address may be taken without being written.
fn check_default_admin(sink: &Sink, frontends: &[FrontendDraft], daemon: &Daemon) {
    let (Some(admin), None) = (daemon.admin.http, &daemon.admin_http_span) else { return };
    let mut binds = frontends.iter().flat_map(|frontend| &frontend.binds);
    if let Some((address, span)) = binds.find(|(address, _)| overlap(*address, admin)) {
        sink.report(
            Diagnostic::error(span.clone(), format!("{address} takes the admin address {admin}"))
                .consequence("the kernel gives an address and port to one listener only")
                .remedy("choose another port, or write `http = …` or `http = false` in [admin]"),
        );
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let one_covers = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && one_covers
}

/// A server that is one of our own listeners.
fn check_loops(sink: &Sink, frontends: &[FrontendDraft], backends: &[BackendDraft]) {
    let binds: HashMap<u16, Vec<&(SocketAddr, Span)>> =
        frontends.iter().flat_map(|f| &f.binds).fold(HashMap::new(), |mut map, bind| {
            map.entry(bind.0.port()).or_default().push(bind);
            map
        });
    for (server, span) in backends.iter().flat_map(|backend| &backend.servers) {
        let Some(server) = &server.ip() else { continue };
        let reaches = |bind: SocketAddr| {
            bind == *server || (server.ip().is_loopback() && overlap(bind, *server))
        };
        let found = binds.get(&server.port()).and_then(|b| b.iter().find(|(b, _)| reaches(*b)));
        if let Some((_, listener)) = found {
            sink.report(
                Diagnostic::error(span.clone(), format!("{server} is halb itself"))
                    .consequence("each connection would make another one, until none is left")
                    .remedy("write the server's own address, or let halb listen on another port")
                    .related(listener.clone(), "halb listens here"),
            );
        }
    }
}

fn lint_maxconn(sink: &Sink, frontends: &[FrontendDraft], daemon: &Daemon) {
    let Some(total) = daemon.maxconn else { return };
    for FrontendDraft { frontend, maxconn_span, .. } in frontends {
        let (Some(own), Some(span)) = (frontend.maxconn, maxconn_span) else { continue };
        if own > total {
            let what = format!("{own} connections are more than the {total} of [global]");
            sink.report(
                Diagnostic::lint(span.clone(), what)
                    .consequence("the frontend never gets so many")
                    .remedy("raise 'maxconn' in [global], or lower this one"),
            );
        }
    }
}
