//! Objects: get, list, watch, create, replace, patch, delete.

use std::time::{Duration, Instant};

use halb_lab::apiserver::Body;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::path::{self, Target};
use super::{Answer, Cluster, Refusal, json_response, operator, respond};
use crate::store::State;

/// How long a watch waits for news.
const WATCH_MAX: Duration = Duration::from_secs(5);

/// Between two looks of a watch.
const WATCH_POLL: Duration = Duration::from_millis(100);

/// Answers a request for objects.
pub(super) fn answer(
    cluster: &Cluster,
    method: &Method,
    (path, query): (&str, &str),
    body: &[u8],
) -> Answer {
    let target = Target::of(path).ok_or_else(|| unknown(path))?;
    let body = match body {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .map_err(|error| Refusal::bad(format!("the body is no JSON: {error}")))?,
    };
    cluster.state(|state| {
        if let Some(definition) = path::definition(target.resource)
            && !state.objects.contains_key(&definition)
        {
            return Err(unknown(path));
        }
        match (method.as_str(), target.name) {
            ("GET", None) => Ok((StatusCode::OK, list(state, &target, query))),
            ("GET", Some(name)) => Ok((StatusCode::OK, get(state, &target, name)?)),
            ("POST", None) => create(cluster, state, &target, body),
            ("PUT", Some(name)) => {
                get(state, &target, name)?;
                Ok((StatusCode::OK, keep(cluster, state, &target, name, body)))
            }
            ("PATCH", Some(name)) => patch(cluster, state, &target, (name, query), body),
            ("DELETE", Some(name)) => {
                let object = get(state, &target, name)?;
                state.objects.remove(&target.path_of(name));
                state.revision += 1;
                if target.resource.kind == "Node" {
                    operator::collect_pods(state, name);
                }
                Ok((StatusCode::OK, object))
            }
            _ => Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                format!("{method} isn't possible here"),
            )),
        }
    })
}

fn unknown(path: &str) -> Refusal {
    Refusal::not_found(&format!("the server could not find the requested resource ({path})"))
}

fn get(state: &State, target: &Target<'_>, name: &str) -> Result<Value, Refusal> {
    let object = state.objects.get(&target.path_of(name)).cloned().ok_or_else(|| {
        Refusal::not_found(&format!("{} {name:?} not found", target.resource.plural))
    })?;
    if name == "kubeadm-certs" && !operator::is_owned(state, &object) {
        return Err(Refusal::not_found("secrets \"kubeadm-certs\" not found"));
    }
    let is_info = target.namespace == Some("kube-public") && name == "cluster-info";
    Ok(if is_info { operator::signed(state, object) } else { object })
}

fn list(state: &State, target: &Target<'_>, query: &str) -> Value {
    let labels = path::parameters(query, "labelSelector").concat();
    let fields = path::parameters(query, "fieldSelector").concat();
    let items: Vec<_> = state
        .objects
        .iter()
        .filter(|(path, _)| target.lists(path))
        .map(|(_, object)| object)
        .filter(|object| path::labelled(object, &labels) && path::has_fields(object, &fields))
        .collect();
    json!({
        "kind": format!("{}List", target.resource.kind),
        "apiVersion": target.resource.group_version,
        "metadata": { "resourceVersion": state.revision.to_string() },
        "items": items,
    })
}

fn create(cluster: &Cluster, state: &mut State, target: &Target<'_>, body: Value) -> Answer {
    let name = body["metadata"]["name"].as_str().map(str::to_owned);
    let name = name.ok_or_else(|| Refusal::bad("metadata.name: Required value"))?;
    if state.objects.contains_key(&target.path_of(&name)) {
        let message = format!("{} {name:?} already exists", target.resource.plural);
        return Err(Refusal::new(StatusCode::CONFLICT, "AlreadyExists", message));
    }
    Ok((StatusCode::CREATED, keep(cluster, state, target, &name, body)))
}

fn patch(
    cluster: &Cluster,
    state: &mut State,
    target: &Target<'_>,
    (name, query): (&str, &str),
    patch: Value,
) -> Answer {
    // Only a server-side apply has an owner, and only that makes what isn't there.
    let applies = !path::parameters(query, "fieldManager").is_empty() && patch["kind"].is_string();
    let there = match get(state, target, name) {
        Ok(object) => Some(object),
        Err(_) if applies => None,
        Err(refusal) => return Err(refusal),
    };
    let status = if there.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let mut object = there.unwrap_or_else(|| json!({}));
    merge(&mut object, patch);
    if !path::parameters(query, "dryRun").is_empty() {
        operator::complete(cluster, target, &mut object);
        return Ok((status, object));
    }
    Ok((status, keep(cluster, state, target, name, object)))
}

/// Completes an object and puts it into the store.
fn keep(
    cluster: &Cluster,
    state: &mut State,
    target: &Target<'_>,
    name: &str,
    mut object: Value,
) -> Value {
    object["kind"] = target.resource.kind.into();
    object["apiVersion"] = target.resource.group_version.into();
    object["metadata"]["name"] = name.into();
    if let Some(namespace) = target.namespace {
        object["metadata"]["namespace"] = namespace.into();
    }
    operator::complete(cluster, target, &mut object);
    let kept = state.put(&target.path_of(name), object);
    operator::reconcile(state);
    kept
}

/// A JSON merge patch (RFC 7396).
fn merge(object: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *object = patch;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().map(|fields| fields.remove(&key));
        } else {
            merge(&mut object[&key], value);
        }
    }
}

/// A watch that ends as soon as anything has changed, with the word that makes clients list anew.
pub(super) async fn watch(cluster: &Cluster, path: &str, query: &str) -> Response<Body> {
    if path::flag(query, "sendInitialEvents") {
        let refusal = Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            "sendInitialEvents is forbidden for watch: the feature is disabled",
        );
        return json_response(refusal.status, &refusal.document());
    }
    if Target::of(path).is_none() {
        let refusal = unknown(path);
        return json_response(refusal.status, &refusal.document());
    }
    let since = path::parameters(query, "resourceVersion").concat();
    let begun = Instant::now();
    let unchanged = || {
        let revision = cluster.store.with(|state| state.revision.to_string());
        revision.is_ok_and(|revision| revision == since)
    };
    while unchanged() && begun.elapsed() < WATCH_MAX {
        tokio::time::sleep(WATCH_POLL).await;
    }
    let expired = Refusal::new(StatusCode::GONE, "Expired", "too old resource version");
    let event = json!({ "type": "ERROR", "object": expired.document() });
    respond(StatusCode::OK, format!("{event}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_and_removes() {
        let mut object = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge(&mut object, json!({ "a": { "b": null, "e": { "f": null, "g": 3 } }, "d": [2] }));
        assert_eq!(object, json!({ "a": { "c": 2, "e": { "g": 3 } }, "d": [2] }));
    }
}
