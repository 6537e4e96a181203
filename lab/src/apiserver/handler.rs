//! Which path is answered by what.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    api::{Api, Caller},
    bulk,
    connection::Phase,
    counters::Counters,
    gate::Gate,
    health::{self, Readiness},
    resources::{self, Cluster},
};

/// Body of any answer: a text, or a stream.
pub type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What all connections of one server share, restarts included.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// `X-Served-By` of every answer.
    pub(super) served_by: HeaderValue,
    pub(super) counters: Counters,
    pub(super) gate: Arc<Gate>,
    pub(super) readiness: Readiness,
    pub(super) cluster: Cluster,
    /// What answers instead of the little that is here.
    pub(super) api: Option<Api>,
    /// Time between two events of a watch.
    pub(super) watch_interval: Duration,
}

/// A request as the parts of the tree see it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// The server's life, for answers that last.
    pub(super) phase: watch::Receiver<Phase>,
}

impl<'a> Asked<'a> {
    /// The value of a parameter of the query; empty for one without a value.
    ///
    /// No parameter that is understood has characters that need escapes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Whether a parameter is set as Kubernetes sets booleans.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("true" | "1"))
    }
}

/// Answers a request.
pub(super) async fn answer(
    server: Arc<Server>,
    caller: Caller,
    phase: watch::Receiver<Phase>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let healthy = ["/livez", "/readyz", "/healthz"].contains(&request.uri().path());
    if let Some(api) = server.api.as_ref().filter(|_| !healthy) {
        server.counters.request(request.uri().path());
        let mut response = api.answer(request, caller).await;
        response.headers_mut().insert("x-served-by", server.served_by.clone());
        return Ok(response);
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    server.counters.request(path);
    let query = head.uri.query().unwrap_or_default();
    let asked = Asked { method: &head.method, path, query, phase };
    let mut response = match path {
        "/livez" | "/readyz" | "/healthz" => health::answer(&server.readiness, &asked),
        "/bulk" => bulk::send(&asked),
        "/echo" => bulk::echo(body),
        _ => resources::answer(&server, &asked),
    };
    response.headers_mut().insert("x-served-by", server.served_by.clone());
    Ok(response)
}

/// A JSON answer.
pub(super) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    respond(status, "application/json", full(value.to_string()))
}

/// A plain-text answer.
pub(super) fn text_response(status: StatusCode, text: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", full(text))
}

/// An answer with any body.
pub(super) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A refusal in the form of Kubernetes' `Status`, which kubectl shows as its message.
pub(super) fn refusal(status: StatusCode, reason: &str, message: &str) -> Response<Body> {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    });
    json_response(status, &body)
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync()
}
