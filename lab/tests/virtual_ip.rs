//! The apparatus for virtual addresses, tried with programs whose behaviour is known: keepalived and
//! FRR. Nothing of halb is in here.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use halb_lab::{
    Capture, Host, Lab, Prober, Responder,
    capture::Checksum,
    eventually,
    net::Loss,
    subject::{Keepalived, frr, keepalived},
};

const SOON: Duration = Duration::from_secs(10);

/// What a machine that is busy otherwise makes of 356 ms at most.
const LATE: Duration = Duration::from_millis(1500);

const VIP: &str = "172.16.16.100";

const PORT: u16 = 4000;

/// Two balancers and a client.
struct Pair {
    _lab: Lab,
    balancers: [Host; 2],
    client: Host,
}

impl Pair {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = |name: &str, last: u8| lab.host(name, &format!("172.16.16.{last}/24")).unwrap();
        let balancers = [host("loadbalancer01", 51), host("loadbalancer02", 52)];
        Self { balancers, client: host("client", 9), _lab: lab }
    }

    fn keepaliveds(&self, interval: &str) -> [Keepalived; 2] {
        [0, 1].map(|n| {
            let configuration = format!(
                "vrrp_instance VI_1 {{\n state BACKUP\n interface eth1\n virtual_router_id 1\n \
                 priority {}\n version 3\n advert_int {interval}\n \
                 virtual_ipaddress {{\n {VIP}\n }}\n}}\n",
                100 + n
            );
            keepalived(&self.balancers[n], &configuration).unwrap()
        })
    }

    fn responders(&self) -> [Responder; 2] {
        self.balancers.each_ref().map(|host| Responder::start(host, PORT).unwrap())
    }

    fn prober(&self) -> Prober {
        let target = SocketAddr::new(vip(), PORT);
        Prober::start(&self.client, target, Duration::from_millis(1)).unwrap()
    }
}

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

