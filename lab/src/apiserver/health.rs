//! `/livez`, `/readyz` and `/healthz`, in the words of kube-apiserver.

use std::{
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use hyper::{Response, StatusCode};

use super::handler::{Asked, Body, text_response};

/// Whether the server wants new clients. A server that is leaving isn't ready, yet alive.
#[derive(Debug)]
pub(super) struct Readiness(AtomicBool);

impl Readiness {
    pub(super) fn new(ready: bool) -> Self {
        Self(AtomicBool::new(ready))
    }

    pub(super) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

/// One line per check with `?verbose` or when one fails, else `ok`.
pub(super) fn answer(readiness: &Readiness, asked: &Asked<'_>) -> Response<Body> {
    let endpoint = asked.path.trim_start_matches('/');
    let mut checks = vec![("ping", true), ("log", true), ("etcd", true)];
    if endpoint == "readyz" {
        checks.push(("shutdown", readiness.0.load(Ordering::Relaxed)));
    }
    let healthy = checks.iter().all(|(_, passed)| *passed);
    if healthy && asked.parameter("verbose").is_none() {
        return text_response(StatusCode::OK, "ok".to_owned());
    }
    let mut text = String::new();
    for (check, passed) in checks {
        let (mark, verdict) = if passed { ('+', "ok") } else { ('-', "failed: reason withheld") };
        writeln!(text, "[{mark}]{check} {verdict}").expect("a string takes any text");
    }
    let (status, end) = if healthy {
        (StatusCode::OK, "passed")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "failed")
    };
    writeln!(text, "{endpoint} check {end}").expect("a string takes any text");
    text_response(status, text)
}
