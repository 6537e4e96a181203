//! Prometheus text out of a [`Status`]. Each scrape fills a recorder of its own, so that what is
//! no longer in the status (a removed server) is no longer served.

pub mod names;
mod peer;
mod vrrp;

use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::status::{Admin, Backend, Frontend, Server, Status};
use names::{Kind, Metric};

/// The whole answer of a scrape.
#[must_use]
pub fn render(status: &Status) -> String {
    let sheet = Sheet { recorder: PrometheusBuilder::new().build_recorder() };
    for metric in names::all() {
        sheet.describe(metric);
    }
    process(&sheet, status);
    for frontend in &status.frontends {
        self::frontend(&sheet, frontend);
    }
    for backend in &status.backends {
        self::backend(&sheet, backend);
        // A removed server has the labels of the one that took its name.
        for server in backend.servers.iter().filter(|server| !server.removed) {
            self::server(&sheet, &backend.name, server);
        }
    }
    if let Some(peer) = &status.peer {
        peer::fill(&sheet, peer);
    }
    let Some(vrrp) = &status.vrrp else { return sheet.recorder.handle().render() };
    vrrp::fill(&sheet, vrrp);
    sheet.recorder.handle().render() + &vrrp::histograms(vrrp)
}

fn process(sheet: &Sheet, status: &Status) {
    let process = &status.process;
    sheet.flag(&names::READY, &[], status.readiness.ready);
    sheet.gauge(&names::UPTIME, &[], process.uptime_seconds);
    sheet.level(&names::CONNECTIONS, &[], process.connections);
    sheet.level(&names::CONNECTIONS_MAX, &[], process.connections_max);
    sheet.level(&names::PIPES, &[], process.pipes);
    sheet.counter(&names::ACCEPT_PAUSES, &[], process.accept_pauses);
    sheet.counter(&names::LOG_LINES_DROPPED, &[], process.log_lines_dropped);
    let heartbeats = process.workers.iter().map(|worker| worker.heartbeat_age_seconds);
    let dispatcher = process.dispatcher_heartbeat_age_seconds;
    sheet.gauge(&names::HEARTBEAT_AGE, &[], heartbeats.fold(dispatcher, f64::max));
    sheet.level(&names::CONFIG_LINTS, &[], process.config_lints);
    sheet.counter(&names::RELOADS, &[], status.reload.applied);
    sheet.counter(&names::RELOADS_FAILED, &[], status.reload.failed);
    let last_failed = status.reload.last.as_ref().is_some_and(|last| last.error.is_some());
    sheet.flag(&names::RELOAD_LAST_SUCCESS, &[], !last_failed);
}

fn frontend(sheet: &Sheet, frontend: &Frontend) {
    let labels = [("frontend", frontend.name.as_str())];
    let paused = frontend.listeners.iter().filter(|l| l.paused.is_some()).count();
    sheet.level(&names::FRONTEND_CONNECTIONS, &labels, frontend.connections);
    if let Some(max) = frontend.connections_max {
        sheet.level(&names::FRONTEND_CONNECTIONS_MAX, &labels, max);
    }
    sheet.level(&names::FRONTEND_PAUSED, &labels, u64::try_from(paused).unwrap_or(u64::MAX));
    sheet.counter(&names::FRONTEND_ACCEPTED, &labels, frontend.accepted);
    sheet.counter(&names::FRONTEND_DENIED, &labels, frontend.denied);
    sheet.counter(&names::FRONTEND_IN, &labels, frontend.bytes_in);
    sheet.counter(&names::FRONTEND_OUT, &labels, frontend.bytes_out);
}

fn backend(sheet: &Sheet, backend: &Backend) {
    let labels = [("backend", backend.name.as_str())];
    sheet.level(&names::BACKEND_SERVERS_UP, &labels, backend.servers_up);
    sheet.level(&names::BACKEND_QUEUED, &labels, backend.queued);
    let draining = backend.servers.iter().filter(|server| server.removed);
    sheet.level(&names::BACKEND_DRAINING, &labels, draining.map(|server| server.connections).sum());
    sheet.counter(&names::BACKEND_REFUSED, &labels, backend.refused);
    sheet.counter(&names::BACKEND_RETRIES, &labels, backend.retries);
    sheet.counter(&names::BACKEND_REDISPATCHES, &labels, backend.redispatches);
}

