//! Logs as others take them: a real collector of syslog parses what halb sends, a real logrotate moves
//! its file away.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Takes messages over UDP and at a socket, and writes down what it understood of each.
const COLLECTOR: &str = r#"
module(load="imudp")
input(type="imudp" port="514" address="127.0.0.1")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/run/log")
template(name="parsed" type="string"
    string="%inputname% %syslogfacility-text%.%syslogseverity-text% %hostname% %app-name% %procid% [%msgid%]%msg%\n")
*.* action(type="omfile" file="/run/collected" template="parsed")
"#;

/// No server listens: each client leaves a line at once.
const CONFIGURATION: &str = r#"
[frontend.web]
bind    = ["127.0.0.1:8080"]
backend = "pool"

[backend.pool]
check = { type = "tcp", initial = "down" }

[backend.pool.server]
one = "127.0.0.1:9"

[admin]
http   = false
socket = "/run/admin.sock"

[log]
"#;

/// Runs a script as the first process of a host of its own, on loopback alone; its output.
fn on_a_host(log: &str, script: &str) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("halb.toml"), format!("{CONFIGURATION}{log}\n")).unwrap();
    fs::write(folder.path().join("rsyslog.conf"), COLLECTOR).unwrap();
    let rotation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/logrotate.d/halb");
    let script = format!(
        "set -e
mount -t tmpfs none /run
ip link set lo up
start_halb() {{
    $HALB run --config $FOLDER/halb.toml 2>/run/stderr &
    halb=$!
    until $HALB status --socket /run/admin.sock >/dev/null 2>&1; do
        kill -0 $halb || {{ cat /run/stderr >&2; exit 9; }}
    done
}}
client() {{ (exec 3<>/dev/tcp/127.0.0.1/8080; cat <&3 >/dev/null) 2>/dev/null || true; }}
await() {{ until grep -q \"$1\" $2 2>/dev/null; do :; done; }}
{script}"
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["bash", "-c", &script])
        .env("HALB", env!("CARGO_BIN_EXE_halb"))
        .env("FOLDER", folder.path())
        .env("ROTATION", rotation)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}{errors}", output.status);
    text
}

/// Starts the collector, lets a client come, and shows what was collected.
fn collected(log: &str) -> String {
    on_a_host(
        log,
        "rsyslogd -n -i NONE -f $FOLDER/rsyslog.conf &
until [ -S /run/log ] && grep -q ' 0100007F:0202 ' /proc/net/udp; do :; done
start_halb
client
await 'access client' /run/collected
await 'listening' /run/collected
cat /run/collected",
    )
}

#[track_caller]
fn has_line(text: &str, begin: &str, end: &str) {
    let found = text.lines().any(|line| line.starts_with(begin) && line.contains(end));
    assert!(found, "no line '{begin} … {end}' in\n{text}");
}

#[test]
#[ignore = "needs root and rsyslog"]
fn a_collector_understands_each_part_of_what_comes_over_udp() {
    let log = "syslog = \"127.0.0.1:514\"\nfacility = \"local3\"\naccess = \"syslog\"";
    let text = collected(log);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let from = format!("imudp local3.info {host} halb ");
    has_line(&text, &from, " [event]listening frontend=\"web\"");
    has_line(&text, &from, " [access]access client=127.0.0.1:");
    has_line(&text, &from, " server=pool/- ");
}

#[test]
#[ignore = "needs root and rsyslog"]
fn the_socket_of_the_host_gets_the_form_that_it_reads() {
    let text = collected("syslog = \"/run/log\"\naccess = \"syslog\"\nlevel = \"debug\"");
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    has_line(&text, &format!("imuxsock daemon.info {host} halb "), " listening frontend=\"web\"");
    has_line(&text, "imuxsock daemon.info ", " access client=127.0.0.1:");
    assert!(text.lines().all(|line| !line.contains("<30>")), "it is parsed: {text}");
}

#[test]
#[ignore = "needs root and logrotate"]
fn logrotate_moves_the_access_log_away_and_no_line_is_lost() {
    let text = on_a_host(
        "access = \"/run/logs/access.log\"",
        "mkdir /run/logs
sed -e 's,/var/log/halb,/run/logs,' -e '/su halb/d' -e '/compress/d' \\
    -e \"s,systemctl kill --kill-whom=main --signal=USR2 halb.service,kill -USR2 \\$(pidof -s halb),\" \\
    $ROTATION >/run/logrotate.conf
start_halb
for number in 1 2 3; do
    client
    await 'access client' /run/logs/access.log
    logrotate --force --state /run/logrotate.state /run/logrotate.conf
    until [ -e /run/logs/access.log ]; do :; done
done
client
await 'access client' /run/logs/access.log
grep -c 'access client' /run/logs/access.log.3 /run/logs/access.log.2 /run/logs/access.log.1 /run/logs/access.log
stat -c %a /run/logs/access.log
grep -c 'logs were opened anew' /run/stderr
! grep 'access client' /run/stderr",
    );
    let rotated = "/run/logs/access.log.3:1\n/run/logs/access.log.2:1\n/run/logs/access.log.1:1\n";
    assert_eq!(text, format!("{rotated}/run/logs/access.log:1\n640\n3\n"));
}

#[test]
fn a_log_that_cannot_be_written_is_told_at_once() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("halb.toml");
    fs::write(&file, format!("{CONFIGURATION}access = \"/nonexistent/access.log\"\n")).unwrap();
    let run =
        Command::new(env!("CARGO_BIN_EXE_halb")).arg("run").arg("--config").arg(&file).output();
    let run = run.unwrap();
    assert_eq!(run.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(
        errors.contains("/nonexistent/access.log") && errors.contains("No such file"),
        "{errors}"
    );
}
