//! Frontends that the kernel forwards: rules that follow health, orders and reloads, that outlast
//! the daemon, and that a stop takes away.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use halb::status::vrrp::State;
use halb_lab::client::Protocol;
use halb_lab::process::{Exit, Signal};
use halb_lab::{Host, eventually};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::load::{Load, Style, Watch, shares};
use crate::support::masters::{Masters, PORT};
use crate::support::network::Network;

/// Requests between two events, by all clients together.
const BETWEEN: usize = 40;

fn configuration(address: SocketAddr, masters: &Masters<'_>, forward: &str) -> String {
    format!(
        "[frontend.kubernetes]\nforward = \"{forward}\"\nbind = [\"{}\"]\nbackend = \"masters\"\n\
         [backend.masters]\non_down_spread = \"0s\"\n\
         check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"100ms\" }}\n\
         [backend.masters.server]\n{}[admin]\nhttp = false\n\
         [global]\nstate_dir = \"/nonexistent\"\n",
        address,
        masters.lines(),
    )
}

/// Who answers, and how often, when each request is a connection of its own.
fn answers(network: &Network, masters: &Masters<'_>, count: usize) -> BTreeMap<String, usize> {
    network.client.block_on(shares(network.frontend(PORT), masters.ca(), count))
}

fn even(names: &[&str], each: usize) -> BTreeMap<String, usize> {
    names.iter().map(|name| ((*name).to_owned(), each)).collect()
}

/// What a program on a host prints.
fn printed(host: &Host, words: &[&str]) -> String {
    let output = host.run(|| Command::new(words[0]).args(&words[1..]).output().unwrap());
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn tables(host: &Host) -> String {
    printed(host, &["nft", "list", "tables"])
}

pub(crate) fn work_on(load: &Load) {
    let enough = load.count() + BETWEEN;
    eventually("requests are answered", PATIENCE, || load.count() >= enough);
}

#[test]
#[ignore = "needs root"]
fn a_killed_daemon_costs_no_request_and_the_next_one_adopts_its_rules() {
    let network = Network::new();
    let masters = network.api_servers();
    let file = configuration(network.frontend(PORT), &masters, "kernel");
    let halb = Daemon::start(&network.balancer, &file);
    assert_eq!(answers(&network, &masters, 30), even(&masters.names(), 10));

    let (target, ca) = (network.frontend(PORT), masters.ca());
    let protocols = [Protocol::Http1, Protocol::Http2];
    let clients = [protocols.map(Style::New), protocols.map(Style::Kept)].concat();
    let (load, watch) = network.client.block_on(async move {
        let watch = Watch::start(target, ca.clone()).await;
        (Load::start(target, ca, clients).await, watch)
    });
    work_on(&load);
    eventually("connections are counted where they are", PATIENCE, || {
        let status = halb.status();
        let forward = status.forward.clone().unwrap();
        let [frontend] = &status.frontends[..] else { panic!("{status:?}") };
        let server = status.backends[0].servers.iter().find(|one| one.name == watch.server);
        let server = server.unwrap();
        let is_counted = forward.connections >= 3
            && frontend.accepted >= 30
            && frontend.bytes_out > 0
            && server.connections >= 1;
        if is_counted { Ok(()) } else { Err(Box::new(status)) }
    });

    halb.signal(Signal::SIGKILL).unwrap();
    halb.wait(PATIENCE).unwrap();
    work_on(&load);
    let next = Daemon::start(&network.balancer, &file);
    assert!(next.output().contains("rules of before were found as they should be"));
    work_on(&load);
    let requests = network.client.block_on(load.end());
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());

    // The watch went on all the while. Its server falls silent, and its client, who never speaks,
    // is told.
    let mark = next.line_count();
    let (host, _) =
        network.at(PORT)[masters.names().iter().position(|n| *n == watch.server).unwrap()];
    host.link_down().unwrap();
    next.wait_for_line_after(mark, "server is DOWN", PATIENCE).unwrap();
    let dead = watch.server.clone();
    let (_, why) = network.client.block_on(watch.end());
    assert!(why.contains("reset"), "{why}");
    let rest: Vec<_> = masters.names().into_iter().filter(|name| *name != dead).collect();
    assert_eq!(answers(&network, &masters, 10), even(&rest, 5));
    eventually("its end is counted", PATIENCE, || {
        let forward = next.status().forward.unwrap();
        if forward.ended >= 1 { Ok(()) } else { Err(Box::new(forward)) }
    });

    next.signal(Signal::SIGTERM).unwrap();
    assert_eq!(next.wait(PATIENCE).unwrap(), Exit::Code(0));
    assert_eq!(tables(&network.balancer), "");
}

