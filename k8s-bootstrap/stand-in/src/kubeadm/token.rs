//! `kubeadm token`.

use serde_json::{Value, json};

use super::{Failure, Flags, init, small};
use crate::config::BootstrapToken;
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF};

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";

pub(super) fn run(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["ttl", "description", "usages", "groups", "o", "output", "kubeconfig", "config"];
    let flags = Flags::parse(arguments, &with, &["print-join-command"])?;
    let admin = manifests::client_of(machine, flags.value("kubeconfig").unwrap_or(ADMIN_CONF))?;
    match flags.words.as_slice() {
        ["create", given @ ..] => {
            let [token] = given else {
                let what = "the stand-in makes no tokens up: name one";
                return Err(Failure::from(what.to_owned()));
            };
            let usages = flags.list("usages");
            let all = || small::USAGES.map(str::to_owned).into();
            let token = BootstrapToken {
                token: (*token).to_owned(),
                ttl: flags.value("ttl").map(str::to_owned),
                usages: if usages.is_empty() { all() } else { usages },
                groups: vec!["system:bootstrappers:kubeadm:default-node-token".to_owned()],
                ..BootstrapToken::default()
            };
            init::put(&admin, &init::token_object(&token)?)?;
            println!("{}", token.token);
        }
        ["list"] => {
            let list = admin.must("GET", SECRETS, None)?;
            let secrets = list["items"].as_array().cloned().unwrap_or_default();
            let is_token = |secret: &&Value| secret["type"] == "bootstrap.kubernetes.io/token";
            for secret in secrets.iter().filter(is_token) {
                println!("{}", line(secret, flags.value("o").or_else(|| flags.value("output"))));
            }
        }
        ["delete", id] => {
            let id = id.split('.').next().unwrap_or_default();
            admin.must("DELETE", &format!("{SECRETS}/bootstrap-token-{id}"), None)?;
            println!("bootstrap token {id:?} deleted");
        }
        other => return Err(Failure::from(format!("unknown command {other:?} for token"))),
    }
    Ok(())
}

fn line(secret: &Value, form: Option<&str>) -> String {
    let entry = |key| crate::api::entry(secret, key).unwrap_or_default();
    let token = format!("{}.{}", entry("token-id"), entry("token-secret"));
    if form == Some("json") {
        let document = json!({
            "kind": "BootstrapToken",
            "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
            "token": token,
            "expires": entry("expiration"),
        });
        return document.to_string();
    }
    format!("{token}   {}", entry("expiration"))
}
