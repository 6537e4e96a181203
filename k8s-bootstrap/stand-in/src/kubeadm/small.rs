//! Commands that change nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use super::{Failure, Flags, read_config};
use crate::machine::Machine;

/// What a token can be for.
pub(super) const USAGES: [&str; 2] = ["signing", "authentication"];

/// Images of a control plane.
const IMAGES: [&str; 7] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "coredns/coredns",
    "pause",
    "etcd",
];

/// How long a registry may take to answer.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// `kubeadm config images list` and `pull`: a pull looks for the runtime and asks the registry
/// whether it is one, over plain HTTP.
pub(super) fn images(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["kubernetes-version", "image-repository", "cri-socket", "config", "o", "output"];
    let flags = Flags::parse(arguments, &with, &[])?;
    let repository = flags.value("image-repository").unwrap_or("registry.k8s.io");
    let own = machine.version();
    let version = flags.value("kubernetes-version").unwrap_or(&own);
    let pulls = match flags.words.as_slice() {
        ["list"] => false,
        ["pull"] => true,
        other => return Err(Failure::from(format!("unknown command {other:?}"))),
    };
    if pulls {
        let socket = flags.value("cri-socket").unwrap_or("unix:///run/containerd/containerd.sock");
        let socket = socket.trim_start_matches("unix://");
        UnixStream::connect(machine.path(socket)).map_err(|error| {
            Failure::from(format!(
                "failed to create new CRI runtime service: dial unix {socket}: {error}"
            ))
        })?;
    }
    for image in IMAGES {
        let image = format!("{repository}/{image}:{version}");
        if pulls {
            ask(repository)
                .map_err(|why| Failure::from(format!("failed to pull image {image:?}: {why}")))?;
            println!("[config/images] Pulled {image}");
        } else {
            println!("{image}");
        }
    }
    Ok(())
}

/// Asks a registry for its API.
fn ask(repository: &str) -> Result<(), String> {
    let host = repository.split('/').next().unwrap_or_default();
    let target = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut addresses =
        target.to_socket_addrs().map_err(|error| format!("dial tcp: lookup {host}: {error}"))?;
    let address = addresses.next().ok_or("no such host")?;
    let exchange = || {
        let mut stream = TcpStream::connect_timeout(&address, REGISTRY_TIMEOUT)?;
        stream.set_read_timeout(Some(REGISTRY_TIMEOUT))?;
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange().map_err(|error| format!("dial tcp {address}: {error}"))?;
    let good = answer.ends_with(b"200") || answer.ends_with(b"401");
    if good { Ok(()) } else { Err(format!("{target} is no registry")) }
}

/// `kubeadm config validate`.
pub(super) fn validate(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments, &["config"], &["allow-deprecated-api"])?;
    read_config(machine, &flags)?;
    println!("ok");
    Ok(())
}

/// `kubeadm version`.
pub(super) fn version(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let flags = Flags::parse(arguments, &["o", "output"], &[])?;
    let version = machine.version();
    match flags.value("o").or_else(|| flags.value("output")) {
        Some("short") => println!("{version}"),
        Some("json") => println!("{}", json!({ "clientVersion": { "gitVersion": version } })),
        Some(other) => return Err(Failure::from(format!("invalid output format: {other}"))),
        None => println!("kubeadm version: &version.Info{{GitVersion:{version:?}}}"),
    }
    Ok(())
}
