//! Files that can't be read, and what they name of this host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use halb_config::parse;

use super::*;

/// Names a script and a hook.
const ROUTER: &str = "[frontend.web]\nbind = ['*:80']\nbackend = 'pool'\n\
                      [backend.pool]\ncheck = false\nserver = { s = '10.0.0.1:80' }\n\
                      [vrrp.VI_1]\ninterface = 'eth1'\nrouter_id = 7\naddresses = ['10.0.0.100']\n\
                      track = [{ script = ['/nonexistent/check'] }]\nnotify = ['/nonexistent/hook']\n";

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("latin1.toml"), b"# gr\xfc\xdfe\n[frontend.f]\n").unwrap();
    fs::write(path("large.toml"), "#".repeat(1024 * 1024 + 1)).unwrap();
    for (name, expected) in [
        ("none.toml", "none.toml: error: the file can't be read: No such file"),
        ("", "error: the file can't be read: Is a directory"),
        ("latin1.toml", "latin1.toml:1:5: error: the file is not UTF-8"),
        ("large.toml", "error: the file is larger than 1024 KiB"),
    ] {
        let report = load(&path(name)).map(|loaded| loaded.settings).expect_err(name);
        assert!(report.to_string().contains(expected), "{report}");
        assert!(report.to_string().contains("= help: "), "{report}");
    }
}

#[test]
fn every_file_that_a_check_names_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("halb.toml");
    let text = "[frontend.f]\nbind = ['*:80']\nbackend = 'b'\n\
                routes = [{ sni = 'c', backend = 'c' }]\n\
                [backend.b]\n\
                check = { type = 'script', command = ['/nonexistent/check', '{address}'] }\n\
                server = { s = '10.0.0.1:80' }\n\
                [backend.c.check]\n\
                type = 'https'\n\
                ca_file = '/nonexistent/ca.crt'\n\
                bearer_token_file = '/nonexistent/token'\n\
                [backend.c.server]\n\
                s = '10.0.0.1:443'\n";
    fs::write(&path, text).unwrap();
    let report = load(&path).map(|loaded| loaded.settings).expect_err(text);
    let shown = report.to_string();
    for (place, named) in [
        ("halb.toml:6:38: error: ", "/nonexistent/check"),
        ("halb.toml:10:11: error: ", "/nonexistent/ca.crt"),
        ("halb.toml:11:21: error: ", "/nonexistent/token"),
    ] {
        let line = shown.lines().find(|line| line.contains(place));
        assert!(line.is_some_and(|line| line.contains(named)), "{place} {named} in {shown}");
    }
    assert!(parse(text, "t").is_ok(), "a text alone is judged without the host's files");
}

#[test]
fn what_is_wrong_in_itself_together_and_on_the_host_is_told_in_one_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("halb.toml");
    let text = "[frontend.f]\nbind = ['*:80']\nbind = ['*:81']\nbackend = 'nowhere'\nmaxcon = 1\n\
                [backend.b]\n\
                check = { type = 'https', ca_file = '/nonexistent/ca.crt' }\n\
                server = { s = '10.0.0.1:443' }\n";
    fs::write(&path, text).unwrap();
    let shown = load(&path).map(|loaded| loaded.settings).expect_err(text).to_string();
    for said in ["given twice", "no backend 'nowhere'", "maxcon", "/nonexistent/ca.crt"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
}

#[test]
fn programs_and_the_key_must_be_there_and_fit_to_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let (file, key) = (dir.path().join("halb.toml"), dir.path().join("peer.key"));
    let text =
        format!("{ROUTER}[peer]\naddress = '10.0.0.2:7112'\nkey_file = '{}'\n", key.display());
    fs::write(&file, &text).unwrap();
    let report =
        |file: &Path| load(file).map(|loaded| loaded.settings).expect_err("bad").to_string();
    let shown = report(&file);
    for said in [
        "can't find the program /nonexistent/check",
        "can't find the program /nonexistent/hook",
        "lint: can't read the key",
        "openssl rand -hex 32 | install -m 0640",
    ] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    fs::write(&key, "ab".repeat(31) + "cd").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let shown = report(&file);
    assert!(shown.contains("has mode 0644") && shown.contains("help: chmod 0640"), "{shown}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!report(&file).contains("key"), "{shown}");
    assert!(parse(&text, "t").is_ok(), "a text alone is judged without the host's files");
}
