//! nginx as a sample application: pods on different nodes behind an address of the hosts' network,
//! verified by a request to it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::addon::apply::{self, Ready};
use crate::addon::manifest::{Set, Spec};
use crate::addon::objects::{
    self, Affinity, Container, ContainerPort, ContainerSecurity, DEPLOYMENT, DeploymentSpec,
    FIXED_ADDRESS, NAMESPACE, Nothing, PodSpec, Probe, Resources, SERVICE, Selector, ServicePort,
    ServiceSpec, Template, TemplateMetadata,
};
use crate::addon::{Context, Name, Steps};
use crate::inventory::addons::Nginx;
use crate::inventory::{Host, Role};
use crate::plan::step::{Act, Command, Step};

const SPACE: &str = "halb-nginx";

const READY: [Ready; 1] = [Ready::Rollout(SPACE, "deployment/nginx")];

/// How long an address may take to answer: nodes agree on who announces it, neighbours learn it.
const ANSWER_MAX: Duration = Duration::from_secs(120);

pub(super) fn set(nginx: &Nginx) -> Set {
    let labels = objects::app("nginx");
    let mut set = Set::of(Name::Nginx);
    set.add(NAMESPACE, (None, SPACE), Nothing {});
    let container = Container {
        name: "nginx",
        image: nginx.image.clone(),
        env: Vec::new(),
        ports: vec![ContainerPort { name: "http", container_port: 80 }],
        readiness_probe: Probe::http("HTTP", "http", "/"),
        liveness_probe: None,
        resources: Resources::of("50m", "32Mi"),
        security_context: ContainerSecurity { allow_privilege_escalation: false },
        volume_mounts: Vec::new(),
    };
    let pod = PodSpec {
        affinity: Some(Affinity::apart(labels.clone())),
        automount_service_account_token: false,
        containers: vec![container],
        security_context: None,
        service_account_name: None,
        termination_grace_period_seconds: None,
        volumes: Vec::new(),
    };
    let spec = DeploymentSpec {
        replicas: nginx.replicas,
        selector: Selector { match_labels: labels.clone() },
        strategy: None,
        template: Template {
            metadata: TemplateMetadata { labels: labels.clone(), annotations: BTreeMap::new() },
            spec: pod,
        },
    };
    set.add(DEPLOYMENT, (Some(SPACE), "nginx"), Spec { spec });
    let port = ServicePort { name: "http", port: 80, target_port: "http" };
    let spec = ServiceSpec {
        r#type: "LoadBalancer",
        cluster_ip: None,
        selector: Some(labels),
        ports: vec![port],
    };
    let service = set.add(SERVICE, (Some(SPACE), "nginx"), Spec { spec });
    service.annotations.insert(FIXED_ADDRESS, nginx.address.to_string());
    set
}

pub(super) fn install(context: Context<'_>, steps: &mut Steps) {
    let Some(nginx) = &context.inventory.addons.nginx else { return };
    let title = format!("Run nginx on {} nodes", nginx.replicas);
    steps.cluster.push(apply::apply("nginx", title, &set(nginx), &READY));
    steps.outside.push((asker(context).name.clone(), asked(nginx.address)));
}

/// A host of the network that is no node, where there is one: on a node, kube-proxy answers for an
/// address whether anybody announces it or not.
fn asker<'a>(context: Context<'a>) -> &'a Host {
    let mut balancers = context.inventory.with_role(Role::Balancer);
    balancers.find(|host| !host.is_node()).unwrap_or(context.leader)
}

/// A request as a client makes it. bash is all that it takes: a balancer needn't have curl.
fn asked(address: Ipv4Addr) -> Step {
    let look = format!(
        "timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/80 &&\n    \
             printf \"GET / HTTP/1.0\\r\\nHost: {address}\\r\\n\\r\\n\" >&3 &&\n    \
             head -n 1 <&3' | grep -q '^HTTP/1[.][01] 200'"
    );
    let wait = Command::script(format!("until {look}; do sleep 1; done")).within(ANSWER_MAX);
    let title = format!("Ask nginx at {address}, from outside of the cluster");
    Step::new("nginx-answers", title, Act::Run { command: wait }).unless(Command::script(look))
}

pub(super) fn remove(steps: &mut Steps) {
    let kinds = [SERVICE.resource, DEPLOYMENT.resource, NAMESPACE.resource];
    steps.cluster.push(apply::remove(Name::Nginx, "Remove nginx", &kinds));
}
