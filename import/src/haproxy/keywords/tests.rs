//! What becomes of lines that nothing translates.

use super::*;
use crate::haproxy::words::{Variables, split};
use crate::source::Nothing;

fn fate(text: &str, place: Where) -> Class {
    let words = split(text, 0, 1, &Variables::new(&Nothing)).unwrap();
    class(&Line { words }, place)
}

fn instead(class: &Class) -> Option<&str> {
    match class {
        Class::NotSupported { instead, .. } => instead.as_deref(),
        Class::Translated { .. } | Class::DefaultAnyway | Class::WithoutMeaning { .. } => None,
    }
}

#[test]
fn what_concerns_http_matters_only_where_http_was_balanced() {
    for place in [Where::Tcp, Where::Defaults] {
        let class = fate("option forwardfor except 127.0.0.0/8", place);
        assert_eq!(class, Class::meaningless("it concerns HTTP, and halb balances TCP"));
    }
    assert!(fate("option forwardfor", Where::Http).changes_behaviour());
    assert!(!fate("option http-server-close", Where::Http).changes_behaviour());
}

#[test]
fn unknown_words_come_with_the_nearest_known_one() {
    let cases = [
        ("option tcplogg", Where::Tcp, "was 'option tcplog' meant?"),
        ("timout client 5s", Where::Tcp, "was 'timeout' meant?"),
        ("blance roundrobin", Where::Tcp, "was 'balance' meant?"),
        ("demon", Where::Global, "was 'daemon' meant?"),
        ("timeout cient 5s", Where::Tcp, "was 'timeout client' meant?"),
    ];
    for (text, place, near) in cases {
        let class = fate(text, place);
        assert!(class.changes_behaviour());
        assert_eq!(instead(&class), Some(near), "{text}");
    }
    assert_eq!(instead(&fate("qwertzuiop", Where::Tcp)), None);
}

#[test]
fn words_are_known_by_prefix_and_behind_no() {
    assert!(matches!(fate("tune.bufsize 32768", Where::Global), Class::WithoutMeaning { .. }));
    assert!(matches!(
        fate("ssl-default-bind-options x", Where::Global),
        Class::WithoutMeaning { .. }
    ));
    assert_eq!(fate("no option splice-auto", Where::Tcp), Class::DefaultAnyway);
    assert!(matches!(fate("ssl-server-verify none", Where::Global), Class::WithoutMeaning { .. }));
}
