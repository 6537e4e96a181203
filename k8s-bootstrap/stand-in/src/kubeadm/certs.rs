//! Certificates and kubeconfigs of a master.

use serde_json::json;
use std::time::SystemTime;

use super::{Failure, Flags};
use crate::crypto::{self, Authority, Purpose};
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF, KUBELET_CONF, PKI, User};

/// Certificates by file, authority, name, organisation.
const LEAVES: [(&str, &str, &str, &[&str]); 6] = [
    (
        "apiserver-kubelet-client",
        "ca",
        "kube-apiserver-kubelet-client",
        &["kubeadm:cluster-admins"],
    ),
    ("front-proxy-client", "front-proxy-ca", "front-proxy-client", &[]),
    ("etcd/server", "etcd/ca", "", &[]),
    ("etcd/peer", "etcd/ca", "", &[]),
    ("etcd/healthcheck-client", "etcd/ca", "kube-etcd-healthcheck-client", &[]),
    ("apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client", &[]),
];

/// Kubeconfigs by file, name, organisation.
const KUBECONFIGS: [(&str, &str, &[&str]); 4] = [
    (ADMIN_CONF, "kubernetes-admin", &["kubeadm:cluster-admins"]),
    ("/etc/kubernetes/super-admin.conf", "kubernetes-super-admin", &["system:masters"]),
    ("/etc/kubernetes/controller-manager.conf", "system:kube-controller-manager", &[]),
    ("/etc/kubernetes/scheduler.conf", "system:kube-scheduler", &[]),
];

/// An authority that is in place; kubeadm never overwrites one.
pub(super) fn authority(machine: &Machine, name: &str) -> Result<Authority, String> {
    let path = |ending: &str| format!("{PKI}/{name}.{ending}");
    let read = |path: String| {
        machine.read(&path).map_err(|why| {
            format!("failure loading certificate for CA: couldn't load the certificate file {path}: {why}")
        })
    };
    Authority::new(read(path("crt"))?, read(path("key"))?)
        .map_err(|why| format!("failure loading {} certificate authority: {why}", path("crt")))
}

/// All certificates of a master; `names` are its API server's.
pub(super) fn make(
    machine: &Machine,
    (node, address): (&str, &str),
    names: &[String],
) -> Result<(), String> {
    println!("[certs] Using certificateDir folder {PKI:?}");
    for name in ["ca", "front-proxy-ca", "etcd/ca"] {
        authority(machine, name)?;
        println!("[certs] Using existing {name} certificate authority");
    }
    let (key, public) =
        (machine.read(&format!("{PKI}/sa.key"))?, machine.read(&format!("{PKI}/sa.pub"))?);
    if !crypto::belongs(&key, &public) {
        return Err("the \"sa\" public key doesn't belong to its private key".to_owned());
    }
    println!("[certs] Using the existing \"sa\" key");
    let ca = authority(machine, "ca")?;
    leaf(machine, "apiserver", &ca, ("kube-apiserver", &[]), &Purpose::Server(names.to_vec()))?;
    for (file, by, name, of) in LEAVES {
        let local = || [node, "localhost", address, "127.0.0.1"].map(str::to_owned).to_vec();
        let (name, purpose) = match name {
            "" => (node, Purpose::Peer(local())),
            name => (name, Purpose::Client),
        };
        leaf(machine, file, &authority(machine, by)?, (name, of), &purpose)?;
    }
    Ok(())
}

fn leaf(
    machine: &Machine,
    file: &str,
    authority: &Authority,
    (name, of): (&str, &[&str]),
    purpose: &Purpose,
) -> Result<(), String> {
    let (certificate, key) = (format!("{PKI}/{file}.crt"), format!("{PKI}/{file}.key"));
    if machine.has(&certificate) && machine.has(&key) {
        println!("[certs] Using existing {file} certificate and key on disk");
        return Ok(());
    }
    let pair = authority.issue(name, of, purpose)?;
    machine.write(&certificate, &pair.certificate, 0o644)?;
    machine.write(&key, &pair.key, 0o600)?;
    println!("[certs] Generating {file:?} certificate and key");
    Ok(())
}

/// All kubeconfigs of a master; kubelet's only on the first, others ask for theirs by token.
pub(super) fn kubeconfigs(
    machine: &Machine,
    (endpoint, local): (&str, &str),
    first: Option<&str>,
) -> Result<(), String> {
    println!("[kubeconfig] Using kubeconfig folder \"/etc/kubernetes\"");
    let ca = authority(machine, "ca")?;
    for (path, name, of) in KUBECONFIGS {
        if path.contains("super-admin") && first.is_none() {
            continue;
        }
        let server = if path == ADMIN_CONF || path.contains("super") { endpoint } else { local };
        let pair = ca.issue(name, of, &Purpose::Client)?;
        let user = User::Certificate(&pair);
        let text = manifests::kubeconfig(server, &ca.certificate, name, &user);
        machine.write(path, &text, 0o600)?;
        println!("[kubeconfig] Writing {path:?} kubeconfig file");
    }
    if let Some(node) = first {
        let name = format!("system:node:{node}");
        let pair = ca.issue(&name, &["system:nodes"], &Purpose::Client)?;
        let user = User::Certificate(&pair);
        let text = manifests::kubeconfig(local, &ca.certificate, &name, &user);
        machine.write(KUBELET_CONF, &text, 0o600)?;
    }
    Ok(())
}

