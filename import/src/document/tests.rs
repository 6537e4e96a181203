//! What the file looks like, and that it says what it was told.

use proptest::prelude::*;
use toml::de::{DeTable, DeValue};

use super::*;

/// What a text holds at a path.
fn at(text: &str, path: &[&str], look: impl FnOnce(&DeValue<'_>)) {
    let top = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).into_inner();
    let (first, rest) = path.split_first().unwrap();
    let mut value = top.get(*first).unwrap_or_else(|| panic!("no {first}\n{text}")).get_ref();
    for part in rest {
        let table = value.as_table().unwrap();
        value = table.get(*part).unwrap_or_else(|| panic!("no {part}\n{text}")).get_ref();
    }
    look(value);
}

fn inline(pairs: &[(&str, Value)]) -> Value {
    Value::Inline(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

#[test]
fn a_document_looks_as_if_a_person_had_written_it() {
    let mut frontend = Table::new(["frontend", "kubernetes"]);
    frontend.set("bind", vec!["*:6443"]);
    frontend.set_because("idle_timeout", "50s", "timeout client and server");
    frontend.set_because("keepalive", false, "HAProxy's default");
    frontend.remark("not kept: haproxy.cfg:12: interface eth0: halb listens on addresses only");
    let mut backend = Table::new(["backend", "masters"]);
    backend.lead.push("What a person would say.".to_owned());
    backend.set("balance", "leastconn");
    let check = [
        ("type", "https".into()),
        ("path", "/readyz".into()),
        ("ca_file", "/etc/haproxy/certificates/of/the/authority/ca.crt".into()),
        ("interval", "10s".into()),
        ("timeout", "10s".into()),
    ];
    backend.set("check", inline(&check));
    let mut servers = Table::new(["backend", "masters", "server"]);
    servers.set("kmaster1", "172.16.16.101:6443");
    servers.set("m.2", inline(&[("address", "[fd00::1]:6443".into()), ("weight", 2_u32.into())]));
    let document = Document {
        head: vec!["From haproxy.cfg.".to_owned()],
        tables: vec![frontend, backend, servers, Table::new(["log"])],
    };
    insta::assert_snapshot!(document.render());
}

#[test]
fn what_is_too_long_for_a_line_is_broken_where_toml_allows_it() {
    let mut table = Table::new(["frontend", "f"]);
    table.set("allow", (0..20).map(|n| format!("10.0.{n}.0/24")).collect::<Vec<_>>());
    table.set_because("maxconn", 3_u32, "so long a comment ".repeat(8));
    let text = Document { head: Vec::new(), tables: vec![table] }.render();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    at(&text, &["frontend", "f", "allow"], |allow| {
        assert_eq!(allow.as_array().unwrap().len(), 20);
    });
}

proptest! {
    #[test]
    fn whatever_texts_it_holds_the_file_can_be_read_and_holds_them(
        key in "\\PC{1,12}",
        text in any::<String>(),
        comment in any::<String>(),
        number in any::<i64>(),
    ) {
        let mut table = Table::new(["backend", &key]);
        table.lead.push(comment.clone());
        table.set_because(key.clone(), text.clone(), comment.clone());
        table.set("and so on", inline(&[(&key, number.into()), ("x", vec![text.clone()].into())]));
        table.remark(comment);
        let rendered = Document { head: Vec::new(), tables: vec![table] }.render();
        prop_assume!(key != "and so on" && key != "x");
        at(&rendered, &["backend", &key, &key], |value| assert_eq!(value.as_str(), Some(&*text)));
        at(&rendered, &["backend", &key, "and so on", &key], |value| {
            assert_eq!(value.as_integer().map(|i| i.as_str().to_owned()), Some(number.to_string()));
        });
    }
}
