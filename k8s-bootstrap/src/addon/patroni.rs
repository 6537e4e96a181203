//! PostgreSQL by Patroni: three members over the Kubernetes API, one of which leads.
//!
//! Names, ports, variables and rights are those of Patroni's own example (`kubernetes/patroni_k8s.yaml`),
//! with volumes, passwords that are made here, pods apart, a budget for disruptions, and a namespace
//! of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::addon::apply::{self, Ready, script};
use crate::addon::keys::{Keys, base64};
use crate::addon::manifest::{Kind, LABEL_ADDON, Set, Spec};
use crate::addon::objects::{
    Affinity, CLAIM, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ClaimSpec, Container, ContainerPort,
    ContainerSecurity, DISRUPTION_BUDGET, ENDPOINTS, Env, Labels, Mount, NAMESPACE, Nothing,
    PodSecurity, PodSpec, Probe, ROLE, ROLE_BINDING, Resources, RoleBinding, RoleRef, Rule, Rules,
    SECRET, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET, Secret as SecretBody, Selector, ServicePort,
    ServiceSpec, Subject, Template, TemplateMetadata,
};
use crate::addon::storage::CLASS;
use crate::addon::{Context, Name, Steps};
use crate::inventory::Inventory;
use crate::inventory::addons::{Addons, Patroni};
use crate::plan::step::{Act, Step};
use crate::shell;

pub(crate) const SPACE: &str = "halb-patroni";

/// What the database's cluster is called; pods, services and claims are called after it.
pub(crate) const SCOPE: &str = "patroni";

/// The volume of a member, in its pod and in the name of its claim.
const DATA: &str = "pgdata";

const READY: [Ready; 1] = [Ready::Rollout(SPACE, "statefulset/patroni")];

/// Postgres' user in Patroni's image: Debian's.
const USER_ID: u32 = 999;

/// How long a member may take to hand over and stop: more than Patroni's own patience of 30 s.
const GRACE_SECONDS: u32 = 90;

/// The name of a member and of its pod.
fn member_name(member: usize) -> String {
    format!("{SCOPE}-{member}")
}

/// The members that the inventory wants; none if it wants no database.
pub(crate) fn members(inventory: &Inventory) -> Vec<String> {
    let volumes = inventory.addons.patroni.as_ref().map_or(0, |patroni| patroni.volumes.len());
    (0..volumes).map(member_name).collect()
}

/// The name of a member's claim.
pub(super) fn claim_name(member: usize) -> String {
    format!("{DATA}-{}", member_name(member))
}

fn labels() -> Labels {
    Labels::from([("application", "patroni"), ("cluster-name", SCOPE)])
}

