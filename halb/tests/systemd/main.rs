//! The unit of `packaging/systemd` on a real systemd: started, reloaded, watched and stopped, as
//! the user and with the rights that it names.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

#[expect(dead_code, reason = "tests of clusters use more of it")]
mod host;
mod package;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use host::{Disk, Host};

/// Where clients connect; the host's network holds nothing else.
const FRONTEND: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 6443);

/// No answer on loopback takes so long, not even while every core builds something else.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What the service may do, as bits of `CapEff`: NET_BIND_SERVICE 10, NET_ADMIN 12, NET_RAW 13,
/// IPC_LOCK 14, SYS_NICE 23.
const CAPABILITIES: u64 = 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23;

/// The check writes down what it was allowed to do and how it was scheduled.
const CHECK_SCRIPT: &str = "#!/bin/sh
grep -E '^Cap(Eff|Amb)' /proc/self/status >/run/halb/check.new
cut -d' ' -f41 /proc/self/stat >>/run/halb/check.new
mv /run/halb/check.new /run/halb/check
";

fn packaged(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(path)).unwrap()
}

#[test]
fn the_unit_says_what_was_seen_to_be_needed_and_nothing_that_was_seen_to_break() {
    let unit = String::from_utf8(packaged("systemd/halb.service")).unwrap();
    let capabilities = "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SYS_NICE CAP_IPC_LOCK";
    for line in [
        "Type=notify",
        "User=halb",
        "KillMode=mixed",
        "ExecStopPost=/usr/bin/halb vip release",
        "LimitCORE=0",
        &format!("AmbientCapabilities={capabilities}"),
        &format!("CapabilityBoundingSet={capabilities}"),
        "ProtectKernelTunables=yes",
        "ReadWritePaths=-/proc/sys/net",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
    ] {
        assert!(unit.lines().any(|of_unit| of_unit == line), "{line} is missing in\n{unit}");
    }
    let settings = || unit.lines().filter(|line| !line.starts_with('#'));
    for broken in ["PrivateUsers=", "RestrictRealtime=", "CPUWeight=", "CPUQuota=", "DynamicUser="]
    {
        assert!(settings().all(|line| !line.starts_with(broken)), "{broken} in\n{unit}");
    }
}

fn configuration(server: SocketAddr, weight: u16) -> String {
    format!(
        r#"
[frontend.echo]
bind    = ["{}:{}"]
backend = "echo"

[backend.echo]
check = {{ type = "script", command = ["/etc/halb/check.sh"], interval = "500ms", timeout = "400ms" }}

[backend.echo.server]
echo = {{ address = "{server}", weight = {weight} }}
"#,
        FRONTEND.0, FRONTEND.1
    )
}

/// A virtual IP for [`configuration`]: its only node takes it within half a second.
const VIRTUAL_IP: &str = r#"
[vrrp.VI_1]
interface       = "eth1"
router_id       = 1
advert_interval = "100ms"
addresses       = ["172.16.16.100"]
track           = [{ frontend = "echo", weight = -2 }]
notify          = ["/etc/halb/hook.sh"]
"#;

/// What an import makes of `log /dev/log local0`: on this host that socket is journald's.
const SYSLOG: &str = r#"
[log]
syslog = "/dev/log"
access = "syslog"
"#;

/// The hook writes down what it was told, what it was allowed to do and how it was scheduled.
const HOOK_SCRIPT: &str = "#!/bin/sh
echo \"$*\" >>/run/halb/hooks
grep -E '^Cap(Eff|Amb)' /proc/self/status >/run/halb/hook.new
cut -d' ' -f41 /proc/self/stat >>/run/halb/hook.new
ls /proc/self/fd | wc -w >>/run/halb/hook.new
mv /run/halb/hook.new /run/halb/hook
";

/// A Debian host that halb was never on.
fn bare_host() -> Disk {
    Disk::new("host", &["dbus", "iproute2", "systemd", "systemd-sysv"])
}

