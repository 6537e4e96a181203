//! Reloads under load: servers, weights and timeouts change, and no client notices.

use std::collections::BTreeSet;
use std::net::TcpStream;

use halb_lab::client::Protocol;
use halb_lab::process::Signal;
use halb_lab::subject::Here;
use halb_lab::{Loopback, eventually};
use tokio::runtime::Runtime;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::load::{Load, Request, Style, shares};
use crate::support::masters::{Masters, PORT, on_loopback};

/// Requests between two reloads, by all clients together.
const BETWEEN: usize = 60;

struct Site {
    masters: Masters<'static>,
    balancer: Loopback,
    _claims: Vec<Loopback>,
    runtime: Runtime,
}

impl Site {
    fn new() -> Self {
        let (masters, balancer, claims) = on_loopback(4);
        Self { masters, balancer, _claims: claims, runtime: Runtime::new().unwrap() }
    }

    /// A configuration with some of the servers, by index, each with its weight.
    fn configuration(&self, servers: &[(usize, u16)], backend: &str) -> String {
        let lines: String = servers
            .iter()
            .map(|(index, weight)| {
                let line = self.masters.all()[*index].line();
                let (name, address) = line.trim_end().split_once(" = ").unwrap();
                format!("{name} = {{ address = {address}, weight = {weight} }}\n")
            })
            .collect();
        format!(
            "[frontend.kubernetes]\nbind = [\"{}\"]\nbackend = \"masters\"\n\
             [backend.masters]\n{backend}\n\
             [backend.masters.server]\n{lines}\
             [admin]\nhttp = \"{}\"\n",
            self.balancer.port(PORT),
            self.balancer.port(8404),
        )
    }

    /// Eight clients, four of which keep their connections.
    fn load(&self) -> Load {
        let protocols = [Protocol::Http1, Protocol::Http2];
        let styles = [protocols.map(Style::New), protocols.map(Style::Kept)].concat().repeat(2);
        let (target, ca) = (self.balancer.port(PORT), self.masters.ca());
        self.runtime.block_on(Load::start(target, ca, styles))
    }

    fn metrics(&self) -> String {
        http_get(self.balancer.port(8404), "/metrics").unwrap()
    }

    fn answering(&self, count: usize) -> BTreeSet<String> {
        let (target, ca) = (self.balancer.port(PORT), self.masters.ca());
        self.runtime.block_on(shares(target, ca, count)).into_keys().collect()
    }
}

/// Waits until the clients have done so many more requests.
fn work_on(load: &Load) {
    let enough = load.count() + BETWEEN;
    eventually("requests are answered", PATIENCE, || load.count() >= enough);
}

fn assert_none_failed(requests: &[Request]) {
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());
    let slowest = requests.iter().map(|request| request.took).max().unwrap();
    println!("{} requests, the slowest took {slowest:?}", requests.len());
}

const CHECK: &str = "check = { type = \"tcp\", interval = \"200ms\", timeout = \"10s\" }";
const OTHER_CHECK: &str =
    "check = { type = \"https\", path = \"/readyz\", verify = \"none\", interval = \"300ms\" }";

