use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::status::vrrp::samples;

fn text(node: &samples::Node) -> String {
    let vrrp = node.vrrp();
    render(&vrrp.instances[0], &vrrp, Colour::Plain)
}

#[test]
fn an_active_node_is_explained() {
    assert_snapshot!(text(&samples::active()));
}

#[test]
fn a_backup_with_a_stranger_on_the_segment_is_explained() {
    assert_snapshot!(text(&samples::backup()));
}

#[test]
fn a_sick_node_that_nobody_relieves_is_explained() {
    assert_snapshot!(text(&samples::sick()));
}

#[test]
fn a_fault_without_a_guard_is_explained() {
    assert_snapshot!(text(&samples::fault()));
}

#[test]
fn words_over_the_link_and_notices_are_part_of_it() {
    let vrrp = samples::full();
    assert_snapshot!(render(&vrrp.instances[0], &vrrp, Colour::Plain));
}

#[test]
fn a_node_that_heard_nobody_is_told_of_firewalls() {
    let mut node = samples::Node::new();
    node.pass(std::time::Duration::from_secs(10));
    let text = text(&node);
    assert!(text.contains("no advert of another node was heard"), "{text}");
    assert!(text.contains("112"), "{text}");
}

/// Something was heard once, so that silence alone means nothing: the link says that it does.
#[test]
fn adverts_of_an_active_halb_that_no_longer_come_are_told_with_what_may_keep_them() {
    let mut node = samples::active();
    assert!(!text(&node).contains("don't get through"));
    node.say(|_| {});
    let said = text(&node).split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = "172.16.16.52 is active, and its adverts don't get through, its last one came 1 h ago: \
                  look for a firewall that drops IP protocol 112 (allow: nft add rule";
    assert!(said.contains(wanted), "{said}");
    let hint = |node: &samples::Node| text(node).contains("don't get through");
    node.say(|word| word.state = halb_vrrp::router::State::Backup);
    assert!(!hint(&node), "a backup is silent");
    node.say(|_| {});
    node.hear(samples::OTHER, 101, "another");
    assert!(!hint(&node), "they come, and are refused");
    let mut node = samples::active();
    node.say(|_| {});
    node.hear(samples::OTHER, 99, "mysecret");
    assert!(!hint(&node), "it comes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_it_holds_it_fits_a_terminal_and_never_panics(
        name in "[a-zA-Z0-9._:-]{1,64}",
        words in ".{0,300}",
        seconds in any::<f64>(),
        number in any::<u64>(),
    ) {
        for node in [samples::backup(), samples::fault()] {
            let mut vrrp = node.vrrp();
            vrrp.journal.error = Some(words.clone());
            vrrp.thread.scheduling_detail = words.clone();
            vrrp.thread.heartbeat_age_seconds = seconds;
            let instance = &mut vrrp.instances[0];
            (instance.name, instance.why) = (name.clone(), words.clone());
            instance.since_seconds = seconds;
            instance.offered_seconds = Some(seconds);
            instance.timers.takeover_in_seconds = Some(seconds);
            instance.priority.terms[0].detail = Some(words.clone());
            instance.outlook[0].then = words.clone();
            instance.history[0].why = words.clone();
            for refused in &mut instance.refused {
                (refused.count, refused.ago_seconds) = (number, seconds);
            }
            let text = render(&vrrp.instances[0], &vrrp, Colour::Plain);
            for line in text.lines() {
                prop_assert!(line.chars().count() <= WIDTH, "{line}");
                prop_assert!(!line.contains('\x1b'));
            }
        }
    }
}
