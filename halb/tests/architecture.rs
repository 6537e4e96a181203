//! The rules of ARCHITECTURE.md that a compiler doesn't check: who may know whom, that the pure
//! parts build without sockets, runtimes and clocks, and how long a file may grow.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, iter};

use serde_json::Value;

/// Every edge between crates of the workspace: who, on whom, and how.
const EDGES: &[(&str, &str, &str)] = &[
    ("halb", "halb-bench", "normal"), // `halb bench` and `halb failover-test`
    ("halb", "halb-config", "normal"),
    ("halb", "halb-doctor", "normal"), // `halb doctor`
    ("halb", "halb-forward", "normal"),
    ("halb", "halb-haproxy-api", "normal"), // `[haproxy]`
    ("halb", "halb-healthcheck", "normal"),
    ("halb", "halb-import", "normal"),
    ("halb", "halb-k8s-bootstrap", "normal"),
    ("halb", "halb-lab", "normal"), // `halb demo` starts its stand-in API servers
    ("halb", "halb-lb", "normal"),
    ("halb", "halb-peer", "normal"),
    ("halb", "halb-resolver", "normal"),
    ("halb", "halb-vrrp", "normal"),
    ("halb-bench", "halb-lab", "normal"), // subjects, and the hosts that they run on
    ("halb-config", "halb-forward", "normal"), // what the kernel can forward
    ("halb-config", "halb-healthcheck", "normal"), // checked values; nobody's driver
    ("halb-config", "halb-lb", "normal"),
    ("halb-config", "halb-peer", "normal"),
    ("halb-config", "halb-resolver", "normal"),
    ("halb-config", "halb-vrrp", "normal"),
    ("halb-forward", "halb-lab", "dev"), // nodes between which connections move
    ("halb-import", "halb-config", "normal"), // names, units, and what takes the result
    ("halb-import", "halb-healthcheck", "dev"), // what a result means
    ("halb-import", "halb-lb", "dev"),
    ("halb-lb", "halb-lab", "dev"), // hosts whose ports run out or whose links are cut
    ("halb-peer", "halb-lab", "dev"), // two nodes on a segment
    ("halb-resolver", "halb-lab", "dev"), // name servers that answer as they are told
    ("halb-stand-in", "halb-lab", "normal"), // its API server is the lab's
    ("halb-vrrp", "halb-lab", "dev"), // segments on which adverts and addresses are real
];

/// Crates with a pure part, which `--no-default-features` builds alone.
const PURE: &[&str] = &[
    "halb-forward",
    "halb-healthcheck",
    "halb-k8s-bootstrap",
    "halb-lb",
    "halb-peer",
    "halb-resolver",
    "halb-vrrp",
];

/// Crates that are pure as a whole, and know only the pure parts of others.
const WITHOUT_DRIVER: &[&str] = &["halb-config", "halb-import"];

/// Libraries that a pure part may use for their arithmetic, whatever else they link: who, which.
const ARITHMETIC: &[(&str, &str)] = &[
    ("halb-config", "ring"), // the key of the peer link
    ("halb-import", "ring"),
    ("halb-k8s-bootstrap", "ring"), // keys and hashes; randomness is an argument
    ("halb-peer", "ring"), // HMAC; its random source needs libc, and only drivers draw from it
];

/// What a pure part must not reach: sockets, system calls, runtimes.
const IO: &[&str] = &["libc", "mio", "nix", "rtnetlink", "rustix", "socket2", "tokio"];

/// What no domain crate knows, driver or not: wire formats, metrics, logs.
const EDGE_ONLY: &[&str] = &["clap", "metrics", "serde_json", "toml", "tracing"];

/// The files that may relax `unsafe_code = "deny"`: one small module per crate that needs it.
const UNSAFE: &[&str] = &[
    "halb/src/run/spare_pages.rs",      // where the program lies in memory
    "healthcheck/src/program/child.rs", // a script's privileges, dropped between fork and exec
    "lab/src/process/spawn.rs",         // namespaces and death signal, between fork and exec
    "lb/src/driver/sys.rs",             // an ioctl and a flag of epoll without safe wrappers
    "vrrp/src/driver/guard/page/memory.rs", // the page that daemon and guard share
    "vrrp/src/driver/packet_socket.rs", // an address of a packet socket has no constructor
    "vrrp/src/driver/punctual.rs",      // scheduling, locked memory, descriptor tables
];

/// Longest file, in lines; beyond [`LINES_GOOD`] it is named so that someone looks for a seam.
const LINES_MAX: usize = 600;
const LINES_GOOD: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = cargo_command(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}:\n{errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments).args(["--locked", "--offline"]);
    command
}

fn workspace() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

/// Names of all packages in a tree of normal dependencies.
fn tree(package: &str, features: &[&str]) -> BTreeSet<String> {
    let shape = ["tree", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"];
    let listed = cargo(&[&shape, features].concat());
    listed.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
}

/// Every Rust file of the workspace, relative to its top, sorted.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let relative = path.strip_prefix(&root).unwrap().display().to_string();
                files.push((relative, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    assert!(files.len() > 10, "only {} sources were found", files.len());
    files
}

#[test]
fn crates_know_only_whom_they_may_know() {
    let packages = workspace();
    let members: BTreeSet<&str> =
        packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut edges = BTreeSet::new();
    for package in &packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            if members.contains(name) {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                edges.insert((package["name"].as_str().unwrap(), name, kind));
            }
        }
    }
    assert_eq!(edges, EDGES.iter().copied().collect(), "left: as it is; right: as it may be");
}

