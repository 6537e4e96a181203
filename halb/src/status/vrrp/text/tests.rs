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