#[test]
#[ignore = "needs root"]
fn orders_and_reloads_change_the_rules_and_a_stop_puts_back_what_was() {
    let network = Network::new();
    let masters = network.api_servers();
    let setting = || printed(&network.balancer, &["sysctl", "-n", "net.ipv4.ip_forward"]);
    let [proxy, kernel] =
        ["proxy", "kernel"].map(|forward| configuration(network.frontend(PORT), &masters, forward));
    let halb = Daemon::start(&network.balancer, &proxy);
    assert!(halb.status().forward.is_none());
    assert_eq!((setting(), tables(&network.balancer)), ("0".to_owned(), String::new()));

    halb.files().write(&kernel);
    assert!(halb.done(&["reload"]).contains("the kernel forwards from now on"));
    let status = halb.status();
    assert!(status.readiness.ready, "{status:?}");
    let forward = status.forward.unwrap();
    assert!(forward.applied && forward.held == ["172.16.16.51"], "{forward:?}");
    assert!(forward.settings.iter().any(|one| one.name == "net.ipv4.ip_forward"), "{forward:?}");
    assert_eq!(setting(), "1");
    halb.done(&["server", "drain", "kmaster2"]);
    let others = even(&["kmaster1", "kmaster3"], 2);
    eventually("a server in drain gets no connection", PATIENCE, || {
        let answers = answers(&network, &masters, 4);
        if answers == others { Ok(()) } else { Err(answers) }
    });
    halb.done(&["server", "ready", "kmaster2"]);
    let all = even(&masters.names(), 2);
    eventually("it is back", PATIENCE, || {
        let answers = answers(&network, &masters, 6);
        if answers == all { Ok(()) } else { Err(answers) }
    });
    // Of another hand, and found by its differences.
    printed(&network.balancer, &["nft", "flush", "chain", "inet", "halb", "translate"]);
    let line = halb.wait_for_line("somebody else changed the rules", PATIENCE).unwrap();
    assert!(line.contains("chain translate"), "{line}");
    eventually("it is put right", PATIENCE, || halb.status().forward.unwrap().repairs == 1);
    assert_eq!(answers(&network, &masters, 6), all);

    halb.files().write(&proxy);
    assert!(halb.done(&["reload"]).contains("the kernel forwards nothing any more"));
    assert_eq!(answers(&network, &masters, 6), all, "halb itself moves bytes again");
    assert_eq!((setting(), tables(&network.balancer)), ("0".to_owned(), String::new()));
}

/// Ends the daemon that took over from this one, whatever becomes of the test.
pub(crate) struct Successor<'a>(pub(crate) &'a Daemon);

impl Drop for Successor<'_> {
    fn drop(&mut self) {
        let said = self.0.files().halb(&["status", "--json"]).text;
        let Ok(status) = serde_json::from_str::<halb::status::Status>(&said) else { return };
        let pid = Pid::from_raw(i32::try_from(status.process.pid).unwrap());
        // It may have ended by itself.
        let _ = kill(pid, Signal::SIGKILL);
    }
}

