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