#[test]
fn no_request_fails_while_servers_weights_checks_and_timeouts_change() {
    let site = Site::new();
    let with = |servers: &[(usize, u16)], backend: &str| site.configuration(servers, backend);
    let halb = Daemon::start(&Here, &with(&[(0, 1), (1, 1), (2, 1)], CHECK));
    let load = site.load();
    work_on(&load);
    let kept = load.kept_connections();
    let changes = [
        with(&[(0, 1), (1, 1), (2, 1), (3, 1)], CHECK),
        with(&[(0, 5), (1, 1), (2, 0), (3, 2)], CHECK),
        with(&[(3, 1), (2, 1)], CHECK),
        with(&[(0, 1), (3, 1), (2, 1)], OTHER_CHECK),
        with(&[(0, 1)], &format!("connect_timeout = \"1s\"\nretries = 1\n{OTHER_CHECK}")),
        with(&[(0, 1), (1, 1), (2, 1)], &format!("balance = \"leastconn\"\n{CHECK}")),
    ];
    let count = u64::try_from(changes.len()).unwrap();
    for (number, text) in changes.iter().enumerate() {
        halb.files().write(text);
        if number % 2 == 0 {
            let said = halb.done(&["reload"]);
            assert!(said.starts_with("reloaded:\n"), "{said}");
        } else {
            let mark = halb.line_count();
            halb.signal(Signal::SIGHUP).unwrap();
            halb.wait_for_line_after(mark, "configuration reloaded", PATIENCE).unwrap();
        }
        work_on(&load);
    }
    assert_eq!((kept, load.kept_connections()), (4, 4), "kept connections survive");
    assert_none_failed(&site.runtime.block_on(load.end()));
    let status = halb.status();
    assert_eq!((status.reload.applied, status.reload.failed), (count, 0));
}

#[test]
fn a_bad_file_under_load_changes_nothing_and_says_why() {
    let site = Site::new();
    let good = site.configuration(&[(0, 1), (1, 1)], CHECK);
    let halb = Daemon::start(&Here, &good);
    let load = site.load();
    work_on(&load);
    halb.files().write(&good.replace("= \"masters\"", "= \"mastrs\""));
    let said = halb.files().halb(&["reload"]);
    assert_eq!(said.code, 3, "{}", said.text);
    assert!(said.text.contains("nothing was changed"), "{}", said.text);
    assert!(said.text.contains("halb.toml:3:"), "the place: {}", said.text);
    assert!(said.text.contains("mastrs"), "{}", said.text);
    work_on(&load);
    let reload = halb.status().reload;
    assert_eq!((reload.applied, reload.failed), (0, 1));
    assert!(reload.last.unwrap().error.unwrap().contains("mastrs"));
    let metrics = site.metrics();
    assert!(metrics.contains("halb_config_reload_last_success 0"), "{metrics}");
    assert!(metrics.contains("halb_config_reload_failures_total 1"), "{metrics}");

    let mark = halb.line_count();
    halb.signal(Signal::SIGHUP).unwrap();
    halb.wait_for_line_after(mark, "reload changed nothing", PATIENCE).unwrap();
    work_on(&load);
    assert_none_failed(&site.runtime.block_on(load.end()));
    assert_eq!(site.answering(6), ["kmaster1", "kmaster2"].map(str::to_owned).into());
}

#[test]
fn a_removed_server_drains_and_takes_its_series_with_it() {
    let site = Site::new();
    let halb = Daemon::start(&Here, &site.configuration(&[(0, 1), (1, 1)], CHECK));
    // One to each server, which say nothing and stay.
    let idle = [(); 2].map(|()| TcpStream::connect(site.balancer.port(PORT)).unwrap());
    eventually("each server has one", PATIENCE, || {
        let connections = ["kmaster1", "kmaster2"].map(|name| halb.server(name).connections);
        if connections == [1, 1] { Ok(()) } else { Err(connections) }
    });
    let load = site.load();
    work_on(&load);
    let series = "server=\"kmaster2\"";
    assert!(site.metrics().contains(series));
    halb.files().write(&site.configuration(&[(0, 1)], CHECK));
    halb.done(&["reload"]);
    let draining = halb.server("kmaster2");
    assert!(draining.removed && draining.connections >= 1, "{draining:?}");
    let metrics = site.metrics();
    assert!(!metrics.contains(series), "{metrics}");
    assert!(metrics.contains("server=\"kmaster1\""), "{metrics}");
    assert_eq!(site.answering(4), ["kmaster1".to_owned()].into());
    work_on(&load);
    assert_none_failed(&site.runtime.block_on(load.end()));

    drop(idle);
    eventually("it is gone with its last connection", PATIENCE, || {
        let servers = halb.status().backends.remove(0).servers;
        if servers.len() == 1 { Ok(()) } else { Err(servers) }
    });
}
