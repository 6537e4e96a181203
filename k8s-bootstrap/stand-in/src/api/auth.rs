//! Who asks, by certificate or token, and what they may.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use halb_lab::apiserver::Caller;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::{Cluster, Refusal};
use crate::crypto;
use crate::store::State;

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// Shows nothing.
    Anonymous,
    /// Has a token to join by.
    Joining,
    /// Is kubelet of this node.
    Node(String),
    /// May do everything.
    Administrator,
    /// Has a certificate that says something else.
    Other(String),
}

/// Who a request comes from.
pub(super) fn who(cluster: &Cluster, caller: &Caller, headers: &HeaderMap) -> Result<Who, Refusal> {
    if let Some((name, of)) = caller.certificate.as_deref().and_then(crypto::subject) {
        let is_of = |organisation: &str| of.iter().any(|other| other == organisation);
        let node = name.strip_prefix("system:node:").filter(|_| is_of("system:nodes"));
        return Ok(match node {
            Some(node) => Who::Node(node.to_owned()),
            None if is_of("system:masters") || is_of("kubeadm:cluster-admins") => {
                Who::Administrator
            }
            None => Who::Other(name),
        });
    }
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(Who::Anonymous) };
    let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let good = cluster.state(|state| Ok(token.is_some_and(|token| is_good(state, token))))?;
    let refused = || Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
    if good { Ok(Who::Joining) } else { Err(refused()) }
}

/// Whether a token is one of the cluster's, in time, and for authentication.
fn is_good(state: &State, token: &str) -> bool {
    let Some((id, secret)) = token.split_once('.') else { return false };
    let token = tokens(state).find(|(of, _, _)| of == id);
    token.is_some_and(|(_, known, object)| {
        known == secret
            && entry(object, "usage-bootstrap-authentication").as_deref() == Some("true")
    })
}

/// All tokens that are in time: id, secret and object.
pub(super) fn tokens(state: &State) -> impl Iterator<Item = (String, String, &Value)> {
    const TOKENS: &str = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-";
    let secrets = state.objects.iter().filter(|(path, _)| path.starts_with(TOKENS));
    secrets.filter_map(|(_, object)| {
        let is_token = object["type"] == "bootstrap.kubernetes.io/token";
        let in_time = match entry(object, "expiration") {
            Some(text) => humantime::parse_rfc3339(&text).is_ok_and(|end| end > SystemTime::now()),
            None => true,
        };
        let parts = (entry(object, "token-id")?, entry(object, "token-secret")?, object);
        (is_token && in_time).then_some(parts)
    })
}

/// A text out of a Secret.
pub(crate) fn entry(secret: &Value, key: &str) -> Option<String> {
    let bytes = STANDARD.decode(secret["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether somebody may do something.
pub(super) fn may(who: &Who, method: &Method, path: &str) -> Result<(), Refusal> {
    let reads = *method == Method::GET;
    let is_open = ["/api", "/apis", "/version", "/openapi"].iter().any(|open| {
        path == *open || (*open != "/api" && *open != "/apis" && path.starts_with(open))
    });
    let requests = path.starts_with("/apis/certificates.k8s.io/v1/certificatesigningrequests");
    let allowed = match who {
        Who::Administrator => true,
        Who::Anonymous => {
            reads && (is_open || path == "/api/v1/namespaces/kube-public/configmaps/cluster-info")
        }
        Who::Joining => {
            let shared =
                ["configmaps/kubeadm-config", "configmaps/kubelet-config", "secrets/kubeadm-certs"];
            let shared =
                shared.iter().any(|name| path == format!("/api/v1/namespaces/kube-system/{name}"));
            requests || (reads && (is_open || shared || path.starts_with("/api/v1/nodes/")))
        }
        Who::Node(name) => {
            let own = format!("/api/v1/nodes/{name}");
            let pods = path.starts_with("/api/v1/namespaces/kube-system/pods");
            let secret = path.contains("/secrets");
            let own = path == own || path == format!("{own}/status") || path == "/api/v1/nodes";
            requests || pods || own || (reads && !secret)
        }
        Who::Other(_) => reads && is_open,
    };
    if allowed {
        return Ok(());
    }
    let name = match who {
        Who::Anonymous => "system:anonymous",
        Who::Joining => "system:bootstrap",
        Who::Administrator => "kubernetes-admin",
        Who::Node(name) | Who::Other(name) => name,
    };
    let message = format!("forbidden: User {name:?} cannot {method} path {path:?}");
    Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message))
}
