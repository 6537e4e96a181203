//! `kubeadm init phase upload-certs`: the masters' shared keys, sealed, for two hours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;

use super::{Failure, Flags, init};
use crate::config::BootstrapToken;
use crate::crypto;
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF, PKI};

/// What masters share.
const FILES: [&str; 8] = [
    "ca.crt",
    "ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "sa.key",
    "sa.pub",
];

pub(super) fn run(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["certificate-key", "config", "kubeconfig"];
    let flags = Flags::parse(arguments, &with, &["upload-certs"])?;
    if flags.value("certificate-key").is_some() && flags.value("config").is_some() {
        let what = "can not mix '--config' with arguments [certificate-key]";
        return Err(Failure::from(what.to_owned()));
    }
    if flags.value("upload-certs").is_none() {
        println!("[upload-certs] Skipping phase. Please see --upload-certs");
        return Ok(());
    }
    let key = flags.value("certificate-key").ok_or_else(|| {
        Failure::from("the stand-in makes no keys up: give --certificate-key".to_owned())
    })?;
    let admin = manifests::client_of(machine, ADMIN_CONF)?;
    let mut random = [0; 11];
    SystemRandom::new().fill(&mut random).map_err(|_| "no random numbers".to_owned())?;
    let letters: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let owner = BootstrapToken {
        token: format!("{}.{}", &letters[..6], &letters[6..22]),
        ttl: Some("2h0m0s".to_owned()),
        ..BootstrapToken::default()
    };
    init::put(&admin, &init::token_object(&owner)?)?;
    let mut data = json!({});
    for file in FILES {
        let sealed = crypto::seal(key, machine.read(&format!("{PKI}/{file}"))?.as_bytes())?;
        data[file.replace('/', "-")] = STANDARD.encode(sealed).into();
    }
    let owner = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "name": format!("bootstrap-token-{}", &letters[..6]),
    });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "kubeadm-certs",
            "namespace": "kube-system",
            "ownerReferences": [owner],
        },
        "data": data,
    });
    init::put(&admin, &secret)?;
    println!(
        "[upload-certs] Storing the certificates in Secret \"kubeadm-certs\" in the \"kube-system\" Namespace"
    );
    println!("[upload-certs] Using certificate key:\n{key}");
    Ok(())
}
