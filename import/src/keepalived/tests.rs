//! Whole files: those of the corpus, as found in the wild, with what is told of them; and what
//! holds of any text.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::pretended::Pretended;
use super::*;
use crate::document::Document;
use crate::finding::Class;
use crate::{FrontendKnown, Outcome, report};
use halb_config as config;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keepalived")
}

fn text_of(name: &str) -> String {
    fs::read_to_string(corpus().join(name)).unwrap()
}

/// The host that the corpus is imported on.
fn host() -> Pretended {
    Pretended::default()
        .with(HOST_NAME, "loadbalancer01.example.com\n")
        .with("/etc/keepalived/check_apiserver.sh", &text_of("check_apiserver.sh"))
        .with(
            "/etc/keepalived/conf.d/extra.conf",
            "vrrp_instance VI_9 {\n interface eth9\n virtual_router_id 9\n virtual_ipaddress {\n 10.9.9.9\n }\n}\n",
        )
        .with("/etc/keepalived/chk_ocp_script.sh", "#!/bin/bash\nset -e\n/usr/bin/curl -o /dev/null -kLfs https://localhost:9445/haproxy_ready\n")
        .with("/etc/keepalived/chk_ocp_script_both.sh", "#!/bin/bash\n/usr/bin/curl -o /dev/null -kLfs https://localhost:9445/haproxy_ready && \\\n  [ -e /var/run/keepalived/iptables-rule-exists ] || /usr/bin/curl -kLfs https://localhost:6443/readyz\n")
}

fn frontends() -> FrontendsKnown {
    let known = |name: &str, bind: &str| FrontendKnown {
        name: name.to_owned(),
        binds: vec![bind.parse().unwrap()],
    };
    let frontends = vec![known("kubernetes", "0.0.0.0:6443"), known("haproxy-api", "0.0.0.0:9445")];
    FrontendsKnown { frontends }
}

fn imported(sources: &[(&str, &str)], options: &Options) -> Imported {
    let source =
        |(name, text): &(&str, &str)| SourceFile::new(format!("/etc/keepalived/{name}"), *text);
    let sources: Vec<_> = sources.iter().map(source).collect();
    import(&sources, &frontends(), options, &host())
}

/// The frontends that a file of the corpus finds beside it.
fn with_frontends(imported: &Imported) -> String {
    let frontend = |name: &str, port: u16| {
        format!("[frontend.{name}]\nbind = [\"*:{port}\"]\nbackend = \"b\"\n")
    };
    let document = Document { head: Vec::new(), tables: imported.tables.clone() };
    let backend = "[backend.b]\nserver = { s = \"127.0.0.1:1\" }\ncheck = false\n";
    let more = [frontend("kubernetes", 6443), frontend("haproxy-api", 9445)].concat();
    format!("{}\n{more}{backend}", document.render())
}

fn told(imported: &Imported) -> String {
    let document = Document { head: Vec::new(), tables: imported.tables.clone() };
    let outcome = Outcome { languages: vec![imported.clone()], document };
    format!("{}\n----\n{}", report::text(&outcome), outcome.document.render())
}

macro_rules! corpus {
    ($($test:ident: $file:literal, $options:expr;)*) => {
        $(#[test]
        fn $test() {
            let imported = imported(&[($file, &text_of($file))], &$options);
            let checked = config::parse(&with_frontends(&imported), "halb.toml");
            assert!(checked.is_ok(), "{}\n{}", checked.unwrap_err(), with_frontends(&imported));
            insta::assert_snapshot!(told(&imported));
        })*
    };
}

corpus! {
    the_file_of_the_guide_is_imported_as_it_was_meant: "seed.conf", Options::default();
    the_file_of_kubeadms_document_is_imported: "kubeadm.conf", Options::default();
    a_file_of_kubeasz_is_imported: "kubeasz.conf", Options::default();
    a_file_of_openshift_is_imported: "openshift.conf", Options::default();
    the_file_that_distributions_ship_is_imported: "distribution.conf", Options::default();
    sync_groups_and_their_hooks_are_imported: "groups.conf", Options::default();
    unicast_files_and_processes_are_imported: "unicast.conf", Options::default();
    several_instances_of_nodes_that_serve_both_are_imported: "active-active.conf", Options::default();
    both_families_are_imported: "six.conf", Options::default();
    hooks_become_one_command: "hooks.conf", Options::default();
    lines_for_one_node_and_definitions_are_imported: "conditional.conf", Options { node: Some("low".to_owned()), ..Options::default() };
    files_that_keepalived_misreads_are_imported_and_told: "misread.conf", Options::default();
    whatever_halb_does_not_do_is_told: "everything.conf", Options::default();
}

#[test]
fn scripts_stay_scripts_on_request() {
    let options = Options { keeps_scripts: true, ..Options::default() };
    let imported = imported(&[("seed.conf", &text_of("seed.conf"))], &options);
    let text = Document { head: Vec::new(), tables: imported.tables }.render();
    assert!(text.contains("script = [\"/etc/keepalived/check_apiserver.sh\"]"), "{text}");
    assert!(text.contains("interval = \"3s\"") && text.contains("timeout = \"10s\""), "{text}");
}