/// A host with the package's files in place and its user made, as an installation would.
fn host() -> Host {
    let disk = bare_host();
    disk.install("/usr/bin/halb", &fs::read(env!("CARGO_BIN_EXE_halb")).unwrap(), 0o755);
    let unit = packaged("systemd/halb.service");
    disk.install("/usr/lib/systemd/system/halb.service", &unit, 0o644);
    disk.install("/usr/lib/sysusers.d/halb.conf", &packaged("sysusers.d/halb.conf"), 0o644);
    disk.install("/etc/halb/check.sh", CHECK_SCRIPT.as_bytes(), 0o755);
    disk.install("/etc/halb/hook.sh", HOOK_SCRIPT.as_bytes(), 0o755);
    let host = disk.boot();
    host.ok(&["systemd-sysusers"]);
    host
}

fn write_configuration(host: &Host, text: &str) {
    host.write("/etc/halb/halb.toml", text.as_bytes());
}

/// A server on the host that answers with what it hears.
fn start_echo(host: &Host) -> SocketAddr {
    let listener = host.in_network(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = client.try_clone().unwrap();
                let _ended = std::io::copy(&mut reader, &mut client);
            });
        }
    });
    address
}

fn connect(host: &Host) -> TcpStream {
    let stream = host.in_network(|| TcpStream::connect(FRONTEND).unwrap());
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    stream
}

fn exchange(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text.as_bytes());
}

/// A line of `/proc/PID/status` of the service.
fn status_line(host: &Host, name: &str) -> String {
    let pid = host.property("halb", "MainPID");
    let status = host.ok(&["cat", &format!("/proc/{pid}/status")]);
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

fn journal(host: &Host) -> String {
    host.ok(&["journalctl", "--no-pager", "-o", "cat", "-u", "halb"])
}

fn started() -> Host {
    let host = host();
    let server = start_echo(&host);
    write_configuration(&host, &(configuration(server, 1) + SYSLOG));
    let start = host.run(&["systemctl", "start", "halb"]);
    assert!(start.status.success(), "the service doesn't start:\n{}", journal(&host));
    host
}

#[test]
#[ignore = "needs root and debootstrap"]
fn the_unit_starts_serves_reloads_and_stops_on_a_systemd_host() {
    let mut host = started();
    it_runs_as_its_user_with_its_rights_and_no_more(&host);
    scripts_run_without_those_rights(&mut host);
    let mut client = connect(&host);
    exchange(&mut client, "before");
    events_and_connections_are_in_the_journal_with_their_fields(&mut host);
    a_reload_keeps_the_connection(&host, &mut client);
    a_bad_file_fails_the_reload_and_changes_nothing(&host, &mut client);
    a_stop_ends_in_time_with_success(&host);
}

fn it_runs_as_its_user_with_its_rights_and_no_more(host: &Host) {
    assert_eq!(host.property("halb", "ActiveState"), "active");
    let uid = host.ok(&["id", "-u", "halb"]);
    assert_eq!(status_line(host, "Uid").split_whitespace().next(), Some(uid.trim()));
    for set in ["CapEff", "CapAmb", "CapBnd"] {
        let set_bits = u64::from_str_radix(&status_line(host, set), 16).unwrap();
        assert_eq!(set_bits, CAPABILITIES, "{set} is {set_bits:#x}");
    }
    assert_eq!(status_line(host, "NoNewPrivs"), "1");
    assert_eq!(host.property("halb", "WatchdogUSec"), "10s");
    assert_ne!(host.property("halb", "WatchdogTimestampMonotonic"), "0");
    let socket = host.ok(&["stat", "-c", "%U:%G %F", "/run/halb/admin.sock"]);
    assert_eq!(socket.trim(), "halb:halb socket");
}

fn scripts_run_without_those_rights(host: &mut Host) {
    host.await_true("a check to have run", ANSWER_TIMEOUT, |host| {
        host.run(&["test", "-e", "/run/halb/check"]).status.success()
    });
    let told = host.ok(&["cat", "/run/halb/check"]);
    let words: Vec<_> = told.split_whitespace().collect();
    let none = "0000000000000000";
    assert_eq!(words, ["CapEff:", none, "CapAmb:", none, "0"], "capabilities, then SCHED_OTHER");
}

/// journald itself takes them apart.
fn events_and_connections_are_in_the_journal_with_their_fields(host: &mut Host) {
    exchange(&mut connect(host), "and gone");
    let told = |wanted: &'static str| {
        move |host: &Host| {
            let entries =
                host.ok(&["journalctl", "--no-pager", "-o", "json", "-u", "halb", wanted]);
            entries.lines().next().map(|entry| serde_json::from_str(entry).unwrap())
        }
    };
    let start: serde_json::Value = told("HALB_EVENT=halb serves")(host).expect("an entry");
    assert_eq!(start["PRIORITY"], "6");
    assert_eq!(start["SYSLOG_IDENTIFIER"], "halb");
    assert_eq!(start["HALB_CONFIG"], "/etc/halb/halb.toml");
    let access = told("HALB_EVENT=access");
    host.await_true("a connection to be told", ANSWER_TIMEOUT, |host| {
        let entry: Option<serde_json::Value> = access(host);
        entry.is_some_and(|entry| entry["HALB_FRONTEND"] == "echo")
    });
    assert_eq!(host.ok(&["readlink", "-f", "/dev/log"]).trim(), "/run/systemd/journal/dev-log");
    assert_eq!(journal(host).matches("halb serves").count(), 1, "once: {}", journal(host));
}

