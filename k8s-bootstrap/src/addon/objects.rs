//! Objects of Kubernetes itself, as far as add-ons make them. Names and shapes are those of its API;
//! tests hold what is made of them against its published types.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::addon::manifest::Kind;

macro_rules! kinds {
    ($($name:ident = $version:literal $kind:literal $resource:literal;)*) => {
        $(pub(super) const $name: Kind =
            Kind { api_version: $version, kind: $kind, resource: $resource };)*
    };
}

kinds! {
    CLAIM = "v1" "PersistentVolumeClaim" "persistentvolumeclaims";
    CLUSTER_ROLE = "rbac.authorization.k8s.io/v1" "ClusterRole"
        "clusterroles.rbac.authorization.k8s.io";
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io/v1" "ClusterRoleBinding"
        "clusterrolebindings.rbac.authorization.k8s.io";
    DEPLOYMENT = "apps/v1" "Deployment" "deployments.apps";
    DISRUPTION_BUDGET = "policy/v1" "PodDisruptionBudget" "poddisruptionbudgets.policy";
    ENDPOINTS = "v1" "Endpoints" "endpoints";
    NAMESPACE = "v1" "Namespace" "namespaces";
    ROLE = "rbac.authorization.k8s.io/v1" "Role" "roles.rbac.authorization.k8s.io";
    ROLE_BINDING = "rbac.authorization.k8s.io/v1" "RoleBinding"
        "rolebindings.rbac.authorization.k8s.io";
    SECRET = "v1" "Secret" "secrets";
    SERVICE = "v1" "Service" "services";
    SERVICE_ACCOUNT = "v1" "ServiceAccount" "serviceaccounts";
    STATEFUL_SET = "apps/v1" "StatefulSet" "statefulsets.apps";
    STORAGE_CLASS = "storage.k8s.io/v1" "StorageClass" "storageclasses.storage.k8s.io";
    VOLUME = "v1" "PersistentVolume" "persistentvolumes";
}

/// Labels, or what selects by them.
pub(super) type Labels = BTreeMap<&'static str, &'static str>;

/// The label that pods of an add-on are selected by.
pub(super) fn app(name: &'static str) -> Labels {
    Labels::from([("app.kubernetes.io/name", name)])
}

/// A body without fields.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentSpec {
    pub(super) replicas: u32,
    pub(super) selector: Selector,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strategy: Option<Strategy>,
    pub(super) template: Template,
}

/// How new pods take the place of old ones.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Strategy {
    pub(super) r#type: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector {
    pub(super) match_labels: Labels,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Template {
    pub(super) metadata: TemplateMetadata,
    pub(super) spec: PodSpec,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TemplateMetadata {
    pub(super) labels: Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) affinity: Option<Affinity>,
    pub(super) automount_service_account_token: bool,
    pub(super) containers: Vec<Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) security_context: Option<PodSecurity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_account_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) termination_grace_period_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<PodVolume>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSecurity {
    fs_group: u32,
    run_as_group: u32,
    run_as_non_root: bool,
    run_as_user: u32,
}

impl PodSecurity {
    /// Everything runs as this user and group, and kubelet gives volumes to that group.
    pub(super) fn user(id: u32) -> Self {
        Self { fs_group: id, run_as_group: id, run_as_non_root: true, run_as_user: id }
    }
}

/// Where a mounted folder comes from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodVolume {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistent_volume_claim: Option<ClaimSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretSource>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSource {
    claim_name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretSource {
    secret_name: &'static str,
}

impl PodVolume {
    pub(super) fn claim(name: &'static str, claim_name: &'static str) -> Self {
        Self { name, persistent_volume_claim: Some(ClaimSource { claim_name }), secret: None }
    }

