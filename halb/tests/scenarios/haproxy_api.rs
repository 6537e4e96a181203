//! HAProxy and halb with one configuration, asked the same by socat and by a scraper.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use halb_lab::eventually;
use halb_lab::subject::{haproxy, nginx};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, HALB, http_get};
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

#[test]
#[ignore = "needs root, haproxy, nginx and socat"]
fn halb_answers_what_haproxy_is_asked_as_haproxy_does() {
    let network = Network::new();
    let start = |index: usize| {
        let (host, address) = network.at(PORT)[index];
        nginx(host, &nginx::http_server(address, host.name()), &[address]).unwrap()
    };
    // The third one is down.
    let _servers: Vec<_> = (0..2).map(start).collect();
    let other = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs.sock"), folder.path().join("ours.sock"));
    let page = SocketAddr::new([0, 0, 0, 0].into(), 8405);
    let text = configuration(&theirs, page);
    let _haproxy = haproxy(&other, &text, &[SocketAddr::new(other.ip(), PORT)]).unwrap();
    let halb = Daemon::start(&network.balancer, &imported(&text, folder.path(), &ours));
    halb.wait_for_state("kmaster3", "DOWN");

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

    let scrape = |host: &halb_lab::Host| {
        let address = SocketAddr::new(host.ip(), page.port());
        network.client.run(|| http_get(address, "/metrics").unwrap())
    };
    let (their_series, our_series) = (series(&scrape(&other)), series(&scrape(&network.balancer)));
    let missing: Vec<_> = their_series.difference(&our_series).collect();
    let foreign: Vec<_> = our_series.difference(&their_series).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:?}\nforeign {foreign:?}");
}