fn with_role(role: &'static str) -> Labels {
    let mut labels = labels();
    labels.insert("role", role);
    labels
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatefulSetSpec {
    pod_management_policy: &'static str,
    replicas: usize,
    selector: Selector,
    service_name: &'static str,
    template: Template,
    volume_claim_templates: [ClaimTemplate; 1],
}

#[derive(Serialize)]
struct ClaimTemplate {
    metadata: ClaimMetadata,
    spec: ClaimSpec,
}

#[derive(Serialize)]
struct ClaimMetadata {
    name: &'static str,
    labels: Labels,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BudgetSpec {
    max_unavailable: u32,
    selector: Selector,
}

/// All its objects. Without keys, as for a rendering, the passwords are left out.
pub(super) fn set(addons: &Addons, patroni: &Patroni, keys: Option<&Keys>) -> Set {
    let mut set = Set::of(Name::Patroni);
    set.add(NAMESPACE, (None, SPACE), Nothing {});
    if let Some(keys) = keys {
        let entry = |text: &str| base64(text.as_bytes());
        let data = BTreeMap::from([
            ("replication-password", entry(keys.replication.expose())),
            ("superuser-password", entry(keys.superuser.expose())),
        ]);
        set.hide(data.values().cloned());
        set.add(SECRET, (Some(SPACE), SCOPE), SecretBody { r#type: "Opaque", data });
    }
    add_rights(&mut set);
    add_services(&mut set);
    let spec = BudgetSpec { max_unavailable: 1, selector: Selector { match_labels: labels() } };
    set.add(DISRUPTION_BUDGET, (Some(SPACE), SCOPE), Spec { spec });
    let size = addons.storage.iter().flat_map(|storage| &storage.volumes);
    let own = size.filter(|volume| patroni.volumes.contains(&volume.name));
    let size = own.map(|volume| volume.size.clone()).next().unwrap_or_default();
    let spec = StatefulSetSpec {
        // All at once: members wait for each other by Patroni's own means.
        pod_management_policy: "Parallel",
        replicas: patroni.volumes.len(),
        selector: Selector { match_labels: labels() },
        service_name: SCOPE,
        template: Template {
            metadata: TemplateMetadata { labels: labels(), annotations: BTreeMap::new() },
            spec: pod(patroni),
        },
        volume_claim_templates: [ClaimTemplate {
            metadata: ClaimMetadata {
                name: DATA,
                labels: BTreeMap::from([(LABEL_ADDON, Name::Patroni.as_str())]),
            },
            spec: ClaimSpec::template(CLASS, &size),
        }],
    };
    set.add(STATEFUL_SET, (Some(SPACE), SCOPE), Spec { spec });
    set
}

/// What Patroni may do with its own objects, and that it may find the API.
fn add_rights(set: &mut Set) {
    set.add(SERVICE_ACCOUNT, (Some(SPACE), SCOPE), Nothing {});
    let all = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let pods = &["get", "list", "patch", "update", "watch"];
    let rules = vec![
        Rule::of("configmaps", all),
        Rule::of("endpoints", all),
        Rule::of("pods", pods),
        Rule::of("services", &["create"]),
    ];
    set.add(ROLE, (Some(SPACE), SCOPE), Rules { rules });
    let bound = |kind: &'static str, name: &'static str| RoleBinding {
        role_ref: RoleRef { api_group: "rbac.authorization.k8s.io", kind, name },
        subjects: [Subject { kind: "ServiceAccount", name: SCOPE, namespace: SPACE }],
    };
    set.add(ROLE_BINDING, (Some(SPACE), SCOPE), bound("Role", SCOPE));
    let mut api = Rule::of("endpoints", &["get"]);
    api.resource_names = Some(["kubernetes"]);
    set.add(CLUSTER_ROLE, (None, "halb-patroni"), Rules { rules: vec![api] });
    let binding = bound("ClusterRole", "halb-patroni");
    set.add(CLUSTER_ROLE_BINDING, (None, "halb-patroni"), binding);
}

/// The leader's service has no selector: Patroni writes its endpoints itself, so that it moves in the
/// same moment as the leader's lock.
fn add_services(set: &mut Set) {
    let service = |selector: Option<Labels>, cluster_ip: Option<&'static str>| {
        let port = ServicePort { name: "postgresql", port: 5432, target_port: "postgresql" };
        let ports = if cluster_ip.is_some() { Vec::new() } else { vec![port] };
        Spec { spec: ServiceSpec { r#type: "ClusterIP", cluster_ip, selector, ports } }
    };
    let leader = set.add(SERVICE, (Some(SPACE), SCOPE), service(None, None));
    leader.labels.extend(labels().into_iter().map(|(key, value)| (key, value.to_owned())));
    let endpoints = set.add(ENDPOINTS, (Some(SPACE), SCOPE), Nothing {});
    endpoints.labels.extend(labels().into_iter().map(|(key, value)| (key, value.to_owned())));
    set.add(SERVICE, (Some(SPACE), "patroni-repl"), service(Some(with_role("replica")), None));
    // Patroni keeps what the cluster is in the annotations of an object of this name.
    set.add(SERVICE, (Some(SPACE), "patroni-config"), service(None, Some("None")));
}

fn pod(patroni: &Patroni) -> PodSpec {
    let mut readiness = Probe::http("HTTP", "patroni", "/readiness");
    readiness.period_seconds = 10;
    let mut liveness = Probe::http("HTTP", "patroni", "/liveness");
    liveness.period_seconds = 10;
    let container = Container {
        name: "patroni",
        image: patroni.image.clone(),
        env: environment(),
        ports: vec![
            ContainerPort { name: "patroni", container_port: 8008 },
            ContainerPort { name: "postgresql", container_port: 5432 },
        ],
        readiness_probe: readiness,
        liveness_probe: Some(liveness),
        resources: Resources::of("250m", "256Mi"),
        security_context: ContainerSecurity { allow_privilege_escalation: false },
        volume_mounts: vec![Mount {
            name: DATA,
            mount_path: "/home/postgres/pgdata",
            read_only: None,
        }],
    };
    PodSpec {
        affinity: Some(Affinity::apart(labels())),
        automount_service_account_token: true,
        containers: vec![container],
        security_context: Some(PodSecurity::user(USER_ID)),
        service_account_name: Some(SCOPE),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        volumes: Vec::new(),
    }
}

fn environment() -> Vec<Env> {
    let text = |name, value: &str| Env::text(name, value.to_owned());
    vec![
        Env::field("POD_IP", "status.podIP"),
        Env::field("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
        Env::field("PATRONI_KUBERNETES_NAMESPACE", "metadata.namespace"),
        Env::field("PATRONI_NAME", "metadata.name"),
        text("PATRONI_KUBERNETES_BYPASS_API_SERVICE", "true"),
        text("PATRONI_KUBERNETES_USE_ENDPOINTS", "true"),
        // The leader's service finds its endpoints by the name of the port.
        text("PATRONI_KUBERNETES_PORTS", r#"[{"name": "postgresql", "port": 5432}]"#),
        text(
            "PATRONI_KUBERNETES_LABELS",
            &format!("{{application: patroni, cluster-name: {SCOPE}}}"),
        ),
        text("PATRONI_SCOPE", SCOPE),
        text("PATRONI_SUPERUSER_USERNAME", "postgres"),
        Env::secret("PATRONI_SUPERUSER_PASSWORD", SCOPE, "superuser-password"),
        text("PATRONI_REPLICATION_USERNAME", "standby"),
        Env::secret("PATRONI_REPLICATION_PASSWORD", SCOPE, "replication-password"),
        text("PATRONI_POSTGRESQL_DATA_DIR", "/home/postgres/pgdata/pgroot/data"),
        text("PATRONI_POSTGRESQL_PGPASS", "/tmp/pgpass"),
        text("PATRONI_POSTGRESQL_LISTEN", "0.0.0.0:5432"),
        text("PATRONI_RESTAPI_LISTEN", "0.0.0.0:8008"),
    ]
}

pub(super) fn install(context: Context<'_>, steps: &mut Steps) {
    let addons = &context.inventory.addons;
    let (Some(patroni), Some(keys)) = (&addons.patroni, context.keys) else { return };
    let title = format!("Run PostgreSQL with {} members of Patroni", patroni.volumes.len());
    let set = set(addons, patroni, Some(keys));
    steps.cluster.push(apply::apply("patroni", title, &set, &READY));
    steps.cluster.push(has_leader());
}

/// Members are ready as replicas, too; a database without a leader takes no writes.
fn has_leader() -> Step {
    let look = format!(
        "[ -n \"$(kubectl -n {SPACE} get pods -l cluster-name={SCOPE},role=primary -o name)\" ]"
    );
    let wait = script(&format!("until {look}; do sleep 2; done")).within(apply::READY_MAX);
    let title = "Wait for a leader of the database";
    Step::new("patroni-leader", title, Act::Run { command: wait }).unless(script(&look))
}

pub(super) fn remove(steps: &mut Steps) {
    const KINDS: [Kind; 11] = [
        DISRUPTION_BUDGET,
        STATEFUL_SET,
        SERVICE,
        ENDPOINTS,
        SECRET,
        CLAIM,
        ROLE_BINDING,
        ROLE,
        SERVICE_ACCOUNT,
        CLUSTER_ROLE_BINDING,
        CLUSTER_ROLE,
    ];
    let kinds: Vec<_> = KINDS.iter().chain([&NAMESPACE]).map(|kind| kind.resource).collect();
    let title = "Remove the database; its data stays in the folders of its volumes";
    steps.cluster.push(apply::remove(Name::Patroni, title, &kinds));
}

/// What patronictl is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Tell of all members.
    List,
    /// Have the leader hand over to a replica, to this one if one is named.
    Switchover(Option<String>),
    /// Make this replica the leader though there is none that could hand over.
    Failover(String),
}

/// patronictl on the first member that runs. It asks nothing: whoever orders has been asked.
pub(super) fn order(order: &Order) -> Step {
    let member = |name: &String| shell::quote(name).into_owned();
    let (title, words) = match order {
        Order::List => ("List the database's members".to_owned(), format!("list {SCOPE}")),
        Order::Switchover(None) => (
            "Hand the database over to a replica".to_owned(),
            format!("switchover {SCOPE} --force"),
        ),
        Order::Switchover(Some(to)) => (
            format!("Hand the database over to {to}"),
            format!("switchover {SCOPE} --candidate {} --force", member(to)),
        ),
        Order::Failover(to) => (
            format!("Make {to} the database's leader"),
            format!("failover {SCOPE} --candidate {} --force", member(to)),
        ),
    };
    let lines = format!(
        "pod=$(kubectl -n {SPACE} get pods -l cluster-name={SCOPE} \
         --field-selector=status.phase=Running -o name | head -n 1)\n\
         [ -n \"$pod\" ] || {{ echo 'no member of the database runs' >&2; exit 1; }}\n\
         kubectl -n {SPACE} exec \"$pod\" -c patroni -- patronictl {words}"
    );
    Step::new("patronictl", title, Act::Run { command: script(&lines) })
}
