//! What is built around keepalived and reads what it tells: its FIFO and its JSON.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use halb_lab::eventually;
use halb_lab::subject::keepalived;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::router::Router;
use crate::support::segment::Segment;

/// A FIFO with somebody at its other end.
struct Reader {
    directory: TempDir,
    end: File,
}

impl Reader {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        // With a writing end of its own it never comes to the end.
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
        Self { end: options.open(path).unwrap(), directory }
    }

    fn path(&self) -> String {
        self.directory.path().join("fifo").display().to_string()
    }

    /// Reads until a line ends with this.
    fn until(&mut self, last: &str) -> String {
        let mut text = String::new();
        eventually(last, PATIENCE, || {
            let mut bytes = [0; 4096];
            if let Ok(length) = self.end.read(&mut bytes) {
                text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            }
            if text.trim_end().ends_with(last) { Ok(()) } else { Err(text.clone()) }
        });
        text
    }
}

/// A life from the start over holding the address to the end, as halb and keepalived tell it.
#[test]
#[ignore = "needs root and keepalived"]
fn halb_tells_a_fifo_what_keepalived_tells_it() {
    let router = Router::of_the_guides(100);
    let segment = Segment::new();
    let mut lives = Vec::new();
    for is_halb in [true, false] {
        let mut reader = Reader::new();
        let state = TempDir::new().unwrap();
        if is_halb {
            let file = router.for_halb(state.path());
            let file = format!("{file}notify_fifo = \"{}\"\n", reader.path());
            let halb = Daemon::start(&segment.balancers[0], &file);
            let mut life = reader.until("MASTER 100");
            halb.stop(PATIENCE).unwrap();
            life.push_str(&reader.until("STOP 100"));
            lives.push(life);
        } else {
            let global = format!("global_defs {{\n vrrp_notify_fifo {}\n}}\n", reader.path());
            let file = global + &router.for_keepalived();
            let keepalived = keepalived(&segment.balancers[0], &file).unwrap();
            let mut life = reader.until("MASTER 100");
            keepalived.stop(PATIENCE).unwrap();
            life.push_str(&reader.until("STOP 100"));
            lives.push(life);
        }
        eventually("the address is free", PATIENCE, || segment.holders() == [false; 2]);
    }
    assert_eq!(lives[0], lives[1]);
    let wanted = ["BACKUP", "MASTER", "STOP"].map(|s| format!("INSTANCE \"VI_1\" {s} 100\n"));
    assert_eq!(lives[0], wanted.concat());
}

#[test]
#[ignore = "needs root and keepalived"]
fn halb_tells_in_json_what_keepalived_tells_under_the_same_names() {
    let segment = Segment::new();
    let keepalived =
        keepalived(&segment.balancers[0], &Router::of_the_guides(101).for_keepalived());
    let keepalived = keepalived.unwrap();
    segment.wait_for_holder(0);
    let state = TempDir::new().unwrap();
    let file = Router::of_the_guides(100).for_halb(state.path());
    let halb = Daemon::start(&segment.balancers[1], &file);
    let told = || -> Value {
        serde_json::from_str(&halb.done(&["vip", "status", "--keepalived-json"])).unwrap()
    };
    eventually("it hears the other node", PATIENCE, || {
        let data = told()[0]["data"].clone();
        let right = data["state"] == 1 && data["master_priority"] == 101;
        if right { Ok(()) } else { Err(data) }
    });
    let told = told();
    let report = keepalived.report().unwrap();
    let names = |part: &str| -> BTreeSet<String> {
        told[0][part].as_object().unwrap().keys().cloned().collect()
    };
    let beyond = |ours: BTreeSet<String>, theirs: &BTreeSet<String>| {
        ours.difference(theirs).cloned().collect::<Vec<_>>()
    };
    assert_eq!(beyond(report.names("stats"), &names("stats")), [""; 0]);
    assert_eq!(beyond(names("data"), &report.names("data")), [""; 0]);
    keepalived.stop(PATIENCE).unwrap();
    segment.wait_for_holder(1);
}

/// Whether the files that are named exist still: nothing of halb's removes what others made.
#[test]
#[ignore = "needs root"]
fn a_fifo_of_somebody_else_is_there_after_halb_has_ended() {
    let segment = Segment::new();
    let mut reader = Reader::new();
    let state = TempDir::new().unwrap();
    let file = Router::fast(100).for_halb(state.path());
    let file = format!("{file}notify_fifo = \"{}\"\n", reader.path());
    let halb = Daemon::start(&segment.balancers[0], &file);
    reader.until("MASTER 100");
    halb.stop(PATIENCE).unwrap();
    assert!(Path::new(&reader.path()).exists());
}
