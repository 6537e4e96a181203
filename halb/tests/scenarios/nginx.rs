//! nginx behind halb: its web server checked by a request, its stream proxy by a connection.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use halb_lab::subject::{Subject, nginx};
use halb_lab::{Host, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::network::Network;

/// Ports of nginx and of halb's frontends alike.
const WEB: u16 = 80;
const STREAM: u16 = 9000;

fn configuration(network: &Network) -> String {
    let servers = |port| -> String {
        let line = |(host, address): (&Host, _)| format!("{} = \"{address}\"\n", host.name());
        network.at(port).into_iter().map(line).collect()
    };
    format!(
        "[frontend.web]\nbind = [\"*:{WEB}\"]\nbackend = \"web\"\n\
         [frontend.stream]\nbind = [\"*:{STREAM}\"]\nbackend = \"stream\"\n\
         [backend.web]\n\
         check = {{ type = \"http\", path = \"/\", expect_body = \"kmaster\", interval = \"200ms\", timeout = \"10s\" }}\n\
         [backend.web.server]\n{}\
         [backend.stream]\n\
         check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"10s\" }}\n\
         [backend.stream.server]\n{}",
        servers(WEB),
        servers(STREAM),
    )
}

/// nginx on each master: a web server that says where it is, and a stream proxy before it.
fn start(network: &Network, index: usize) -> Subject {
    let (host, web) = network.at(WEB)[index];
    let stream = SocketAddr::new(host.ip(), STREAM);
    let blocks = nginx::http_server(web, host.name()) + &nginx::stream_proxy(stream, &[web]);
    nginx(host, &blocks, &[web, stream]).unwrap()
}

/// Who answers how many of some requests.
fn shares(network: &Network, port: u16, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    network.client.run(|| {
        for _ in 0..count {
            let answer = http_get(network.frontend(port), "/").unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            let name = answer.rsplit("\r\n").next().unwrap().to_owned();
            *shares.entry(name).or_default() += 1;
        }
    });
    shares
}

#[test]
#[ignore = "needs root and nginx"]
fn nginx_servers_share_the_work_and_the_rest_takes_over_when_one_dies() {
    let network = Network::new();
    let mut servers: Vec<_> = (0..3).map(|index| start(&network, index)).collect();
    let halb = Daemon::start(&network.balancer, &configuration(&network));
    let of_each = |names: &[&str], count| -> BTreeMap<String, usize> {
        names.iter().map(|name| ((*name).to_owned(), count)).collect()
    };
    let even = |port| {
        // A server that has just come in, or gone, changes the turn in which they are.
        shares(&network, port, 6);
        shares(&network, port, 30)
    };
    let all = of_each(&["kmaster1", "kmaster2", "kmaster3"], 10);
    assert_eq!(even(WEB), all);
    assert_eq!(even(STREAM), all);

    servers.remove(1).kill().unwrap();
    // At once, and after the death is known.
    let answered: BTreeSet<_> = shares(&network, STREAM, 30).into_keys().collect();
    assert_eq!(answered, ["kmaster1", "kmaster3"].map(str::to_owned).into());
    halb.wait_for_state("kmaster2", "DOWN");
    let rest = of_each(&["kmaster1", "kmaster3"], 15);
    assert_eq!(even(WEB), rest);

    servers.push(start(&network, 1));
    eventually("both backends have it again", PATIENCE, || {
        let up: Vec<_> = halb.status().backends.iter().map(|backend| backend.servers_up).collect();
        if up == [3, 3] { Ok(()) } else { Err(up) }
    });
    assert_eq!(even(WEB), all);
    assert_eq!(even(STREAM), all);
}
