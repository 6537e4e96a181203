//! How soon the address is gone from a node whose daemon was killed or stands still.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::eventually;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{PACE, cell};
use crate::support::PATIENCE;
use crate::support::greeters::{Crowd, visit};
use crate::support::member::Kind;
use crate::support::router::{FRONTEND, Router, VIP};
use crate::support::segment::Segment;
use crate::support::server::Server;

const TRIALS: usize = 5;

const CONNECTIONS: u64 = 9_000;

/// What is promised after a death.
const AFTER_DEATH: Duration = Duration::from_millis(50);

/// What the guard may take beyond the freeze limit.
const AFTER_FREEZE: Duration = Duration::from_millis(20);

/// When the address went from loadbalancer01 after a moment.
fn gone(segment: &Segment, since: Instant) -> Duration {
    let gone =
        eventually("the address goes", PATIENCE, || segment.watches[0].last(VIP, false, since));
    gone - since
}

/// The address is held by loadbalancer02 alone, and stays there.
fn one_holder(segment: &Segment) {
    segment.wait_for_holder(1);
    segment.stays_for(Duration::from_secs(1));
}

#[test]
#[ignore = "needs root; a measurement of a minute"]
fn measure_the_end_of_a_daemon_killed_with_nine_thousand_connections() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let (mut times, mut outages) = (Vec::new(), Vec::new());
    for _ in 0..TRIALS {
        let (time, outage) = kill_with_connections();
        times.push(time);
        outages.push(outage);
    }
    println!("**A daemon that is killed**");
    println!(
        "| kill -9 with {CONNECTIONS} connections | time, ms: median / worst |\n|---|---|\n\
         | until the address is gone from the node | {} |\n\
         | until the other node answers (adverts each second) | {} |",
        cell(&times),
        cell(&outages),
    );
    assert!(times.iter().all(|time| *time <= AFTER_DEATH), "{times:?}");
}

/// How long the address stayed on the node, and how long nobody answered the client.
///
/// On a segment of its own: what is left of the connections of a killed process would hold up those
/// of the next.
fn kill_with_connections() -> (Duration, Duration) {
    let segment = Segment::with(VIP, PACE);
    let server = Server::address(&segment.client);
    let _crowd = segment.client.run(|| Crowd::listen("hi", server));
    // An advert each second: what is measured is the guard, not a timer of the peer.
    let every_second =
        |priority| Router { interval: Duration::from_secs(1), ..Router::fast(priority) };
    let tracked_server = Some(server);
    let serving = Router { tracked_server, realtime: true, ..every_second(101) };
    let halb = segment.start(0, Kind::Halb, &serving);
    segment.wait_for_holder(0);
    let _peer = segment.start(1, Kind::Halb, &every_second(100));
    let visits = || (0..CONNECTIONS).map(|_| visit(SocketAddr::new(VIP, FRONTEND), 2).0).collect();
    let _clients: Vec<_> = segment.client.run(visits);
    assert_eq!(halb.halb().status().process.connections, CONNECTIONS);
    let killed = Instant::now();
    halb.kill();
    let time = gone(&segment, killed);
    one_holder(&segment);
    (time, segment.prober.longest_outage_since(killed))
}

#[test]
#[ignore = "needs root; a measurement of a minute"]
fn measure_the_end_of_a_frozen_daemon() {
    println!("**A daemon that stands still**");
    println!("| SIGSTOP, adverts every | limit, ms | address gone, ms: median / worst |");
    println!("|---|---|---|");
    let mut late = Vec::new();
    for (interval, limit) in [(1000, 2000), (100, 300), (10, 30)] {
        let (interval, limit) = (Duration::from_millis(interval), Duration::from_millis(limit));
        let segment = Segment::with(VIP, PACE);
        let router = |priority| Router { interval, realtime: true, ..Router::fast(priority) };
        let members = segment.pair([Kind::Halb, Kind::Halb], router);
        let mut times = Vec::new();
        for _ in 0..TRIALS {
            segment.wait_for_holder(0);
            thread::sleep(interval);
            let frozen = Instant::now();
            members[0].freeze();
            times.push(gone(&segment, frozen));
            one_holder(&segment);
            members[0].thaw();
        }
        println!("| {interval:?} | {} | {} |", limit.as_millis(), cell(&times));
        late.extend(times.into_iter().filter(|time| *time > limit + AFTER_FREEZE));
    }
    assert!(late.is_empty(), "later than the limit allows: {late:?}");
}
