//! The Debian package on a real host: installed, configured, upgraded, removed, purged. It is made of
//! the program under test by `packaging/build`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::host::Host;
use crate::{ANSWER_TIMEOUT, bare_host, exchange, journal, start_echo};

/// Where the packages lie on the host.
const DEB: &str = "/root/halb.deb";
const NEXT_DEB: &str = "/root/halb-next.deb";

/// The status page, as configured unless said otherwise.
const PAGE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8404);

/// The virtual IP's port, of the other balancer as of this one.
const FRONTEND: &str = "172.16.16.100:6443";

/// Builds the package of the program under test.
fn build(folder: &Path) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new(top.join("packaging/build"))
        .args(["--quick", "--halb", env!("CARGO_BIN_EXE_halb")])
        .arg(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{}{errors}", String::from_utf8_lossy(&made.stdout));
}

fn only(folder: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|end| end == extension));
    let file = files.next().unwrap();
    assert!(files.next().is_none(), "more than one {extension} in {}", folder.display());
    file
}

/// The same package under a later version.
fn next(deb: &Path, work: &Path) -> PathBuf {
    let (tree, next) = (work.join("tree"), work.join("next.deb"));
    let run = |arguments: &[&std::ffi::OsStr]| {
        let done = Command::new("dpkg-deb").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["-R".as_ref(), deb.as_ref(), tree.as_ref()]);
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let version = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
    fs::write(&control, text.replace(version, &format!("{version}+next"))).unwrap();
    run(&["-Znone".as_ref(), "-b".as_ref(), tree.as_ref(), next.as_ref()]);
    next
}

