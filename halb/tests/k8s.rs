//! `halb k8s`, and that what the bootstrap writes for balancers is what the daemon reads.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::SystemTime;

use halb_k8s_bootstrap::facts::{self, Clock, Facts};
use halb_k8s_bootstrap::inventory::{self, Host, example};
use halb_k8s_bootstrap::pki::Material;
use halb_k8s_bootstrap::plan::{self, Act, Operator};

fn halb(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halb")).args(arguments).output().expect("the binary starts")
}

/// What a bare Debian host would say.
fn bare(host: &Host) -> Facts {
    let Host { name, address, .. } = host;
    let said = [
        "clock\t1000000000",
        &format!("hostname\t{name}"),
        "kernel\tx86_64\t6.1.0-30-amd64",
        "os\tdebian\t12\tbookworm\t\tDebian GNU/Linux 12",
        "cgroup\t2",
        "memory\t4194304",
        "processors\t2",
        &format!("machine-id\t{name}"),
        &format!("address\teth1\t{address}/24"),
        "package-manager\tapt",
        "end",
    ];
    let said: String = said.iter().map(|line| format!("halb:{line}\n")).collect();
    facts::parse(&said, Clock { asked_ms: 0, answered_ms: 2_000 }).unwrap()
}

/// The files of a plan for bare hosts, by host and path.
fn files(text: &str) -> BTreeMap<(String, String), String> {
    let inventory = inventory::parse(text).unwrap().inventory;
    let facts = inventory.hosts.iter().map(|host| (host.name.clone(), bare(host))).collect();
    let material = Material::make_with_system(SystemTime::now()).unwrap();
    let operator = Operator { halb_sha256: "00".repeat(32), has_access: false };
    let plan = plan::make(&inventory, &facts, &material, &operator).unwrap();
    let hosts = plan.stages.iter().flat_map(|stage| &stage.hosts);
    let steps = hosts.flat_map(|host| host.steps.iter().map(|step| (&host.host, &step.act)));
    let written = steps.filter_map(|(host, act)| match act {
        Act::Write { file } => {
            let content = file.content.expose().to_owned();
            Some(((host.clone(), file.path.clone()), content))
        }
        Act::Run { .. }
        | Act::RunDetached { .. }
        | Act::Remove { .. }
        | Act::InstallHalb { .. }
        | Act::Remember { .. }
        | Act::Upload { .. }
        | Act::FetchKubeconfig { .. } => None,
    });
    written.collect()
}

#[test]
fn the_configuration_that_balancers_get_is_good_and_without_lints() {
    const CA: &str = "/etc/halb/kubernetes-ca.crt";
    for text in [example::HIGHLY_AVAILABLE, example::ONE_BALANCER] {
        let files = files(text);
        let directory = tempfile::tempdir().unwrap();
        let mut checked = 0;
        for ((host, path), content) in &files {
            if path != "/etc/halb/halb.toml" {
                continue;
            }
            let ca = directory.path().join("ca.crt");
            fs::write(&ca, &files[&(host.clone(), CA.to_owned())]).unwrap();
            let configuration = directory.path().join(format!("{host}.toml"));
            fs::write(&configuration, content.replace(CA, ca.to_str().unwrap())).unwrap();
            let check = halb(&["check", configuration.to_str().unwrap()]);
            let said = String::from_utf8(check.stdout).unwrap();
            assert_eq!(check.status.code(), Some(0), "{said}");
            assert!(said.contains(&format!("{host}.toml: ok\n")), "a lint: {said}");
            checked += 1;
        }
        assert!(checked > 0, "no balancer has a configuration");
    }
}

#[test]
fn the_inventory_to_begin_with_is_the_example() {
    let vip = halb(&["k8s", "init-inventory"]);
    assert_eq!(String::from_utf8(vip.stdout).unwrap(), example::HIGHLY_AVAILABLE);
    let one = halb(&["k8s", "init-inventory", "--topology", "one-balancer"]);
    assert_eq!(String::from_utf8(one.stdout).unwrap(), example::ONE_BALANCER);
}

#[test]
fn an_inventory_that_is_bad_or_missing_ends_each_command_with_3_and_no_host_is_asked() {
    let bad = example::HIGHLY_AVAILABLE.replace("address: 172.16.16.51", "address: 176.16.16.51");
    let mut lines = (1..).zip(bad.lines());
    let at = lines.find_map(|(line, text)| Some((line, text.find("176.16.16.51")? + 1)));
    let (line, column) = at.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = |command: &[&str]| {
        let mut halb = Command::new(env!("CARGO_BIN_EXE_halb"));
        let output = halb.arg("k8s").args(command).current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let commands: [&[&str]; 4] = [&["plan"], &["apply", "--yes"], &["status"], &["verify"]];
    for command in commands {
        let text = said(command);
        assert!(text.contains("halb k8s init-inventory > cluster.yaml"), "{text}");
    }
    fs::write(folder.path().join("cluster.yaml"), bad).unwrap();
    for command in commands {
        let text = said(command);
        let place = format!("cluster.yaml:{line}:{column}");
        for words in [place.as_str(), "did you mean 172.16.16.51?"] {
            assert!(text.contains(words), "no «{words}» in {text}");
        }
    }
    let left = fs::read_dir(&folder).unwrap().count();
    assert_eq!(left, 1, "nothing is made for an inventory that can't be used");
}
