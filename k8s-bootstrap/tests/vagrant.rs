//! The Vagrantfile of the examples, read by Ruby. Vagrant itself isn't there: what its words do is
//! not proven here.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use halb_k8s_bootstrap::inventory::{Role, example, parse};
use serde_json::{Value, json};

const VAGRANTFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/vagrant/Vagrantfile");

const KEY: &str = "ssh-ed25519 AAAA a comment with blanks";

fn ruby(home: &Path, arguments: &[&str]) -> Output {
    Command::new("ruby").args(arguments).env("HOME", home).output().expect("ruby runs")
}

fn evaluate(home: &Path) -> Output {
    let evaluator = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vagrant/evaluate.rb");
    ruby(home, &["-w", evaluator, VAGRANTFILE])
}

/// What the file says to somebody with a key.
fn said() -> Value {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/id_ed25519.pub"), format!("{KEY}\n")).unwrap();
    let output = evaluate(home.path());
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs ruby"]
fn ruby_reads_the_file() {
    let home = tempfile::tempdir().unwrap();
    let output = ruby(home.path(), &["-wc", VAGRANTFILE]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Syntax OK\n");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs ruby"]
fn its_machines_are_the_hosts_of_the_inventory() {
    let said = said();
    let machines = said["machines"].as_array().unwrap();
    let inventory = parse(example::HIGHLY_AVAILABLE).unwrap().inventory;
    assert_eq!(machines.len(), inventory.hosts.len());
    for (machine, host) in machines.iter().zip(&inventory.hosts) {
        assert_eq!(machine["name"], json!(host.name));
        assert_eq!(machine["hostname"], json!(host.name));
        let address = host.address.to_string();
        assert_eq!(machine["networks"], json!([["private_network", address]]));
        let [kind, size] = [&machine["provider"][0], &machine["provider"][1]];
        assert_eq!(*kind, json!("virtualbox"));
        let (memory, processors) = (size["memory"].as_u64(), size["cpus"].as_u64());
        // kubeadm refuses masters with less.
        let master = host.has(Role::Master);
        assert!(!master || (memory >= Some(2048) && processors >= Some(2)), "{machine}");
    }
}

#[test]
#[ignore = "needs ruby"]
fn what_it_does_on_a_machine_lets_the_key_in_once() {
    let said = said();
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join(".ssh/authorized_keys");
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(&keys, "ssh-rsa AAAA vagrant's own\n").unwrap();
    for machine in said["machines"].as_array().unwrap() {
        let [script] = machine["scripts"].as_array().unwrap().as_slice() else {
            panic!("{machine}");
        };
        assert_eq!(script[0], json!("shell"));
        assert_eq!(script[1], json!([KEY]));
        let text = script[2].as_str().unwrap();
        assert!(text.contains("/home/vagrant/"), "{text}");
        let text = text.replace("/home/vagrant", home.path().to_str().unwrap());
        let output = Command::new("sh").args(["-euc", &text, "sh", KEY]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let there = fs::read_to_string(&keys).unwrap();
        assert_eq!(there, format!("ssh-rsa AAAA vagrant's own\n{KEY}\n"));
    }
}

#[test]
#[ignore = "needs ruby"]
fn somebody_without_a_key_is_told_to_make_one() {
    let home = tempfile::tempdir().unwrap();
    let output = evaluate(home.path());
    assert!(!output.status.success());
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(complaints.contains("ssh-keygen -t ed25519"), "{complaints}");
}
