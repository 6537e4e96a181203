//! What directives do, rather than their words.

use halb_healthcheck::config::{Initial, Probe, Verify};
use halb_lb::config::{Balance, OnDown, ProxyVersion};

use super::*;
use halb_config::settings::Settings;

/// What halb would do with the result.
fn settings(text: &str) -> Settings {
    let outcome = outcome("h.cfg", text);
    assert!(outcome.is_read(), "{:?}", outcome.languages[0].faults);
    let result = outcome.document.render();
    config::parse(&result, "t").unwrap_or_else(|report| panic!("{result}\n{report}")).settings
}

/// A frontend and a backend with some lines each.
fn pair(defaults: &str, frontend: &str, backend: &str) -> String {
    let lines =
        |text: &str| text.split(';').map(|l| format!("  {}\n", l.trim())).collect::<String>();
    format!(
        "defaults\n{}frontend f\n  bind :6443\n{}  default_backend b\nbackend b\n{}",
        lines(defaults),
        lines(frontend),
        lines(backend)
    )
}

const SERVER: &str = "server a 192.0.2.1:6443 check";

fn seconds(number: u64) -> std::time::Duration {
    std::time::Duration::from_secs(number)
}

fn probe(backend: &str) -> Probe {
    settings(&pair("", "", backend)).checks[0].check.probe.clone()
}

#[test]
fn of_several_check_options_the_last_one_counts() {
    let both = format!("option httpchk GET /healthz; option ssl-hello-chk; {SERVER}");
    assert!(matches!(probe(&both), Probe::Tls(_)));
    let reverse = format!(
        "option ssl-hello-chk; option httpchk GET /healthz; {SERVER} check-ssl verify none"
    );
    assert!(matches!(probe(&reverse), Probe::Https(http, _) if http.path == "/healthz"));
    let back = format!("option httpchk; no option httpchk; {SERVER}");
    assert_eq!(probe(&back), Probe::Tcp);
    let text = pair("", "", &both);
    let outcome = outcome("h.cfg", &text);
    let hint = &outcome.languages[0].hints.iter().find(|hint| hint.text.contains("never asked"));
    assert_eq!(hint.map(|hint| hint.place.line), Some(8), "{text}");
}

#[test]
fn a_tcp_check_without_rules_is_a_connect() {
    assert_eq!(probe(&format!("option tcp-check; {SERVER}")), Probe::Tcp);
    assert_eq!(probe(SERVER), Probe::Tcp);
    assert!(matches!(probe(&format!("{SERVER} check-ssl verify none")), Probe::Tls(_)));
}

#[test]
fn an_http_check_asks_what_haproxy_asks() {
    let Probe::Http(http) = probe(&format!("option httpchk; {SERVER}")) else { panic!() };
    assert_eq!((http.method.as_str(), http.path.as_str()), ("OPTIONS", "/"));
    assert_eq!(http.expect_status, [200..=399]);
    let old =
        r"option httpchk GET /x HTTP/1.1\r\nHost:\ www\r\nX-A:\ b; http-check expect string ok";
    let Probe::Http(http) = probe(&format!("{old}; {SERVER}")) else { panic!() };
    assert_eq!(http.host.as_deref(), Some("www"));
    assert_eq!(http.headers, [("X-A".to_owned(), "b".to_owned())]);
    assert_eq!(http.expect_body.as_deref(), Some("ok"));
    assert_eq!(http.expect_status, [100..=599], "a text takes the place of statuses");
    let new = "option httpchk; http-check connect ssl; http-check send meth GET uri /readyz; \
               http-check expect status 200";
    let Probe::Https(http, tls) = probe(&format!("{new}; {SERVER} verify none")) else { panic!() };
    assert_eq!((http.path.as_str(), http.method.as_str()), ("/readyz", "GET"));
    assert_eq!((http.expect_status, tls.verify), (vec![200..=200], Verify::None));
}

#[test]
fn checks_keep_haproxys_pace() {
    let pace =
        |defaults: &str, backend: &str| settings(&pair(defaults, "", backend)).checks[0].check.pace;
    let plain = pace("", SERVER);
    assert_eq!(
        (plain.interval, plain.timeout),
        (seconds(2), seconds(2)),
        "a check has the interval"
    );
    let seed = pace("", "default-server inter 10s downinter 5s; server a 192.0.2.1:6443 check");
    assert_eq!((seed.interval, seed.down_interval), (seconds(10), Some(seconds(5))));
    let http = "option httpchk; server a 192.0.2.1:6443 check";
    let timed = pace("timeout check 10s; timeout connect 5s", http);
    assert_eq!(timed.timeout, seconds(12), "the connect has the interval, the answer ten seconds");
    let connect = pace("timeout check 10s; timeout connect 1500", SERVER);
    assert_eq!(connect.timeout, std::time::Duration::from_millis(1500));
    let check = &settings(&pair("", "", &format!("{SERVER} fall 5 rise 4 init-state down"))).checks
        [0]
    .check;
    assert_eq!((check.threshold.fall.get(), check.threshold.rise.get()), (5, 4));
    assert_eq!((check.initial, check.passive), (Initial::Down, false));
}

