//! HAProxy and halb with one configuration, asked the same: by socat, by a library that drives
//! HAProxy, and by a Prometheus with the expressions of dashboards and alert rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use halb_lab::subject::{Subject, haproxy, nginx};
use halb_lab::{Host, eventually};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::files::HALB;
use crate::support::network::Network;

/// The port of servers and frontends.
const PORT: u16 = 6443;

/// What HAProxy is told; halb is told what import makes of it.
fn configuration(socket: &Path, page: SocketAddr) -> String {
    format!(
        "global\n  stats socket {} mode 660 level admin\n  maxconn 1000\n\
         defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n\
         frontend kubernetes\n  bind *:{PORT}\n  maxconn 500\n  default_backend masters\n\
         frontend metrics\n  mode http\n  bind {page}\n\
         \x20 http-request use-service prometheus-exporter if {{ path /metrics }}\n\
         backend masters\n  balance roundrobin\n  option httpchk GET /\n\
         \x20 http-check expect status 200\n  default-server inter 500ms fall 3 rise 2\n\
         \x20 server kmaster1 172.16.16.101:{PORT} check weight 3\n\
         \x20 server kmaster2 172.16.16.102:{PORT} check maxconn 50\n\
         \x20 server kmaster3 172.16.16.103:{PORT} check\n\
         \x20 server spare 172.16.16.102:{PORT} check backup\n\
         listen direct\n  bind *:6444\n  balance leastconn\n\
         \x20 server only 172.16.16.101:{PORT}\n",
        socket.display()
    )
}

fn imported(source: &str, folder: &Path, socket: &Path) -> String {
    let file = folder.join("haproxy.cfg");
    fs::write(&file, source).unwrap();
    let output = Command::new(HALB).arg("import").arg("--haproxy").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}\n{text}");
    text.replace("/run/halb/haproxy.sock", &socket.display().to_string())
}

/// What socat prints of an answer.
fn ask(socket: &Path, said: &str) -> String {
    let mut command = Command::new("socat");
    command.args(["-t", "20", "-"]).arg(format!("UNIX-CONNECT:{}", socket.display()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut socat = command.spawn().expect("socat is installed: apt-get install socat");
    let mut input = socat.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, format!("{said}\n").as_bytes()).unwrap();
    drop(input);
    String::from_utf8(socat.wait_with_output().unwrap().stdout).unwrap()
}

type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// `show stat` by proxy and server, and by column; without HAProxy's page for the scraper.
fn stat(socket: &Path) -> Rows {
    let text = ask(socket, "show stat");
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let header: Vec<&str> = lines.next().unwrap().trim_start_matches("# ").split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        let named = header.iter().zip(&cells).map(|(name, cell)| ((*name).into(), (*cell).into()));
        (format!("{}/{}", cells[0], cells[1]), named.collect())
    };
    lines.map(row).filter(|(name, _)| name != "metrics/FRONTEND").collect()
}

/// Columns in which both must say the same; others hold times and counts of what each did.
const SAME: &[&str] = &[
    "pxname",
    "svname",
    "qcur",
    "scur",
    "slim",
    "dreq",
    "dresp",
    "ereq",
    "eresp",
    "status",
    "weight",
    "act",
    "bck",
    "qlimit",
    "pid",
    "sid",
    "throttle",
    "tracked",
    "type",
    "rate_lim",
    "check_status",
    "check_code",
    "check_desc",
    "check_rise",
    "check_fall",
    "check_health",
    "addr",
    "cookie",
    "mode",
    "algo",
    "wrew",
    "reuse",
    "eint",
    "uweight",
    "agg_server_status",
    "-",
    "ssl_sess",
    "h2_open_connections",
];

/// Waits until both say the same where they must.
fn agree(theirs: &Path, ours: &Path) {
    let compared = |rows: Rows| -> Vec<String> {
        let told = |(name, row): (&String, &BTreeMap<String, String>)| {
            let cells: Vec<String> = SAME.iter().map(|c| format!("{c}={}", row[*c])).collect();
            format!("{name}: {}", cells.join(" "))
        };
        rows.iter().map(told).collect()
    };
    eventually("both tell the same of their servers", PATIENCE, || {
        let (theirs, ours) = (compared(stat(theirs)), compared(stat(ours)));
        let different = theirs.iter().zip(&ours).find(|(theirs, ours)| theirs != ours);
        match different {
            None if theirs.len() == ours.len() => Ok(()),
            found => Err(format!("{found:?}\n{} and {} rows", theirs.len(), ours.len())),
        }
    });
}