#[test]
#[ignore = "needs root"]
fn an_upgrade_costs_no_request_and_the_new_daemon_goes_on_with_the_rules() {
    let network = Network::new();
    let masters = network.api_servers();
    let file = configuration(network.frontend(PORT), &masters, "kernel");
    let halb = Daemon::start(&network.balancer, &file);
    halb.done(&["server", "drain", "kmaster2"]);
    let others = even(&["kmaster1", "kmaster3"], 2);
    eventually("a server in drain gets no connection", PATIENCE, || {
        let answers = answers(&network, &masters, 4);
        if answers == others { Ok(()) } else { Err(answers) }
    });
    let (target, ca) = (network.frontend(PORT), masters.ca());
    let clients = [Style::New(Protocol::Http1), Style::Kept(Protocol::Http2)].repeat(2);
    let load = network.client.block_on(Load::start(target, ca, clients));
    work_on(&load);
    let _successor = Successor(&halb);
    assert!(halb.done(&["upgrade"]).contains("serves"));
    assert_eq!(halb.wait(PATIENCE).unwrap(), Exit::Code(0), "it has no connections of its own");
    let status = halb.status();
    assert_ne!(status.process.pid, halb.pid());
    let forward = status.forward.unwrap();
    assert!(forward.applied && forward.repairs == 0, "{forward:?}");
    assert!(halb.output().contains("rules of before were found as they should be"));
    work_on(&load);
    let requests = network.client.block_on(load.end());
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());
    assert_eq!(answers(&network, &masters, 4), others, "orders are kept");
}

#[test]
#[ignore = "needs root"]
fn what_daemons_changed_that_were_killed_or_replaced_is_put_back_by_the_one_that_stops() {
    let network = Network::new();
    let masters = network.api_servers();
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().display().to_string();
    let [proxy, kernel] = ["proxy", "kernel"].map(|forward| {
        configuration(network.frontend(PORT), &masters, forward).replace("/nonexistent", &state_dir)
    });
    let setting = || printed(&network.balancer, &["sysctl", "-n", "net.ipv4.ip_forward"]);
    let kill_one = || {
        let halb = Daemon::start(&network.balancer, &kernel);
        halb.signal(Signal::SIGKILL).unwrap();
        halb.wait(PATIENCE).unwrap();
        assert_eq!(setting(), "1");
    };
    kill_one();
    let halb = Daemon::start(&network.balancer, &kernel);
    let _successor = Successor(&halb);
    assert!(halb.done(&["upgrade"]).contains("serves"));
    assert_eq!(halb.wait(PATIENCE).unwrap(), Exit::Code(0));
    let status = halb.status();
    let settings = status.forward.unwrap().settings;
    let forward = settings.iter().find(|one| one.name == "net.ipv4.ip_forward").unwrap();
    assert_eq!((forward.before.as_str(), forward.now.as_str()), ("0", "1"));
    kill(Pid::from_raw(i32::try_from(status.process.pid).unwrap()), Signal::SIGTERM).unwrap();
    let nothing = || (setting(), tables(&network.balancer)) == ("0".to_owned(), String::new());
    eventually("the one that stops leaves nothing behind", PATIENCE, nothing);

    // Nor does the next one, whose file has no use for it.
    kill_one();
    assert_ne!(tables(&network.balancer), "");
    let halb = Daemon::start(&network.balancer, &proxy);
    assert!(nothing(), "{}", halb.output());
    assert_eq!(answers(&network, &masters, 6), even(&masters.names(), 2));
}

pub(crate) const VIP: &str = "172.16.16.100";

/// What differs from one balancer of a pair to the other, and from test to test.
pub(crate) struct Node<'a> {
    pub(crate) priority: u8,
    pub(crate) other: &'a str,
    pub(crate) key: &'a Path,
    pub(crate) forward: &'a str,
    pub(crate) interval: &'a str,
}

