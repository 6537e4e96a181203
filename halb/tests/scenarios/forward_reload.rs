//! Reloads of what the kernel forwards, under load: whatever changes, connections that the change
//! doesn't name go on, and no request fails.

use halb_lab::client::Protocol;

use crate::forward::work_on;
use crate::support::daemon::Daemon;
use crate::support::load::{Load, Style, Watch, shares};
use crate::support::masters::{Masters, PORT};
use crate::support::network::Network;

/// What a file says, piece by piece.
#[derive(Clone)]
struct File {
    /// Servers by their index, with their weights.
    servers: Vec<(usize, u16)>,
    backend: &'static str,
    /// Lines of the frontend.
    frontend: &'static str,
    /// The backend of the frontend.
    target: &'static str,
    /// Further tables.
    more: String,
}

const CHECK: &str = "check = { type = \"tcp\", interval = \"200ms\", timeout = \"1s\" }\n";

const FLOW: &str = "balance = \"flow\"\ncheck = { type = \"tcp\", interval = \"200ms\" }\n";

const OTHER_CHECK: &str = "check = { type = \"https\", path = \"/readyz\", verify = \"none\", \
                           interval = \"300ms\", fall = 5 }\non_down = \"keep\"\n";

const LIMITS: &str = "maxconn = 1000\naccept_rate = \"1000/s\"\nallow = [\"172.16.16.0/24\"]\n\
                      deny = [\"172.16.16.10/32\"]\n";

const OTHER_LIMITS: &str = "maxconn = 500\ndeny = [\"172.16.16.10/31\", \"10.0.0.0/8\"]\n";

impl File {
    fn lines(&self, masters: &Masters<'_>) -> String {
        let line = |(index, weight): &(usize, u16)| {
            let line = masters.all()[*index].line();
            let (name, address) = line.trim_end().split_once(" = ").unwrap();
            format!("{name} = {{ address = {address}, weight = {weight} }}\n")
        };
        self.servers.iter().map(line).collect()
    }

    fn text(&self, network: &Network, masters: &Masters<'_>) -> String {
        format!(
            "[frontend.kubernetes]\nforward = \"kernel\"\nbind = [\"{}\"]\nbackend = \"{}\"\n{}\
             [backend.masters]\n{}[backend.masters.server]\n{}{}[admin]\nhttp = false\n\
             [global]\nstate_dir = \"/nonexistent\"\n",
            network.frontend(PORT),
            self.target,
            self.frontend,
            self.backend,
            self.lines(masters),
            self.more,
        )
    }

    /// Another service before the same hosts, by a backend of its own.
    fn with_another_frontend(&self, network: &Network, masters: &Masters<'_>) -> Self {
        let frontend = format!(
            "[frontend.other]\nforward = \"kernel\"\nbind = [\"{}\"]\nbackend = \"others\"\n",
            network.frontend(OTHER_PORT),
        );
        Self { more: frontend + &self.others(masters), ..self.clone() }
    }

    fn others(&self, masters: &Masters<'_>) -> String {
        let servers = self.lines(masters);
        format!("[backend.others]\ncheck = false\n[backend.others.server]\n{servers}")
    }
}

const OTHER_PORT: u16 = PORT + 1;

/// One after the other, and what each changes against the one before.
fn changes(first: &File, network: &Network, masters: &Masters<'_>) -> Vec<(&'static str, File)> {
    let with = |servers: &[(usize, u16)]| File { servers: servers.to_vec(), ..first.clone() };
    let backend = |backend| File { backend, ..first.clone() };
    let frontend = |frontend| File { frontend, ..first.clone() };
    let all = with(&[(0, 1), (1, 1), (2, 1)]);
    let elsewhere = File { target: "others", more: all.others(masters), ..all.clone() };
    vec![
        ("a server comes", all),
        ("weights change", with(&[(0, 5), (1, 0), (2, 2)])),
        ("a server goes", with(&[(0, 1), (2, 1)])),
        ("it comes back, in another order", with(&[(2, 1), (0, 1), (1, 1)])),
        ("another server goes", first.clone()),
        ("another backend, and all of its servers", elsewhere),
        ("the former backend", first.clone()),
        ("checks change", backend(OTHER_CHECK)),
        ("a hash chooses", backend(FLOW)),
        ("servers take turns again", first.clone()),
        ("a frontend comes", first.with_another_frontend(network, masters)),
        ("the frontend goes", first.clone()),
        ("limits come", frontend(LIMITS)),
        ("limits change", frontend(OTHER_LIMITS)),
        ("limits go", first.clone()),
    ]
}

#[test]
#[ignore = "needs root"]
fn no_connection_of_the_kernels_breaks_and_no_request_fails_whatever_a_reload_changes() {
    let network = Network::new();
    let masters = network.api_servers();
    let servers = vec![(0, 1), (1, 1)];
    let (backend, frontend, target, more) = (CHECK, "", "masters", String::new());
    let first = File { servers, backend, frontend, target, more };
    let halb = Daemon::start(&network.balancer, &first.text(&network, &masters));
    let (address, ca) = (network.frontend(PORT), masters.ca());
    let protocols = [Protocol::Http1, Protocol::Http2];
    let clients = [protocols.map(Style::New), protocols.map(Style::Kept)].concat().repeat(2);
    let (load, watches) = network.client.block_on(async move {
        let mut watches = Vec::new();
        for _ in 0..4 {
            watches.push(Watch::start(address, ca.clone()).await);
        }
        (Load::start(address, ca, clients).await, watches)
    });
    work_on(&load);
    let changes = changes(&first, &network, &masters);
    for (what, file) in &changes {
        halb.files().write(&file.text(&network, &masters));
        let said = halb.done(&["reload"]);
        assert!(said.starts_with("reloaded:\n"), "{what}: {said}");
        work_on(&load);
        assert_eq!(load.kept_connections(), 4, "{what}: somebody had to connect again");
        let broken = watches.iter().find(|watch| watch.has_ended());
        assert!(broken.is_none(), "{what}: a watch ended");
        if file.more.contains("frontend.other") {
            let other = network.frontend(OTHER_PORT);
            let served = network.client.block_on(shares(other, masters.ca(), 4));
            assert_eq!(served.len(), 2, "{what}: {served:?}");
        }
    }
    // Nor by orders.
    for order in ["drain", "ready", "weight=7"] {
        match order.split_once('=') {
            Some((order, weight)) => halb.done(&["server", order, "kmaster1", weight]),
            None => halb.done(&["server", order, "kmaster1"]),
        };
        work_on(&load);
        assert_eq!(load.kept_connections(), 4, "{order}: somebody had to connect again");
    }
    let requests = network.client.block_on(load.end());
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());
    assert!(!watches.iter().any(Watch::has_ended), "a watch ended");
    let forward = halb.status().forward.unwrap();
    assert_eq!((forward.repairs, forward.held_back), (0, 0), "{forward:?}");
    assert_eq!(halb.status().reload.applied, u64::try_from(changes.len()).unwrap());
}