#[test]
fn what_haproxy_leaves_alone_is_left_alone() {
    let settings = settings(&pair("", "", SERVER));
    let (frontend, backend) = (&settings.lb.frontends()[0], &settings.lb.backends()[0]);
    assert_eq!(backend.on_down, OnDown::Keep);
    assert!(!backend.redispatch);
    assert_eq!(backend.connect_timeout, seconds(127));
    assert_eq!((backend.server.keepalive, backend.server.user_timeout), (None, None));
    assert_eq!((frontend.client.keepalive, frontend.client.user_timeout), (None, None));
    assert_eq!(frontend.idle_timeout, None);
    assert_eq!(frontend.client.fin_timeout, seconds(86_400));
    let told = "on-marked-down shutdown-sessions tcp-ut 20s";
    let backend = &self::settings(&pair("option redispatch", "", &format!("{SERVER} {told}")))
        .lb
        .backends()[0]
        .clone();
    assert_eq!(backend.on_down, OnDown::Reset { spread: std::time::Duration::ZERO });
    assert!(backend.redispatch);
    assert_eq!(backend.server.user_timeout, Some(seconds(20)));
}

#[test]
fn the_shorter_side_or_the_tunnel_decides_on_silence() {
    let idle =
        |defaults: &str| settings(&pair(defaults, "", SERVER)).lb.frontends()[0].idle_timeout;
    assert_eq!(idle("timeout client 50s; timeout server 40s"), Some(seconds(40)));
    assert_eq!(
        idle("timeout client 50s; timeout server 40s; timeout tunnel 1h"),
        Some(seconds(3600))
    );
    assert_eq!(idle("clitimeout 50000"), Some(seconds(50)));
    assert_eq!(idle("timeout server 0"), None);
}

#[test]
fn keepalive_is_the_kernels_unless_it_is_told() {
    let side =
        |defaults: &str| settings(&pair(defaults, "", SERVER)).lb.frontends()[0].client.keepalive;
    let keepalive = side("option tcpka").unwrap();
    assert_eq!(
        (keepalive.idle, keepalive.interval, keepalive.count.get()),
        (seconds(7200), seconds(75), 9)
    );
    let told = "option clitcpka; clitcpka-idle 30; clitcpka-intvl 5s; clitcpka-cnt 3";
    let keepalive = side(told).unwrap();
    assert_eq!(
        (keepalive.idle, keepalive.interval, keepalive.count.get()),
        (seconds(30), seconds(5), 3)
    );
    assert_eq!(side("option srvtcpka"), None);
}

#[test]
fn servers_keep_their_shares_and_limits() {
    let text = pair(
        "timeout queue 20s",
        "",
        "balance leastconn; default-server weight 5 maxconn 10 maxqueue 4; server a 192.0.2.1:1; \
         server b 192.0.2.2 weight 7 backup; server c 192.0.2.3:+1 disabled",
    );
    let settings = settings(&text);
    let backend = &settings.lb.backends()[0];
    assert_eq!(backend.balance, Balance::LeastConn);
    let servers: Vec<_> = backend
        .servers
        .iter()
        .map(|s| {
            (s.address.unwrap().to_string(), s.weight.get(), s.backup, s.maxconn.map(|m| m.get()))
        })
        .collect();
    let expected = [
        ("192.0.2.1:1".to_owned(), 5, false, Some(10)),
        ("192.0.2.2:6443".to_owned(), 7, true, Some(10)),
        ("192.0.2.3:6444".to_owned(), 0, false, Some(10)),
    ];
    assert_eq!(servers, expected);
    assert_eq!((backend.queue.max, backend.queue.timeout), (12, seconds(20)));
    assert!(settings.checks.is_empty());
}

#[test]
fn what_servers_share_is_taken_from_most_and_told_of_the_others() {
    let servers = "server a 192.0.2.1:1 check inter 1s send-proxy; server b 192.0.2.2:1 check inter 1s \
                   send-proxy-v2; server c 192.0.2.3:1 check inter 9s send-proxy-v2";
    let text = pair("", "", servers);
    let outcome = outcome("h.cfg", &text);
    let lost: Vec<_> =
        outcome.languages[0].losses().map(|finding| finding.words.as_str()).collect();
    assert_eq!(lost, ["send-proxy", "inter 9s"]);
    let settings = settings(&text);
    assert_eq!(settings.lb.backends()[0].send_proxy, Some(ProxyVersion::V2));
    assert_eq!(settings.checks[2].check.pace.interval, seconds(1));
}