/// Names, tags and types of all values, by kind of object.
fn typed(socket: &Path) -> BTreeSet<String> {
    let text = ask(socket, "show stat typed");
    let field = |line: &str| {
        let (name, value) = line.split_once(".1:")?;
        let parts: Vec<&str> = name.splitn(5, '.').collect();
        let shape: Vec<&str> = value.splitn(3, ':').take(2).collect();
        Some(format!("{} {} {} {}", parts[0], parts[3], parts[4], shape.join(":")))
    };
    let of_http = ["hrsp_", "intercepted", "cache_"];
    let fields = text.lines().filter_map(field);
    fields.filter(|field| !of_http.iter().any(|http| field.contains(http))).collect()
}

/// Series without their values, and types.
fn series(text: &str) -> BTreeSet<String> {
    // What HAProxy serves of HTTP, and of memory that it was built without.
    let foreign = ["zlib", "_http_re", "_http_cache", "intercepted", "frontend_http_comp"];
    let known = |line: &&str| {
        line.contains("haproxy_")
            && !line.starts_with("# HELP")
            && !line.contains("proxy=\"metrics\"")
            && !foreign.iter().any(|word| line.contains(word))
    };
    let name = |line: &str| match line.strip_prefix("# TYPE ") {
        Some(kind) => kind.to_owned(),
        None => line.rsplit_once(' ').unwrap().0.split("{version").next().unwrap().to_owned(),
    };
    text.lines().filter(known).map(name).collect()
}

/// Both with one configuration before the same servers, of which the third one is down.
struct Pair {
    network: Network,
    servers: Vec<Subject>,
    other: Host,
    halb: Daemon,
    _haproxy: Subject,
    folder: TempDir,
}

/// Where each of them serves metrics.
const PAGE_PORT: u16 = 8405;

impl Pair {
    fn start() -> Self {
        let network = Network::new();
        let start = |index: usize| {
            let (host, address) = network.at(PORT)[index];
            nginx(host, &nginx::http_server(address, host.name()), &[address]).unwrap()
        };
        let servers = (0..2).map(start).collect();
        let other = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let page = SocketAddr::new([0, 0, 0, 0].into(), PAGE_PORT);
        let text = configuration(&folder.path().join("theirs.sock"), page);
        let haproxy = haproxy(&other, &text, &[SocketAddr::new(other.ip(), PORT)]).unwrap();
        let ours = folder.path().join("ours.sock");
        let halb = Daemon::start(&network.balancer, &imported(&text, folder.path(), &ours));
        halb.wait_for_state("kmaster3", "DOWN");
        Self { network, servers, other, halb, _haproxy: haproxy, folder }
    }

    /// HAProxy's socket and halb's.
    fn sockets(&self) -> [PathBuf; 2] {
        ["theirs.sock", "ours.sock"].map(|name| self.folder.path().join(name))
    }

    /// Where HAProxy's metrics are, and halb's.
    fn pages(&self) -> [SocketAddr; 2] {
        [&self.other, &self.network.balancer].map(|host| SocketAddr::new(host.ip(), PAGE_PORT))
    }
}

#[test]
#[ignore = "needs root, haproxy, nginx and socat"]
fn halb_answers_what_haproxy_is_asked_as_haproxy_does() {
    let pair = Pair::start();
    let [theirs, ours] = pair.sockets();

    let header = |socket: &Path| ask(socket, "show stat").lines().next().unwrap().to_owned();
    assert_eq!(header(&ours), header(&theirs));
    agree(&theirs, &ours);
    let (their_types, our_types) = (typed(&theirs), typed(&ours));
    assert_eq!(our_types, their_types, "{:?}", our_types.symmetric_difference(&their_types));

    for said in [
        "set server masters/kmaster1 state drain",
        "set server masters/kmaster2 state maint",
        "set server masters/spare weight 50%; get weight masters/spare",
        "set weight masters/spare 7; get weight masters/spare",
        "enable server masters/kmaster2; disable server direct/only",
        "set server masters/kmaster1 state ready; set server direct/only state ready",
        "shutdown sessions server masters/kmaster1",
        "set server masters/nope state drain; set server nope/nope state drain; set server masters",
        "set server masters/kmaster1 state; set server masters/kmaster1 weight 300",
        "set weight masters/kmaster1 x",
        "show servers state nope; show stat nope 4 -1; shutdown session 0x1",
    ] {
        assert_eq!(ask(&ours, said), ask(&theirs, said), "{said}");
        agree(&theirs, &ours);
    }

    let scraped = pair
        .pages()
        .map(|page| pair.network.client.run(|| series(&http_get(page, "/metrics").unwrap())));
    let [their_series, our_series] = scraped;
    let missing: Vec<_> = their_series.difference(&our_series).collect();
    let foreign: Vec<_> = our_series.difference(&their_series).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:?}\nforeign {foreign:?}");
}