    pub(super) fn secret(name: &'static str, secret_name: &'static str) -> Self {
        Self { name, persistent_volume_claim: None, secret: Some(SecretSource { secret_name }) }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Affinity {
    pod_anti_affinity: PodAntiAffinity,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodAntiAffinity {
    preferred_during_scheduling_ignored_during_execution: [WeightedTerm; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct WeightedTerm {
    weight: u32,
    pod_affinity_term: Term,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    label_selector: Selector,
    topology_key: &'static str,
}

impl Affinity {
    /// Pods with these labels keep to different nodes, as long as there are enough.
    pub(super) fn apart(match_labels: Labels) -> Self {
        let label_selector = Selector { match_labels };
        let term = Term { label_selector, topology_key: "kubernetes.io/hostname" };
        let preferred = WeightedTerm { weight: 100, pod_affinity_term: term };
        let pod_anti_affinity =
            PodAntiAffinity { preferred_during_scheduling_ignored_during_execution: [preferred] };
        Self { pod_anti_affinity }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: &'static str,
    pub(super) image: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<Env>,
    pub(super) ports: Vec<ContainerPort>,
    pub(super) readiness_probe: Probe,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) liveness_probe: Option<Probe>,
    pub(super) resources: Resources,
    pub(super) security_context: ContainerSecurity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volume_mounts: Vec<Mount>,
}

/// A variable of the environment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_from: Option<ValueFrom>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum ValueFrom {
    #[serde(rename_all = "camelCase")]
    FieldRef {
        field_path: &'static str,
    },
    SecretKeyRef {
        name: &'static str,
        key: &'static str,
    },
}

impl Env {
    pub(super) fn text(name: &'static str, value: String) -> Self {
        Self { name, value: Some(value), value_from: None }
    }

    pub(super) fn field(name: &'static str, field_path: &'static str) -> Self {
        Self { name, value: None, value_from: Some(ValueFrom::FieldRef { field_path }) }
    }

    pub(super) fn secret(name: &'static str, secret: &'static str, key: &'static str) -> Self {
        let from = ValueFrom::SecretKeyRef { name: secret, key };
        Self { name, value: None, value_from: Some(from) }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) name: &'static str,
    pub(super) mount_path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_only: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub(super) name: &'static str,
    pub(super) container_port: u16,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    pub(super) http_get: HttpGet,
    pub(super) period_seconds: u32,
    pub(super) timeout_seconds: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct HttpGet {
    pub(super) path: &'static str,
    pub(super) port: &'static str,
    pub(super) scheme: &'static str,
}

impl Probe {
    /// Asks a path every few seconds.
    pub(super) fn http(scheme: &'static str, port: &'static str, path: &'static str) -> Self {
        let http_get = HttpGet { path, port, scheme };
        Self { http_get, period_seconds: 5, timeout_seconds: 3 }
    }
}

/// What a container is promised.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Resources {
    pub(super) requests: BTreeMap<&'static str, String>,
}

impl Resources {
    pub(super) fn of(cpu: &str, memory: &str) -> Self {
        let requests = [("cpu", cpu.to_owned()), ("memory", memory.to_owned())];
        Self { requests: BTreeMap::from(requests) }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerSecurity {
    pub(super) allow_privilege_escalation: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    pub(super) r#type: &'static str,
    #[serde(rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub(super) cluster_ip: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) selector: Option<Labels>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePort {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) target_port: &'static str,
}

/// The annotation by which a service asks MetalLB for an address.
pub(super) const FIXED_ADDRESS: &str = "metallb.io/loadBalancerIPs";

/// The body of a Secret: each entry in base64.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Secret {
    pub(super) r#type: &'static str,
    pub(super) data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimSpec {
    access_modes: [&'static str; 1],
    resources: ClaimResources,
    storage_class_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct ClaimResources {
    requests: BTreeMap<&'static str, String>,
}

impl ClaimSpec {
    /// A claim of any volume of a class that is large enough and kept for it.
    pub(super) fn template(class: &'static str, size: &str) -> Self {
        Self {
            access_modes: ["ReadWriteOnce"],
            resources: ClaimResources { requests: BTreeMap::from([("storage", size.to_owned())]) },
            storage_class_name: class,
            volume_name: None,
        }
    }

    /// A claim of this volume.
    pub(super) fn of(class: &'static str, volume: &str, size: &str) -> Self {
        Self { volume_name: Some(volume.to_owned()), ..Self::template(class, size) }
    }
}

/// The body of a Role.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    api_groups: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_names: Option<[&'static str; 1]>,
    resources: [&'static str; 1],
    verbs: &'static [&'static str],
}

impl Rule {
    /// What may be done with a kind of the first API group.
    pub(super) fn of(resource: &'static str, verbs: &'static [&'static str]) -> Self {
        Self { api_groups: [""], resource_names: None, resources: [resource], verbs }
    }
}

/// The body of a RoleBinding.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleBinding {
    pub(super) role_ref: RoleRef,
    pub(super) subjects: [Subject; 1],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleRef {
    pub(super) api_group: &'static str,
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Subject {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) namespace: &'static str,
}
