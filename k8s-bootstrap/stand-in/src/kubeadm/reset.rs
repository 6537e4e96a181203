//! `kubeadm reset`: what kubeadm made goes, a member of etcd with it.

use std::fs;

use super::{Failure, Flags};
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF, MANIFESTS, PKI};
use crate::store::Store;

pub(super) fn run(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["config", "cri-socket", "cert-dir", "kubeconfig", "v"];
    let flags = Flags::parse(arguments, &with, &["force", "f", "cleanup-tmp-dir"])?;
    if flags.value("force").or_else(|| flags.value("f")).is_none() {
        return Err(Failure::from("aborted reset operation".to_owned()));
    }
    machine.phase("reset", "preflight");
    println!("[preflight] Running pre-flight checks");
    machine.phase("reset", "remove-etcd-member");
    if machine.has(&manifests::path_of("etcd")) {
        if let Err(why) = leave(machine) {
            println!(
                "[reset] Failed to remove etcd member: {why}, please manually remove this etcd \
                 member using etcdctl"
            );
        }
    } else {
        println!("[reset] No etcd config found. Assuming external etcd");
    }
    machine.phase("reset", "cleanup-node");
    println!("[reset] Stopping the kubelet service");
    machine.systemctl(&["stop", "kubelet"])?;
    let files =
        ["admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler"];
    for file in files {
        machine.remove(&format!("/etc/kubernetes/{file}.conf"));
    }
    println!("[reset] Deleting contents of directories: [{MANIFESTS} /var/lib/kubelet {PKI}]");
    for folder in [MANIFESTS, "/var/lib/kubelet", PKI, "/var/lib/etcd"] {
        let entries = fs::read_dir(machine.path(folder)).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let _gone =
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
    println!(
        "The reset process does not perform cleanup of CNI plugin configuration,\nnetwork traffic \
         filtering rules and kubeconfig files."
    );
    Ok(())
}

/// Removes this host's member. The last one takes everything with it.
fn leave(machine: &Machine) -> Result<(), String> {
    let manifest = machine.read(&manifests::path_of("etcd"))?;
    let address = manifests::argument(&manifest, "advertise-address").unwrap_or_default();
    let peer = format!("https://{address}:2380");
    let store = Store::of(machine);
    let others = store.with(|state| state.members.iter().any(|member| member.peer != peer));
    if !others.map_err(|error| error.to_string())? {
        return store.wipe().map_err(|error| error.to_string());
    }
    let admin = manifests::client_of(machine, ADMIN_CONF)?;
    let members = admin.must("GET", "/stand-in/etcd/members", None)?;
    let mut own = members.as_array().into_iter().flatten().filter(|it| it["peer"] == peer.as_str());
    let Some(id) = own.next().and_then(|member| member["id"].as_str()) else { return Ok(()) };
    admin.must("DELETE", &format!("/stand-in/etcd/members/{id}"), None).map(drop)
}
