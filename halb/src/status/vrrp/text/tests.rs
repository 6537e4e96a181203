use std::time::Duration;

use halb_vrrp::driver::AddressMarks;
use insta::assert_snapshot;

use super::*;
use crate::status::vrrp::samples;

fn text(node: &samples::Node) -> String {
    render(&node.vrrp(), Colour::Plain)
}

#[test]
fn an_active_node_says_since_when_and_why() {
    assert_snapshot!(text(&samples::active()));
}

#[test]
fn a_backup_says_whom_it_hears_and_when_it_takes_over() {
    assert_snapshot!(text(&samples::backup()));
}

#[test]
fn a_fault_says_what_is_missing() {
    assert_snapshot!(text(&samples::fault()));
}

#[test]
fn the_short_form_is_two_lines_each() {
    assert_snapshot!(short(&samples::sick().vrrp(), Colour::Plain));
}

#[test]
fn whatever_it_is_it_fits_a_terminal() {
    for node in [samples::active(), samples::backup(), samples::sick(), samples::fault()] {
        let mut vrrp = node.vrrp();
        vrrp.instances[0].name = "a".repeat(64);
        vrrp.instances[0].interface.name = "b".repeat(15);
        vrrp.instances[0].why = "why ".repeat(60);
        vrrp.instances[0].yielded = true;
        let texts = [render(&vrrp, Colour::Plain), short(&vrrp, Colour::Plain)];
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}

#[test]
fn what_the_guard_did_and_what_the_kernel_cannot_are_lines_of_their_own() {
    let mut node = samples::active();
    node.revoke(Duration::from_millis(2));
    node.pass(Duration::from_secs(180));
    node.marks = AddressMarks::Listed { file: "/run/halb/addresses".into() };
    let mut thread = node.vrrp().thread;
    assert_eq!(
        thread_lines(&thread)[1..],
        [
            "the thread is scheduled in real time, priority 10; memory locked; the guard likewise",
            "the guard took the addresses off once because halb stood still, last 3 min ago, \
             within 2 ms",
            "this kernel doesn't mark addresses (Linux 5.18 does); /run/halb/addresses lists those \
             that may be halb's",
        ]
    );
    (thread.guard_memory_locked, thread.guard_replaced) = (Some(false), 2);
    let lines = thread_lines(&thread);
    assert!(lines[0].ends_with("(2 guards died so far)"), "{lines:?}");
    assert!(lines[1].ends_with("priority 10, its memory is not locked"), "{lines:?}");
}
