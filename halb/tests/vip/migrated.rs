//! Both files of the guide, imported by the command itself, beside HAProxy and keepalived that run
//! with them: the same servers get the same shares, are asked as often, and the other node hears the
//! same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::client::{Client, Protocol};
use halb_lab::masters::PORT;
use halb_lab::subject::{haproxy, keepalived};
use halb_lab::{Host, Masters, eventually};

use crate::imported::advert_of;
use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::import::{OldNode, SEED, mended};
use crate::support::router::VIP;
use crate::support::segment::Segment;

/// The guide's `haproxy.cfg`, as it stands there.
const HAPROXY: &str = include_str!("../../../import/tests/haproxy/seed-almalinux.cfg");

/// Who runs on loadbalancer01.
#[derive(Clone, Copy, Debug)]
enum Who {
    Originals,
    Imported,
}

/// What is seen from outside.
#[derive(Debug)]
struct Seen {
    /// From one check of a server to the next.
    check_interval: Duration,
    /// Who answered how many of thirty connections over the virtual address.
    shares: BTreeMap<String, usize>,
    /// The advert while servers are up, and the one while all are down.
    adverts: [Vec<u8>; 2],
}

/// Plays the same evening with either.
fn observe(who: Who) -> Seen {
    let segment = Segment::new();
    let addresses = [VIP, segment.balancers[0].ip()];
    let masters = Masters::start(segment.lab(), &addresses, Duration::from_secs(1)).unwrap();
    let node = OldNode::new();
    let seed = node.with_script(SEED);
    let host = &segment.balancers[0];
    match who {
        Who::Originals => {
            let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
            let haproxy = haproxy(host, HAPROXY, &[everywhere]).unwrap();
            // Before its script connects, too.
            let check_interval = check_interval(host);
            let keepalived = keepalived(host, &mended(&seed)).unwrap();
            let seen = serve(&segment, &masters, check_interval);
            keepalived.stop(PATIENCE).unwrap();
            haproxy.stop(PATIENCE).unwrap();
            seen
        }
        Who::Imported => {
            let daemon = Daemon::start(host, &node.import(HAPROXY, &seed));
            let seen = serve(&segment, &masters, check_interval(host));
            daemon.stop(PATIENCE).unwrap();
            seen
        }
    }
}

/// Mean of three intervals, by the connections that the balancer begins while nobody uses it: one
/// for each server and check.
fn check_interval(host: &Host) -> Duration {
    let (mut count, mut at) = (connects(host), Vec::new());
    let wanted = SERVERS * 3 + 1;
    eventually("checks of all servers", PATIENCE, || {
        let now = connects(host);
        at.extend((count..now).map(|_| Instant::now()));
        count = now;
        if at.len() < wanted { Err(at.len()) } else { Ok(()) }
    });
    at[wanted - 1].duration_since(at[0]) / 3
}

const SERVERS: usize = 3;

/// Connections that a host has begun so far, as its kernel counts them.
fn connects(host: &Host) -> u64 {
    let counters = host.run(|| fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
    let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().unwrap(), tcp.next().unwrap());
    let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

fn serve(segment: &Segment, masters: &Masters, check_interval: Duration) -> Seen {
    segment.wait_for_holder(0);
    let shares = shares(&segment.client, masters.authority());
    let up = advert_of(segment, 100);
    masters.kill(usize::MAX);
    let down = advert_of(segment, 98);
    Seen { check_interval, shares, adverts: [up, down] }
}

fn shares(client: &Host, authority: &str) -> BTreeMap<String, usize> {
    let authority = authority.to_owned();
    client.block_on(async move {
        let mut shares = BTreeMap::new();
        for _ in 0..30 {
            let address = SocketAddr::new(VIP, PORT);
            let mut client = Client::connect(address, &authority, Protocol::Http1).await.unwrap();
            let reply = client.get("/readyz").await.unwrap();
            *shares.entry(reply.served_by().unwrap().to_owned()).or_default() += 1;
        }
        shares
    })
}

#[test]
#[ignore = "needs root, haproxy and keepalived"]
fn the_guides_files_imported_do_what_haproxy_and_keepalived_do_with_them() {
    let [originals, imported] = thread::scope(|scope| {
        let [one, other] =
            [Who::Originals, Who::Imported].map(|who| scope.spawn(move || observe(who)));
        [one.join().unwrap(), other.join().unwrap()]
    });
    for seen in [&originals, &imported] {
        assert_eq!(seen.check_interval.as_secs_f64().round(), 2.0, "{seen:?}");
        assert_eq!(seen.shares.values().sum::<usize>(), 30, "{seen:?}");
        // keepalived's script may take a turn among them.
        assert!(
            seen.shares.len() == 3 && seen.shares.values().all(|n| (9..=11).contains(n)),
            "{seen:?}"
        );
    }
    assert_eq!(imported.adverts, originals.adverts);
}
