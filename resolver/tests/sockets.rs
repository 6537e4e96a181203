//! The resolver on real sockets, asking name servers that this test is.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use halb_lab::Nameserver;
use halb_lab::nameserver::Zone;
use halb_resolver::config::{Families, Holds, HostName, Nameservers, Question, Settings};
use halb_resolver::driver::{Known, Resolver};
use halb_resolver::name::Change;
use tokio::time;

/// Longer than anything here takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn nameserver(zone: Zone) -> Nameserver {
    Nameserver::start(SocketAddr::from(([127, 0, 0, 1], 0)), zone).unwrap()
}

fn settings(nameservers: &[&Nameserver]) -> Settings {
    Settings {
        nameservers: Nameservers::These(nameservers.iter().map(|s| s.address()).collect()),
        hosts_file: None,
        timeout: Duration::from_millis(200),
        attempts: NonZeroU32::MIN,
        refresh_min: Duration::from_millis(50),
        refresh_max: Duration::from_millis(100),
        holds: Holds { gone: Duration::ZERO, unanswered: None, obsolete: Duration::ZERO },
    }
}

fn question(name: &str) -> Question {
    Question { host: HostName::new(name).unwrap(), families: Families::PreferIpv4 }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn address(known: &Known, name: &str) -> Option<IpAddr> {
    known.addresses.get(&question(name)).copied()
}

/// Waits until a name has this address, or none.
async fn becomes(resolver: &Resolver, name: &str, wanted: Option<IpAddr>) {
    let mut known = resolver.known();
    let reached = known.wait_for(|known| known.unheard == 0 && address(known, name) == wanted);
    time::timeout(PATIENCE, reached).await.expect("it never became so").unwrap();
}

#[tokio::test]
async fn a_name_follows_its_name_server() {
    let server = nameserver(Zone::Addresses(vec![ip(2), ip(1)]));
    let (resolver, mut events) = Resolver::start(settings(&[&server]));
    resolver.follow(settings(&[&server]), vec![question("a.x")]).await;
    time::timeout(PATIENCE, resolver.heard()).await.unwrap();
    becomes(&resolver, "a.x", Some(ip(1))).await;
    server.becomes(Zone::Addresses(vec![ip(3)]));
    becomes(&resolver, "a.x", Some(ip(3))).await;
    server.becomes(Zone::Code(3));
    becomes(&resolver, "a.x", None).await;
    server.becomes(Zone::Addresses(vec![ip(4)]));
    becomes(&resolver, "a.x", Some(ip(4))).await;
    let mut told = Vec::new();
    while told.len() < 5 {
        told.push(time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap().1);
    }
    let why = "there is no such name".to_owned();
    let lost = Change::Lost { from: ip(3), why };
    let resolved = |from: Option<u8>, to| Change::Resolved { from: from.map(ip), to: ip(to) };
    let all = [resolved(None, 1), resolved(Some(1), 3), lost, Change::Settled, resolved(None, 4)];
    assert_eq!(told, all);
}

#[tokio::test]
async fn name_servers_that_fail_or_stay_silent_take_nothing_away() {
    let server = nameserver(Zone::Addresses(vec![ip(1)]));
    let (resolver, mut events) = Resolver::start(settings(&[&server]));
    resolver.follow(settings(&[&server]), vec![question("a.x")]).await;
    becomes(&resolver, "a.x", Some(ip(1))).await;
    for trouble in [Zone::Code(2), Zone::Silence] {
        server.becomes(trouble);
        let failures = || async { resolver.status().await[0].failures };
        let before = failures().await;
        let reached = async {
            while failures().await < before + 3 {
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        time::timeout(PATIENCE, reached).await.expect("nobody asked again");
        assert_eq!(address(&resolver.known().borrow(), "a.x"), Some(ip(1)));
    }
    server.becomes(Zone::Addresses(vec![ip(1)]));
    loop {
        let (_, change) = time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        if change == Change::Settled {
            break;
        }
    }
}

#[tokio::test]
async fn the_next_name_server_answers_for_one_that_does_not() {
    let silent = nameserver(Zone::Silence);
    let failing = nameserver(Zone::Code(5));
    let good = nameserver(Zone::Addresses(vec![ip(7)]));
    let settings = settings(&[&silent, &failing, &good]);
    let (resolver, _events) = Resolver::start(settings.clone());
    resolver.follow(settings, vec![question("a.x")]).await;
    becomes(&resolver, "a.x", Some(ip(7))).await;
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_comes_over_tcp() {
    let server = nameserver(Zone::OverTcp((1..=60).map(ip).collect()));
    let (resolver, _events) = Resolver::start(settings(&[&server]));
    resolver.follow(settings(&[&server]), vec![question("a.x")]).await;
    becomes(&resolver, "a.x", Some(ip(1))).await;
}

#[tokio::test]
async fn answers_to_questions_that_nobody_asked_are_passed_over() {
    let server = nameserver(Zone::AfterAForgery(ip(5)));
    let (resolver, _events) = Resolver::start(settings(&[&server]));
    resolver.follow(settings(&[&server]), vec![question("a.x")]).await;
    becomes(&resolver, "a.x", Some(ip(5))).await;
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_is_read_anew_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("hosts");
    fs::write(&file, "10.0.0.21 a.x\n").unwrap();
    let server = nameserver(Zone::Addresses(vec![ip(1)]));
    let settings = Settings { hosts_file: Some(file.clone()), ..settings(&[&server]) };
    let (resolver, _events) = Resolver::start(settings.clone());
    resolver.follow(settings, vec![question("a.x"), question("b.x")]).await;
    becomes(&resolver, "a.x", Some(ip(21))).await;
    becomes(&resolver, "b.x", Some(ip(1))).await;
    fs::write(&file, "10.0.0.22 a.x # moved\n").unwrap();
    becomes(&resolver, "a.x", Some(ip(22))).await;
    fs::remove_file(&file).unwrap();
    becomes(&resolver, "a.x", Some(ip(1))).await;
}

#[tokio::test]
async fn name_servers_come_from_a_file_and_follow_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    // Port 53 of these is nobody's here; that the second is asked shows that the file was read.
    fs::write(&file, "nameserver 127.77.0.1\n").unwrap();
    let settings = Settings { nameservers: Nameservers::File(file.clone()), ..settings(&[]) };
    let (resolver, _events) = Resolver::start(settings.clone());
    resolver.follow(settings, vec![question("a.x")]).await;
    for server in ["127.77.0.1", "127.77.0.2"] {
        fs::write(&file, format!("nameserver {server}\n")).unwrap();
        let reached = async {
            loop {
                let status = resolver.status().await;
                let last = status[0].last.as_ref().map(|(what, _)| what.clone());
                if last.is_some_and(|what| what.contains(&format!("name server {server}:53"))) {
                    return;
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        time::timeout(PATIENCE, reached).await.expect("it was never asked");
    }
}
