//! The file as containerd itself reads it.

use std::process::Command;

use super::*;
use crate::inventory::example::HIGHLY_AVAILABLE;
use crate::inventory::parse;

fn configuration_for(version: &str, selinux: &str) -> String {
    let text = HIGHLY_AVAILABLE.replace("selinux: permissive", &format!("selinux: {selinux}"));
    let text = format!("{text}\npackages: {{containerdVersion: {version}}}\n");
    configuration(&parse(&text).expect("a good inventory").inventory)
}

/// What takes effect of a file: containerd prints its whole configuration, with the file in it.
fn effective(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("written");
    let output = Command::new("containerd").arg("-c").arg(&path).args(["config", "dump"]).output();
    let output = output.expect("containerd runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{text}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The major version of the containerd of this machine.
fn installed() -> String {
    let output = Command::new("containerd").arg("--version").output().expect("containerd runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2).expect("its third word is its version");
    version.trim_start_matches('v').split('.').next().expect("a number").to_owned()
}

/// Where a key has a value, wherever it stands; quotes are either.
fn has(dump: &str, key: &str, value: &str) -> bool {
    dump.lines().any(|line| {
        let pair = line.trim().split_once('=');
        pair.is_some_and(|(name, is)| {
            name.trim() == key && is.trim().trim_matches(['"', '\'']) == value
        })
    })
}

#[test]
#[ignore = "needs containerd"]
fn containerd_takes_every_line_of_the_file() {
    let version = installed();
    let dump = effective(&configuration_for(&version, "enforcing"));
    let pause = if version == "1" { "sandbox_image" } else { "sandbox" };
    for (key, value) in [
        ("SystemdCgroup", "true"),
        ("enable_selinux", "true"),
        (pause, "registry.k8s.io/pause:3.10.2"),
        ("config_path", "/etc/containerd/certs.d"),
    ] {
        assert!(has(&dump, key, value), "{key} isn't {value}:\n{dump}");
    }
    // None of it holds by itself.
    let default = effective(&format!("version = {}\n", if version == "1" { 2 } else { 3 }));
    assert!(!has(&default, "SystemdCgroup", "true"), "{default}");
    assert!(!has(&default, pause, "registry.k8s.io/pause:3.10.2"), "{default}");
    assert!(!has(&default, "config_path", "/etc/containerd/certs.d"), "{default}");
    let permissive = effective(&configuration_for(&version, "permissive"));
    assert!(has(&permissive, "enable_selinux", "false"), "{permissive}");
}

/// What the step's own look at the running configuration makes of it.
#[test]
#[ignore = "needs containerd"]
fn a_table_under_an_unknown_name_is_seen_not_to_take_effect() {
    let good = configuration_for(&installed(), "permissive");
    for (text, takes_effect) in
        [(good.clone(), true), (good.replace(".runc.options", ".runc.option"), false)]
    {
        let dump = effective(&text);
        let seen = dump.lines().any(|line| line.trim_start() == "SystemdCgroup = true");
        assert_eq!(seen, takes_effect, "{dump}");
    }
}

/// Workers pull by containerd's own client, which looks for mirrors only where it is told to.
#[test]
#[ignore = "needs containerd"]
fn the_client_of_containerd_knows_the_options_of_a_pull() {
    let output = Command::new("ctr").args(["images", "pull", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("--hosts-dir"), "{help}");
}
