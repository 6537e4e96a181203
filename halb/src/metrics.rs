//! Prometheus text out of a [`Status`], in one pass and with nothing kept from scrape to scrape: what
//! is no longer in the status (a removed server) is no longer served.

mod exposition;
mod forward;
pub mod names;
mod peer;
mod vrrp;

use crate::status::names::Resolution;
use crate::status::{Admin, Backend, Check, Frontend, Server, Status};
use exposition::{Exposition, Row};

/// The whole answer of a scrape.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut out = Exposition::default();
    process(&mut out, status);
    frontends(&mut out, &status.frontends);
    backends(&mut out, &status.backends);
    servers(&mut out, &status.backends);
    if let Some(peer) = &status.peer {
        peer::fill(&mut out, peer);
    }
    if let Some(forward) = &status.forward {
        forward::fill(&mut out, forward);
    }
    if let Some(vrrp) = &status.vrrp {
        vrrp::fill(&mut out, vrrp);
    }
    out.into_text()
}

fn process(out: &mut Exposition, status: &Status) {
    let row = [Row::new(&[], status)];
    out.family(&names::READY, &row, |status| status.readiness.ready);
    let row = [Row::new(&[], &status.process)];
    out.family(&names::UPTIME, &row, |process| process.uptime_seconds);
    out.family(&names::CONNECTIONS, &row, |process| process.connections);
    out.family(&names::CONNECTIONS_MAX, &row, |process| process.connections_max);
    out.family(&names::PIPES, &row, |process| process.pipes);
    out.family(&names::ACCEPT_PAUSES, &row, |process| process.accept_pauses);
    out.family(&names::LOG_LINES_DROPPED, &row, |process| process.log_lines_dropped);
    out.family(&names::HEARTBEAT_AGE, &row, |process| {
        let workers = process.workers.iter().map(|worker| worker.heartbeat_age_seconds);
        workers.fold(process.dispatcher_heartbeat_age_seconds, f64::max)
    });
    out.family(&names::CONFIG_LINTS, &row, |process| process.config_lints);
    let row = [Row::new(&[], &status.reload)];
    out.family(&names::RELOADS, &row, |reload| reload.applied);
    out.family(&names::RELOADS_FAILED, &row, |reload| reload.failed);
    out.family(&names::RELOAD_LAST_SUCCESS, &row, |reload| {
        reload.last.as_ref().is_none_or(|last| last.error.is_none())
    });
}

fn frontends(out: &mut Exposition, frontends: &[Frontend]) {
    let rows = rows(frontends, |frontend| [("frontend", &frontend.name)]);
    out.family(&names::FRONTEND_CONNECTIONS, &rows, |frontend| frontend.connections);
    out.family(&names::FRONTEND_CONNECTIONS_MAX, &rows, |frontend| frontend.connections_max);
    out.family(&names::FRONTEND_PAUSED, &rows, |frontend| {
        count(frontend.listeners.iter().filter(|listener| listener.paused.is_some()))
    });
    out.family(&names::FRONTEND_ACCEPTED, &rows, |frontend| frontend.accepted);
    out.family(&names::FRONTEND_DENIED, &rows, |frontend| frontend.denied);
    out.family(&names::FRONTEND_IN, &rows, |frontend| frontend.bytes_in);
    out.family(&names::FRONTEND_OUT, &rows, |frontend| frontend.bytes_out);
}

fn backends(out: &mut Exposition, backends: &[Backend]) {
    let rows = rows(backends, |backend| [("backend", &backend.name)]);
    out.family(&names::BACKEND_SERVERS_UP, &rows, |backend| backend.servers_up);
    out.family(&names::BACKEND_QUEUED, &rows, |backend| backend.queued);
    out.family(&names::BACKEND_DRAINING, &rows, |backend| {
        let draining = backend.servers.iter().filter(|server| server.removed);
        draining.map(|server| server.connections).sum::<u64>()
    });
    out.family(&names::BACKEND_REFUSED, &rows, |backend| backend.refused);
    out.family(&names::BACKEND_RETRIES, &rows, |backend| backend.retries);
    out.family(&names::BACKEND_REDISPATCHES, &rows, |backend| backend.redispatches);
}

