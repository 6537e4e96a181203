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
