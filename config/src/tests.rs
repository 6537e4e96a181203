//! What files mean: every key, every default, order, references, and files that can't be read.

mod keys_are_read;
mod never_panics;
mod virtual_ip;

use std::net::IpAddr;
use std::path::Path;

use halb_healthcheck::config::{Initial, Probe, Verify};
use halb_lb::config::{Balance, OnDown};
use halb_resolver::config::Families;

use super::*;
use crate::settings::{LogFormat, LogLevel};

/// The file of the design, without the tables of versions to come.
const KUBERNETES: &str = include_str!("../../examples/kubernetes.toml");

fn good(text: &str) -> Settings {
    parse(text, "t.toml").unwrap_or_else(|report| panic!("{report}\n{text}")).settings
}

fn bad(text: &str) -> Report {
    parse(text, "t.toml").map(|loaded| loaded.settings).expect_err(text)
}

#[test]
fn the_file_of_the_design_means_what_it_says() {
    let loaded = parse(KUBERNETES, "kubernetes.toml").unwrap();
    assert_eq!(loaded.lints, [], "{}", loaded.lints_text(Style::Plain));
    let Settings { lb, forwarded, checks, names, vrrp, peer, global, log, admin, haproxy } =
        loaded.settings;
    assert!(names.servers.is_empty());
    assert!(forwarded.is_empty(), "halb itself moves bytes");
    assert!(vrrp.routers.instances.is_empty() && peer.is_none());
    assert!(haproxy.socket.is_none() && !haproxy.metrics, "nothing unless it is written");

    let [frontend] = lb.frontends() else { panic!("{lb:?}") };
    assert_eq!(frontend.name.as_str(), "kubernetes");
    assert_eq!(frontend.binds, ["0.0.0.0:6443".parse().unwrap()]);
    assert_eq!(frontend.default_backend.as_ref().map(|b| b.as_str()), Some("masters"));
    assert_eq!(frontend.idle_timeout, None);
    assert_eq!(frontend.backlog, defaults::BACKLOG);

    let [backend] = lb.backends() else { panic!("{lb:?}") };
    assert_eq!(backend.balance, Balance::RoundRobin);
    assert_eq!(backend.on_down, OnDown::Reset { spread: defaults::ON_DOWN_SPREAD });
    let servers: Vec<_> =
        backend.servers.iter().map(|s| (s.name.as_str(), s.address.unwrap().to_string())).collect();
    let expected = [
        ("kmaster1", "172.16.16.101:6443"),
        ("kmaster2", "172.16.16.102:6443"),
        ("kmaster3", "172.16.16.103:6443"),
    ];
    assert_eq!(servers, expected.map(|(name, address)| (name, address.to_owned())));

    let ids: Vec<_> = checks.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(ids, ["masters/kmaster1", "masters/kmaster2", "masters/kmaster3"]);
    let check = &checks[0].check;
    let Probe::Https(http, tls) = &check.probe else { panic!("{check:?}") };
    assert_eq!((http.path.as_str(), &tls.verify), ("/readyz", &Verify::None));
    assert_eq!(check.pace.interval, Duration::from_secs(2));
    assert_eq!((check.threshold.fall.get(), check.threshold.rise.get()), (3, 2));
    assert_eq!(check.initial, Initial::Up);

    assert_eq!(global.workers, None);
    assert_eq!((log.level, log.format, log.access), (LogLevel::Info, LogFormat::Text, true));
    assert_eq!(admin.http, Some(defaults::ADMIN_HTTP));
    assert_eq!(admin.socket, Path::new(defaults::ADMIN_SOCKET));
}

#[test]
fn servers_keep_the_order_of_the_file_however_they_are_written() {
    let settings = good(
        r#"
        [backend.z.server.nine]
        address = "10.0.0.9:80"
        [backend.a]
        check = false
        server = { two = "10.0.0.2:80", one = { address = "10.0.0.1:80" } }
        [backend.z.server.five]
        address = "10.0.0.5:80"
        [backend.z]
        check = false
        [backend.z.server]
        one = "10.0.0.1:80"
        [frontend.f]
        bind = ["*:80"]
        backend = "a"
        routes = [{ sni = "z", backend = "z" }]
        "#,
    );
    let order: Vec<_> = settings
        .lb
        .backends()
        .iter()
        .flat_map(|b| b.servers.iter().map(move |s| format!("{}/{}", b.name, s.name)))
        .collect();
    assert_eq!(order, ["a/two", "a/one", "z/nine", "z/five", "z/one"]);
}

#[test]
fn checks_go_to_servers_that_are_checked_from_the_address_that_traffic_has() {
    let settings = good(
        r#"
        [frontend.f]
        bind = ["*:80"]
        backend = "b"
        [backend.b]
        source = "10.0.0.200"
        check = { type = "http", port = 8080 }
        server = { one = "10.0.0.1:80", two = { address = "10.0.0.2:80", check = false } }
        "#,
    );
    let [target] = &settings.checks[..] else { panic!("{:?}", settings.checks) };
    assert_eq!((target.id.as_str(), target.address), ("b/one", "10.0.0.1:8080".parse().unwrap()));
    assert_eq!(target.check.source, Some("10.0.0.200".parse().unwrap()));
}