fn a_reload_keeps_the_connection(host: &Host, client: &mut TcpStream) {
    let main = host.property("halb", "MainPID");
    let changed = host.ok(&["cat", "/etc/halb/halb.toml"]).replace("weight = 1", "weight = 7");
    write_configuration(host, &changed);
    host.ok(&["systemctl", "reload", "halb"]);
    assert_eq!(host.property("halb", "ActiveState"), "active");
    assert_eq!(host.property("halb", "MainPID"), main);
    exchange(client, "after");
    exchange(&mut connect(host), "a new one");
    let status: serde_json::Value =
        serde_json::from_str(&host.ok(&["halb", "status", "--json"])).unwrap();
    assert!(status.to_string().contains("\"weight\":7"), "the new weight is in force: {status}");
}

fn a_bad_file_fails_the_reload_and_changes_nothing(host: &Host, client: &mut TcpStream) {
    let good = host.ok(&["cat", "/etc/halb/halb.toml"]);
    write_configuration(host, &good.replace("[frontend.echo]", "[frontent.echo]"));
    let reload = host.run(&["systemctl", "reload", "halb"]);
    assert!(!reload.status.success(), "a bad file must fail the reload");
    assert_eq!(host.property("halb", "ActiveState"), "active");
    assert!(journal(host).contains("frontent"), "the journal says why:\n{}", journal(host));
    exchange(client, "still there");
    write_configuration(host, &good);
}

fn a_stop_ends_in_time_with_success(host: &Host) {
    let begun = Instant::now();
    host.ok(&["systemctl", "stop", "halb"]);
    // The client above stays connected, so that the stop takes its drain timeout of 5 s.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "the stop took {took:?}");
    assert_eq!(host.property("halb", "ActiveState"), "inactive");
    assert_eq!(host.property("halb", "Result"), "success");
    assert_eq!(host.property("halb", "ExecMainStatus"), "0");
    let journal = journal(host);
    assert!(journal.contains("Stopped halb"), "{journal}");
}

/// A host with a cable that ends nowhere, and a daemon that holds a virtual IP on it.
fn holding() -> Host {
    let mut host = host();
    for command in [
        "ip link add eth1 type veth peer name eth2",
        "ip address add 172.16.16.51/24 dev eth1",
        "ip link set eth2 up",
        "ip link set eth1 up",
    ] {
        host.ok(&command.split(' ').collect::<Vec<_>>());
    }
    let server = start_echo(&host);
    write_configuration(&host, &(configuration(server, 1) + VIRTUAL_IP));
    let start = host.run(&["systemctl", "start", "halb"]);
    assert!(start.status.success(), "the service doesn't start:\n{}", journal(&host));
    await_address(&mut host, true);
    host
}

fn has_address(host: &Host) -> bool {
    host.ok(&["ip", "-o", "address", "show", "dev", "eth1"]).contains("172.16.16.100/32")
}

fn await_address(host: &mut Host, wanted: bool) {
    let what = if wanted { "the virtual IP to come" } else { "the virtual IP to go" };
    host.await_true(what, ANSWER_TIMEOUT, |host| has_address(host) == wanted);
}

