use super::super::pretended::Pretended;
use super::*;

const SEED: &str = include_str!("../../../tests/keepalived/check_apiserver.sh");

/// As kubeadm's document on highly available clusters has it.
const KUBEADM: &str = "#!/bin/sh

APISERVER_VIP=172.16.16.100
APISERVER_DEST_PORT=6443

errorExit() {
    echo \"*** $*\" 1>&2
    exit 1
}

curl -sfk --max-time 2 https://localhost:${APISERVER_DEST_PORT}/healthz -o /dev/null || errorExit \"Error GET https://localhost:${APISERVER_DEST_PORT}/healthz\"
if ip addr | grep -q ${APISERVER_VIP}; then
    curl --silent --max-time 2 --insecure https://${APISERVER_VIP}:${APISERVER_DEST_PORT}/ -o /dev/null || errorExit \"Error\"
fi
";

fn does(line: &str) -> Does {
    let host = Pretended::default()
        .with("/etc/keepalived/check_apiserver.sh", SEED)
        .with("/etc/keepalived/kubeadm.sh", KUBEADM)
        .with(
            "/etc/keepalived/more.sh",
            "#!/bin/bash\ncurl http://localhost:6443\nping -c1 10.0.0.1\n",
        )
        .with(
            "/etc/keepalived/kill.sh",
            "if [ $(ps -C haproxy --no-header | wc -l) -eq 0 ]; then systemctl stop keepalived; fi",
        )
        .with("/etc/keepalived/file.sh", "[ -f /tmp/down ] && exit 1\npidof haproxy\n")
        .with("/bin/ping", "\u{7f}ELF\u{2}\0\0")
        .with("/etc/keepalived/check.py", "#!/usr/bin/env python3\nimport sys\n");
    let virtual_ip: IpAddr = [172, 16, 16, 100].into();
    look(line, &host, &|address| address == virtual_ip)
}

fn asks(line: &str, ports: &[u16], at_virtual: bool) {
    let ports = ports.iter().copied().collect();
    assert_eq!(does(line), Does::Asks { ports, at_virtual }, "{line}");
}

#[test]
fn scripts_that_ask_the_api_server_here_and_at_the_virtual_address_are_recognised() {
    asks("/etc/keepalived/check_apiserver.sh", &[6443], true);
    asks("/bin/bash /etc/keepalived/kubeadm.sh", &[6443], true);
    asks("/usr/bin/timeout 4.9 /etc/keepalived/kubeadm.sh", &[6443], true);
}

#[test]
fn commands_that_ask_a_port_of_this_host_are_recognised() {
    asks("</dev/tcp/127.0.0.1/6443", &[6443], false);
    asks("bash -c '</dev/tcp/127.0.0.1/80'", &[80], false);
    asks("nc -z -w 2 localhost 6443", &[6443], false);
    asks("/usr/bin/curl -o /dev/null -kLfs https://localhost:9445/readyz", &[9445], false);
    asks("sh -c \"curl -k https://[::1]:6443/ && curl -s http://127.0.0.1/\"", &[80, 6443], false);
    asks(
        "wget -q -O /dev/null --no-check-certificate https://172.16.16.100:6443/livez",
        &[6443],
        true,
    );
}

#[test]
fn commands_that_look_for_a_process_are_recognised() {
    for line in [
        "killall -0 haproxy",
        "/usr/bin/killall -0 haproxy",
        "pidof haproxy",
        "/bin/pidof -x haproxy",
        "pgrep haproxy",
        "systemctl is-active --quiet haproxy.service",
        "/bin/sh -c 'pidof /usr/sbin/haproxy > /dev/null 2>&1'",
    ] {
        assert_eq!(does(line), Does::Watches { process: "haproxy".to_owned() }, "{line}");
    }
}

#[test]
fn scripts_that_do_more_stay_scripts_and_the_reason_is_told() {
    for (line, wanted) in [
        ("/etc/keepalived/more.sh", "'ping'"),
        ("/etc/keepalived/kill.sh", "'systemctl'"),
        ("/etc/keepalived/file.sh", "/tmp/down"),
        ("curl http://10.0.0.1:6443/", "another host"),
        ("curl", "can't be told"),
        ("test -e /run/up", "/run/up"),
        ("my_check --all", "'my_check'"),
        ("true", "nothing"),
        ("", "empty"),
    ] {
        match does(line) {
            Does::More { because } => assert!(because.contains(wanted), "{line}: {because}"),
            other @ (Does::Asks { .. } | Does::Watches { .. } | Does::Unseen { .. }) => {
                panic!("{line}: {other:?}")
            }
        }
    }
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    for line in [
        "/etc/keepalived/missing.sh",
        "/etc/keepalived/check.py",
        "/bin/ping -c 1 10.0.0.1",
        "sh -c \"echo 'open\"",
    ] {
        assert!(matches!(does(line), Does::Unseen { .. }), "{line}: {:?}", does(line));
    }
}