/// One thing that `kubeadm certs` tells of and renews.
#[derive(Clone, Copy)]
enum Renewable {
    /// A certificate below the folder of them: its file, and who signs it.
    Leaf(&'static str, &'static str),
    /// The client's certificate in a kubeconfig.
    Kubeconfig(&'static str),
}

impl Renewable {
    fn all() -> Vec<Self> {
        let leaves = LEAVES.iter().map(|(file, by, _, _)| Self::Leaf(file, by));
        let files = KUBECONFIGS.iter().map(|(path, _, _)| Self::Kubeconfig(path));
        [Self::Leaf("apiserver", "ca")].into_iter().chain(leaves).chain(files).collect()
    }

    /// What kubeadm calls it.
    fn name(self) -> String {
        match self {
            Self::Leaf(file, _) => file.replace('/', "-"),
            Self::Kubeconfig(path) => path.trim_start_matches("/etc/kubernetes/").to_owned(),
        }
    }

    fn authority(self) -> &'static str {
        match self {
            Self::Leaf(_, by) => by,
            Self::Kubeconfig(_) => "ca",
        }
    }

    /// The certificate; none where this host has none.
    fn certificate(self, machine: &Machine) -> Result<Option<String>, String> {
        match self {
            Self::Leaf(file, _) => {
                let path = format!("{PKI}/{file}.crt");
                if machine.has(&path) { machine.read(&path).map(Some) } else { Ok(None) }
            }
            Self::Kubeconfig(path) if machine.has(path) => {
                let client = manifests::client_of(machine, path)?;
                Ok(client.identity.map(|pair| pair.certificate))
            }
            Self::Kubeconfig(_) => Ok(None),
        }
    }

    /// A new one for the same names by the same authority: what is there says which those are.
    fn renew(self, machine: &Machine, old: &str) -> Result<(), String> {
        let by = authority(machine, self.authority())?;
        let (name, of, names) = crypto::names(old)?;
        let of: Vec<_> = of.iter().map(String::as_str).collect();
        match self {
            Self::Kubeconfig(path) => {
                let pair = by.issue(&name, &of, &Purpose::Client)?;
                let server = manifests::client_of(machine, path)?.server;
                let user = User::Certificate(&pair);
                let text = manifests::kubeconfig(&server, &by.certificate, &name, &user);
                machine.write(path, &text, 0o600)
            }
            Self::Leaf(file, _) => {
                let purpose = match file {
                    "apiserver" => Purpose::Server(names),
                    "etcd/server" | "etcd/peer" => Purpose::Peer(names),
                    _ => Purpose::Client,
                };
                let pair = by.issue(&name, &of, &purpose)?;
                machine.write(&format!("{PKI}/{file}.crt"), &pair.certificate, 0o644)?;
                machine.write(&format!("{PKI}/{file}.key"), &pair.key, 0o600)
            }
        }
    }
}

/// `kubeadm certs renew`: all, or one by its name. Nothing is restarted.
pub(super) fn renew(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments, &["config", "cert-dir", "kubeconfig"], &[])?;
    let [wanted] = flags.words.as_slice() else {
        return Err(Failure::from(
            "missing subcommand; \"renew\" is not meant to be run on its own".to_owned(),
        ));
    };
    let all = Renewable::all();
    let chosen: Vec<_> =
        all.into_iter().filter(|one| *wanted == "all" || one.name() == *wanted).collect();
    if chosen.is_empty() {
        return Err(Failure::from(format!(
            "unknown command {wanted:?} for \"kubeadm certs renew\""
        )));
    }
    machine.phase("certs", "renew");
    for one in chosen {
        match one.certificate(machine)? {
            Some(old) => {
                one.renew(machine, &old)?;
                println!("certificate {} renewed", one.name());
            }
            None => println!("MISSING! certificate {}", one.name()),
        }
    }
    println!(
        "Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, \
         kube-scheduler and etcd, so that they can use the new certificates."
    );
    Ok(())
}

/// `kubeadm certs check-expiration`.
pub(super) fn check(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments, &["o", "output", "config", "cert-dir"], &[])?;
    let json = flags.value("o").or_else(|| flags.value("output")) == Some("json");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut certificates = Vec::new();
    for one in Renewable::all() {
        let Some(text) = one.certificate(machine)? else { continue };
        let end = crypto::expiry(&text)?;
        let at = SystemTime::UNIX_EPOCH
            + std::time::Duration::from_secs(u64::try_from(end).unwrap_or_default());
        certificates.push(json!({
            "name": one.name(),
            "expirationDate": humantime::format_rfc3339_seconds(at).to_string(),
            "residualTime": end - now,
            "caName": one.authority().replace('/', "-"),
            "externallyManaged": false,
        }));
    }
    if json {
        let document = json!({
            "kind": "CertificateExpirationInfo",
            "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
            "certificates": certificates,
            "certificateAuthorities": [],
        });
        println!("{document}");
        return Ok(());
    }
    println!("CERTIFICATE                EXPIRES                  CERTIFICATE AUTHORITY");
    for certificate in certificates {
        let text = |key: &str| certificate[key].as_str().unwrap_or_default().to_owned();
        println!("{:<26} {:<24} {}", text("name"), text("expirationDate"), text("caName"));
    }
    Ok(())
}
