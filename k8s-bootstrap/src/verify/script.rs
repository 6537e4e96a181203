//! The script that a host runs to say what it sees of its cluster.

use std::net::Ipv4Addr;

use super::dns;
use super::view::Way;
use crate::inventory::{Host, Inventory, Role};
use crate::kubeadm::{self, API_SERVER_PORT};
use crate::{paths, shell};

/// What the script does, after the lists of what it looks for.
const BODY: &str = include_str!("script.sh");

/// Files that begin with a certificate.
const CERTIFICATES: &[&str] = &[
    "/etc/kubernetes/pki/apiserver.crt",
    "/etc/kubernetes/pki/apiserver-etcd-client.crt",
    "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
    "/etc/kubernetes/pki/ca.crt",
    "/etc/kubernetes/pki/etcd/ca.crt",
    "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
    "/etc/kubernetes/pki/etcd/peer.crt",
    "/etc/kubernetes/pki/etcd/server.crt",
    "/etc/kubernetes/pki/front-proxy-ca.crt",
    "/etc/kubernetes/pki/front-proxy-client.crt",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
];

/// Files that hold a client's certificate as data.
const KUBECONFIGS: &[&str] = &[
    paths::ADMIN_CONF,
    "/etc/kubernetes/controller-manager.conf",
    "/etc/kubernetes/scheduler.conf",
    "/etc/kubernetes/super-admin.conf",
];

/// Where halb tells its metrics on a balancer.
const METRICS_PORT: &str = "8404";

/// The whole script for one host, to be read by `sh -s` as root. It changes nothing.
#[must_use]
pub fn view_script(inventory: &Inventory, host: &Host) -> String {
    let words = |words: &[String]| shell::quote(&words.join(" ")).into_owned();
    let ways = if host.is_node() { ways(inventory, host) } else { Vec::new() };
    let ways: Vec<_> = ways.iter().map(|(way, url)| format!("{}={url}", way.word())).collect();
    let node_only = |value: String| if host.is_node() { value } else { String::new() };
    let query: String =
        dns::query(&dns::name(inventory)).iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let port = if host.has(Role::Balancer) { METRICS_PORT } else { "" };
    let pods = if host.has(Role::Master) { "yes" } else { "" };
    let lists = [
        ("ways", words(&ways)),
        ("pods", pods.to_owned()),
        ("resolver", node_only(dns::resolver(inventory).to_string())),
        ("query", shell::quote(&query).into_owned()),
        (
            "certificates",
            words(&CERTIFICATES.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()),
        ),
        (
            "kubeconfigs",
            words(&KUBECONFIGS.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()),
        ),
        ("metrics_port", port.to_owned()),
    ];
    shell::saying(&lists, BODY)
}

/// All ways that are tried from a node. Masters try each other, too, and each balancer.
fn ways(inventory: &Inventory, host: &Host) -> Vec<(Way, String)> {
    let at = |address: Ipv4Addr, port: u16| format!("https://{address}:{port}");
    let mut ways = vec![
        (Way::Endpoint, format!("https://{}", kubeadm::endpoint(inventory))),
        (Way::Service, at(dns::service(inventory), 443)),
    ];
    if host.has(Role::Master) {
        let port = inventory.endpoint.port;
        ways.extend(
            inventory
                .with_role(Role::Balancer)
                .map(|balancer| (Way::Balancer(balancer.name.clone()), at(balancer.address, port))),
        );
        ways.extend(
            inventory.with_role(Role::Master).map(|master| {
                (Way::Master(master.name.clone()), at(master.address, API_SERVER_PORT))
            }),
        );
    }
    ways
}
