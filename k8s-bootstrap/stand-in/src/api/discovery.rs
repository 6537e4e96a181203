//! What kubectl asks before it asks for anything: versions, kinds, and that the server itself looks
//! at fields.

use serde_json::{Map, Value, json};

use super::Cluster;
use super::path::{RESOURCES, Resource};

/// The document at a path, if it is one of these.
pub(super) fn document(cluster: &Cluster, path: &str) -> Option<Value> {
    let of_group = |group: &str| {
        let resources: Vec<_> =
            RESOURCES.iter().filter(|resource| resource.group_version == group).collect();
        (!resources.is_empty()).then(|| resource_list(group, &resources))
    };
    match path {
        "/version" => Some(version(&cluster.version)),
        "/api" => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => Some(groups()),
        "/api/v1" => of_group("v1"),
        "/openapi/v3" => Some(openapi_index()),
        _ => match path.strip_prefix("/openapi/v3/") {
            Some(group) => Some(openapi(group)),
            None => of_group(path.strip_prefix("/apis/")?),
        },
    }
}

fn version(version: &str) -> Value {
    let mut numbers = version.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next().unwrap_or_default(),
        "minor": numbers.next().unwrap_or_default(),
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

fn group_versions() -> Vec<&'static str> {
    let mut all: Vec<_> = RESOURCES.iter().map(|resource| resource.group_version).collect();
    all.dedup();
    all
}

fn groups() -> Value {
    let named = group_versions().into_iter().filter_map(|group| group.split_once('/'));
    let groups: Vec<_> = named
        .map(|(group, version)| {
            let version =
                json!({ "groupVersion": format!("{group}/{version}"), "version": version });
            json!({ "name": group, "versions": [version.clone()], "preferredVersion": version })
        })
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resource_list(group_version: &str, resources: &[&Resource]) -> Value {
    // By this kubectl knows that pods may be asked to go, rather than be deleted.
    let eviction = json!({
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": true,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    });
    let resources: Vec<_> = resources
        .iter()
        .map(|resource| {
            json!({
                "name": resource.plural,
                "singularName": resource.kind.to_lowercase(),
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            })
        })
        .chain((group_version == "v1").then_some(eviction))
        .collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    })
}

fn openapi_index() -> Value {
    let paths = group_versions().into_iter().map(|group| {
        let path = if group == "v1" { "api/v1".to_owned() } else { format!("apis/{group}") };
        let url = format!("/openapi/v3/{path}");
        (path, json!({ "serverRelativeURL": url }))
    });
    json!({ "paths": Map::from_iter(paths) })
}

/// Only that every kind can be patched, also to see what would come of it, and that the server is to
/// look at its fields.
fn openapi(path: &str) -> Value {
    let group_version = path.strip_prefix("apis/").unwrap_or("v1");
    let resources = RESOURCES.iter().filter(|resource| resource.group_version == group_version);
    let paths = resources.map(|resource| {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let kind = json!({ "group": group, "version": version, "kind": resource.kind });
        let parameter = |name: &str| {
            let schema = json!({ "type": "string", "uniqueItems": true });
            json!({ "name": name, "in": "query", "schema": schema })
        };
        let patch = json!({
            "parameters": [parameter("fieldValidation"), parameter("dryRun")],
            "responses": {},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
        });
        let path = format!("{}/{}/{{name}}", resource.prefix(), resource.plural);
        (path, json!({ "patch": patch }))
    });
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "stand-in" },
        "paths": Map::from_iter(paths),
    })
}
