//! What Prometheus meets: the real binary with a thousand servers, scraped over HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::subject::{Here, Subject, haproxy};
use halb_lab::{Loopback, Process, eventually};
use tempfile::TempDir;

/// What anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than most will ever have.
const SERVERS: usize = 1_000;

/// A daemon before a thousand servers, all of which are one listener.
struct Site {
    daemon: Process,
    admin: SocketAddr,
    _directory: TempDir,
    _address: Loopback,
}

impl Site {
    fn start() -> Self {
        let address = Loopback::claim().unwrap();
        let server = TcpListener::bind(address.port(0)).unwrap();
        let target = server.local_addr().unwrap();
        // Ends with the process: whoever connects is sent away.
        thread::spawn(move || server.incoming().for_each(drop));
        let (admin, directory) = (address.free_port().unwrap(), TempDir::new().unwrap());
        let servers: String =
            (0..SERVERS).map(|number| format!("server{number} = \"{target}\"\n")).collect();
        let text = format!(
            "[frontend.web]\nbind = [\"{}\"]\nbackend = \"pool\"\n\
             [backend.pool]\ncheck = {{ type = \"tcp\", interval = \"10s\", timeout = \"10s\" }}\n\
             [backend.pool.server]\n{servers}\
             [admin]\nhttp = \"{admin}\"\nsocket = \"{folder}/admin.sock\"\n\
             [global]\nstate_dir = \"{folder}\"\n",
            address.port(8080),
            folder = directory.path().display(),
        );
        let file = directory.path().join("halb.toml");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.args(["run", "--config"]).arg(file);
        let daemon = Process::spawn(command).unwrap();
        daemon.wait_for_line("halb serves", PATIENCE).unwrap();
        Self { daemon, admin, _directory: directory, _address: address }
    }

    /// A scrape after the first check of each server, so that each metric has its value.
    fn scrape_when_checked(&self) -> String {
        eventually("each server was checked", PATIENCE, || {
            let text = scrape(self.admin);
            let checked = series(&text, "halb_check_duration_seconds");
            if checked == SERVERS { Ok(text) } else { Err(checked) }
        })
    }
}

/// The metrics that are served there.
fn scrape(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Of an older version, so that nobody cuts the answer into chunks.
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 OK"), "{head}");
    body.to_owned()
}

/// Series of a metric.
fn series(text: &str, name: &str) -> usize {
    let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
    text.lines().filter(of).count()
}

#[test]
fn a_thousand_servers_are_a_thousand_series_of_each_of_their_metrics_and_no_more() {
    let site = Site::start();
    let text = site.scrape_when_checked();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let names: BTreeSet<&str> = samples
        .iter()
        .filter(|line| line.contains("server=\""))
        .filter_map(|line| line.split('{').next())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in &names {
        assert_eq!(series(&text, name), SERVERS, "{name}");
    }
    let of_servers = names.len() * SERVERS;
    let rest = samples.iter().filter(|line| !line.is_empty()).count() - of_servers;
    assert!(rest < 100, "{rest} series that belong to no server");
    let distinct: BTreeSet<&str> =
        samples.iter().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
    assert_eq!(distinct.len(), of_servers + rest, "no series is there twice");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_complains_of_nothing_that_is_served() {
    let site = Site::start();
    let text = site.scrape_when_checked();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// HAProxy's exporter before as many servers, under the same checks.
struct Other {
    daemon: Subject,
    admin: SocketAddr,
    _address: Loopback,
}

impl Other {
    fn start() -> Self {
        let address = Loopback::claim().unwrap();
        let server = TcpListener::bind(address.port(0)).unwrap();
        let (target, admin) = (server.local_addr().unwrap(), address.free_port().unwrap());
        // Ends with the process: whoever connects is sent away.
        thread::spawn(move || server.incoming().for_each(drop));
        let servers: String = (0..SERVERS)
            .map(|number| format!("    server server{number} {target} check inter 10s\n"))
            .collect();
        let text = format!(
            "global\n    maxconn 1000\n\
             defaults\n    timeout connect 10s\n    timeout client 60s\n    timeout server 60s\n\
             listen metrics\n    mode http\n    bind {admin}\n\
             \x20   http-request use-service prometheus-exporter\n\
             listen pool\n    mode tcp\n    bind {}\n{servers}",
            address.port(8080),
        );
        let daemon = haproxy(&Here, &text, &[admin]).unwrap();
        Self { daemon, admin, _address: address }
    }
}

/// Scrapes one after the other, as fast as they come.
const SCRAPES: u32 = 30;

/// Processor time of a scrape, and its size and series; a line of the table.
fn cost_of_a_scrape(who: &str, daemon: &Process, admin: SocketAddr, of_servers: &str) -> Duration {
    let mut text = scrape(admin);
    let (before, begun) = (daemon.usage().unwrap().cpu, Instant::now());
    for _ in 0..SCRAPES {
        text = scrape(admin);
        assert_eq!(series(&text, of_servers), SERVERS);
    }
    let (cpu, took) = (daemon.usage().unwrap().cpu - before, begun.elapsed());
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(SCRAPES);
    let (wall, busy) = (millis(took), millis(cpu));
    println!(
        "| {who} | {SERVERS} | {lines} | {} kB | {wall:.1} ms | {busy:.1} ms |",
        text.len() / 1000
    );
    cpu / SCRAPES
}

/// A scrape costs no more than one of HAProxy's exporter does in the same run.
#[test]
#[ignore = "needs a release build, haproxy and nothing beside it"]
fn measure_what_a_scrape_of_a_thousand_servers_costs() {
    println!("| | servers | series | size | time of a scrape | processor time of a scrape |");
    println!("|---|---|---|---|---|---|");
    let other = Other::start();
    let theirs =
        cost_of_a_scrape("HAProxy", &other.daemon, other.admin, "haproxy_server_current_sessions");
    drop(other);
    let site = Site::start();
    site.scrape_when_checked();
    let ours = cost_of_a_scrape("halb", &site.daemon, site.admin, "halb_server_up");
    assert!(ours <= theirs, "{ours:?} where HAProxy takes {theirs:?}");
}