fn server(sheet: &Sheet, backend: &str, server: &Server) {
    let labels = [("backend", backend), ("server", server.name.as_str())];
    sheet.flag(&names::SERVER_UP, &labels, server.usable);
    sheet.flag(&names::SERVER_HEALTHY, &labels, server.healthy);
    sheet.flag(&names::SERVER_DRAIN, &labels, server.admin == Admin::Drain);
    sheet.flag(&names::SERVER_MAINT, &labels, server.admin == Admin::Maint);
    sheet.level(&names::SERVER_WEIGHT, &labels, u64::from(server.weight));
    sheet.level(&names::SERVER_CONNECTIONS, &labels, server.connections);
    if let Some(max) = server.connections_max {
        sheet.level(&names::SERVER_CONNECTIONS_MAX, &labels, max);
    }
    sheet.counter(&names::SERVER_ESTABLISHED, &labels, server.established);
    sheet.counter(&names::SERVER_CONNECT_ERRORS, &labels, server.connect_errors);
    sheet.counter(&names::SERVER_LOCAL_ERRORS, &labels, server.local_errors);
    sheet.gauge(&names::SERVER_CONNECT_TIME, &labels, server.connect_seconds);
    sheet.counter(&names::SERVER_IN, &labels, server.bytes_in);
    sheet.counter(&names::SERVER_OUT, &labels, server.bytes_out);
    if let Some(name) = &server.resolution {
        sheet.flag(&names::NAME_RESOLVED, &labels, name.address.is_some());
        sheet.counter(&names::NAME_ANSWERS, &labels, name.answers);
        sheet.counter(&names::NAME_FAILURES, &labels, name.failures);
        sheet.counter(&names::NAME_CHANGES, &labels, name.changes);
    }
    if let Some(check) = &server.check {
        sheet.counter(&names::CHECK_RUNS, &labels, check.checks);
        sheet.counter(&names::CHECK_FAILURES, &labels, check.failures);
        sheet.counter(&names::CHECK_INCONCLUSIVE, &labels, check.inconclusive);
        sheet.counter(&names::CHECK_FLIPS, &labels, check.flips);
        sheet.gauge(&names::CHECK_STATE_AGE, &labels, check.since_seconds);
        if let Some(duration) = check.duration_seconds {
            sheet.gauge(&names::CHECK_DURATION, &labels, duration);
        }
    }
}

/// The recorder of one scrape.
struct Sheet {
    recorder: PrometheusRecorder,
}

impl Sheet {
    fn describe(&self, metric: &Metric) {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => self.recorder.describe_counter(name, None, help),
            Kind::Gauge => self.recorder.describe_gauge(name, None, help),
            // Written apart.
            Kind::Histogram => {}
        }
    }

    fn counter(&self, metric: &Metric, labels: &[(&'static str, &str)], value: u64) {
        debug_assert!(metric.kind == Kind::Counter, "{} is no counter", metric.name);
        let key = key(metric, labels);
        self.recorder.register_counter(&key, &METADATA).absolute(value);
    }

    fn gauge(&self, metric: &Metric, labels: &[(&'static str, &str)], value: f64) {
        debug_assert!(metric.kind == Kind::Gauge, "{} is no gauge", metric.name);
        self.recorder.register_gauge(&key(metric, labels), &METADATA).set(value);
    }

    /// A gauge of whole things. Beyond 2^53 a float holds the nearest number it can, as Prometheus
    /// itself does.
    fn level(&self, metric: &Metric, labels: &[(&'static str, &str)], value: u64) {
        let (high, low) = (value >> 32, value & u64::from(u32::MAX));
        let half = |part: u64| f64::from(u32::try_from(part).expect("half of a u64 is a u32"));
        self.gauge(metric, labels, half(high) * 4_294_967_296.0 + half(low));
    }

    fn flag(&self, metric: &Metric, labels: &[(&'static str, &str)], value: bool) {
        self.gauge(metric, labels, f64::from(u8::from(value)));
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(metric: &Metric, labels: &[(&'static str, &str)]) -> Key {
    debug_assert!(metric.labels.iter().eq(labels.iter().map(|(name, _)| name)));
    let labels = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