#[test]
fn the_pure_parts_reach_no_socket_runtime_or_system_call() {
    for &package in PURE.iter().chain(WITHOUT_DRIVER) {
        let used = ARITHMETIC.iter().filter(|(who, _)| *who == package);
        let pruned = used.flat_map(|(_, library)| ["--prune", *library]);
        let without_driver: Vec<_> = iter::once("--no-default-features").chain(pruned).collect();
        let tree = tree(package, &without_driver);
        let reached: Vec<_> = IO.iter().filter(|name| tree.contains(**name)).collect();
        assert!(reached.is_empty(), "{package} without its driver reaches {reached:?}");
        let with_driver = self::tree(package, &[]);
        let has_driver = !WITHOUT_DRIVER.contains(&package);
        assert!(
            !has_driver || IO.iter().any(|name| with_driver.contains(*name)),
            "{package} has no driver"
        );
    }
}

#[test]
fn the_pure_parts_build_alone() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pure");
    for &package in PURE.iter().chain(WITHOUT_DRIVER) {
        let output = cargo_command(&["check", "-p", package, "--no-default-features"])
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-D warnings")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{package} without its driver:\n{errors}");
    }
}

#[test]
fn domain_crates_know_no_wire_format_metric_or_log() {
    for &package in PURE {
        let tree = tree(package, &[]);
        let reached: Vec<_> = EDGE_ONLY.iter().filter(|name| tree.contains(**name)).collect();
        assert!(reached.is_empty(), "{package} reaches {reached:?}");
    }
}

#[test]
fn unsafe_code_stays_in_the_listed_modules() {
    let relaxations = ["allow", "expect", "warn"].map(|level| format!("{level}(unsafe_code"));
    let opened: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| {
            // A long attribute has its words on several lines.
            let text: String = text.split_whitespace().collect();
            relaxations.iter().any(|relaxation| text.contains(relaxation))
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(opened, UNSAFE, "left: as it is; right: as it may be");
    for package in workspace() {
        let manifest = fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not take the workspace's lints, which deny unsafe code",
            package["name"]
        );
    }
}

/// The modules of a domain crate that only its driver builds, as paths below `src/`.
fn driver_modules(folder: &str) -> Vec<String> {
    let lib = fs::read_to_string(root().join(folder).join("src/lib.rs")).unwrap();
    let mut gated = Vec::new();
    let mut lines = lib.lines();
    while let Some(line) = lines.next() {
        if line.trim() == r#"#[cfg(feature = "driver")]"# {
            let module = lines.next().unwrap_or_default();
            let module = module.trim_start_matches("pub ").trim_start_matches("mod ");
            gated.push(format!("{folder}/src/{}", module.trim_end_matches(';')));
        }
    }
    assert!(!gated.is_empty(), "{folder} has no driver");
    gated
}

#[test]
fn only_drivers_and_binaries_read_a_clock() {
    let clocks = ["Instant::now(", "SystemTime::now(", ".elapsed()"];
    let domain = ["forward", "lb", "healthcheck", "k8s-bootstrap", "peer", "resolver", "vrrp"];
    let drivers = domain.map(driver_modules).concat();
    let is_pure = |path: &str| {
        let module = path.trim_end_matches(".rs");
        let is_test = module.ends_with("/tests") || module.contains("/tests/");
        let is_binary = path.contains("/src/bin/");
        let is_domain = domain.iter().any(|folder| path.starts_with(&format!("{folder}/src/")));
        let of = |driver: &String| module == driver || path.starts_with(&format!("{driver}/"));
        is_domain && !is_test && !is_binary && !drivers.iter().any(of)
    };
    for (path, text) in sources().into_iter().filter(|(path, _)| is_pure(path)) {
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let read = clocks.iter().find(|clock| code.contains(**clock));
            assert!(read.is_none(), "{path}:{}: time is an argument here: {line}", number + 1);
        }
    }
}

/// A step of the wall clock must not fire a timer.
#[test]
fn the_virtual_ip_knows_no_wall_clock() {
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("vrrp/src/")) {
        let clock = ["SystemTime", "CLOCK_REALTIME", "TFD_TIMER"]
            .iter()
            .find(|clock| text.contains(**clock));
        assert!(clock.is_none(), "{path} uses {clock:?}");
    }
}

#[test]
fn no_file_outgrows_one_idea() {
    let lengths = sources().into_iter().map(|(path, text)| (text.lines().count(), path));
    let (too_long, long): (Vec<_>, Vec<_>) =
        lengths.filter(|(lines, _)| *lines > LINES_GOOD).partition(|(lines, _)| *lines > LINES_MAX);
    for (lines, path) in long {
        eprintln!("{path} has {lines} lines: look for a seam");
    }
    assert!(too_long.is_empty(), "more than {LINES_MAX} lines: {too_long:?}");
}