fn servers(out: &mut Exposition, backends: &[Backend]) {
    let present = backends.iter().flat_map(|backend| {
        // A removed server has the labels of the one that took its name.
        let present = backend.servers.iter().filter(|server| !server.removed);
        present.map(move |server| {
            Row::new(&[("backend", &backend.name), ("server", &server.name)], server)
        })
    });
    let rows: Vec<_> = present.collect();
    out.family(&names::SERVER_UP, &rows, |server| server.usable);
    out.family(&names::SERVER_HEALTHY, &rows, |server| server.healthy);
    out.family(&names::SERVER_DRAIN, &rows, |server| server.admin == Admin::Drain);
    out.family(&names::SERVER_MAINT, &rows, |server| server.admin == Admin::Maint);
    out.family(&names::SERVER_WEIGHT, &rows, |server| u64::from(server.weight));
    out.family(&names::SERVER_CONNECTIONS, &rows, |server| server.connections);
    out.family(&names::SERVER_CONNECTIONS_MAX, &rows, |server| server.connections_max);
    out.family(&names::SERVER_ESTABLISHED, &rows, |server| server.established);
    out.family(&names::SERVER_CONNECT_ERRORS, &rows, |server| server.connect_errors);
    out.family(&names::SERVER_LOCAL_ERRORS, &rows, |server| server.local_errors);
    out.family(&names::SERVER_CONNECT_TIME, &rows, |server| server.connect_seconds);
    out.family(&names::SERVER_IN, &rows, |server| server.bytes_in);
    out.family(&names::SERVER_OUT, &rows, |server| server.bytes_out);
    resolutions(out, &rows);
    checks(out, &rows);
}

/// What the names of servers stand for.
fn resolutions(out: &mut Exposition, servers: &[Row<&Server>]) {
    fn of<'a>(server: &&'a Server) -> Option<&'a Resolution> {
        server.resolution.as_ref()
    }
    out.family(&names::NAME_RESOLVED, servers, |server| {
        of(server).map(|name| name.address.is_some())
    });
    out.family(&names::NAME_ANSWERS, servers, |server| of(server).map(|name| name.answers));
    out.family(&names::NAME_FAILURES, servers, |server| of(server).map(|name| name.failures));
    out.family(&names::NAME_CHANGES, servers, |server| of(server).map(|name| name.changes));
}

fn checks(out: &mut Exposition, servers: &[Row<&Server>]) {
    fn of<'a>(server: &&'a Server) -> Option<&'a Check> {
        server.check.as_ref()
    }
    out.family(&names::CHECK_RUNS, servers, |server| of(server).map(|check| check.checks));
    out.family(&names::CHECK_FAILURES, servers, |server| of(server).map(|check| check.failures));
    out.family(&names::CHECK_INCONCLUSIVE, servers, |server| {
        of(server).map(|check| check.inconclusive)
    });
    out.family(&names::CHECK_FLIPS, servers, |server| of(server).map(|check| check.flips));
    out.family(&names::CHECK_STATE_AGE, servers, |server| {
        of(server).map(|check| check.since_seconds)
    });
    out.family(&names::CHECK_DURATION, servers, |server| {
        of(server).map(|check| check.duration_seconds)
    });
}

/// A row for each thing, with the labels that name it.
fn rows<'a, T, const N: usize>(
    things: &'a [T],
    labels: impl Fn(&'a T) -> [(&'static str, &'a String); N],
) -> Vec<Row<&'a T>> {
    let row = |thing| Row::new(&labels(thing).map(|(name, value)| (name, value.as_str())), thing);
    things.iter().map(row).collect()
}

/// How many there are.
fn count(of: impl Iterator) -> u64 {
    u64::try_from(of.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
