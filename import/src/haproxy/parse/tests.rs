//! Sections, conditions, and what can't be read.

use proptest::prelude::*;

use super::*;
use crate::source::Nothing;

fn parsed(texts: &[&str]) -> (Parsed, Ledger) {
    let files: Vec<_> = texts.iter().map(|text| SourceFile::new("h.cfg", *text)).collect();
    let mut ledger = Ledger::default();
    let parsed = parse(&files, &mut Variables::new(&Nothing), &mut ledger);
    (parsed, ledger)
}

fn faults(text: &str) -> Vec<(usize, String)> {
    let (parsed, _) = parsed(&[text]);
    parsed.faults.into_iter().map(|fault| (fault.place.line, fault.what)).collect()
}

#[test]
fn sections_of_several_files_stand_in_their_order() {
    let one = "global\n daemon\n\ndefaults base # c\n mode tcp\nfrontend f from base\n bind :80\n";
    let (parsed, _) = parsed(&[one, "backend b\n server s 10.0.0.1:80\nresolvers dns\n"]);
    assert!(parsed.faults.is_empty());
    let kinds: Vec<_> = parsed.sections.iter().map(|s| (s.header.word(0), s.name())).collect();
    let expected = [
        ("global", ""),
        ("defaults", "base"),
        ("frontend", "f"),
        ("backend", "b"),
        ("resolvers", "dns"),
    ];
    assert_eq!(kinds, expected);
    let server = &parsed.sections[3].lines[0];
    assert_eq!(server.texts(), ["server", "s", "10.0.0.1:80"]);
    assert_eq!(server.place(), Place { file: 1, line: 2, columns: 1..21 });
    assert_eq!((server.word(2), server.word(3)), ("10.0.0.1:80", ""));
}

#[test]
fn what_a_condition_hides_is_told_and_not_read() {
    let text = "global\n.if streq(a,b)\n  daemon   # no\n\n.else\n  maxconn 5\n.endif\n";
    let (parsed, ledger) = parsed(&[text]);
    assert_eq!(parsed.sections[0].lines.len(), 1);
    let told: Vec<_> =
        ledger.into_findings().into_iter().map(|f| (f.place.line, f.words)).collect();
    let expected = [(2, ".if streq(a,b)"), (3, "daemon"), (5, ".else"), (7, ".endif")];
    assert_eq!(told, expected.map(|(line, words)| (line, words.to_owned())));
}

#[test]
fn what_is_no_configuration_of_haproxy_is_told_with_its_line() {
    assert_eq!(faults("# a\nvrrp_instance VI_1 {\n")[0].0, 2);
    assert_eq!(faults("")[0].0, 1);
    assert_eq!(faults("global\n.endif\n"), [(2, "this .endif belongs to no .if".to_owned())]);
    assert_eq!(faults("global\n.if 1\ndaemon\n")[0].0, 3);
    assert_eq!(faults("backend\n")[0].1, "this backend has no name");
    assert_eq!(faults("global\n log 'x\n")[0].0, 2);
    assert_eq!(faults(&"nonsense\n".repeat(1000)).len(), FAULTS_MAX);
}

proptest! {
    #[test]
    fn whatever_a_file_holds_it_is_read_or_refused(text in "(global|frontend a|\\.if 1|\\.else|\\.endif|[ -~]{0,12}|\n|\\PC){0,30}") {
        let (parsed, ledger) = parsed(&[&text]);
        for fault in &parsed.faults {
            prop_assert!(fault.place.line >= 1 && fault.place.line <= text.lines().count().max(1));
        }
        for finding in ledger.into_findings() {
            let line = text.lines().nth(finding.place.line - 1).unwrap();
            prop_assert!(line.get(finding.place.columns.clone()).is_some());
        }
    }
}