#[test]
#[ignore = "needs root and debootstrap"]
fn the_unit_holds_a_virtual_ip_and_lets_go_of_it_however_it_ends() {
    let mut host = holding();
    let status = host.ok(&["halb", "vip", "status"]);
    assert!(status.contains("guard process") && status.contains("memory locked"), "{status}");
    hooks_run_with_nothing_of_the_daemon(&mut host);
    transitions_outlast_the_process(&host);
    host.ok(&["systemctl", "stop", "halb"]);
    assert!(!has_address(&host), "it is left after a stop:\n{}", journal(&host));
    assert_eq!(host.property("halb", "Result"), "success");
    assert!(host.ok(&["cat", "/var/lib/halb/vip.jsonl"]).contains("stopped"));

    host.ok(&["systemctl", "start", "halb"]);
    await_address(&mut host, true);
    let explained = host.ok(&["halb", "vip", "explain"]);
    assert!(explained.contains("[earlier process]"), "{explained}");
    // Daemon and guard: only systemd is left to tidy up.
    let guard = &vip_status(&host)["thread"]["guard_pid"];
    host.ok(&["sh", "-c", &format!("kill -STOP {guard}")]);
    host.ok(&["systemctl", "kill", "--kill-who=all", "-s", "KILL", "halb"]);
    host.await_true("the unit to take it off", ANSWER_TIMEOUT, |host| {
        journal(host).contains("172.16.16.100 was taken off eth1")
    });
    await_address(&mut host, true);
}

fn hooks_run_with_nothing_of_the_daemon(host: &mut Host) {
    host.await_true("the hooks to have run", ANSWER_TIMEOUT, |host| {
        let told = host.run(&["cat", "/run/halb/hooks"]).stdout;
        told == b"INSTANCE VI_1 BACKUP 100\nINSTANCE VI_1 MASTER 100\n"
    });
    let told = host.ok(&["cat", "/run/halb/hook"]);
    let words: Vec<_> = told.split_whitespace().collect();
    let none = "0000000000000000";
    // Standard streams, and the directory that is read.
    assert_eq!(words, ["CapEff:", none, "CapAmb:", none, "0", "4"], "rights, SCHED_OTHER, files");
}

fn vip_status(host: &Host) -> serde_json::Value {
    serde_json::from_str(&host.ok(&["halb", "vip", "status", "--json"])).unwrap()
}

fn transitions_outlast_the_process(host: &Host) {
    assert_eq!(host.ok(&["stat", "-c", "%U:%G %a", "/var/lib/halb"]).trim(), "halb:halb 750");
    let status = vip_status(host);
    assert_eq!(status["journal"]["path"], "/var/lib/halb/vip.jsonl");
    assert_eq!(status["journal"]["error"], serde_json::Value::Null);
}

#[test]
#[ignore = "needs root and debootstrap"]
fn a_frozen_daemon_is_replaced_by_the_watchdog() {
    let mut host = started();
    let frozen = host.property("halb", "MainPID");
    host.ok(&["systemctl", "kill", "--kill-who=main", "-s", "STOP", "halb"]);
    host.await_true("the watchdog to replace the daemon", Duration::from_secs(60), |host| {
        let main = host.property("halb", "MainPID");
        let is_new = main != frozen && main != "0";
        is_new && host.property("halb", "ActiveState") == "active"
    });
    exchange(&mut connect(&host), "served again");
}

#[test]
#[ignore = "needs root and debootstrap"]
fn a_bad_configuration_is_told_once_and_not_tried_again() {
    let host = host();
    write_configuration(&host, "[frontend.echo]\nbind = [\"127.0.0.1:6443\"]\nbakcend = \"x\"\n");
    assert!(!host.run(&["systemctl", "start", "halb"]).status.success());
    assert_eq!(host.property("halb", "ActiveState"), "failed");
    assert_eq!(host.property("halb", "ExecMainStatus"), "3");
    assert_eq!(host.property("halb", "NRestarts"), "0");
    let journal = journal(&host);
    assert!(journal.contains("bakcend") && journal.contains("halb.toml:3"), "{journal}");
}

#[test]
#[ignore = "needs root and debootstrap"]
fn systemd_finds_no_fault_in_the_unit_and_little_exposure() {
    let host = host();
    let verified = host.run(&["systemd-analyze", "verify", "--man=no", "halb.service"]);
    let complaints = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && complaints.is_empty(), "{complaints}");
    let score = host.run(&["systemd-analyze", "security", "--no-pager", "--threshold=40", "halb"]);
    let table = String::from_utf8_lossy(&score.stdout);
    println!("{}", table.lines().last().unwrap_or_default());
    assert!(score.status.success(), "exposure above 4.0:\n{table}");
}