/// What a client says that knows HAProxy's socket alone: what it reads, and what its orders do.
fn drive(socket: &Path) -> String {
    let mut command = Command::new("python3");
    command.arg("-c").arg(include_str!("haproxy_client.py")).arg(socket);
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "pip install haproxyadmin? {said}");
    said
}

#[test]
#[ignore = "needs root, haproxy, nginx and haproxyadmin"]
fn a_library_for_haproxys_socket_reads_and_orders_the_same() {
    let pair = Pair::start();
    let [theirs, ours] = pair.sockets();
    agree(&theirs, &ours);
    let (their_words, our_words) = (drive(&theirs), drive(&ours));
    assert!(their_words.lines().count() > 15, "{their_words}");
    assert_eq!(our_words, their_words);
}

/// Expressions as dashboards and alert rules on HAProxy's metrics have them.
const EXPRESSIONS: &[&str] = &[
    "time() - haproxy_process_start_time_seconds > bool 0",
    "haproxy_process_current_connections",
    "haproxy_process_max_connections",
    "haproxy_process_nbproc",
    "sum by (instance, proxy) (rate(haproxy_frontend_connections_total{proxy!=\"metrics\"}[30s]))",
    "rate(haproxy_frontend_bytes_in_total{proxy!=\"metrics\"}[30s])",
    "haproxy_frontend_current_sessions{proxy=\"kubernetes\"} \
     / haproxy_frontend_limit_sessions{proxy=\"kubernetes\"} * 100 < 80",
    "rate(haproxy_backend_bytes_out_total[30s])",
    "rate(haproxy_backend_response_errors_total[30s])",
    "haproxy_backend_active_servers",
    "haproxy_backend_status == 1",
    "haproxy_backend_max_connect_time_seconds",
    "sum by (instance, proxy, state) (haproxy_backend_agg_server_status)",
    "haproxy_server_status == 0",
    "count by (instance, proxy) (haproxy_server_status{state=\"UP\"} == 1) \
     / count by (instance, proxy) (haproxy_server_status{state=\"UP\"}) < 1",
    "rate(haproxy_server_connection_attempts_total[30s])",
    "rate(haproxy_server_check_up_down_total[30s]) != 0",
];

/// Those that are to find nothing: alerts for what doesn't happen.
const SILENT: &[&str] = &[
    "rate(haproxy_process_dropped_logs_total[30s]) != 0",
    "rate(haproxy_backend_check_up_down_total[30s]) != 0",
];

/// Labels of what an expression finds on each of the pages.
fn find(expression: &str, pages: [SocketAddr; 2]) -> [BTreeSet<String>; 2] {
    let mut command = Command::new("promtool");
    let output = command.args(["query", "instant", "http://127.0.0.1:9090", expression]).output();
    let output = output.expect("promtool is installed: apt-get install prometheus");
    let text = String::from_utf8(output.stdout).unwrap();
    pages.map(|page| {
        let instance = format!("instance=\"{page}\"");
        let of_it = text.lines().filter(|line| line.contains(&instance));
        of_it.map(|line| line.split(" => ").next().unwrap().replace(&instance, "")).collect()
    })
}

#[test]
#[ignore = "needs root, haproxy, nginx and prometheus"]
fn what_dashboards_and_alerts_ask_of_haproxys_metrics_finds_the_same_in_halbs() {
    let mut pair = Pair::start();
    let pages = pair.pages();
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: haproxy\n\
         \x20 static_configs: [{{ targets: [\"{}\", \"{}\"] }}]\n",
        pages[0], pages[1]
    );
    let file = pair.folder.path().join("prometheus.yml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", pair.folder.path().join("data").display()));
    command.arg("--web.listen-address=127.0.0.1:9090");
    let client = &pair.network.client;
    let _prometheus = client.spawn(command).unwrap();
    let asked = |expression: &str| client.run(|| find(expression, pages));
    let both = |expression: &str| {
        eventually(expression, PATIENCE, || {
            let [theirs, ours] = asked(expression);
            if theirs == ours && !theirs.is_empty() { Ok(()) } else { Err((theirs, ours)) }
        });
    };
    both("haproxy_server_check_up_down_total");
    pair.servers.remove(0);
    pair.halb.wait_for_state("kmaster1", "DOWN");
    for expression in EXPRESSIONS {
        both(expression);
    }
    for expression in SILENT {
        assert_eq!(asked(expression), [BTreeSet::new(), BTreeSet::new()], "{expression}");
    }
}