#[test]
fn rules_on_addresses_become_lists() {
    let lists = |rules: &str| {
        let settings = settings(&pair("", rules, SERVER));
        let frontend = &settings.lb.frontends()[0];
        let texts =
            |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
        (texts(&frontend.allow), texts(&frontend.deny))
    };
    let none: Vec<String> = Vec::new();
    let office = vec!["10.0.0.0/8".to_owned()];
    let bad = vec!["192.0.2.66/32".to_owned()];
    assert_eq!(
        lists("tcp-request connection reject if { src 192.0.2.66 }"),
        (none.clone(), bad.clone())
    );
    assert_eq!(
        lists("tcp-request connection reject unless { src 10.0.0.0/8 }"),
        (office.clone(), none.clone())
    );
    assert_eq!(
        lists("acl o src 10.0.0.0/255.0.0.0; tcp-request content reject if !o"),
        (office.clone(), none)
    );
    let both = "tcp-request connection reject if { src 192.0.2.66 }; tcp-request connection accept if \
                { src 10.0.0.0/8 }; tcp-request connection reject";
    assert_eq!(lists(both), (office, bad));
}

#[test]
fn what_cannot_be_said_with_two_lists_is_told() {
    let lost = |rules: &str| outcome("h.cfg", &pair("", rules, SERVER)).losses();
    assert_eq!(lost("tcp-request connection reject if { src_conn_rate gt 10 }"), 1);
    let overlapping = "tcp-request connection accept if { src 10.0.0.0/8 }; tcp-request connection \
                       reject if { src 10.1.0.0/16 }";
    assert_eq!(lost(overlapping), 1);
    assert_eq!(lost("tcp-request connection reject"), 1);
    assert_eq!(lost("tcp-request connection accept if { src 10.0.0.0/8 }"), 0);
}

#[test]
fn a_frontend_that_terminates_tls_is_left_out_unless_its_servers_speak_tls_too() {
    let text = |servers: &str| {
        format!(
            "frontend f\n bind :443 ssl crt /x.pem\n default_backend b\nfrontend g\n bind :80\n default_backend b\nbackend b\n {servers}\n"
        )
    };
    let frontends = |servers: &str| settings(&text(servers)).lb.frontends().len();
    assert_eq!(frontends("server a 192.0.2.1:80"), 1);
    assert_eq!(frontends("server a 192.0.2.1:443 ssl verify none"), 2);
}

#[test]
fn several_files_are_read_as_one() {
    let files = [
        "defaults\n timeout client 9s\n timeout server 9s\n",
        "listen l\n bind :80\n server a 192.0.2.1:80\n",
    ];
    let haproxy = files.iter().map(|text| SourceFile::new("h.cfg", *text)).collect();
    let outcome = outcome_of(haproxy, &Nothing);
    let result = outcome.document.render();
    let settings = config::parse(&result, "t").unwrap().settings;
    assert_eq!(settings.lb.frontends()[0].idle_timeout, Some(seconds(9)));
    let idle =
        outcome.languages[0].findings.iter().find(|f| f.words == "timeout client 9s").unwrap();
    assert_eq!(idle.class, Class::to("frontend.l.idle_timeout"));
}

/// A host that knows one name.
struct OneName;

impl Surroundings for OneName {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &Path) -> Result<SourceFile, crate::source::ReadError> {
        Nothing.file(path)
    }

    fn files(&self, _pattern: &str) -> Vec<PathBuf> {
        Vec::new()
    }

    fn address(&self, host: &str) -> Option<std::net::IpAddr> {
        (host == "master1").then(|| "192.0.2.11".parse().unwrap())
    }
}

#[test]
fn a_server_keeps_its_name_and_a_listener_gets_the_address_of_its_own() {
    let text = "listen l\n bind master1:6443\n mode tcp\n server a One.Example:6443\n \
                server b bad..name:6443\n";
    let outcome = outcome_of(vec![SourceFile::new("h.cfg", text)], &OneName);
    let result = outcome.document.render();
    assert!(result.contains("192.0.2.11:6443"), "{result}");
    let settings = config::parse(&result, "t").unwrap().settings;
    let named: Vec<_> = settings.names.servers.iter().map(|n| n.question.host.as_str()).collect();
    assert_eq!(named, ["one.example"]);
    let imported = &outcome.languages[0];
    let told = "HAProxy asks for 'one.example' once, when it starts; halb follows it";
    assert!(imported.hints.iter().any(|hint| hint.text == told), "{:?}", imported.hints);
    let lost: Vec<_> = imported.losses().map(|finding| finding.words.as_str()).collect();
    assert_eq!(lost, ["server b bad..name:6443"]);
}
