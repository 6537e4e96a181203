//! `halb doctor` on hosts whose settings are real: network namespaces with bridges, rules, sockets,
//! a daemon that lacks something, and an advert on the wire.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const CONFIGURATION: &str = r#"
[global]
maxconn = 2000

[admin]
http   = false
socket = "/run/admin.sock"

[frontend.kubernetes]
bind    = ["*:6443"]
backend = "masters"

[frontend.api]
forward = "kernel"
bind    = ["172.16.16.100:6444"]
backend = "masters"

[backend.masters.server]
kmaster1 = "172.16.16.101:6443"

[vrrp.VI_1]
interface = "eth1"
router_id = 1
addresses = ["172.16.16.100"]
"#;

/// The two hosts of a segment, `eth1` of each at its end; `more` is done to the first. Whatever is
/// left running ends with the shell, which is the first of its processes.
fn script(more: &str, before: &str, arguments: &str) -> String {
    format!(
        "set -e
mount -t sysfs none /sys
mount -t tmpfs none /run
ip link set lo up
unshare --net sleep infinity &
other=$!
until [ \"$(readlink /proc/$other/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
ip link add eth1 type veth peer name eth1 netns $other
ip address add 172.16.16.51/24 dev eth1
ip link set eth1 up
nsenter --net --target $other ip address add 172.16.16.52/24 dev eth1
nsenter --net --target $other ip link set eth1 up
other() {{ nsenter --net --target $other \"$@\"; }}
{more}
status=0
{before} $HALB doctor --config $FOLDER/halb.toml {arguments} || status=$?
exit $status
"
    )
}

/// `before` is how the doctor itself is called.
fn doctor(more: &str, before: &str, arguments: &str) -> Output {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("halb.toml"), CONFIGURATION).unwrap();
    Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["bash", "-c", &script(more, before, arguments)])
        .env("HALB", env!("CARGO_BIN_EXE_halb"))
        .env("FOLDER", folder.path())
        .output()
        .unwrap()
}

fn findings_of(more: &str, before: &str, arguments: &str) -> (Value, Option<i32>) {
    let output = doctor(more, before, &format!("{arguments} --json"));
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    (report.unwrap_or_else(|error| panic!("{error}: {errors}")), output.status.code())
}

fn findings(more: &str) -> (Value, Option<i32>) {
    findings_of(more, "", "--listen 0")
}

#[track_caller]
fn says(report: &Value, level: &str, topic: &str, words: &str) {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().any(|one| {
        one["level"] == level
            && one["topic"] == topic
            && one["text"].as_str().unwrap().contains(words)
    });
    assert!(found, "no {level} of {topic} with '{words}': {report:#}");
}

#[test]
#[ignore = "needs root"]
fn a_host_without_faults_has_none_and_the_exit_code_says_so() {
    let (report, code) = findings_of("", "", "--listen 1");
    assert_eq!((&report["well"], code), (&Value::Bool(true), Some(0)), "{report:#}");
    says(&report, "fine", "interfaces", "eth1 is up");
    says(&report, "fine", "firewall", "adverts of VI_1 from the other node");
    says(&report, "fine", "ports", "0.0.0.0:6443 is free");
    says(&report, "fine", "router-id", "no other node advertises router_id 1");
}

#[test]
#[ignore = "needs root"]
fn a_firewall_that_drops_adverts_or_clients_is_found_and_its_remedy_lets_them_through() {
    let rules = "
nft add table inet filter
nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'
nft add rule inet filter input ct state established,related accept
nft add rule inet filter input tcp dport 22 accept
nft add chain inet filter forward '{ type filter hook forward priority 0; policy drop; }'";
    let (report, code) = findings(rules);
    assert_eq!((&report["well"], code), (&Value::Bool(false), Some(1)), "{report:#}");
    says(&report, "fault", "firewall", "drops adverts of VI_1 from the other node");
    says(&report, "fault", "firewall", "drops clients of 0.0.0.0:6443");
    says(&report, "fault", "firewall", "that the kernel forwards to 172.16.16.101:6443");
    says(&report, "fine", "firewall", "adverts of VI_1 to the other node");

    // What it says to type, as it says it; up to what is for people.
    let all = report["findings"].as_array().unwrap().iter();
    let remedies = all.filter(|one| one["level"] == "fault" && one["topic"] == "firewall");
    let typed: Vec<_> = remedies
        .map(|one| one["remedy"].as_str().unwrap().split(", and").next().unwrap())
        .collect();
    assert_eq!(typed.len(), 3, "{typed:?}");
    let (report, code) = findings(&format!("{rules}\n{}", typed.join("\n")));
    assert_eq!((&report["well"], code), (&Value::Bool(true), Some(0)), "{typed:?}: {report:#}");
}

#[test]
#[ignore = "needs root"]
fn rules_that_drop_what_leaves_are_found_and_those_that_hang_on_more_are_named() {
    let more = "
nft add table ip guard
nft add chain ip guard out '{ type filter hook output priority 0; policy accept; }'
nft add rule ip guard out ip protocol 112 drop
nft add chain ip guard in '{ type filter hook input priority 0; policy accept; }'
nft add rule ip guard in meta mark 7 drop";
    let (report, _) = findings(more);
    says(&report, "fault", "firewall", "rule 1 of the chain ip guard out drops adverts of VI_1 to");
    says(&report, "advice", "firewall", "hangs on rule 1 of the chain ip guard in");
}

#[test]
#[ignore = "needs root"]
fn settings_of_the_kernel_a_bridge_and_a_port_in_use_are_found() {
    let more = "
sysctl -qw net.ipv4.conf.eth1.arp_ignore=8 net.ipv4.ip_local_port_range='6000 7000'
ip link add br0 type bridge mcast_snooping 1
ip link set eth1 master br0
python3 -c '
import socket, time
listener = socket.create_server((\"0.0.0.0\", 6443)); print(flush=True); time.sleep(600)' >/run/ready &
until [ -s /run/ready ]; do :; done";
    let (report, code) = findings(more);
    assert_eq!((&report["well"], code), (&Value::Bool(false), Some(1)), "{report:#}");
    says(&report, "fault", "sysctl", "arp_ignore=8");
    says(&report, "advice", "bridges", "br0 snoops");
    says(&report, "fault", "ports", "python3 listens on 0.0.0.0:6443");
    says(&report, "advice", "ports", "port 6443 is among those that outgoing connections get");
}

#[test]
#[ignore = "needs root"]
fn paths_that_cross_two_links_are_found() {
    let more = "
ip link add eth0 type veth peer name cable
ip link set cable up
ip link set eth0 up
ip address add 172.16.16.7/24 dev eth0
ip route add default via 172.16.16.1 dev eth0
sysctl -qw net.ipv4.conf.eth1.rp_filter=1";
    let (report, _) = findings(more);
    says(
        &report,
        "advice",
        "sysctl",
        "rp_filter=1 on eth1, and the default route leads through eth0",
    );
    says(&report, "advice", "sysctl", "VI_1 is in the network of eth0 too");
}

#[test]
#[ignore = "needs root"]
fn links_that_are_missing_cut_or_without_address_are_found() {
    let (report, _) = findings(
        "other ip link set eth1 down
until grep -q down /sys/class/net/eth1/operstate; do :; done",
    );
    says(&report, "fault", "interfaces", "eth1 is up, but nothing is at its other end");
    let (report, _) = findings("ip address flush dev eth1");
    says(&report, "fault", "interfaces", "eth1 has no IPv4 address");
    let (report, _) = findings("ip link delete eth1");
    says(&report, "fault", "interfaces", "VI_1 is to be on eth1, which isn't there");
}

/// What the daemon has counts, not what the doctor's caller has.
#[test]
#[ignore = "needs root"]
fn a_daemon_that_lacks_a_right_and_descriptors_is_found_out_whatever_its_program_is_called() {
    let more = "
ln -s $HALB /run/balancer-new
setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice prlimit --nofile=1000:1000 \
    /run/balancer-new run --config $FOLDER/halb.toml 2>/run/log &
until $HALB status --socket /run/admin.sock >/dev/null 2>&1; do
    kill -0 $! || { cat /run/log >&2; exit 9; }
done";
    let (report, _) = findings(more);
    says(&report, "advice", "capabilities", "the daemon lacks CAP_SYS_NICE");
    says(&report, "advice", "descriptors", "1000 descriptors have room for 400 connections");
    says(&report, "fine", "ports", "halb listens on 0.0.0.0:6443");
}

#[test]
#[ignore = "needs root"]
fn whoever_may_see_little_is_told_what_could_not_be_looked_at() {
    let without = "setpriv --bounding-set=-all --inh-caps=-all";
    let (report, _) = findings_of("", without, "--listen 1");
    says(&report, "advice", "capabilities", "the user who asks lacks CAP_NET_RAW");
    says(&report, "unknown", "firewall", "nft says");
    says(&report, "unknown", "router-id", "only root, or who has CAP_NET_RAW, may listen");
}

/// As both write them.
#[test]
#[ignore = "needs root"]
fn managers_of_addresses_are_told_from_their_files() {
    let managed = "
mkdir -p /run/NetworkManager/devices
printf '[device]\nmanaged=true\n' >/run/NetworkManager/devices/$(cat /sys/class/net/eth1/ifindex)";
    let (report, _) = findings(managed);
    says(&report, "advice", "managers", "NetworkManager has eth1");
    let (report, _) = findings(&managed.replace("managed=true", "managed=false"));
    says(&report, "fine", "managers", "nobody else sets the addresses of eth1");

    let managed = "
mkdir -p /run/systemd/netif/links /run/systemd/network/10-eth1.network.d
printf 'ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-eth1.network\n' \\
    >/run/systemd/netif/links/$(cat /sys/class/net/eth1/ifindex)
printf '[Match]\nName=eth1\n' >/run/systemd/network/10-eth1.network";
    let (report, _) = findings(managed);
    says(&report, "advice", "managers", "systemd-networkd has eth1");
    let keeps = "printf '[Network]\nKeepConfiguration=yes\n' \\
        >/run/systemd/network/10-eth1.network.d/halb.conf";
    let (report, _) = findings(&format!("{managed}\n{keeps}"));
    says(&report, "fine", "managers", "systemd-networkd has eth1 and keeps others' addresses");
}

/// Debian's systemd-networkd on a bus of its own, with the doctor beside it. `$VIP` stands for what
/// halb puts on the link; a further address in its file tells that networkd is done with a change.
const NETWORKD: &str = r#"set -e
root=$FOLDER/merged
mkdir $FOLDER/upper $FOLDER/work $root
mount -t overlay overlay -o lowerdir=$DEBIAN,upperdir=$FOLDER/upper,workdir=$FOLDER/work $root
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t tmpfs none $root/run
mount -t tmpfs none $root/dev
mknod -m 666 $root/dev/null c 1 3
mknod -m 666 $root/dev/urandom c 1 9
touch $root/halb
mount --bind $HALB $root/halb
cp $FOLDER/halb.toml $root/halb.toml
ip link set lo up
ip link add eth1 type veth peer name other
ip link set other up

network=/etc/systemd/network/10-eth1.network
printf '[Match]\nName=eth1\n[Network]\nAddress=172.16.16.51/24\n' >$root$network
has() { [ -n "$(ip -o address show dev eth1 to $1)" ]; }
settles_with() { echo "Address=$1/24" >>$root$network; $2; until has $1; do $2; done; }
reload() { chroot $root networkctl reload; }
reconfigure() { chroot $root networkctl reload; chroot $root networkctl reconfigure eth1; }
doctor() { chroot $root /halb doctor --config /halb.toml --listen 0 --json; }

mkdir -p $root/run/dbus $root/run/systemd/netif
chroot $root chown systemd-network /run/systemd/netif
chroot $root dbus-daemon --system --nopidfile
chroot $root /lib/systemd/systemd-networkd &
until chroot $root networkctl list | grep -q 'eth1.*configured'; do :; done

ip address add $VIP/32 dev eth1
while has $VIP; do reconfigure; done
remedy=$(doctor | sed -n 's/.*"remedy": "\(\[Network\] .*\), then networkctl reload".*/\1/p')
file=${remedy#* in }
mkdir -p $root${file%/*}
echo "${remedy% in *}" | tr ' ' '\n' >$root$file
ip address add $VIP/32 dev eth1
settles_with 172.16.16.53 reload
settles_with 172.16.16.54 reconfigure
has $VIP && echo "the address is there" >&2
doctor
"#;

#[test]
#[ignore = "needs root and debootstrap"]
fn networkd_takes_a_virtual_ip_off_unless_it_is_told_what_the_doctor_says() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("halb.toml"), CONFIGURATION).unwrap();
    let made = Command::new("bash")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/debian-root"))
        .args(["bookworm", "host", "dbus", "iproute2", "systemd", "systemd-sysv"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["bash", "-c", NETWORKD])
        .env("HALB", env!("CARGO_BIN_EXE_halb"))
        .env("FOLDER", folder.path())
        .env("DEBIAN", String::from_utf8(made.stdout).unwrap().trim())
        .env("VIP", "172.16.16.100")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("the address is there"), "{errors}");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    says(&report, "fine", "managers", "systemd-networkd has eth1 and keeps others' addresses");
}

#[test]
#[ignore = "needs root"]
fn another_router_with_the_same_id_is_heard_on_the_wire() {
    // Version 3, id 1, priority 120, 172.16.16.200; the kernel writes the IP header.
    let more = "
other python3 -c '
import socket, time
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(\"172.16.16.52\"))
advert = bytes([0x31, 1, 120, 1, 0, 100, 0, 0, 172, 16, 16, 200])
while True:
    sender.sendto(advert, (\"224.0.0.18\", 0)); print(flush=True); time.sleep(0.1)' >/run/ready &
until [ -s /run/ready ]; do :; done";
    let (report, code) = findings_of(more, "", "--listen 3");
    assert_eq!(code, Some(1), "{report:#}");
    says(
        &report,
        "fault",
        "router-id",
        "172.16.16.52 advertises router_id 1 on eth1 with 172.16.16.200",
    );
}

#[test]
#[ignore = "needs root"]
fn people_get_the_worst_first_each_with_what_to_change() {
    let output = doctor("ip link set eth1 down", "", "--listen 0");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("FAULT  eth1 is down"), "{text}");
    assert_eq!(lines.next(), Some("       -> ip link set eth1 up"), "{text}");
    assert!(text.lines().last().unwrap().contains("in the way"), "{text}");
}

#[test]
fn without_a_configuration_the_host_alone_is_looked_at_and_a_bad_one_ends_with_3() {
    let folder = TempDir::new().unwrap();
    let run = |path: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.args(["doctor", "--listen", "0", "--config", path]).output().unwrap()
    };
    let missing = run("/nonexistent/halb.toml");
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("only the host itself"), "{said}");
    assert!(matches!(missing.status.code(), Some(0 | 1)));
    let bad = folder.path().join("halb.toml");
    fs::write(&bad, "[frontent]\n").unwrap();
    assert_eq!(run(bad.to_str().unwrap()).status.code(), Some(3));
}
