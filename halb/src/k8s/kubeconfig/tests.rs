use std::process::Command;

use super::*;

const ADMIN_CONF: &str = "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://kmaster01:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
preferences: {}
users:
- name: kubernetes-admin
  user:
    client-certificate-data: Y2VydA==
    client-key-data: a2V5
";

const OTHER: &str = "\
# mine
apiVersion: v1
kind: Config
clusters:
- name: home
  cluster: {server: \"https://10.0.0.1:6443\", insecure-skip-tls-verify: true}
contexts:
- name: home
  context: {cluster: home, user: me, namespace: \"on\"}
current-context: home
users:
- name: me
  user: {token: \"0123\"}
";

fn new(context: &str) -> Kubeconfig<'_> {
    Kubeconfig { text: ADMIN_CONF, context, server: "https://172.16.16.100:6443" }
}

fn merged(old: Option<&str>) -> Value {
    parse(&merge(old, new("seed"), "config").unwrap()).unwrap()
}

#[test]
fn the_first_cluster_makes_a_file() {
    let config = merged(None);
    assert_eq!(config["current-context"], "seed");
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://172.16.16.100:6443");
    assert_eq!(config["clusters"][0]["cluster"]["certificate-authority-data"], "Y2E=");
    assert_eq!(
        config["contexts"][0]["context"],
        json!({ "cluster": "seed", "user": "seed-admin" })
    );
    assert_eq!(config["users"][0]["user"]["client-key-data"], "a2V5");
}

#[test]
fn what_is_there_stays_as_it_is() {
    let config = merged(Some(OTHER));
    let before = parse(OTHER).unwrap();
    for list in ["clusters", "contexts", "users"] {
        assert_eq!(config[list][0], before[list][0], "{list}");
        assert_eq!(config[list].as_array().unwrap().len(), 2, "{list}");
    }
    assert_eq!(config["contexts"][0]["context"]["namespace"], "on");
    assert_eq!(config["users"][0]["user"]["token"], "0123");
}

#[test]
fn a_cluster_of_that_name_is_replaced() {
    let twice = merge(Some(OTHER), new("seed"), "config").unwrap();
    assert_eq!(merged(Some(&twice)), parse(&twice).unwrap());
}

#[test]
fn a_file_that_is_none_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    for text in ["[1, 2]", "clusters: 7\n", "a: [", "just words"] {
        fs::write(&path, text).unwrap();
        let error = add(&path, new("seed")).unwrap_err().to_string();
        assert!(error.ends_with("config is no kubeconfig"), "{text}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn only_the_operator_can_read_the_file_and_it_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".kube/config");
    assert!(!has(&path, "seed", "ca"));
    add(&path, new("seed")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(has(&path, "seed", "ca"));
    assert!(!has(&path, "seed", "another authority") && !has(&path, "home", "ca"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
}

/// kubectl reads what was merged as it was meant.
#[test]
#[ignore = "needs kubectl"]
fn kubectl_reads_the_merged_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, OTHER).unwrap();
    add(&path, new("seed")).unwrap();
    let view = Command::new("kubectl")
        .args(["config", "view", "--raw", "-o", "json"])
        .env("KUBECONFIG", &path)
        .output()
        .unwrap();
    assert!(view.status.success(), "{}", String::from_utf8_lossy(&view.stderr));
    let seen: Value = serde_json::from_slice(&view.stdout).unwrap();
    assert_eq!(seen["current-context"], "seed");
    let names: Vec<_> = seen["contexts"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["home", "seed"]);
    assert_eq!(seen["users"][0]["user"]["token"], "0123");
    assert_eq!(seen["users"][1]["user"]["client-key-data"], "a2V5");
}

#[test]
fn a_cluster_that_ended_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    remove(&path, "seed").unwrap();
    assert!(!path.exists(), "there was no file");
    fs::write(&path, merge(Some(OTHER), new("seed"), "config").unwrap()).unwrap();
    remove(&path, "nobody").unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        merge(Some(OTHER), new("seed"), "config").unwrap()
    );
    remove(&path, "seed").unwrap();
    let config: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(config["contexts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&config["contexts"][0]["name"], &config["current-context"]),
        (&json!("home"), &json!(""))
    );
    assert_eq!(config["users"].as_array().unwrap().len(), 1);
}