/// Every file and account of the host, but what apt, dpkg and logs write of their own.
fn inventory(host: &Host) -> BTreeSet<String> {
    let files =
        host.ok(&["sh", "-c", "find /etc /opt /srv /usr /var -xdev -printf '%p %M %u %g\\n'"]);
    let accounts = host.ok(&["cat", "/etc/passwd", "/etc/group"]);
    let foreign = ["/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/log/"];
    // Copies that the tools keep of the files of accounts, and their locks.
    let copies = ["passwd-", "group-", "shadow-", ".pwd.lock", "gshadow", "gshadow-"];
    files
        .lines()
        .filter(|line| !foreign.iter().any(|prefix| line.starts_with(prefix)))
        .filter(|line| {
            let path = line.split(' ').next().unwrap_or_default();
            !copies.iter().any(|copy| path == format!("/etc/{copy}"))
        })
        .chain(accounts.lines())
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn is_as_before(host: &Host, before: &BTreeSet<String>) {
    let now = inventory(host);
    let left: Vec<_> = now.difference(before).collect();
    let lost: Vec<_> = before.difference(&now).collect();
    assert!(left.is_empty() && lost.is_empty(), "left behind: {left:#?}\nlost: {lost:#?}");
}

/// A balancer's network, and beside it a namespace that is the other balancer.
fn lay_cable(host: &Host) {
    for command in [
        "ip netns add other",
        "ip link add eth1 type veth peer name eth1 netns other",
        "ip address add 172.16.16.51/24 dev eth1",
        "ip link set eth1 up",
        "ip -n other address add 172.16.16.52/24 dev eth1",
        "ip -n other link set eth1 up",
        "ip -n other link set lo up",
    ] {
        host.ok(&command.split(' ').collect::<Vec<_>>());
    }
}

/// Takes the packaged file and writes names and addresses into it, as its comments ask.
fn edit(host: &Host, servers: &[String; 3]) -> String {
    let packaged = host.ok(&["cat", "/etc/halb/halb.toml"]);
    let mut text = String::new();
    for line in packaged.lines() {
        let uncommented = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        text.push_str(uncommented.unwrap_or(line));
        text.push('\n');
    }
    for (number, server) in servers.iter().enumerate() {
        text = text.replace(&format!("172.16.16.10{}:6443", number + 1), server);
    }
    text.replace(r#"{ type = "https", path = "/readyz", verify = "none" }"#, r#"{ type = "tcp" }"#)
}

fn page(host: &Host) -> String {
    let mut stream = host.in_network(|| TcpStream::connect(PAGE).unwrap());
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

fn is_active(host: &Host) -> bool {
    host.run(&["systemctl", "is-active", "halb"]).status.success()
}

fn has_address(host: &Host) -> bool {
    host.ok(&["ip", "-o", "address", "show", "dev", "eth1"]).contains("172.16.16.100/")
}

fn install(host: &Host, package: &str) -> String {
    host.ok(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qy", package])
}

#[test]
#[ignore = "needs root and debootstrap"]
fn the_package_installs_serves_upgrades_and_leaves_the_host_as_it_was() {
    let work = TempDir::new().unwrap();
    build(work.path());
    let deb = only(work.path(), "deb");
    let disk = bare_host();
    for (from, to) in [(deb.clone(), DEB), (next(&deb, work.path()), NEXT_DEB)] {
        disk.install(to, &fs::read(from).unwrap(), 0o644);
    }
    let mut host = disk.boot();
    lay_cable(&host);
    let before = inventory(&host);

    install(&host, DEB);
    nothing_runs_before_somebody_configures_something(&host);
    one_file_is_edited_and_a_pair_serves(&mut host);
    an_upgrade_replaces_the_process_and_keeps_connections_address_and_configuration(&host);
    a_removal_leaves_no_address_and_keeps_the_configuration(&mut host);
    host.ok(&["apt-get", "purge", "-qy", "halb"]);
    is_as_before(&host, &before);
}

fn nothing_runs_before_somebody_configures_something(host: &Host) {
    assert_eq!(host.property("halb", "UnitFileState"), "enabled");
    assert_eq!(host.property("halb", "ActiveState"), "inactive", "{}", journal(host));
    assert_eq!(host.property("halb", "NRestarts"), "0");
    assert_eq!(host.ok(&["stat", "-c", "%U:%G %a", "/etc/halb"]).trim(), "root:halb 750");
    for file in ["man/man1/halb.1.gz", "man/man1/halb-server-drain.1.gz", "doc/halb/copyright"] {
        assert!(
            host.run(&["test", "-s", &format!("/usr/share/{file}")]).status.success()
                // Minimal systems leave pages and documents out when they unpack.
                || host.run(&["grep", "-rq", "path-exclude", "/etc/dpkg/dpkg.cfg.d"]).status.success(),
            "{file} is missing"
        );
    }
    host.ok(&["bash", "-n", "/usr/share/bash-completion/completions/halb"]);
}

fn one_file_is_edited_and_a_pair_serves(host: &mut Host) {
    let servers = [start_echo(host), start_echo(host), start_echo(host)];
    let text = edit(host, &servers.map(|server| server.to_string()));
    host.write("/etc/halb/halb.toml", text.as_bytes());
    host.ok(&["halb", "check"]);
    host.ok(&["systemctl", "start", "halb"]);
    // The other balancer: the same program and file, another priority, in its own network.
    let other = text.replace("priority  = 100", "priority  = 90")
        + "[admin]\nsocket = \"/run/other/admin.sock\"\n";
    host.write("/root/other.toml", other.as_bytes());
    host.ok(&[
        "systemd-run",
        "--quiet",
        "--unit=other",
        "ip",
        "netns",
        "exec",
        "other",
        "halb",
        "run",
        "--config",
        "/root/other.toml",
    ]);
    host.await_true("the virtual IP and its backup", ANSWER_TIMEOUT, |host| {
        let socket = ["--socket", "/run/other/admin.sock"];
        let other = host.run(&[&["halb", "vip", "status"], &socket[..]].concat());
        has_address(host) && String::from_utf8_lossy(&other.stdout).contains("BACKUP")
    });
    host.await_true("the page to show it", ANSWER_TIMEOUT, |host| {
        let page = page(host);
        ["kubernetes", "kmaster3", "VI_1", "172.16.16.100"].iter().all(|word| page.contains(word))
            && page.contains("ACTIVE")
    });
}

fn an_upgrade_replaces_the_process_and_keeps_connections_address_and_configuration(host: &Host) {
    let mut client = host.in_network(|| TcpStream::connect(FRONTEND).unwrap());
    client.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    exchange(&mut client, "before");
    let (main, file) = (host.property("halb", "MainPID"), host.ok(&["cat", "/etc/halb/halb.toml"]));
    let said = install(host, NEXT_DEB);
    assert!(!said.contains("goes on as it was"), "{said}\n{}", journal(host));
    assert!(host.ok(&["dpkg-query", "-W", "halb"]).contains("+next"));
    assert_ne!(host.property("halb", "MainPID"), main, "{}", journal(host));
    assert_eq!(host.property("halb", "ActiveState"), "active");
    assert_eq!(host.property("halb", "NRestarts"), "0");
    assert_eq!(host.ok(&["cat", "/etc/halb/halb.toml"]), file);
    assert!(has_address(host));
    exchange(&mut client, "after");
    let status: serde_json::Value =
        serde_json::from_str(&host.ok(&["halb", "status", "--json"])).unwrap();
    assert_eq!(status["formers"][0]["pid"].to_string(), main, "who serves the connection");
    let mut another = host.in_network(|| TcpStream::connect(FRONTEND).unwrap());
    another.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    exchange(&mut another, "anew");
}

fn a_removal_leaves_no_address_and_keeps_the_configuration(host: &mut Host) {
    host.ok(&["apt-get", "remove", "-qy", "halb"]);
    assert!(!has_address(host), "the virtual IP is left behind");
    assert!(!is_active(host));
    assert!(host.run(&["pidof", "-x", "halb"]).stdout.len() < 16, "only the other one runs");
    assert!(host.ok(&["cat", "/etc/halb/halb.toml"]).contains("[frontend.kubernetes]"));
    host.await_true("the other balancer to hold the address", ANSWER_TIMEOUT, |host| {
        host.ok(&["ip", "-n", "other", "address", "show", "dev", "eth1"]).contains("172.16.16.100/")
    });
    host.ok(&["systemctl", "stop", "other"]);
    host.ok(&["rm", "-rf", "/run/other"]);
}
