//! Against etcd itself: a snapshot that it writes is taken for whole, and what halb tells it of members
//! makes three of one snapshot that agree; a drill's witness knows which of its members are well.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::path::Path;
use std::process::Command;

use halb_k8s_bootstrap::backup::{SnapshotCheck, SnapshotError};
use halb_k8s_bootstrap::drill::witness_script;
use halb_k8s_bootstrap::inventory::{Role, example, parse};
use halb_k8s_bootstrap::plan::restore;

/// Runs a script in a network of its own that ends with all of its processes; what it prints.
fn run(script: &str, folder: &Path, words: &[String]) -> String {
    let mut command = Command::new("timeout");
    command.args(["150", "unshare", "--net", "--pid", "--fork", "--kill-child"]);
    command.args(["sh", "-euc", script, "sh"]).args(words).current_dir(folder);
    let output = command.env("ETCDCTL_API", "3").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// One member with something kept, a snapshot of it, and something that came later.
const TAKE: &str = r#"
ip link set lo up
etcd --name=one --data-dir=one --log-level=error >log 2>&1 &
until etcdctl put kept value >/dev/null 2>&1; do sleep 0.1; done
etcdctl snapshot save snapshot.db >&2
etcdctl put later value >&2
"#;

/// Three members out of it. Each argument is a member's address, a `|`, and its words.
const RESTORE: &str = r#"
ip link set lo up
for member; do ip address add "${member%%|*}/32" dev lo; done
for member; do
    address=${member%%|*}
    etcdctl snapshot restore snapshot.db --data-dir="of-$address" ${member#*|} >&2
    etcd --name="$(printf %s "${member#*|}" | sed 's/^--name=\([^ ]*\).*/\1/')" \
        --data-dir="of-$address" --peer-auto-tls --log-level=error \
        --listen-client-urls="http://$address:2379" --advertise-client-urls="http://$address:2379" \
        --listen-peer-urls="https://$address:2380" >"log-$address" 2>&1 &
done
for member; do
    at="--endpoints=http://${member%%|*}:2379"
    until etcdctl "$at" get kept >/dev/null 2>&1; do sleep 0.2; done
    etcdctl "$at" get --prefix '' | paste -sd ' '
done
etcdctl "$at" member list | cut -d , -f 2- | sort
"#;

#[test]
#[ignore = "needs root and etcd"]
fn a_snapshot_of_etcd_is_whole_and_becomes_three_members_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    run(TAKE, folder.path(), &[]);
    let bytes = fs::read(folder.path().join("snapshot.db")).unwrap();
    let check = |bytes: &[u8]| {
        let mut check = SnapshotCheck::default();
        bytes.chunks(1000).for_each(|piece| check.update(piece));
        check.finish()
    };
    let whole = check(&bytes).unwrap();
    assert_eq!(whole.bytes, u64::try_from(bytes.len()).unwrap());
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    assert_eq!(check(&damaged), Err(SnapshotError::Altered));
    let part = check(&bytes[..bytes.len() - 7]);
    assert!(matches!(part, Err(SnapshotError::Length { .. })), "{part:?}");

    let inventory = parse(example::HIGHLY_AVAILABLE).unwrap().inventory;
    let members: Vec<_> = inventory
        .with_role(Role::Master)
        .map(|host| {
            let words = restore::words(&inventory, host, "2026-11-22T12-03-11Z");
            format!("{}|{}", host.address, words.join(" "))
        })
        .collect();
    assert_eq!(members.len(), 3);
    let said = run(RESTORE, folder.path(), &members);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..3], ["kept value"; 3], "each has what was kept, and nothing of later");
    for (number, line) in (1..).zip(&lines[3..]) {
        let own = format!(" started, kmaster0{number}, https://172.16.16.10{number}:2380,");
        assert!(line.starts_with(&own), "{said}");
    }
    assert_eq!(lines.len(), 6, "{said}");
}

/// One member of a cluster of one, at the first argument's address, with certificates as kubeadm makes
/// them; then what the script in the second one says of members for some seconds.
const WATCH: &str = r#"
ip link set lo up
ip address add "$1/32" dev lo
mkdir -p pki/etcd
cd pki
openssl req -x509 -newkey rsa:2048 -nodes -keyout etcd/ca.key -out etcd/ca.crt -subj /CN=etcd-ca 2>/dev/null
leaf() {
    printf 'extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=IP:%s\n' "$2" >extensions
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out request -subj /CN=one 2>/dev/null
    openssl x509 -req -in request -CA etcd/ca.crt -CAkey etcd/ca.key -CAcreateserial \
        -extfile extensions -out "$1.crt" 2>/dev/null
}
leaf etcd/server "$1"
leaf apiserver-etcd-client 127.0.0.1
etcd --name=one --data-dir=data --log-level=error --client-cert-auth --trusted-ca-file=etcd/ca.crt \
    --cert-file=etcd/server.crt --key-file=etcd/server.key \
    --listen-client-urls="https://$1:2379" --advertise-client-urls="https://$1:2379" >log 2>&1 &
until ETCDCTL_CACERT=etcd/ca.crt ETCDCTL_CERT=apiserver-etcd-client.crt \
    ETCDCTL_KEY=apiserver-etcd-client.key etcdctl --endpoints="https://$1:2379" get x >/dev/null 2>&1
do sleep 0.1; done
printf '%s' "$2" | timeout 6 sh -s 2>/dev/null | grep '^etcd ' | sort -u || :
"#;

#[test]
#[ignore = "needs root and etcd"]
fn a_drills_witness_sees_which_members_of_etcd_are_well() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = parse(example::HIGHLY_AVAILABLE).unwrap().inventory;
    let pki = folder.path().join("pki");
    let script = witness_script(&inventory).replace("/etc/kubernetes/pki", pki.to_str().unwrap());
    let well = inventory.with_role(Role::Master).nth(1).unwrap();
    let said = run(WATCH, folder.path(), &[well.address.to_string(), script]);
    assert_eq!(said, "etcd kmaster01 no\netcd kmaster02 yes\netcd kmaster03 no\n");
}
