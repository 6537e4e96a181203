//! The drill on the database: a witness whose kubectl and curl stand for a cluster with a database
//! of three members.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use halb_k8s_bootstrap::drill::patroni::{Drill, How, Standing, Verdict, Watch, choose};
use halb_k8s_bootstrap::driver::drill;
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::inventory::{self, example};

use crate::operator::{Operator, eventually};
use crate::server::Server;

/// Pods of a StatefulSet. A pod that is deleted leaves nobody to lead; what becomes of it goes on by
/// a step with each look at the pods, so that nothing depends on time.
const KUBECTL: &str = r#"#!/bin/sh
set -eu
case $* in
"--kubeconfig=/etc/kubernetes/admin.conf --request-timeout="*" -n halb-patroni get pods -l cluster-name=patroni -o jsonpath="*)
    if [ -e /srv/deleted ]; then
        echo >>/srv/steps
        case $(wc -l </srv/steps) in
        2) echo 10.0.0.2 >/srv/leader; rm /srv/streams/10.0.0.2 ;;
        3) echo second 10.0.0.4 >/srv/pods/patroni-0 ;;
        4) touch /srv/streams/10.0.0.4 ;;
        esac
    fi
    for pod in /srv/pods/*; do echo "${pod##*/} $(cat "$pod")"; done
    ;;
"--kubeconfig=/etc/kubernetes/admin.conf --request-timeout="*" -n halb-patroni delete pod patroni-0 --wait=false"*)
    [ ! -e /srv/forbidden ] || { echo 'pods "patroni-0" is forbidden' >&2; exit 1; }
    echo "$*" >>/srv/deleted
    rm /srv/pods/patroni-0 /srv/leader
    ;;
*) echo "what is $*" >&2; exit 1 ;;
esac
"#;

/// Patroni's answers.
const CURL: &str = r#"#!/bin/sh
for url; do :; done
address=${url#http://}; address=${address%:8008/primary}
if [ "$address" = "$(cat /srv/leader)" ]; then
    printf '{"state": "running", "role": "primary", "replication": [{"state": "streaming"}]} 200'
elif [ -e "/srv/streams/$address" ]; then
    printf '{"state": "running", "role": "replica", "replication_state": "streaming"} 503'
else
    printf ' 000'; exit 7
fi
"#;

const ADDONS: &str = "
addons:
  storage:
    volumes:
      - {name: database-0, node: kworker01, path: /srv/halb/database-0, size: 5Gi}
      - {name: database-1, node: kworker02, path: /srv/halb/database-1, size: 5Gi}
      - {name: database-2, node: kworker01, path: /srv/halb/database-2, size: 5Gi}
  patroni:
    image: registry.example/patroni@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    volumes: [database-0, database-1, database-2]
";

/// A master of a cluster whose database is well.
async fn master(operator: &Operator) -> (Server, Arc<Host>) {
    let server = Server::start(operator.key.public_key()).await;
    for (name, text) in [("kubectl", KUBECTL), ("curl", CURL)] {
        let path = server.path("/bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for folder in ["/srv/pods", "/srv/streams"] {
        fs::create_dir(server.path(folder)).unwrap();
    }
    for (number, address) in (0..).zip(["10.0.0.1", "10.0.0.2", "10.0.0.3"]) {
        let pod = server.path(&format!("/srv/pods/patroni-{number}"));
        fs::write(pod, format!("first-{number} {address}\n")).unwrap();
        if number == 0 {
            fs::write(server.path("/srv/leader"), format!("{address}\n")).unwrap();
        } else {
            fs::write(server.path("/srv/streams").join(address), "").unwrap();
        }
    }
    let host = Arc::new(operator.host(&server));
    (server, host)
}

async fn chosen(host: &Host, how: How) -> Drill {
    let text = format!("{}{ADDONS}", example::HIGHLY_AVAILABLE);
    let inventory = inventory::parse(&text).unwrap().inventory;
    let round = drill::look(host).await.unwrap();
    let streaming = round.values().filter(|member| member.standing == Standing::Streams).count();
    assert_eq!((round.len(), streaming), (3, 2), "{round:?}");
    choose(&inventory, &round, how, host.name()).unwrap()
}

/// Carries it out; the lines of the timeline as they were told, and the verdict.
async fn carried_out(host: &Arc<Host>, drill: Drill) -> (Vec<String>, Verdict) {
    let mut watch = Watch::new(drill);
    let mut told = Vec::new();
    drill::carry_out(host, &mut watch, &mut |entry| told.push(entry.what.clone())).await;
    let written: Vec<_> = watch.timeline().iter().map(|entry| entry.what.clone()).collect();
    assert_eq!(told, written);
    (told, watch.verdict())
}

#[tokio::test]
async fn a_replica_takes_over_and_the_pod_comes_back_though_the_witness_is_lost_on_the_way() {
    let operator = Operator::new();
    let (server, host) = master(&operator).await;
    let drill = chosen(&host, How::Stop).await;
    assert_eq!(drill.leader, "patroni-0");
    let cut = async {
        eventually("the pod is deleted", || !server.read("/srv/deleted").is_empty()).await;
        server.cut();
    };
    let ((told, verdict), ()) = tokio::join!(carried_out(&host, drill), cut);
    assert!(verdict.passed, "{verdict:?}\n{told:#?}");
    assert_eq!(verdict.leader.as_deref(), Some("patroni-1"));
    let begun = &told[0];
    assert_eq!(begun, "patroni-0: its pod is deleted in an orderly way");
    for words in ["patroni-1 leads, after", "patroni-0 is a new pod", "patroni-0 streams"] {
        assert!(told.iter().any(|line| line.starts_with(words)), "no «{words}» in {told:#?}");
    }
    let deleted = server.read("/srv/deleted");
    assert_eq!(deleted.lines().count(), 1, "{deleted}");
    assert!(!deleted.contains("--force"), "{deleted}");
}

#[tokio::test]
async fn a_pod_that_may_not_be_deleted_ends_the_drill_with_the_reason() {
    let operator = Operator::new();
    let (server, host) = master(&operator).await;
    fs::write(server.path("/srv/forbidden"), "").unwrap();
    let drill = chosen(&host, How::Kill).await;
    let (_, verdict) = carried_out(&host, drill).await;
    assert_eq!(verdict.faults, ["the pod wasn't deleted: pods \"patroni-0\" is forbidden"]);
    assert_eq!(server.read("/srv/deleted"), "");
}

#[tokio::test]
async fn a_pod_is_deleted_at_once_where_that_is_asked_for() {
    let operator = Operator::new();
    let (server, host) = master(&operator).await;
    let drill = chosen(&host, How::Kill).await;
    let (told, verdict) = carried_out(&host, drill).await;
    assert!(verdict.passed, "{verdict:?}\n{told:#?}");
    let deleted = server.read("/srv/deleted");
    assert!(deleted.ends_with("--wait=false --grace-period=0 --force\n"), "{deleted}");
}
