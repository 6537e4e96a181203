//! The API of a cluster: who may do what, the objects, and what kubectl wants to know of them.

mod auth;
mod discovery;
mod eviction;
mod exec;
mod objects;
mod operator;
mod path;

use std::sync::Arc;

use halb_lab::apiserver::{Api, Body, Caller};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::crypto::Authority;
use crate::machine::Machine;
use crate::store::Store;
pub(crate) use auth::entry;

/// Longest body of a request: Calico's definitions have three megabytes.
const BODY_MAX: usize = 16 << 20;

/// What every request needs.
#[derive(Debug)]
struct Cluster {
    store: Store,
    machine: Machine,
    authority: Authority,
    /// `v1.36.4`, of this API server.
    version: String,
}

/// A refusal or an answer.
type Answer = Result<(StatusCode, Value), Refusal>;

/// Why something isn't done, as Kubernetes says it.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", what)
    }

    fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", what)
    }

    fn document(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status.as_u16(),
        })
    }
}

/// The API, in this version (`v1.36.4`), of the cluster that this machine is a master of; its
/// authority signs what nodes ask for.
#[must_use]
pub fn api(machine: Machine, authority: Authority, version: String) -> Api {
    let cluster = Arc::new(Cluster { store: Store::of(&machine), machine, authority, version });
    Api::new(move |request, caller| answer(Arc::clone(&cluster), request, caller))
}

async fn answer(
    cluster: Arc<Cluster>,
    mut request: Request<Incoming>,
    caller: Caller,
) -> Response<Body> {
    let who = match auth::who(&cluster, &caller, request.headers()) {
        Ok(who) => who,
        Err(refusal) => return json_response(refusal.status, &refusal.document()),
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    if let Err(refusal) = auth::may(&who, &method, &path) {
        return json_response(refusal.status, &refusal.document());
    }
    if path.ends_with("/exec") {
        return exec::answer(&cluster, &mut request, &path, &query);
    }
    if method == Method::GET && path::flag(&query, "watch") {
        return objects::watch(&cluster, &path, &query).await;
    }
    let body = Limited::new(request.into_body(), BODY_MAX).collect().await;
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let refusal = Refusal::bad(format!("the body can't be read: {error}"));
            return json_response(refusal.status, &refusal.document());
        }
    };
    let answer = dispatch(&cluster, &method, (&path, &query), &body);
    let (status, document) = answer.unwrap_or_else(|refusal| (refusal.status, refusal.document()));
    json_response(status, &document)
}

fn dispatch(
    cluster: &Cluster,
    method: &Method,
    (path, query): (&str, &str),
    body: &[u8],
) -> Answer {
    if let Some(members) = path.strip_prefix("/stand-in/etcd/members") {
        return etcd(cluster, method, members, body);
    }
    if path == exec::RELAY {
        return exec::relayed(cluster, body);
    }
    if let Some(pod) = path.strip_suffix("/eviction") {
        return eviction::evict(cluster, method, pod);
    }
    if *method == Method::GET
        && let Some(document) = discovery::document(cluster, path)
    {
        return Ok((StatusCode::OK, document));
    }
    objects::answer(cluster, method, (path, query), body)
}

/// Members of etcd, as kubeadm changes them.
fn etcd(cluster: &Cluster, method: &Method, id: &str, body: &[u8]) -> Answer {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
    let id = id.trim_start_matches('/');
    let changed = cluster.store.with(|state| match method.as_str() {
        "POST" => state.add_learner(&text("peer")).map(|member| json!(member)),
        "PUT" => state.promote(id, &text("name")).map(|()| state.members_json()),
        "DELETE" => state.remove_member(id).map(|()| state.members_json()),
        _ => Ok(state.members_json()),
    });
    let refused = |why| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", why);
    let document = changed.map_err(|error| refused(error.to_string()))?.map_err(refused)?;
    cluster.machine.event("etcd", json!({ "method": method.as_str(), "members": document }));
    Ok((StatusCode::OK, document))
}

impl Cluster {
    /// Looks into the store; that it can't be read is an error of the server.
    fn state<T>(
        &self,
        with: impl FnOnce(&mut crate::store::State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.store.with(with).unwrap_or_else(|error| {
            let message = format!("etcd: {error}");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message))
        })
    }
}

fn json_response(status: StatusCode, document: &Value) -> Response<Body> {
    respond(status, document.to_string())
}

fn respond(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
