//! A changed configuration changes what it says, and elects nobody.

use super::*;

fn changed(bench: &mut Bench, config: RouterConfig, standing: Standing) {
    bench.router.handle_config(config, standing, bench.now).unwrap();
    bench.settle();
}

fn with_addresses(list: &[&str]) -> RouterConfig {
    let vrid = VrId::new(1).unwrap();
    let delivery = Delivery::Multicast;
    RouterConfig::new(vrid, v3(100), addresses(list), delivery, Behaviour::default()).unwrap()
}

#[test]
fn the_same_configuration_changes_nothing() {
    let same = || config(v3(100), Behaviour::default());
    let mut active = Bench::active(same(), well(100));
    let due = active.router.poll_timeout();
    changed(&mut active, same(), well(100));
    assert_eq!((active.log(), active.router.poll_timeout()), (String::new(), due));
    let mut backup = Bench::backup(same(), well(100));
    backup.pass(SECOND);
    let due = backup.router.poll_timeout();
    changed(&mut backup, same(), well(100));
    assert_eq!((backup.log(), backup.router.poll_timeout()), (String::new(), due));
}

#[test]
fn new_addresses_are_added_and_announced_and_old_ones_removed() {
    let mut bench = Bench::active(with_addresses(&[VIP, "172.16.16.101"]), well(100));
    let new = with_addresses(&["172.16.16.101", "172.16.16.102"]);
    let list = new.addresses().clone();
    bench.router.handle_config(new, well(100), bench.now).unwrap();
    let actions: Vec<_> = std::iter::from_fn(|| bench.router.poll_action()).collect();
    assert_eq!(actions[0], Action::RemoveAddresses(vec![ip(VIP)]));
    assert_eq!(actions[1], Action::AddAddresses(vec![ip("172.16.16.102")]));
    assert!(matches!(&actions[2..], [Action::Send(sent)] if sent.advert.addresses == list));
    bench.router.handle_addresses(AddressReport::Installed, bench.now);
    bench.settle();
    assert_eq!(bench.log(), "*");
}

#[test]
fn another_priority_is_said_at_once_and_is_no_offer() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    changed(&mut bench, config(v3(100), Behaviour::default()), well(50));
    assert_eq!(bench.log(), "!50");
    // Even for a node that is sick already.
    bench.stand(sick(50, -2));
    bench.pass(SECOND * 10);
    bench.clear();
    changed(&mut bench, config(v3(100), Behaviour::default()), sick(40, -2));
    assert_eq!(bench.log(), "!38");
}

#[test]
fn a_longer_interval_is_said_before_backups_miss_the_old_one() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.pass(ms(900));
    bench.clear();
    changed(&mut bench, config(v3(1000), Behaviour::default()), well(100));
    assert_eq!(bench.log(), "!100");
    // The first that says so may be lost, and the next one, too.
    bench.pass(SECOND * 2);
    assert_eq!(bench.log(), "!100 !100");
    assert_eq!(bench.due_in(), SECOND * 10);
    bench.pass(SECOND * 10);
    assert_eq!((bench.log().as_str(), bench.due_in()), ("!100", SECOND * 10));
}

#[test]
fn a_second_change_does_not_forget_how_long_backups_wait() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    changed(&mut bench, config(v3(1000), Behaviour::default()), well(100));
    bench.clear();
    changed(&mut bench, config(v3(2000), Behaviour::default()), well(100));
    bench.pass(SECOND * 2);
    assert_eq!(bench.log(), "!100 !100 !100");
    assert_eq!(bench.due_in(), SECOND * 20);
    // A shorter one is no reason to hurry.
    changed(&mut bench, config(v3(100), Behaviour::default()), well(100));
    bench.clear();
    bench.pass(SECOND * 2);
    assert_eq!((bench.log().as_str(), bench.due_in()), ("!100 !100", SECOND));
}

#[test]
fn a_shorter_interval_is_not_taken_for_a_stall() {
    let before = config(v3(1000), preempting(Preempt::Never));
    let mut bench = Bench::active(before, well(100));
    bench.pass(SECOND * 9);
    bench.clear();
    changed(&mut bench, config(v3(100), preempting(Preempt::Never)), well(100));
    bench.pass(SECOND);
    assert_eq!(bench.log(), "!100 !100");
}

