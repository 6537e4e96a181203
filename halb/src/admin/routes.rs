//! Which path gives what.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Response, StatusCode, header};
use tokio::sync::Semaphore;

use super::{Looks, events, page};
use crate::metrics;
use crate::status::readiness;

/// An answer, whole or a stream.
pub type Answer = Response<Body>;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The status page.
    Page,
    /// Its style sheet.
    Style,
    /// Its script.
    Script,
    /// The page as it changes.
    Events,
    /// The status tree.
    Json,
    /// Prometheus text.
    Metrics,
    /// Whether the threads of the data path come round.
    Live,
    /// Whether clients are served.
    Ready,
    /// Something that there isn't.
    Unknown,
    /// Anything but reading.
    Forbidden,
}

/// Nothing is loaded from elsewhere, nothing runs but the page's own script, nothing is sent, nobody
/// frames it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const TEXT: &str = "text/plain; charset=utf-8";

/// The version is part of the format's name.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route of a request.
#[must_use]
pub fn find(method: &Method, path: &str) -> Route {
    if method != Method::GET && method != Method::HEAD {
        return Route::Forbidden;
    }
    match path {
        "/" => Route::Page,
        "/style.css" => Route::Style,
        "/page.js" => Route::Script,
        "/events" => Route::Events,
        "/status.json" => Route::Json,
        "/metrics" => Route::Metrics,
        "/livez" => Route::Live,
        "/readyz" => Route::Ready,
        _ => Route::Unknown,
    }
}

/// The answer of a route; looks at the daemon where the answer depends on it.
pub async fn respond(route: Route, look: &Looks, turns: &Arc<Semaphore>) -> Answer {
    let ok = StatusCode::OK;
    match route {
        Route::Style => response(ok, "text/css; charset=utf-8", page::STYLE),
        Route::Script => response(ok, "text/javascript; charset=utf-8", page::SCRIPT),
        Route::Page => {
            response(ok, "text/html; charset=utf-8", page::render(&(look.status)().await))
        }
        Route::Metrics => response(ok, PROMETHEUS, metrics_text(look).await),
        Route::Json => match serde_json::to_vec_pretty(&(look.status)().await) {
            Ok(json) => response(ok, "application/json", json),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        Route::Live => verdict("alive", &readiness::stuck_threads(&(look.status)().await.process)),
        Route::Ready => verdict("ready", &(look.status)().await.readiness.reasons),
        Route::Events => {
            let body = StreamBody::new(events::stream(look.clone(), Arc::clone(turns)));
            boxed(ok, "text/event-stream", body.boxed_unsync())
        }
        Route::Unknown => {
            let words = "there are: / /events /status.json /metrics /livez /readyz\n";
            response(StatusCode::NOT_FOUND, TEXT, words)
        }
        Route::Forbidden => {
            let words = "this address is for reading; changes go through the control socket\n";
            let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, words);
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            refusal
        }
    }
}

/// The answer while the daemon can't look at itself.
pub(super) fn unavailable() -> Answer {
    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the daemon is ending\n")
}

async fn metrics_text(look: &Looks) -> String {
    let own = metrics::render(&(look.status)().await);
    match (look.more_metrics)().await {
        Some(more) => own + &more,
        None => own,
    }
}

fn verdict(word: &'static str, reasons: &[String]) -> Answer {
    if reasons.is_empty() {
        return response(StatusCode::OK, TEXT, format!("{word}\n"));
    }
    let words = format!("not {word}:\n{}\n", reasons.join("\n"));
    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, words)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    boxed(status, content_type, Full::new(body.into()).boxed_unsync())
}

fn boxed(status: StatusCode, content_type: &'static str, body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
