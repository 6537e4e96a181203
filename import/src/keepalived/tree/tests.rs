use super::super::account::Account;
use super::super::expand::{At, Line};
use super::super::text::Text;
use super::super::words::items;
use super::*;

fn tree(text: &str) -> Tree {
    let lines = text.lines().enumerate().map(|(index, line)| Line {
        text: Text::bare(line).text,
        at: At { file: 0, line: index + 1 },
    });
    grow(&items(&lines.collect::<Vec<_>>(), &mut Account::default()))
}

/// The tree as indented lines.
fn shown(directives: &[Directive]) -> String {
    let mut text = String::new();
    for directive in directives {
        text.push_str(&directive.text());
        if directive.block.is_some() {
            let inside = shown(directive.inside());
            text.push_str(&format!("({})", inside.trim_end_matches("; ")));
        }
        text.push_str("; ");
    }
    text
}

fn assert_tree(text: &str, wanted: &str, missing: &[(&str, usize)]) {
    let tree = tree(text);
    assert_eq!(shown(&tree.directives).trim_end_matches("; "), wanted);
    let found: Vec<_> =
        tree.missing.iter().map(|it| (it.header[0].text.as_str(), it.after.line)).collect();
    assert_eq!(found, missing);
}

#[test]
fn blocks_hold_what_stands_in_them() {
    assert_tree(
        "global_defs\n{\n router_id a }\nvrrp_instance VI_1 {\n virtual_ipaddress { 10.0.0.1\n 10.0.0.2 }\n}\n",
        "global_defs(router_id a); vrrp_instance VI_1(virtual_ipaddress(10.0.0.1; 10.0.0.2))",
        &[],
    );
    let foreign = tree(
        "virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n HTTP_GET {\n url {\n path /\n}\n}\n}\n}",
    );
    assert!(foreign.missing.is_empty() && foreign.strays.is_empty());
}

#[test]
fn a_list_ends_where_a_block_of_the_instance_begins() {
    let text =
        "vrrp_instance VI_1 {\n virtual_ipaddress {\n  10.0.0.1\n track_script {\n  check\n }\n}\n";
    let wanted = "vrrp_instance VI_1(virtual_ipaddress(10.0.0.1); track_script(check))";
    assert_tree(text, wanted, &[("virtual_ipaddress", 3)]);
    let swallowed = tree(text).missing.remove(0).swallowed;
    let words: Vec<_> = swallowed.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["track_script", "{", "check"]);
}

#[test]
fn any_block_ends_where_a_word_of_those_around_it_follows() {
    let text = "vrrp_instance A {\n authentication {\n  auth_type PASS\n priority 100\n}\n";
    assert_tree(
        text,
        "vrrp_instance A(authentication(auth_type PASS); priority 100)",
        &[("authentication", 3)],
    );
    let text = "vrrp_instance A {\n track_script {\n  weight weight 5\n  check\n priority 100\n}\n";
    let wanted = "vrrp_instance A(track_script(weight weight 5; check); priority 100)";
    assert_tree(text, wanted, &[("track_script", 4)]);
    let text =
        "vrrp_instance A {\n virtual_ipaddress {\n 10.0.0.1\nvrrp_instance B {\n priority 1\n}\n";
    let wanted = "vrrp_instance A(virtual_ipaddress(10.0.0.1)); vrrp_instance B(priority 1)";
    assert_tree(text, wanted, &[("virtual_ipaddress", 3), ("vrrp_instance", 3)]);
    assert_tree("vrrp_script a {\n script x\n", "vrrp_script a(script x)", &[("vrrp_script", 2)]);
}

#[test]
fn braces_that_belong_to_nothing_are_told() {
    let tree = tree("vrrp_instance A {\n}\n}\n{\n}\n");
    let strays: Vec<_> =
        tree.strays.iter().map(|word| (word.text.as_str(), word.place.line)).collect();
    assert_eq!(strays, [("}", 3), ("{", 4)]);
    assert_eq!(tree.directives.len(), 1);
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "a {\n".repeat(10_000), "}\n".repeat(10_000));
    let tree = tree(&deep);
    assert!(tree.missing.is_empty() && tree.strays.is_empty());
}
