//! What controllers would do, done at once: definitions are established, Calico's operator installs,
//! requests of nodes for certificates are signed, texts of Secrets become data, pods go with their node.
//! A node that says nothing any more is given its time.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Cluster;
use super::path::definition;
use super::path::{RESOURCES, TIGERA, Target};
use crate::crypto;
use crate::store::State;

/// What an object becomes before it is kept.
pub(super) fn complete(cluster: &Cluster, target: &Target<'_>, object: &mut Value) {
    match target.resource.kind {
        "Secret" => encode(object),
        "CustomResourceDefinition" => {
            let established = json!({ "type": "Established", "status": "True" });
            object["status"] = json!({ "conditions": [established] });
        }
        "CertificateSigningRequest" => sign(cluster, object),
        "Deployment" => object["status"] = runs(object),
        "Namespace" => object["status"] = json!({ "phase": "Active" }),
        _ => {}
    }
}

/// What a Deployment's controller says when all pods run. Nothing runs here.
fn runs(deployment: &Value) -> Value {
    let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    json!({
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "conditions": [{ "type": "Available", "status": "True" }],
    })
}

fn encode(object: &mut Value) {
    let texts = object["stringData"].take();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("stringData");
    }
    for (key, text) in texts.as_object().into_iter().flatten() {
        object["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
}

fn sign(cluster: &Cluster, object: &mut Value) {
    let spec = &object["spec"];
    let decoded = STANDARD.decode(spec["request"].as_str().unwrap_or_default());
    let request = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    if spec["signerName"] != "kubernetes.io/kube-apiserver-client-kubelet" {
        return;
    }
    let condition = match cluster.authority.sign(&request, "system:nodes") {
        Ok((name, certificate)) if name.starts_with("system:node:") => {
            object["status"]["certificate"] = STANDARD.encode(certificate).into();
            json!({ "type": "Approved", "status": "True", "reason": "AutoApproved" })
        }
        Ok((name, _)) => json!({ "type": "Denied", "status": "True", "message": name }),
        Err(why) => json!({ "type": "Denied", "status": "True", "message": why }),
    };
    object["status"]["conditions"] = json!([condition]);
}

/// How long a node may say nothing until it isn't counted as ready, as the controller manager's
/// `--node-monitor-grace-period`.
const NODE_GRACE: Duration = Duration::from_secs(50);

/// Nobody knows how nodes are whose kubelet has said nothing for too long.
fn judge_nodes(state: &mut State, now: SystemTime) {
    let is_silent = |node: &Value| {
        let ready = &node["status"]["conditions"][0];
        let heard = ready["lastHeartbeatTime"].as_str();
        let heard = heard.and_then(|text| humantime::parse_rfc3339(text).ok());
        let silence = heard.and_then(|heard| now.duration_since(heard).ok());
        ready["status"] == "True" && silence.is_some_and(|silence| silence > NODE_GRACE)
    };
    let nodes = state.objects.range("/api/v1/nodes/".to_owned().."/api/v1/nodes0".to_owned());
    let silent: Vec<_> = nodes
        .filter(|(_, node)| is_silent(node))
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect();
    for (path, mut node) in silent {
        let ready = &mut node["status"]["conditions"][0];
        ready["status"] = "Unknown".into();
        ready["message"] = "Kubelet stopped posting node status.".into();
        state.put(&path, node);
    }
}

/// What garbage collection does with pods whose node is gone.
pub(super) fn collect_pods(state: &mut State, node: &str) {
    let is_pod = |path: &str| Target::of(path).is_some_and(|it| it.resource.kind == "Pod");
    state.objects.retain(|path, object| object["spec"]["nodeName"] != node || !is_pod(path));
    state.revision += 1;
}

/// What follows from what there is now. Calico's operator: as soon as there are definitions, a
/// Deployment of it and an Installation, it says that it runs.
pub(super) fn reconcile(state: &mut State) {
    const INSTALLATION: &str = "/apis/operator.tigera.io/v1/installations/default";
    const STATUS: &str = "/apis/operator.tigera.io/v1/tigerastatuses/calico";
    const OPERATOR: &str = "/apis/apps/v1/namespaces/tigera-operator/deployments/tigera-operator";
    judge_nodes(state, SystemTime::now());
    let tigera = RESOURCES.iter().filter(|resource| resource.group_version == TIGERA);
    let defined = tigera.filter_map(definition).all(|path| state.objects.contains_key(&path));
    let version = state.objects.get(OPERATOR).and_then(|deployment| {
        deployment["metadata"]["annotations"]["stand-in/calico"].as_str().map(str::to_owned)
    });
    let (true, Some(version)) = (defined, version) else { return };
    let Some(mut installation) = state.objects.get(INSTALLATION).cloned() else { return };
    if installation["status"]["calicoVersion"] != version.as_str() {
        installation["status"]["calicoVersion"] = version.into();
        state.put(INSTALLATION, installation);
    }
    if !state.objects.contains_key(STATUS) {
        let available = json!({ "type": "Available", "status": "True" });
        let status = json!({
            "apiVersion": "operator.tigera.io/v1",
            "kind": "TigeraStatus",
            "metadata": { "name": "calico" },
            "status": { "conditions": [available] },
        });
        state.put(STATUS, status);
    }
}

/// Whether the token that an object goes with is still in time: garbage collection would have it.
pub(super) fn is_owned(state: &State, object: &Value) -> bool {
    let owner = object["metadata"]["ownerReferences"][0]["name"].as_str();
    owner.is_none_or(|owner| {
        super::auth::tokens(state).any(|(id, _, _)| owner == format!("bootstrap-token-{id}"))
    })
}

/// Signatures of all tokens that are in time and for signing, in the ConfigMap that anyone may read.
pub(super) fn signed(state: &State, mut cluster_info: Value) -> Value {
    let kubeconfig = cluster_info["data"]["kubeconfig"].as_str().unwrap_or_default().to_owned();
    for (id, secret, object) in super::auth::tokens(state) {
        if super::auth::entry(object, "usage-bootstrap-signing").as_deref() == Some("true") {
            let signature = crypto::jws(&kubeconfig, &id, &secret);
            cluster_info["data"][format!("jws-kubeconfig-{id}")] = signature.into();
        }
    }
    cluster_info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_says_nothing_for_too_long_is_ready_no_more() {
        let mut state = State::default();
        let heard = "2026-01-01T00:00:00Z";
        let ready = json!({ "type": "Ready", "status": "True", "lastHeartbeatTime": heard });
        let node = json!({ "metadata": {}, "status": { "conditions": [ready] } });
        state.put("/api/v1/nodes/a", node);
        let heard = humantime::parse_rfc3339(heard).unwrap();
        let status = |state: &State| {
            let node = &state.objects["/api/v1/nodes/a"];
            node["status"]["conditions"][0]["status"].as_str().map(str::to_owned)
        };
        judge_nodes(&mut state, heard + NODE_GRACE);
        assert_eq!(status(&state).as_deref(), Some("True"));
        judge_nodes(&mut state, heard + NODE_GRACE + Duration::from_secs(1));
        assert_eq!(status(&state).as_deref(), Some("Unknown"));
    }

    #[test]
    fn pods_go_with_their_node_and_no_others() {
        let mut state = State::default();
        for (name, node) in [("a", "kworker01"), ("b", "kworker02")] {
            let pod = json!({ "metadata": {}, "spec": { "nodeName": node } });
            state.put(&format!("/api/v1/namespaces/default/pods/{name}"), pod);
        }
        collect_pods(&mut state, "kworker01");
        let left: Vec<_> = state.objects.keys().collect();
        assert_eq!(left, ["/api/v1/namespaces/default/pods/b"]);
    }
}
