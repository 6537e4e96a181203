//! Every add-on on a genuine API server: `.ci/soak.d/genuine-addons` starts one that knows all kinds,
//! with the fields and merge keys that Kubernetes publishes, and asks for this test.

use std::env;
use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::plan::step::{Command, Content};

/// kubectl, as an administrator of the server.
struct Server {
    kubeconfig: String,
    home: TempDir,
}

impl Server {
    fn of_environment() -> Self {
        let kubeconfig = env::var("HALB_GENUINE_KUBECONFIG").expect("the soak says where it is");
        Self { kubeconfig, home: tempfile::tempdir().expect("a folder") }
    }

    /// Whether a script ends well, and what it says.
    fn run(&self, script: &str, input: Option<&str>) -> (bool, String) {
        let script = script.replace(crate::paths::ADMIN_CONF, &self.kubeconfig);
        let mut run = Process::new("sh")
            .args(["-euc", &format!("exec 2>&1\n{script}")])
            .env("HOME", self.home.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut stdin = run.stdin.take().expect("it reads");
        // A script that doesn't read may be over already.
        let _gone = stdin.write_all(input.unwrap_or_default().as_bytes());
        drop(stdin);
        let ended = run.wait_with_output().expect("it ends");
        (ended.status.success(), String::from_utf8_lossy(&ended.stdout).into_owned())
    }

    fn command(&self, command: &Command) -> (bool, String) {
        self.run(&command.line(), command.stdin.as_ref().map(Content::expose))
    }

    fn ok(&self, script: &str, input: Option<&str>) -> String {
        let (good, said) = self.run(script, input);
        assert!(good, "{script}\n{said}");
        said
    }

    fn looks_done(&self, step: &Step) -> bool {
        self.command(step.probe.as_ref().expect("every step looks first")).0
    }

    fn act(&self, step: &Step) -> String {
        let Act::Run { command } = &step.act else { panic!("{step:?}") };
        let (good, said) = self.command(command);
        assert!(good, "{}: {said}", step.title);
        said
    }

    /// Does what is left to do, and says how many steps that were.
    fn carry_out(&self, plan: &Plan) -> usize {
        let mut done = 0;
        for step in on_leader_alone(plan) {
            if self.looks_done(step) {
                continue;
            }
            self.act(step);
            if let Some(verify) = &step.verify {
                let (good, said) = self.command(verify);
                assert!(good, "{}: {said}", step.title);
            }
            assert!(self.looks_done(step), "{} is done, and looks as if it weren't", step.title);
            done += 1;
        }
        done
    }

    /// All objects of an add-on, without what stands for MetalLB's own manifest.
    fn objects(&self, name: Name) -> Vec<Value> {
        let kinds = self.ok("kubectl api-resources -o name", None);
        let kinds: Vec<_> = kinds
            .lines()
            .filter(|kind| kind.contains("metallb") || LISTED.contains(kind))
            .collect();
        let said = self.ok(
            &format!(
                "kubectl get {} --all-namespaces --ignore-not-found --show-managed-fields \
                 -l halb/addon={name} -o json",
                kinds.join(",")
            ),
            None,
        );
        if said.trim().is_empty() {
            return Vec::new();
        }
        let list: Value = serde_json::from_str(&said).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

/// What add-ons make, as kubectl lists kinds.
const LISTED: [&str; 15] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "deployments.apps",
    "endpoints",
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets.policy",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets.apps",
    "storageclasses.storage.k8s.io",
];

/// Steps that kubectl does. No node and no address is there to be asked.
fn on_leader_alone(plan: &Plan) -> impl Iterator<Item = &Step> {
    let of_kubectl =
        |stage: &&Stage| matches!(stage.name, StageName::Addons | StageName::AddonRemoval);
    let hosts = plan.stages.iter().filter(of_kubectl).flat_map(|stage| &stage.hosts);
    hosts.flat_map(|host| &host.steps)
}

/// Which version of each object there is.
fn versions(objects: &[Value]) -> Vec<String> {
    let version = |object: &Value| {
        let metadata = &object["metadata"];
        format!("{} {} {}", object["kind"], metadata["name"], metadata["resourceVersion"])
    };
    objects.iter().map(version).collect()
}

/// Who set something in this object, but for its status.
fn owners(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().expect("it has owners");
    let own = entries.iter().filter(|entry| entry["subresource"] != "status");
    own.map(|entry| format!("{} {}", entry["manager"], entry["operation"])).collect()
}

/// A cluster as kubeadm leaves it where somebody chose IPVS.
const IPVS: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
 "data": {"config.conf": "ipvs:\n  strictARP: false\nmode: \"ipvs\"\n"}}
{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
 "spec": {"selector": {"matchLabels": {"k8s-app": "kube-proxy"}}, "template": {
   "metadata": {"labels": {"k8s-app": "kube-proxy"}},
   "spec": {"containers": [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy"}]}}}}"#;

#[test]
#[ignore = "needs a genuine API server"]
fn measure_every_add_on_on_a_genuine_api_server() {
    let server = Server::of_environment();
    let source = env::var("HALB_GENUINE_METALLB").expect("the soak says where it is");
    let registry =
        REGISTRY.replace("{pools: [", &format!("{{source: '{source}', pools: [{RESERVED}, "));
    let inventory = with(&format!("{registry}{PATRONI}{NGINX}"));
    let keys = keys(Ipv4Addr::new(172, 16, 16, 151));
    let leader = &inventory.hosts[2];
    let context = Context { inventory: &inventory, leader, keys: Some(&keys) };
    server.ok("kubectl apply --server-side --field-manager=kubeadm -f -", Some(IPVS));

    println!("| what | seen |\n|---|---|");
    let mut rows = Vec::new();
    for name in Name::ALL {
        let wanted = plan(context, &[name]);
        let done = server.carry_out(&wanted);
        let objects = server.objects(name);
        assert!(!objects.is_empty(), "{name} made nothing");
        for object in &objects {
            assert_eq!(owners(object), ["\"halb\" \"Apply\""], "{object}");
        }
        assert_eq!(server.carry_out(&wanted), 0, "{name} has something left to do");
        // Also what looks undone to nobody changes nothing when it is applied once more.
        let sets =
            |step: &&Step| matches!(&step.act, Act::Run { command } if command.stdin.is_some());
        for step in on_leader_alone(&wanted).filter(sets) {
            server.act(step);
        }
        assert_eq!(versions(&server.objects(name)), versions(&objects), "{name}");
        rows.push((name, objects.len(), done));
    }
    let strict = server.ok("kubectl -n kube-system get configmap/kube-proxy -o yaml", None);
    assert!(strict.contains("strictARP: true"), "{strict}");

    conflict(&server, context);
    foreign_field(&server, context);
    pruned(&server, &inventory, context);
    unknown_field(&server);
    for name in Name::ALL.into_iter().rev() {
        let removal = removal(context, &[name]);
        assert!(server.carry_out(&removal) > 0, "{name} was there");
        assert!(server.objects(name).is_empty(), "{name} is left");
        assert_eq!(server.carry_out(&removal), 0, "{name} is removed already");
    }
    for (name, objects, done) in rows {
        println!(
            "| {name} | {objects} objects by {done} steps, all owned by halb; applied once more: no \
             version changed; removed: none left, and nothing to do again |"
        );
    }
}

/// Another pool, which goes later.
const RESERVED: &str = "{name: reserved, addresses: [172.16.16.190], autoAssign: false}";

fn step<'a>(plan: &'a Plan, id: &str) -> &'a Step {
    on_leader_alone(plan).find(|step| step.id == id).expect("it has one")
}

/// Somebody takes fields over: a plan shows it, and the next run tells who it was and takes them back.
fn conflict(server: &Server, context: Context<'_>) {
    for (name, id, object, path, theirs, ours) in [
        (
            Name::Metallb,
            "metallb-pools",
            r#"{"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "default", "namespace": "metallb-system"}, "spec": {"addresses": ["172.16.16.150-172.16.16.180"], "autoAssign": false}}"#,
            "-n metallb-system ipaddresspools.metallb.io/default -o jsonpath={.spec.autoAssign}",
            "false",
            "true",
        ),
        (
            Name::Nginx,
            "nginx",
            r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nginx", "namespace": "halb-nginx"}, "spec": {"replicas": 7}}"#,
            "-n halb-nginx deployment/nginx -o jsonpath={.spec.replicas}",
            "7",
            "2",
        ),
    ] {
        let apply = "kubectl apply --server-side --field-manager=somebody";
        let (good, said) = server.run(&format!("{apply} -f -"), Some(object));
        assert!(!good && said.contains("conflict with \"halb\""), "{said}");
        server.ok(&format!("{apply} --force-conflicts -f -"), Some(object));
        assert_eq!(server.ok(&format!("kubectl get {path}"), None), theirs);
        let wanted = plan(context, &[name]);
        let step = step(&wanted, id);
        assert!(!server.looks_done(step), "the plan shows what somebody changed");
        let said = server.act(step);
        assert!(said.contains("conflict with \"somebody\""), "{said}");
        assert_eq!(server.ok(&format!("kubectl get {path}"), None), ours);
        assert_eq!(server.carry_out(&wanted), 0);
        println!("| {name}: somebody's field | its name is told, the field taken back |");
    }
}

/// What halb doesn't set is somebody else's, and stays.
fn foreign_field(server: &Server, context: Context<'_>) {
    let object = "-n halb-nginx deployment/nginx";
    server.ok(&format!("kubectl annotate {object} note=mine"), None);
    let wanted = plan(context, &[Name::Nginx]);
    let step = step(&wanted, "nginx");
    assert!(server.looks_done(step), "a field that halb doesn't set is no difference");
    server.act(step);
    let note = server
        .ok(&format!("kubectl get {object} -o 'jsonpath={{.metadata.annotations.note}}'"), None);
    assert_eq!(note, "mine");
    println!("| nginx: a field that halb doesn't set | stays |");
}

/// What an earlier set had and this one hasn't goes; what stays keeps its identity.
fn pruned(server: &Server, inventory: &Inventory, context: Context<'_>) {
    let mut fewer = inventory.clone();
    let metallb = fewer.addons.metallb.as_mut().expect("it is wanted");
    metallb.pools.retain(|pool| pool.name != "reserved");
    let names = || server.ok("kubectl get ipaddresspools.metallb.io -A -o name", None);
    assert_eq!(names().lines().count(), 2);
    let wanted = plan(Context { inventory: &fewer, ..context }, &[Name::Metallb]);
    assert_eq!(server.carry_out(&wanted), 1, "only the pools differ");
    assert_eq!(names(), "ipaddresspool.metallb.io/default\n");
    println!("| metallb: a pool that isn't wanted any more | removed by the next apply |");
}

/// The server looks at every field: nothing that was applied above has one that Kubernetes lacks.
fn unknown_field(server: &Server) {
    let odd = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "odd", "namespace": "default"}, "spec": {"replicaz": 1}}"#;
    let (good, said) = server.run("kubectl apply --server-side -f -", Some(odd));
    assert!(!good && said.contains("replicaz"), "{said}");
    println!("| a field that Kubernetes doesn't have | refused |");
}
