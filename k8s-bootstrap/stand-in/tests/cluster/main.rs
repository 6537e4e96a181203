//! `halb k8s` on a whole cluster of Debian hosts with systemd, sshd, sudo and apt: each a root of its
//! own in a namespace of its own, packages from a signed repository, halb itself on the balancers.
//! kubeadm and kubelet are stand-ins: copies of this very program.
//!
//! `cluster up` makes the seven hosts, has `halb k8s apply` make a cluster of them, and keeps them
//! until it is ended. Otherwise it understands what cargo and nextest say to tests.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod cluster;
mod drills;
#[path = "../../../../halb/tests/systemd/host.rs"]
#[expect(dead_code, reason = "the tests of the unit use more of it")]
mod host;
mod nodes;
mod packages;
mod repository;
mod running;
mod scenarios;
mod service;
mod upgrades;

use std::env;
use std::io::Read as _;
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use cluster::{Cluster, Shape};

fn main() -> ExitCode {
    let mut arguments = env::args();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    if let Some(code) = halb_stand_in::act_as(&name, &arguments) {
        return code;
    }
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if arguments.first().is_some_and(|word| word == "up") {
        return up();
    }
    if has("--list") {
        for (name, _) in scenarios::ALL {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if !has("--ignored") && !has("--include-ignored") {
        println!("{} tests need root: run them with --ignored", scenarios::ALL.len());
        return ExitCode::SUCCESS;
    }
    let asked: Vec<_> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| {
        let fits = |word: &&String| {
            if has("--exact") { **word == name } else { name.contains(word.as_str()) }
        };
        asked.is_empty() || asked.iter().any(fits)
    };
    let mut failed = 0;
    for (name, scenario) in scenarios::ALL.iter().filter(|(name, _)| is_asked(name)) {
        let ended = panic::catch_unwind(scenario);
        println!("test {name} ... {}", if ended.is_ok() { "ok" } else { "FAILED" });
        failed += u8::from(ended.is_err());
    }
    ExitCode::from(failed.min(101))
}

/// Seven hosts, a cluster on them, and time to look around.
fn up() -> ExitCode {
    let cluster = Cluster::new(Shape::SEVEN);
    println!("{}", cluster.how_to_look());
    let came_up = cluster.apply_shown();
    let outcome = if came_up { "" } else { "The cluster didn't come up.\n" };
    println!("{outcome}{}\nEnter ends all of it.", cluster.how_to_look());
    let _anything = std::io::stdin().read(&mut [0]);
    if came_up { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