/// The secret of a pair.
pub(crate) fn write_key(directory: &Path) -> PathBuf {
    let key = directory.join("peer.key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    key
}

/// One of two balancers that hold the address by turns and copy connections to each other.
pub(crate) fn of_pair(masters: &Masters<'_>, node: &Node<'_>) -> String {
    let Node { priority, other, key, forward, interval } = node;
    let vip = SocketAddr::new(VIP.parse().unwrap(), PORT);
    format!(
        "{}[vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = 1\npriority = {priority}\n\
         advert_interval = \"{interval}\"\naddresses = [\"{VIP}\"]\n\
         track = [{{ frontend = \"kubernetes\", weight = -60 }}]\n\
         [peer]\naddress = \"{other}:7112\"\nkey_file = \"{}\"\n",
        configuration(vip, masters, forward),
        key.display(),
    )
}

pub(crate) fn wait_for(daemon: &Daemon, state: State) {
    eventually(&format!("the node is {state:?}"), PATIENCE, || {
        let instance = daemon.status().vrrp.unwrap().instances.remove(0);
        if instance.state == state { Ok(()) } else { Err(Box::new(instance)) }
    });
}

#[test]
#[ignore = "needs root"]
fn connections_go_on_through_the_other_node_when_the_one_that_forwards_is_killed() {
    kill_one_of_a_pair("roundrobin", Vec::new());
}

/// One that has just begun may not be copied yet, and the hash leads it to the same server.
#[test]
#[ignore = "needs root"]
fn new_connections_fail_as_little_when_the_one_that_forwards_is_killed() {
    kill_one_of_a_pair("flow", [Protocol::Http1, Protocol::Http2].map(Style::New).repeat(3));
}

/// The daemon that forwards is killed: its guard gives the address up, the other node takes it, and
/// goes on with connections that it never saw the beginning of, those of a silent client too. Others
/// are `beside` them.
fn kill_one_of_a_pair(balance: &str, beside: Vec<Style>) {
    let network = Network::new();
    let second = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    let masters = network.api_servers();
    let directory = tempfile::tempdir().unwrap();
    let key = write_key(directory.path());
    let node = |priority, other| {
        let (key, forward, interval) = (&*key, "kernel", "100ms");
        let file = of_pair(&masters, &Node { priority, other, key, forward, interval });
        file.replace("on_down_spread", &format!("balance = \"{balance}\"\non_down_spread"))
    };
    let one = Daemon::start(&network.balancer, &node(150, "172.16.16.52"));
    wait_for(&one, State::Active);
    let two = Daemon::start(&second, &node(100, "172.16.16.51"));
    wait_for(&two, State::Backup);

    let (target, ca) = (SocketAddr::new(VIP.parse().unwrap(), PORT), masters.ca());
    let clients = [Protocol::Http1, Protocol::Http2].map(Style::Kept).repeat(4);
    let kept = clients.len();
    let authority = ca.clone();
    let (load, watch) = network.client.block_on(async move {
        let watch = Watch::start(target, authority.clone()).await;
        (Load::start(target, authority, clients).await, watch)
    });
    work_on(&load);
    let all = u64::try_from(kept + 1).unwrap();
    eventually("all connections are copied", PATIENCE, || {
        let [one, two] = [&one, &two].map(|daemon| daemon.status().forward.unwrap());
        let is_whole = one.connections == all && two.copies == all;
        if is_whole { Ok(()) } else { Err(format!("{one:?}\n{two:?}")) }
    });

    let is_alone = beside.is_empty();
    let beside = network.client.block_on(Load::start(target, ca, beside));
    let work_on = || {
        work_on(&load);
        if !is_alone {
            work_on(&beside);
        }
    };
    work_on();
    one.signal(Signal::SIGKILL).unwrap();
    wait_for(&two, State::Active);
    work_on();
    eventually("they are the other node's now", PATIENCE, || {
        let two = two.status().forward.unwrap();
        if two.connections == all || (two.connections > all && !is_alone) {
            Ok(())
        } else {
            Err(Box::new(two))
        }
    });
    // It is off the network as well: nothing that still came by it counts.
    network.balancer.link_down().unwrap();
    work_on();
    assert_eq!(load.kept_connections(), kept, "nobody had to connect again");
    let requests = network.client.block_on(async move {
        let mut requests = load.end().await;
        requests.extend(beside.end().await);
        requests
    });
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());
    assert!(!watch.has_ended(), "the watch goes on");
    assert_eq!(two.status().forward.unwrap().copies_refused, 0);
}
