//! The files of the guides on loadbalancer01, three API servers, and what may happen to one of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halb_lab::client::Protocol;
use halb_lab::eventually;
use tempfile::TempDir;

use crate::support::daemon::Daemon;
use crate::support::load::{Load, Request, Style, Watch, shares};
use crate::support::masters::{Masters, PORT, VIRTUAL_IP};
use crate::support::network::Network;
use crate::support::{PATIENCE, SLACK};

const FILE: &str = include_str!("../../../examples/kubernetes.toml");

const PAIR_FILE: &str = include_str!("../../../examples/loadbalancer01.toml");

/// What the file's check promises: `fall` × `interval` + `timeout`.
const DETECTION: Duration = Duration::from_secs(3 * 2 + 1);

/// `on_down_spread` and `connect_timeout` where the file says nothing.
const SPREAD: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(2);

/// A stage with clients at work, one of whom watches through the server that is to suffer.
struct Scene<'a> {
    network: &'a Network,
    masters: Masters<'a>,
    halb: Daemon,
    load: Load,
    watch: Watch,
}

/// What a fault brought about.
struct Aftermath {
    fault: Instant,
    down: Instant,
    /// The line in the log.
    line: String,
}

impl<'a> Scene<'a> {
    fn new(network: &'a Network) -> Self {
        let masters = network.api_servers();
        let halb = Daemon::start(&network.balancer, FILE);
        for name in masters.names() {
            halb.wait_for_state(name, "UP");
        }
        assert_even(network, network.frontend(PORT), &masters);
        let (target, ca) = (network.frontend(PORT), masters.ca());
        let clients = [Protocol::Http1, Protocol::Http2].map(Style::New).repeat(2);
        let (load, watch) = network.client.block_on(async move {
            let watch = Watch::start(target, ca.clone()).await;
            (Load::start(target, ca, clients).await, watch)
        });
        Self { network, masters, halb, load, watch }
    }

    /// Does something to the server that is watched, and waits until halb has noticed.
    fn strike(&mut self, strike: impl FnOnce(&mut Masters<'a>, &str)) -> Aftermath {
        let mark = self.halb.line_count();
        let fault = Instant::now();
        strike(&mut self.masters, &self.watch.server);
        let line = self.halb.wait_for_line_after(mark, "server is DOWN", PATIENCE).unwrap();
        let down = Instant::now();
        assert!(line.contains(&format!("masters/{}", self.watch.server)), "{line}");
        let took = down - fault;
        println!("found after {took:?}: {line}");
        assert!(took <= DETECTION + SLACK, "{took:?}");
        Aftermath { fault, down, line }
    }

    /// Waits for the end of the watch, lets the server recover, and returns all requests.
    fn recover(
        self,
        aftermath: &Aftermath,
        recover: impl FnOnce(&mut Masters<'a>, &str),
    ) -> Vec<Request> {
        let Self { network, mut masters, halb, load, watch } = self;
        let server = watch.server.clone();
        let (ended, why) = network.client.block_on(watch.end());
        println!("the watch ended {:?} after the fault: {why}", ended - aftermath.fault);
        assert!(ended <= aftermath.down + SPREAD + SLACK, "{:?}", ended - aftermath.down);
        eventually("all of its sessions have ended", SPREAD + SLACK, || {
            let server = halb.server(&server);
            if server.connections == 0 { Ok(()) } else { Err(server.connections) }
        });
        let mark = halb.line_count();
        recover(&mut masters, &server);
        halb.wait_for_line_after(mark, "server is UP", PATIENCE).unwrap();
        let requests = network.client.block_on(load.end());
        assert_even(network, network.frontend(PORT), &masters);
        requests
    }
}

/// Round robin is strict: thirty requests are ten for each of three, once a server that has just
/// come in has found its place in the turn.
fn assert_even(network: &Network, target: SocketAddr, masters: &Masters<'_>) {
    let ca = masters.ca();
    let shares = network.client.block_on(async move {
        shares(target, ca.clone(), 6).await;
        shares(target, ca, 30).await
    });
    let even: BTreeMap<_, _> =
        masters.names().into_iter().map(|name| (name.to_owned(), 10)).collect();
    assert_eq!(shares, even);
}

/// The longest time that any of them took.
fn slowest<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Duration {
    requests.into_iter().map(|request| request.took).max().unwrap()
}

#[test]
#[ignore = "needs root"]
fn killing_a_server_costs_no_later_request_and_it_gets_its_share_when_it_is_back() {
    let network = Network::new();
    let mut scene = Scene::new(&network);
    let mut dead = None;
    let aftermath = scene.strike(|masters, server| {
        masters.named(server).kill();
        dead = Some(Instant::now());
    });
    let masters = scene.halb.status().backends.remove(0);
    assert!(masters.redispatches > 0 && masters.retries == 0, "{masters:?}");
    let requests = scene.recover(&aftermath, |masters, server| masters.named(server).start());
    // Refused, a connection goes to another server at once: even what came before the server was
    // found dead is answered.
    let later = requests.iter().filter(|request| request.begun > dead.unwrap());
    let failed: Vec<_> = later.clone().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(slowest(later) <= CONNECT + SLACK);
}

#[test]
#[ignore = "needs root"]
fn a_hung_server_is_found_and_its_clients_are_sent_to_others() {
    let network = Network::new();
    let mut scene = Scene::new(&network);
    let aftermath = scene.strike(|masters, server| masters.named(server).freeze());
    assert!(aftermath.line.contains("TOUT"), "{}", aftermath.line);
    let requests = scene.recover(&aftermath, |masters, server| masters.named(server).thaw());
    // Its kernel accepts, so nobody can know better before it is found; but then everyone is told.
    let slowest = slowest(&requests);
    println!("the slowest of {} requests took {slowest:?}", requests.len());
    assert!(slowest <= DETECTION + SPREAD + SLACK, "{slowest:?}");
    let hung = |request: &&Request| request.failed();
    assert!(requests.iter().any(|request| hung(&request)), "nobody met the hung server");
    for request in requests.iter().filter(hung) {
        assert!(request.begun <= aftermath.down, "{request:?}");
        assert!(request.ended() <= aftermath.down + SPREAD + SLACK, "{request:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_server_without_power_delays_clients_by_a_connect_timeout_at_most() {
    let network = Network::new();
    let mut scene = Scene::new(&network);
    let host_of = |server: &str| network.masters.iter().find(|host| host.name() == server).unwrap();
    let aftermath = scene.strike(|_, server| host_of(server).link_down().unwrap());
    let requests = scene.recover(&aftermath, |_, server| host_of(server).link_up().unwrap());
    // One whose connection stood when the power went waits until the server is found dead.
    let later = requests.iter().filter(|request| request.begun > aftermath.fault + SLACK);
    let failed: Vec<_> = later.clone().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(slowest(later) <= CONNECT + SLACK);
}

#[test]
#[ignore = "needs root"]
fn the_file_for_one_of_two_balancers_holds_the_address_and_serves_at_it() {
    let network = Network::new();
    let masters = network.api_servers();
    let state = TempDir::new().unwrap();
    let state_dir = format!("\n[global]\nstate_dir = \"{}\"\n", state.path().display());
    let halb = Daemon::start(&network.balancer, &(PAIR_FILE.to_owned() + &state_dir));
    for name in masters.names() {
        halb.wait_for_state(name, "UP");
    }
    // Three adverts of 5 s that don't come, and the skew.
    halb.wait_for_line("virtual IP is here", PATIENCE).unwrap();
    let vip = SocketAddr::new(VIRTUAL_IP.parse().unwrap(), PORT);
    assert_even(&network, vip, &masters);
}
