//! What is made for the API, against the types that Kubernetes publishes.
//!
//! An object goes into its type and out again. A field that was lost is none of the type's; one that
//! came is required, and was missing.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command as Process;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{
    Endpoints, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service,
    ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::storage::v1::StorageClass;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::placement;
use crate::plan::step::Content;

/// Objects in, and out again, by what it's called.
type Through = fn(&Value) -> serde_json::Result<Value>;

fn through<T: DeserializeOwned + Serialize>(object: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(T::deserialize(object)?)
}

/// Every kind that is made, and its type. MetalLB's two aren't Kubernetes' own: none looks at them
/// here.
const KINDS: [(&str, &str, Option<Through>); 18] = [
    ("apps/v1", "Deployment", Some(through::<Deployment>)),
    ("apps/v1", "StatefulSet", Some(through::<StatefulSet>)),
    ("metallb.io/v1beta1", "IPAddressPool", None),
    ("metallb.io/v1beta1", "L2Advertisement", None),
    ("policy/v1", "PodDisruptionBudget", Some(through::<PodDisruptionBudget>)),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", Some(through::<rbac::ClusterRole>)),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        Some(through::<rbac::ClusterRoleBinding>),
    ),
    ("rbac.authorization.k8s.io/v1", "Role", Some(through::<rbac::Role>)),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", Some(through::<rbac::RoleBinding>)),
    ("storage.k8s.io/v1", "StorageClass", Some(through::<StorageClass>)),
    ("v1", "Endpoints", Some(through::<Endpoints>)),
    ("v1", "Namespace", Some(through::<Namespace>)),
    ("v1", "PersistentVolume", Some(through::<PersistentVolume>)),
    ("v1", "PersistentVolumeClaim", Some(through::<PersistentVolumeClaim>)),
    ("v1", "Pod", Some(through::<Pod>)),
    ("v1", "Secret", Some(through::<Secret>)),
    ("v1", "Service", Some(through::<Service>)),
    ("v1", "ServiceAccount", Some(through::<ServiceAccount>)),
];

fn kind_of(object: &Value) -> (&str, &str) {
    let word = |key: &str| object[key].as_str().unwrap_or_default();
    (word("apiVersion"), word("kind"))
}

/// What an object has that its type doesn't know, and what its type wants and it lacks.
fn faults(object: &Value) -> Vec<String> {
    let (version, kind) = kind_of(object);
    let mut known = KINDS.iter().filter(|known| (known.0, known.1) == (version, kind));
    let Some((.., through)) = known.next() else {
        return vec![format!("nothing is known of {version} {kind}")];
    };
    let Some(through) = through else { return Vec::new() };
    let mut found = Vec::new();
    match through(object) {
        Ok(came_out) => compare(kind, object, &came_out, &mut found),
        Err(error) => found.push(format!("{kind}: {error}")),
    }
    found
}

fn compare(path: &str, made: &Value, came_out: &Value, found: &mut Vec<String>) {
    match (made, came_out) {
        (Value::Object(made), Value::Object(came_out)) => {
            for (key, value) in made {
                match came_out.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, found),
                    None => found.push(format!("{path}.{key} is unknown")),
                }
            }
            // An object within another one, as in a StatefulSet's claims, needn't say what it is.
            let missing = came_out.keys().filter(|key| !made.contains_key(*key));
            let missing = missing.filter(|key| !["apiVersion", "kind"].contains(&key.as_str()));
            found.extend(missing.map(|key| format!("{path}.{key} is missing")));
        }
        (Value::Array(made), Value::Array(came_out)) if made.len() == came_out.len() => {
            for (place, (one, other)) in made.iter().zip(came_out).enumerate() {
                compare(&format!("{path}[{place}]"), one, other, found);
            }
        }
        (made, came_out) if made == came_out => {}
        (made, came_out) => found.push(format!("{path} is {made}, and was taken as {came_out}")),
    }
}

fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("---\n").filter(|text| !text.trim().is_empty());
    documents.map(|text| serde_saphyr::from_str(text).expect("one object of YAML")).collect()
}

/// Everything that steps of add-ons apply, Secrets included.
fn applied() -> Vec<Value> {
    let mut all = Vec::new();
    for transport in ["tls", "plain-http"] {
        let word = format!("volume: images, transport: {transport}");
        let registry = REGISTRY.replace("volume: images", &word);
        let inventory = with(&format!("{registry}{PATRONI}{NGINX}"));
        let keys = keys(Ipv4Addr::new(172, 16, 16, 151));
        let leader = &inventory.hosts[2];
        let context = Context { inventory: &inventory, leader, keys: Some(&keys) };
        for step in plan(context, &Name::ALL).steps() {
            let Act::Run { command } = &step.act else { continue };
            all.extend(objects(command.stdin.as_ref().map_or("", Content::expose)));
        }
    }
    all
}

/// halb in a pod, where masters are balancers too.
fn pod() -> Value {
    let mut inventory = with(METALLB);
    inventory.endpoint.port = 8443;
    for host in inventory.hosts.iter_mut().filter(|host| host.has(Role::Master)) {
        host.roles.push(Role::Balancer);
    }
    let text = placement::static_pod(&inventory, "kmaster01", "registry.example/halb:1.2.3");
    objects(&text.expect("no fault")).remove(0)
}

#[test]
fn every_field_of_every_object_is_one_that_kubernetes_publishes() {
    let mut all = applied();
    all.push(pod());
    let wrong: Vec<_> = all.iter().flat_map(faults).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let made: BTreeSet<_> = all.iter().map(kind_of).collect();
    let known: BTreeSet<_> = KINDS.iter().map(|kind| (kind.0, kind.1)).collect();
    assert_eq!(made, known, "left: what is made; right: what is looked at");
}

#[test]
fn a_field_that_is_unknown_missing_or_of_another_type_is_a_fault() {
    let all = applied();
    let deployment = all.iter().find(|one| one["kind"] == "Deployment").expect("there is one");
    assert_eq!(faults(deployment), Vec::<String>::new());
    let spoilt = |spoil: &dyn Fn(&mut Value)| {
        let mut object = deployment.clone();
        spoil(&mut object);
        faults(&object).join("; ")
    };
    let container = "/spec/template/spec/containers/0";
    let unknown = spoilt(&|it| it.pointer_mut(container).expect("one")["imagee"] = "a".into());
    assert_eq!(unknown, "Deployment.spec.template.spec.containers[0].imagee is unknown");
    let missing = spoilt(&|it| {
        it["spec"].as_object_mut().expect("it has fields").remove("selector");
    });
    assert_eq!(missing, "Deployment.spec.selector is missing");
    let other = spoilt(&|it| it["spec"]["replicas"] = "2".into());
    assert!(other.contains("invalid type"), "{other}");
    let kind = spoilt(&|it| it["apiVersion"] = "apps/v2".into());
    assert_eq!(kind, "nothing is known of apps/v2 Deployment");
}

/// What people would apply by themselves, read by those who read it then.
#[test]
#[ignore = "needs kubectl"]
fn kubectl_reads_every_object_that_is_rendered() {
    let inventory = with(&format!("{REGISTRY}{PATRONI}{NGINX}"));
    let text = render(&inventory, &Name::ALL);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("all.yaml"), &text).expect("written");
    let own = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
               resources: [all.yaml]\n";
    fs::write(folder.path().join("kustomization.yaml"), own).expect("written");
    let read = Process::new("kubectl").arg("kustomize").arg(folder.path()).output();
    let read = read.expect("kubectl is there");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let sorted = |text: &str| {
        let mut all: Vec<_> = objects(text).iter().map(ToString::to_string).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&String::from_utf8_lossy(&read.stdout)), sorted(&text));
}