#[test]
fn the_missing_brace_of_the_guide_is_named_with_its_line() {
    let imported = imported(&[("seed.conf", &text_of("seed.conf"))], &Options::default());
    let brace = imported.hints.iter().find(|hint| hint.text.contains("never closed")).unwrap();
    assert_eq!((brace.place.line, brace.place.columns.clone()), (22, 4..16));
    assert!(brace.text.contains("(line 20)") && brace.text.contains("below line 21"), "{brace:?}");
    assert!(brace.text.contains("takes 'track_script', '{' and 'check_apiserver' for addresses"));
}

#[test]
fn a_file_in_which_nothing_is_keepaliveds_is_named_with_a_line() {
    let fault = |text: &str| {
        let imported = imported(&[("x.conf", text)], &Options::default());
        imported.faults.first().map(|fault| (fault.place.line, fault.what.clone()))
    };
    let (line, what) = fault("# the wrong one\nglobal\n  daemon\nfrontend f\n").unwrap();
    assert_eq!((line, &*what), (2, "'global' is no word of keepalived's, nor is any below"));
    let (line, what) = fault("! empty\n\n").unwrap();
    assert_eq!((line, &*what), (2, "/etc/keepalived/x.conf holds no block"));
    assert_eq!(fault("garbage\nvrrp_instance VI_1 {\n}\n"), None, "keepalived skips a word");
}

#[test]
fn hooks_of_a_group_that_nobody_is_in_are_told_as_such() {
    let text = "vrrp_sync_group empty {\n group {\n gone\n }\n notify /bin/moved\n}\n\
                vrrp_instance a {\n interface eth1\n virtual_router_id 1\n \
                virtual_ipaddress {\n 10.0.0.9\n }\n}\n";
    let imported = imported(&[("x.conf", text)], &Options::default());
    assert!(imported.tables.iter().all(|table| table.path[0] != "vrrp_group"));
    let hook = imported.findings.iter().find(|finding| finding.words.starts_with("notify"));
    assert!(matches!(&hook.unwrap().class, Class::WithoutMeaning { .. }), "{hook:?}");
}

#[test]
fn the_files_of_two_nodes_are_compared() {
    let one = text_of("kubeadm.conf");
    let hints = |other: &str| {
        let imported = imported(&[("lb1.conf", &one), ("lb2.conf", other)], &Options::default());
        imported.hints.iter().map(|hint| hint.text.clone()).collect::<Vec<_>>().join("\n")
    };
    assert!(hints(&one).contains("/etc/keepalived/lb2.conf has the same priority of 101"));
    let apart = hints(&one.replace("priority 101", "priority 90"));
    assert!(apart.contains("a weight of -2 moves nothing"), "{apart}");
    assert!(!apart.contains("same priority"), "{apart}");
    let otherwise =
        one.replace("router_id 51", "router_id 52").replace("auth_pass 42", "auth_pass 43");
    let hints = hints(&otherwise);
    assert!(
        hints.contains("another virtual_router_id: 52, not 51")
            && hints.contains("another password"),
        "{hints}"
    );
}

/// Each word of the first file that isn't a brace is part of a finding.
fn assert_all_told(text: &str) {
    let imported = imported(&[("x.conf", text)], &Options::default());
    for (index, line) in text.lines().enumerate() {
        let bare = text::Text::bare(line).text;
        let words: Vec<_> = bare.0.split(|char| char.c.is_whitespace()).collect();
        for word in words.into_iter().filter(|word| !word.is_empty()) {
            let at = word[0].at;
            let told = imported.findings.iter().any(|finding| {
                let place = &finding.place;
                (place.file, place.line) == (0, index + 1) && place.columns.contains(&at)
            });
            assert!(
                told || word.iter().all(|c| "{}".contains(c.c)),
                "line {}: {line:?}\n{text}",
                index + 1
            );
        }
    }
}

#[test]
fn each_word_of_the_corpus_is_told() {
    let mut files: Vec<_> =
        fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "conf"));
    assert!(files.len() >= 12);
    for file in &files {
        assert_all_told(&fs::read_to_string(file).unwrap());
    }
}

/// Lines as they might stand in a file, in any order.
fn line() -> impl Strategy<Value = String> {
    let words =
        [Context::Top, Context::Global, Context::Script, Context::Instance, Context::SyncGroup];
    let words: Vec<_> = words.iter().flat_map(|context| context.words()).copied().collect();
    const VALUES: &[&str] = &[
        "VI_1",
        "check",
        "eth1",
        "100",
        "-2",
        "10.0.0.1/24",
        "fe80::1",
        "weight",
        "on",
        "x y",
        "dev",
        "{",
        "}",
    ];
    let value = prop::sample::select(VALUES);
    prop_oneof![
        (prop::sample::select(words.clone()), prop::collection::vec(value, 0..3))
            .prop_map(|(word, values)| format!("{word} {}", values.join(" "))),
        prop::sample::select(words).prop_map(|word| format!("{word} VI_1 {{")),
        prop::sample::select(&["}", "{", "10.0.0.1", "check weight 5", "PASS", "# x", ""][..])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn whatever_stands_in_a_file_each_word_is_told(lines in prop::collection::vec(line(), 0..40)) {
        assert_all_told(&lines.join("\n"));
    }

    #[test]
    fn no_text_makes_the_import_panic(text in "(?s).{0,400}") {
        imported(&[("x.conf", &text)], &Options::default());
    }

    #[test]
    fn nor_does_one_of_signs_that_mean_something(text in "[~@$#!{}()\"'\\\\ \n=,a-cSEQLT0-9x/]{0,200}") {
        imported(&[("x.conf", &text)], &Options::default());
        recognise::look(&text, &host(), &|_| true);
    }
}
