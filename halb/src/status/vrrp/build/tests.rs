use std::time::Duration;

use halb_vrrp::driver::AddressMarks;

use crate::status::vrrp::{State, samples};

#[test]
fn times_are_told_from_the_moment_of_the_look() {
    let vrrp = samples::active().vrrp();
    let instance = &vrrp.instances[0];
    assert_eq!(instance.state, State::Active);
    assert!((vrrp.thread.heartbeat_age_seconds - 0.2).abs() < 1e-9);
    // One hour less the down interval of 3.609375 s, and the 0.2 s of the look.
    assert!((instance.since_seconds - 3_596.590_625).abs() < 1e-6, "{}", instance.since_seconds);
    assert_eq!(instance.since, "2026-11-22T02:04:08Z");
    assert_eq!(instance.peers[0].ago_seconds, Some(3600.2));
    assert!(instance.addresses[0].present);
}

#[test]
fn a_stranger_is_told_with_reason_and_remedy() {
    let vrrp = samples::backup().vrrp();
    let instance = &vrrp.instances[0];
    let [refused] = &instance.refused[..] else { panic!("{:?}", instance.refused) };
    assert_eq!((refused.address.as_str(), refused.count), ("172.16.16.53", 2));
    assert_eq!(refused.reason, "auth_failure");
    assert!(refused.remedy.contains("auth_pass"), "{}", refused.remedy);
    assert_eq!(instance.stats["auth_failure"], 2);
    assert_eq!(instance.stats["advert_rcvd"], 30);
}

#[test]
fn terms_add_up_to_the_priority() {
    let vrrp = samples::sick().vrrp();
    let priority = &vrrp.instances[0].priority;
    let sum: i32 = priority.terms.iter().map(|term| term.adds).sum();
    assert_eq!(i32::from(priority.configured) + sum, i32::from(priority.effective));
    assert!(priority.sick && !priority.failed);
    assert_eq!(priority.arithmetic, "100 - 2 (frontend 'kubernetes') = 98");
}

#[test]
fn the_guard_says_how_it_is_and_what_it_did() {
    let mut node = samples::active();
    let thread = node.vrrp().thread;
    assert_eq!((thread.guard.as_str(), thread.guard_pid), ("watching", Some(4712)));
    assert_eq!(thread.guard_scheduling.as_deref(), Some("fifo"));
    assert_eq!((thread.guard_memory_locked, thread.guard_revocations), (Some(true), 0));
    assert_eq!((thread.guard_revoked_ago_seconds, thread.guard_sweep_seconds), (None, None));
    node.revoke(Duration::from_millis(2));
    node.pass(Duration::from_secs(60));
    let thread = node.vrrp().thread;
    assert_eq!(thread.guard_revocations, 1);
    assert_eq!(thread.guard_revoked_ago_seconds, Some(60.2));
    assert_eq!(thread.guard_sweep_seconds, Some(0.002));
    let dead = samples::fault().vrrp().thread;
    assert_eq!((dead.guard_scheduling, dead.guard_memory_locked), (None, None));
}

#[test]
fn a_kernel_without_marks_is_told_with_the_file_or_why_there_is_none() {
    let mut node = samples::active();
    let told = |node: &samples::Node| {
        let thread = node.vrrp().thread;
        (thread.address_marks, thread.address_marks_detail)
    };
    assert_eq!(told(&node), ("kernel".to_owned(), None));
    node.marks = AddressMarks::Listed { file: "/run/halb/addresses".into() };
    assert_eq!(told(&node), ("file".to_owned(), Some("/run/halb/addresses".to_owned())));
    node.marks = AddressMarks::Unlisted { why: "the disk is full".to_owned() };
    assert_eq!(told(&node), ("unknown".to_owned(), Some("the disk is full".to_owned())));
}

#[test]
fn a_backup_says_why_it_leaves_the_addresses_where_they_are() {
    let because = |node: &samples::Node| node.vrrp().instances.remove(0).leaves_because;
    let other = samples::OTHER;
    let better = because(&samples::backup()).unwrap();
    assert_eq!(better, format!("{other} is active with priority 101, more than this node's 100"));
    let mut equal = samples::Node::new();
    assert_eq!(because(&equal), None, "nobody was heard");
    equal.hear(other, 100, "mysecret");
    assert!(because(&equal).unwrap().contains("between equals"));
    assert_eq!(because(&samples::active()), None);
}
