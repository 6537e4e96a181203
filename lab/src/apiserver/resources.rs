//! `/version`, discovery and the lists that `kubectl get` asks for.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    handler::{Asked, Body, Server, json_response, refusal},
    watch,
};

/// The kinds of objects that are served, all of core v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    ConfigMaps,
    Namespaces,
    Nodes,
    Pods,
}

/// The state of the cluster that the server shows: what kubeadm's would show of itself, and a
/// heartbeat that changes with each event of a watch.
#[derive(Debug)]
pub(super) struct Cluster {
    node: String,
    revision: AtomicU64,
}

/// What of a path under `/api/v1` is meant.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    resource: Resource,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

/// Answers everything that Kubernetes' API has under `/version`, `/api` and `/apis`; any other path
/// isn't found.
pub(super) fn answer(server: &Arc<Server>, asked: &Asked<'_>) -> Response<Body> {
    if asked.method != Method::GET {
        let message = "this stand-in only answers GET";
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    }
    let document = match asked.path {
        "/version" => version(),
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }),
        "/api/v1" => resource_list(),
        path => match Target::of(path) {
            Some(target) if target.name.is_none() && asked.flag("watch") => {
                return watch::answer(server, target.resource, target.namespace, asked);
            }
            Some(target) => return objects(&server.cluster, &target),
            None => return not_found(path),
        },
    };
    json_response(StatusCode::OK, &document)
}

impl Cluster {
    pub(super) fn new(node: String) -> Self {
        Self { node, revision: AtomicU64::new(1) }
    }

    /// One beat of the heartbeat: a new revision of the cluster.
    pub(super) fn beat(&self) -> u64 {
        self.revision.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// The objects of a kind, in one namespace or in all.
    pub(super) fn objects(&self, resource: Resource, namespace: Option<&str>) -> Vec<Value> {
        let all = match resource {
            Resource::ConfigMaps => vec![self.heartbeat(self.revision())],
            Resource::Namespaces => ["default", "kube-system"]
                .into_iter()
                .map(|name| {
                    object(resource, name, None, json!({ "status": { "phase": "Active" } }))
                })
                .collect(),
            Resource::Nodes => {
                let ready = json!({ "type": "Ready", "status": "True", "reason": "KubeletReady" });
                let status = json!({ "status": { "conditions": [ready] } });
                vec![object(resource, &self.node, None, status)]
            }
            Resource::Pods => Vec::new(),
        };
        let wanted = |object: &Value| {
            namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
        };
        all.into_iter().filter(wanted).collect()
    }

    /// The ConfigMap that watches are told of.
    pub(super) fn heartbeat(&self, revision: u64) -> Value {
        let data = json!({ "data": { "server": self.node, "beat": revision.to_string() } });
        let mut object = object(Resource::ConfigMaps, "heartbeat", Some(HOME), data);
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        object
    }
}

impl Resource {
    const ALL: [Self; 4] = [Self::ConfigMaps, Self::Namespaces, Self::Nodes, Self::Pods];

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::ConfigMaps => "ConfigMap",
            Self::Namespaces => "Namespace",
            Self::Nodes => "Node",
            Self::Pods => "Pod",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::ConfigMaps => "configmaps",
            Self::Namespaces => "namespaces",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::ConfigMaps => "cm",
            Self::Namespaces => "ns",
            Self::Nodes => "no",
            Self::Pods => "po",
        }
    }

    fn namespaced(self) -> bool {
        match self {
            Self::ConfigMaps | Self::Pods => true,
            Self::Namespaces | Self::Nodes => false,
        }
    }
}

impl FromStr for Resource {
    type Err = ();

    fn from_str(plural: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|resource| resource.plural() == plural).ok_or(())
    }
}

impl<'a> Target<'a> {
    /// What `/api/v1/…` means, if it means something that is served.
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<_> = path.strip_prefix("/api/v1/")?.split('/').collect();
        let (namespace, resource, name) = match parts[..] {
            [resource] => (None, resource, None),
            ["namespaces", namespace, resource] => (Some(namespace), resource, None),
            ["namespaces", namespace, resource, name] => (Some(namespace), resource, Some(name)),
            [resource, name] => (None, resource, Some(name)),
            _ => return None,
        };
        let resource: Resource = resource.parse().ok()?;
        let fits = resource.namespaced() || namespace.is_none();
        (fits && name != Some("")).then_some(Self { resource, namespace, name })
    }
}

