//! The thread on a kernel that doesn't mark addresses, or is taken for one.

use std::fs;
use std::net::IpAddr;
use std::sync::mpsc::Sender;

use halb_lab::{Host, Lab, eventually};

use super::super::AddressMarks;
use super::super::testbed::{PATIENCE, instance, ip, settings_of, shell};
use super::*;
use crate::config::Delivery;

fn settings(vips: &[&str]) -> Settings {
    settings_of(vec![instance("VI_1", 1, Delivery::Multicast, vips)])
}

fn begin(host: &Host, run_dir: &Path, events: &Sender<Event>) -> (Handle, Running) {
    let events = events.clone();
    let options = Options {
        guard: None,
        events: Arc::new(move |event| drop(events.send(event))),
        run_dir: run_dir.to_owned(),
        inherits: false,
    };
    host.run(|| start(settings(&["172.16.16.100"]), options, Tagging::Ignored)).unwrap()
}

fn removed(events: &Receiver<Event>) -> IpAddr {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("a left-over address is told");
        if let Event::Driver(DriverNotice::LeftoverRemoved { address, .. }) = event {
            return address;
        }
    }
}

#[test]
#[ignore = "needs root"]
fn on_a_kernel_that_marks_nothing_a_file_tells_which_addresses_are_left_over() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("addresses");
    let listed = || fs::read_to_string(&file).unwrap();
    let (sender, events) = mpsc::channel();

    let (handle, running) = begin(&host, dir.path(), &sender);
    assert_eq!(handle.marks(), AddressMarks::Listed { file: file.clone() });
    assert_eq!(listed(), "eth1 172.16.16.100/32\n", "before anything is held");
    let holds = |address| host.holds(ip(address)).unwrap();
    eventually("the address is held", PATIENCE, || holds("172.16.16.100"));
    handle.apply(settings(&["172.16.16.100", "172.16.16.101"])).unwrap();
    assert_eq!(listed(), "eth1 172.16.16.100/32\neth1 172.16.16.101/32\n");
    eventually("both are held", PATIENCE, || holds("172.16.16.101"));
    assert_eq!(running.stop(PATIENCE), Stopped::Done);
    assert!(!holds("172.16.16.100") && !holds("172.16.16.101"));

    // As a daemon leaves them that dies together with its guard: without a mark.
    host.run(|| {
        for address in ["172.16.16.101", "172.16.16.200"] {
            shell(&format!("address add {address}/32 dev eth1"));
        }
    });
    let (_handle, running) = begin(&host, dir.path(), &sender);
    assert_eq!(removed(&events), ip("172.16.16.101"), "it is no longer configured");
    assert!(!holds("172.16.16.101"));
    assert!(holds("172.16.16.200"), "somebody else put it there");
    assert_eq!(listed(), "eth1 172.16.16.100/32\n");
    assert_eq!(running.stop(PATIENCE), Stopped::Done);
}
