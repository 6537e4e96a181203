//! Holds the tables of keys against the readers: each key is read, each default is the one in
//! force, each example is good.

use super::{bad, good};
use crate::keys::{
    ADMIN, Absent, BACKEND, CHECK, CHECK_CONNECT, CHECK_HTTP, CHECK_SCRIPT, CHECK_TLS, FRONTEND,
    GLOBAL, HAPROXY, KEEPALIVE, Key, LOG, PEER, QUEUE, RESOLVER, ROOT, ROUTE, SECTIONS, SERVER,
    Section, TRACK, VIRTUAL_ADDRESS, VRRP, VRRP_GROUP,
};

type Pairs = Vec<(&'static str, String)>;

fn pairs<const N: usize>(pairs: [(&'static str, &str); N]) -> Pairs {
    pairs.map(|(key, value)| (key, value.to_owned())).into()
}

fn set(pairs: &mut Pairs, key: &'static str, value: &str) {
    pairs.retain(|(known, _)| *known != key);
    pairs.push((key, value.to_owned()));
}

fn inline(pairs: &Pairs) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn lines(pairs: &Pairs) -> String {
    pairs.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn with(mut pairs: Pairs, key: &'static str, value: &str) -> Pairs {
    set(&mut pairs, key, value);
    pairs
}

/// A small check that takes the keys of a section.
fn check_for(section: &Section, key: &str) -> Pairs {
    let mut check = match section.path {
        path if path == CHECK_TLS.path => pairs([("type", "'tls'"), ("verify", "'none'")]),
        path if path == CHECK_HTTP.path => pairs([("type", "'http'")]),
        path if path == CHECK_SCRIPT.path => {
            pairs([("type", "'script'"), ("command", "['/bin/true']")])
        }
        _ => pairs([("type", "'tcp'")]),
    };
    match key {
        "ca_file" => check.retain(|(key, _)| *key != "verify"),
        "cert_file" => set(&mut check, "key_file", "'/key'"),
        "key_file" => set(&mut check, "cert_file", "'/cert'"),
        "type" => set(&mut check, "verify", "'none'"),
        _ => {}
    }
    check
}

/// A small virtual router that takes a key.
fn router_for(key: &str) -> Pairs {
    let mut router =
        pairs([("interface", "'eth1'"), ("router_id", "1"), ("addresses", "['172.16.16.100']")]);
    match key {
        "auth_pass" => set(&mut router, "version", "2"),
        "auth_pass_also" => {
            set(&mut router, "version", "2");
            set(&mut router, "auth_pass", "'mysecret'");
        }
        "hop_limit_min" => set(&mut router, "unicast_peers", "['172.16.16.52']"),
        "notify_timeout" => set(&mut router, "notify", "['/bin/true']"),
        _ => {}
    }
    router
}

/// A virtual router with one key of a section set, in itself or in a table of it.
fn router(section: &Section, key: &'static str, value: &str) -> Pairs {
    let mut router = router_for(if section.path == VRRP.path { key } else { "" });
    match section.path {
        path if path == VIRTUAL_ADDRESS.path => {
            let address = with(pairs([("address", "'172.16.16.100'")]), key, value);
            set(&mut router, "addresses", &format!("[{}]", inline(&address)));
        }
        path if path == TRACK.path => {
            let tracker = with(tracker_for(key), key, value);
            set(&mut router, "track", &format!("[{}]", inline(&tracker)));
        }
        _ => set(&mut router, key, value),
    }
    router
}

/// A small tracker that takes a key.
fn tracker_for(key: &str) -> Pairs {
    match key {
        "servers_min" => pairs([("backend", "'masters'")]),
        "interval" | "timeout" | "rise" | "fall" | "init_fail" => {
            pairs([("script", "['/bin/true']")])
        }
        "weight" | "reverse" => pairs([("interface", "'eth0'")]),
        _ => Vec::new(),
    }
}

/// A small file that is good, with one key of a section set.
fn file(section: &Section, key: &'static str, value: &str) -> String {
    let mut frontend = pairs([("bind", "['*:6443']"), ("backend", "'masters'")]);
    let mut backend = pairs([("check", "{ type = 'tcp' }")]);
    let mut server = pairs([("address", "'172.16.16.101:6443'")]);
    let table = |pairs: Pairs| inline(&with(pairs, key, value));
    let mut other = String::new();
    match section.path {
        path if path == FRONTEND.path => set(&mut frontend, key, value),
        path if path == ROUTE.path => {
            let route = table(pairs([("sni", "'a.example.com'"), ("backend", "'masters'")]));
            set(&mut frontend, "routes", &format!("[{route}]"));
        }
        path if path == KEEPALIVE.path => set(&mut frontend, "keepalive", &table(Vec::new())),
        path if path == SERVER.path => set(&mut server, key, value),
        path if path == QUEUE.path => set(&mut backend, "queue", &table(Vec::new())),
        path if path == GLOBAL.path
            || path == LOG.path
            || path == ADMIN.path
            || path == HAPROXY.path
            || path == RESOLVER.path =>
        {
            other = format!("{path}\n{key} = {value}\n");
        }
        path if path == VRRP.path || path == VIRTUAL_ADDRESS.path || path == TRACK.path => {
            other = format!("[vrrp.VI_1]\n{}", lines(&router(section, key, value)));
        }
        path if path == VRRP_GROUP.path => {
            let member = with(router_for(""), "sync_group", "'gateway'");
            let group = with(pairs([("notify", "['/bin/true']")]), key, value);
            other =
                format!("[vrrp.VI_1]\n{}[vrrp_group.gateway]\n{}", lines(&member), lines(&group));
        }
        path if path == PEER.path => {
            let peer = pairs([("address", "'172.16.16.52:7112'"), ("key_file", "'/key'")]);
            other = format!("[peer]\n{}", lines(&with(peer, key, value)));
        }
        path if path == BACKEND.path => {}
        _ => set(&mut backend, "check", &table(check_for(section, key))),
    }
    set(&mut backend, "server", &format!("{{ kmaster1 = {} }}", inline(&server)));
    if section.path == BACKEND.path {
        set(&mut backend, key, value);
    }
    let (frontend, backend) = (lines(&frontend), lines(&backend));
    format!("[frontend.kubernetes]\n{frontend}[backend.masters]\n{backend}{other}")
}

fn keys() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    let tables = SECTIONS.iter().copied().filter(|section| section.path != ROOT.path);
    tables.flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

#[test]
fn every_example_is_good() {
    for (section, key) in keys() {
        good(&file(section, key.name, key.example));
    }
}

#[test]
fn every_default_that_is_told_is_the_one_in_force() {
    for (section, key) in keys() {
        let Absent::Default(default) = key.absent else { continue };
        let written = file(section, key.name, default);
        let line = format!("{} = {default}", key.name);
        assert!(written.contains(&line), "{line} in {written}");
        let left_out = written.replace(&format!("{line}\n"), "");
        let left_out = left_out.replace(&format!(", {line}"), "").replace(&line, "");
        assert_eq!(good(&written), good(&left_out), "{} of {}", key.name, section.path);
    }
}

#[test]
fn every_key_is_read() {
    for (section, key) in keys() {
        let text = file(section, key.name, "1979-05-27");
        let report = bad(&text);
        let named = report.diagnostics.iter().any(|d| d.what.contains(key.name));
        assert!(named, "{} of {}:\n{report}\n{text}", key.name, section.path);
    }
}

#[test]
fn every_key_that_must_be_there_is_missed() {
    let missing = |section: &Section, key: &Key, written: &str| {
        let line = format!("{} = {}", key.name, key.example);
        let text = written.replace(&format!("{line}\n"), "").replace(&format!(", {line}"), "");
        let report = bad(&text.replace(&line, ""));
        let said = format!("has no '{}'", key.name);
        assert!(report.to_string().contains(&said), "{} of {}: {report}", key.name, section.path);
    };
    for (section, key) in keys().filter(|(_, key)| key.absent == Absent::Required) {
        missing(section, key, &file(section, key.name, key.example));
    }
}

#[test]
fn keys_of_other_check_types_are_refused() {
    for section in [&CHECK_CONNECT, &CHECK_TLS, &CHECK_HTTP, &CHECK_SCRIPT] {
        for key in section.keys {
            let kind = if section.path == CHECK_SCRIPT.path { "tcp" } else { "script" };
            let check = format!("{{ type = '{kind}', {} = {} }}", key.name, key.example);
            let report = bad(&file(&BACKEND, "check", &check));
            let said = format!("a check of type \"{kind}\" takes no '{}'", key.name);
            assert!(report.to_string().contains(&said), "{report}");
        }
    }
    assert!(CHECK.keys.iter().all(|key| key.absent != Absent::Means("an error for this type")));
}