fn objects(cluster: &Cluster, target: &Target<'_>) -> Response<Body> {
    let objects = cluster.objects(target.resource, target.namespace);
    let Some(name) = target.name else {
        let list = json!({
            "kind": format!("{}List", target.resource.kind()),
            "apiVersion": "v1",
            "metadata": { "resourceVersion": cluster.revision().to_string() },
            "items": objects,
        });
        return json_response(StatusCode::OK, &list);
    };
    match objects.iter().find(|object| object["metadata"]["name"] == name) {
        Some(object) => json_response(StatusCode::OK, object),
        None => {
            let message = format!("{} {name:?} not found", target.resource.plural());
            refusal(StatusCode::NOT_FOUND, "NotFound", &message)
        }
    }
}

fn object(resource: Resource, name: &str, namespace: Option<&str>, mut rest: Value) -> Value {
    rest["kind"] = resource.kind().into();
    rest["apiVersion"] = "v1".into();
    rest["metadata"] = json!({
        "name": name,
        "uid": format!("stand-in-{}-{name}", resource.plural()),
        "resourceVersion": "1",
        "creationTimestamp": "2025-01-01T00:00:00Z",
    });
    if let Some(namespace) = namespace {
        rest["metadata"]["namespace"] = namespace.into();
    }
    rest
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "34",
        "gitVersion": "v1.34.0+halb-lab",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

fn resource_list() -> Value {
    let resources: Vec<_> = Resource::ALL
        .into_iter()
        .map(|resource| {
            json!({
                "name": resource.plural(),
                "singularName": resource.kind().to_lowercase(),
                "namespaced": resource.namespaced(),
                "kind": resource.kind(),
                "verbs": ["get", "list", "watch"],
                "shortNames": [resource.short()],
            })
        })
        .collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "v1",
        "resources": resources,
    })
}

fn not_found(path: &str) -> Response<Body> {
    let message = format!("the server could not find the requested resource {path:?}");
    refusal(StatusCode::NOT_FOUND, "NotFound", &message)
}

/// Namespace of the heartbeat.
const HOME: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;

    fn target<'a>(
        resource: Resource,
        namespace: Option<&'a str>,
        name: Option<&'a str>,
    ) -> Option<Target<'a>> {
        Some(Target { resource, namespace, name })
    }

    #[test]
    fn paths_of_the_core_api_are_told_apart() {
        let cases = [
            ("/api/v1/nodes", target(Resource::Nodes, None, None)),
            ("/api/v1/nodes/kmaster1", target(Resource::Nodes, None, Some("kmaster1"))),
            ("/api/v1/namespaces", target(Resource::Namespaces, None, None)),
            ("/api/v1/namespaces/default", target(Resource::Namespaces, None, Some("default"))),
            ("/api/v1/namespaces/default/pods", target(Resource::Pods, Some("default"), None)),
            (
                "/api/v1/namespaces/default/configmaps/heartbeat",
                target(Resource::ConfigMaps, Some("default"), Some("heartbeat")),
            ),
            ("/api/v1/configmaps", target(Resource::ConfigMaps, None, None)),
            ("/api/v1/namespaces/default/nodes", None),
            ("/api/v1/secrets", None),
            ("/api/v1/", None),
            ("/api/v1/nodes/", None),
            ("/apis/apps/v1/deployments", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Target::of(path), expected, "{path}");
        }
    }

    #[test]
    fn objects_are_listed_by_namespace_and_the_heartbeat_moves_on() {
        let cluster = Cluster::new("kmaster1".to_owned());
        assert_eq!(cluster.objects(Resource::ConfigMaps, Some("default")).len(), 1);
        assert_eq!(cluster.objects(Resource::ConfigMaps, Some("kube-system")).len(), 0);
        let before = cluster.revision();
        assert_eq!(cluster.beat(), before + 1);
        let heartbeat = &cluster.objects(Resource::ConfigMaps, None)[0];
        assert_eq!(heartbeat["data"]["beat"], (before + 1).to_string());
    }
}