#[test]
fn a_short_interval_shortens_the_timeout_that_nobody_wrote() {
    let file = |check: &str| {
        format!(
            "[frontend.f]\nbind = ['*:80']\nbackend = 'b'\n[backend.b]\ncheck = {check}\nserver = {{ s = '10.0.0.1:80' }}"
        )
    };
    let timeout = |check: &str| good(&file(check)).checks[0].check.pace.timeout;
    assert_eq!(timeout("{ type = 'tcp' }"), defaults::CHECK_TIMEOUT);
    assert_eq!(timeout("{ type = 'tcp', interval = '300ms' }"), Duration::from_millis(300));
    assert_eq!(timeout("{ type = 'tcp', interval = '60s' }"), defaults::CHECK_TIMEOUT);
}

#[test]
fn the_time_until_a_hung_server_is_down_counts_intervals_and_one_timeout() {
    let ms = Duration::from_millis;
    for (interval, fast, timeout, fall, expected) in [
        (2_000, None, 1_000, 3, 7_000),
        (2_000, None, 1_000, 1, 3_000),
        (2_000, Some(500), 500, 3, 3_500),
        (2_000, Some(500), 1_000, 3, 5_000),
        (2_000, None, 10_000, 3, 40_000),
    ] {
        let pace = halb_healthcheck::config::Pace {
            interval: ms(interval),
            fast_interval: fast.map(ms),
            down_interval: None,
            timeout: ms(timeout),
        };
        let fall = std::num::NonZeroU32::new(fall).unwrap();
        assert_eq!(check::detection_time(&pace, fall), ms(expected), "{pace:?} × {fall}");
    }
}

#[test]
fn a_frontend_without_a_name_for_all_others_refuses_them() {
    let settings = good(
        r#"
        [frontend.f]
        bind = ["*:443"]
        routes = [{ sni = "*.Example.COM", backend = "b" }]
        [backend.b]
        check = false
        server = { s = "10.0.0.1:443" }
        "#,
    );
    let frontend = &settings.lb.frontends()[0];
    assert_eq!(frontend.default_backend, None);
    let below = halb_lb::config::SniPattern::Below("example.com".into());
    assert_eq!(frontend.routes[0].sni, below);
}

#[test]
fn more_entries_than_one_host_serves_are_refused() {
    let prefixes: Vec<_> = (0..=reader::ENTRIES_MAX).map(|_| "'10.0.0.0/8'").collect();
    let report = bad(&format!(
        "[frontend.f]\nbind = ['*:80']\nbackend = 'b'\nallow = [{}]\n[backend.b]\ncheck = false\nserver = {{ s = '10.0.0.1:80' }}",
        prefixes.join(", ")
    ));
    assert!(report.to_string().contains("more than 1024 entries"), "{report}");
}

#[test]
fn a_server_with_a_name_is_asked_by_it_and_placed_where_it_points() {
    let text = "[frontend.a]\nbind = ['*:6443']\nbackend = 'masters'\n[backend.masters]\n\
                check = { type = 'https', path = '/readyz', verify = 'none', port = 6444 }\n\
                [backend.masters.server]\none = 'Master01.Example:6443'\n\
                two = 'master02.example:6443'\nthree = '10.0.0.3:6443'\n";
    let settings = parse(text, "names.toml").unwrap().settings;
    let [one, two] = &settings.names.servers[..] else { panic!("{:?}", settings.names) };
    assert_eq!(one.server.to_string(), "masters/one");
    assert_eq!((one.question.host.as_str(), one.port), ("master01.example", 6443));
    let Probe::Https(http, tls) = &settings.checks[0].check.probe else { panic!() };
    assert_eq!(http.host.as_deref(), Some("master01.example:6443"));
    assert_eq!(tls.server_name.as_deref(), Some("master01.example"));

    let address = IpAddr::from([10, 0, 0, 1]);
    let (lb, checks) = settings.with_addresses(|asked| (*asked != two.question).then_some(address));
    let servers = &lb.backends()[0].servers;
    let addresses: Vec<_> = servers.iter().map(|s| s.address.map(|a| a.to_string())).collect();
    let expected = [Some("10.0.0.1:6443"), None, Some("10.0.0.3:6443")];
    assert_eq!(addresses, expected.map(|address| address.map(str::to_owned)));
    let checks: Vec<_> = checks.iter().map(|t| format!("{} {}", t.id, t.address)).collect();
    assert_eq!(checks, ["masters/one 10.0.0.1:6444", "masters/three 10.0.0.3:6444"]);
}

#[test]
fn a_source_decides_which_kind_of_address_a_name_may_have() {
    let text = |source: &str, family: &str| {
        format!(
            "[frontend.a]\nbind = ['*:80']\nbackend = 'b'\n[backend.b]\ncheck = false\n{source}\n\
             [backend.b.server]\none = 'one.example:80'\n[resolver]\n{family}\n"
        )
    };
    let families = |source, family| {
        let settings = parse(&text(source, family), "names.toml").unwrap().settings;
        settings.names.servers[0].question.families
    };
    assert_eq!(families("", ""), Families::PreferIpv4);
    assert_eq!(families("", "family = 'ipv6'"), Families::Ipv6);
    assert_eq!(families("source = '10.0.0.1'", "family = 'prefer-ipv6'"), Families::Ipv4);
    assert_eq!(families("source = 'fd00::1'", ""), Families::Ipv6);
}