#[test]
#[ignore = "needs root and keepalived"]
fn an_outage_between_two_keepaliveds_is_as_long_as_their_timers_say() {
    let pair = Pair::new();
    let _responders = pair.responders();
    let keepaliveds = pair.keepaliveds("0.1");
    let seen = Capture::start(&pair.client).unwrap();
    let prober = pair.prober();
    prober.wait_for_answer_by("loadbalancer02", SOON);
    let report = keepaliveds[1].report().unwrap();
    assert!(report.is_master() && report.priority() == Some(101));
    let watches = pair.balancers.each_ref().map(|host| host.watch_addresses().unwrap());

    let active = pair.balancers[1].ip();
    let last = seen.wait_for("of the active one", seen.mark(), SOON, |it| it.source == active);
    let (cut, mark) = (Instant::now(), seen.mark());
    pair.balancers[1].lose(Loss::Everything).unwrap();
    prober.wait_for_answer_by("loadbalancer01", SOON);
    let next = seen.wait_for("of the other", mark, SOON, |it| it.source != active);
    let outage = prober.longest_outage_since(cut);
    // Three intervals and the skew from the last advert on, which was at most one interval before
    // the cut; and a busy machine.
    let silence = next.at - last.at;
    assert!(silence > Duration::from_millis(355) && silence < LATE, "{silence:?}");
    assert!(outage > Duration::from_millis(250) && outage < LATE, "{outage:?}");
    assert!(watches[0].last(vip(), true, cut).is_some(), "{:?}", watches[0].changes());

    // Neither hears the other, and both hold the address: the link of the active one is up.
    assert!(pair.balancers.iter().all(|host| host.holds(vip()).unwrap()));
    pair.balancers[1].lose(Loss::Nothing).unwrap();
    eventually("one holder", SOON, || !pair.balancers[0].holds(vip()).unwrap());
    assert!(watches[0].last(vip(), false, cut).is_some(), "{:?}", watches[0].changes());
    let turns = prober.turns_since(cut);
    assert!(turns.iter().any(|turn| turn.by == "loadbalancer01"), "{turns:?}");
    assert!(keepaliveds[0].report().unwrap().faults().is_empty());
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_capture_reads_adverts_and_claims_as_tcpdump_does() {
    let pair = Pair::new();
    let seen = Capture::start(&pair.client).unwrap();
    let keepaliveds = pair.keepaliveds("0.1");
    let advert = seen.wait_for("of the active one", 0, SOON, |it| it.priority == 101);
    let source = pair.balancers[1].ip();
    assert_eq!((advert.source, advert.destination), (source, IpAddr::from([224, 0, 0, 18])));
    assert_eq!((advert.version, advert.router_id, advert.hop_limit), (3, 1, 255));
    assert_eq!(advert.interval, Duration::from_millis(100));
    assert_eq!((advert.addresses, advert.authentication), (vec![vip()], None));
    assert_eq!(advert.checksum, Checksum::PseudoHeader);
    eventually("the address is claimed", SOON, || {
        let mut claims = seen.claims_since(0).into_iter().filter(|claim| claim.address == vip());
        claims.any(|claim| claim.gratuitous && !claim.reply && claim.hardware == advert.hardware)
    });

    let mark = seen.mark();
    keepaliveds[1].stop(SOON).unwrap();
    let release = seen.wait_for("that gives up", mark, SOON, |it| it.priority == 0);
    assert_eq!(release.source, source);

    let file = tempfile::NamedTempFile::new().unwrap();
    seen.write_pcap(file.path()).unwrap();
    let output = Command::new("tcpdump").args(["-nvr"]).arg(file.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("52 > 224.0.0.18: VRRPv3, Advertisement, vrid 1, prio 0,"), "{text}");
}

#[test]
#[ignore = "needs root"]
fn packets_are_lost_one_way_and_the_carrier_stays() {
    let pair = Pair::new();
    let [one, other] = &pair.balancers;
    let sockets = [one, other].map(|host| {
        let socket = host.run(|| UdpSocket::bind((host.ip(), 0)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        socket
    });
    let addresses = [0, 1].map(|n| sockets[n].local_addr().unwrap());
    let passes = |from: usize, to: usize| {
        sockets[from].send_to(b"word", addresses[to]).unwrap();
        sockets[to].recv_from(&mut [0; 4]).is_ok()
    };
    assert!(passes(0, 1) && passes(1, 0));
    for (loss, sent, received) in [
        (Loss::Sent, false, true),
        (Loss::Received, true, false),
        (Loss::Everything, false, false),
        (Loss::Nothing, true, true),
    ] {
        one.lose(loss).unwrap();
        assert_eq!((passes(0, 1), passes(1, 0)), (sent, received), "{loss:?}");
        let carrier = one.run(|| std::fs::read_to_string("/proc/thread-self/net/route").unwrap());
        assert!(carrier.contains("eth1"), "its route is there, which no carrier would take along");
    }
}

/// Where FRR wants its virtual addresses.
fn macvlans(host: &Host) {
    host.add_macvlan("vrrp4", [0, 0, 0x5e, 0, 1, 5], &["172.16.16.100/32"]).unwrap();
    host.add_macvlan("vrrp6", [0, 0, 0x5e, 0, 2, 5], &["fe80::100/128", "fd00::100/128"]).unwrap();
}

#[test]
#[ignore = "needs root and frr"]
fn two_frrs_share_addresses_of_both_families() {
    let pair = Pair::new();
    let seen = Capture::start(&pair.client).unwrap();
    let daemons: Vec<_> = pair
        .balancers
        .iter()
        .zip([100, 200])
        .map(|(host, priority)| {
            macvlans(host);
            let configuration = format!(
                "interface eth1\n vrrp 5 version 3\n vrrp 5 priority {priority}\n \
                 vrrp 5 advertisement-interval 100\n vrrp 5 ip {VIP}\n vrrp 5 ipv6 fe80::100\n \
                 vrrp 5 ipv6 fd00::100\n"
            );
            frr(host, &configuration).unwrap()
        })
        .collect();
    let link_local: IpAddr = "fe80::100".parse().unwrap();
    for address in [vip(), link_local] {
        let is_held = |by: [bool; 2]| {
            eventually(&format!("{address} is held by {by:?}"), SOON, || {
                let holds = pair.balancers.each_ref().map(|host| host.holds(address).unwrap());
                let masters: Vec<_> =
                    daemons.iter().map(|frr| frr.is_master(address).unwrap()).collect();
                if holds == by && masters == by { Ok(()) } else { Err((holds, masters)) }
            });
        };
        is_held([false, true]);
        let advert = seen.wait_for("of the higher one", seen.mark(), SOON, |it| {
            it.source.is_ipv4() == address.is_ipv4() && it.priority == 200
        });
        assert_eq!(advert.checksum, Checksum::PseudoHeader);
        assert!(advert.addresses.contains(&address), "{advert:?}");
    }
}