#[test]
fn a_backup_of_version_2_listens_anew_for_the_new_interval() {
    let mut bench = Bench::backup(config(v2(1), Behaviour::default()), well(100));
    bench.pass(SECOND * 3);
    changed(&mut bench, config(v2(5), Behaviour::default()), well(100));
    let interval = bench.router.config().interval();
    assert_eq!(bench.due_in(), down_interval(100, interval));
}

#[test]
fn a_backup_of_version_2_that_answers_a_release_does_not_wait_anew() {
    let mut bench = Bench::backup(config(v2(1), Behaviour::default()), well(100));
    bench.hear(GREATER, 0);
    let due = bench.due_in();
    bench.pass(ms(100));
    changed(&mut bench, config(v2(5), Behaviour::default()), well(100));
    assert_eq!(bench.due_in(), due - ms(100));
    bench.pass_to_due();
    bench.settle();
    assert!(matches!(bench.causes.last(), Some(Cause::Released { .. })), "{:?}", bench.causes);
}

#[test]
fn a_backup_of_version_3_goes_on_with_what_it_has_learned() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.hear(GREATER, 150);
    let due = bench.router.poll_timeout();
    changed(&mut bench, config(v3(1000), Behaviour::default()), well(100));
    assert_eq!(bench.router.poll_timeout(), due);
}

#[test]
fn a_backup_that_may_no_longer_preempt_counts_the_adverts_that_it_discarded() {
    for preempt in [Preempt::Never, Preempt::After(SECOND * 60)] {
        let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
        bench.pass(SECOND * 3);
        bench.hear(GREATER, 50);
        bench.pass(ms(500));
        changed(&mut bench, config(v3(100), preempting(preempt)), well(100));
        let interval = bench.router.config().interval();
        let down = down_interval(100, interval);
        assert_eq!(bench.due_in(), down - ms(500));
    }
}

#[test]
fn a_start_up_delay_can_be_cut_short() {
    let behaviour = |delay| Behaviour { startup_delay: delay, ..Behaviour::default() };
    let mut bench = Bench::new(config(v3(100), behaviour(SECOND * 60)), well(100));
    bench.link(true, Some(OWN));
    bench.router.handle_start(bench.now);
    bench.settle();
    bench.pass(SECOND * 10);
    bench.clear();
    changed(&mut bench, config(v3(100), behaviour(SECOND * 5)), well(100));
    assert_eq!(bench.log(), "I>B");
}

#[test]
fn another_virtual_router_is_refused_and_nothing_changes() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    let other = config(v2(1), Behaviour::default());
    assert_eq!(bench.router.handle_config(other, well(50), bench.now), Err(NotTheSameRouter));
    bench.settle();
    assert_eq!(bench.log(), "");
}

#[test]
fn a_tracker_that_comes_with_a_reload_and_is_down_is_a_loss_and_a_lower_base_is_none() {
    let same = || config(v3(100), Behaviour::default());
    let mut bench = Bench::active(same(), well(100));
    changed(&mut bench, same(), well(90));
    assert_eq!(bench.log(), "!90");
    changed(&mut bench, same(), sick(90, -2));
    assert_eq!(bench.log(), "!0");
}

#[test]
fn a_reload_while_the_addresses_are_offered_keeps_the_offer() {
    let same = || config(v3(100), Behaviour::default());
    let mut bench = Bench::active(same(), well(100));
    bench.stand(sick(100, -2));
    let offer = bench.router.status().offer;
    changed(&mut bench, same(), sick(110, -2));
    changed(&mut bench, config(v3(100), preempting(Preempt::Never)), sick(90, -2));
    assert_eq!(bench.log(), "!0 !0");
    assert_eq!(bench.router.status().offer, offer);
    changed(&mut bench, same(), well(90));
    assert!(bench.log().ends_with("!90"));
    assert_eq!(bench.router.status().offer, None);
}
