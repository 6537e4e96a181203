//! What a daemon at rest keeps in memory of its own program.

use std::fs;

use halb_lab::eventually;

use super::{PATIENCE, Site};

/// Memory that the kernel took from files, in KiB: the program and its libraries.
fn of_files(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn what_the_start_and_a_look_needed_is_given_back_at_rest() {
    let site = Site::new();
    let daemon = site.start();
    let pieces = fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    let pieces = pieces.lines().filter(|line| line.ends_with(env!("CARGO_BIN_EXE_halb"))).count();
    assert!(pieces > 100, "the program lies in {pieces} mappings, so a touch brings along much");
    for stir in [|_: &Site| (), |site: &Site| drop(site.status())] {
        stir(&site);
        let stirred = of_files(daemon.pid());
        eventually("half of it is given back", PATIENCE, || {
            let now = of_files(daemon.pid());
            if now < stirred / 2 { Ok(()) } else { Err(format!("{now} KiB of {stirred}")) }
        });
    }
}
