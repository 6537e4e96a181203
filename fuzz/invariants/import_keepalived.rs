//! What must hold for `halb import` on any text as a configuration of keepalived's.

use halb_import::document::Document;
use halb_import::keepalived::{Options, import};
use halb_import::source::{Nothing, Place, SourceFile};
use halb_import::{FrontendKnown, FrontendsKnown, Imported};

/// Panics if a promise of the import is broken for `input`: this node's file, and behind a byte 0,
/// if there is one, that of another node.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let names = ["one.conf", "other.conf"];
    let texts = text.splitn(names.len(), '\0').zip(names);
    let files: Vec<_> = texts.map(|(text, name)| SourceFile::new(name, text)).collect();
    let binds = vec![([0, 0, 0, 0], 6443).into()];
    let frontends = vec![FrontendKnown { name: "kubernetes".to_owned(), binds }];
    let frontends = FrontendsKnown { frontends };
    for keeps_scripts in [false, true] {
        let options = Options { keeps_scripts, node: Some("one".to_owned()) };
        check_told(&files, &import(&files, &frontends, &options, &Nothing));
    }
}

fn check_told(files: &[SourceFile], imported: &Imported) {
    let points_at_a_line = |place: &Place| {
        let file = &files[place.file];
        let lines = 1..=file.text.lines().count().max(1);
        lines.contains(&place.line) && file.line(place.line).get(place.columns.clone()).is_some()
    };
    for fault in &imported.faults {
        assert!(points_at_a_line(&fault.place), "{fault:?} points nowhere");
    }
    for hint in &imported.hints {
        assert!(points_at_a_line(&hint.place), "{hint:?} points nowhere");
    }
    let mut last = (0, 0, 0);
    for finding in &imported.findings {
        let place = &finding.place;
        assert!(points_at_a_line(place), "{finding:?} points nowhere");
        assert!(place.start() >= last, "{finding:?} is told twice");
        last = (place.file, place.line, place.columns.start + 1);
    }
    if imported.faults.is_empty() {
        let tables = imported.tables.clone();
        let result = Document { head: imported.remarks.clone(), tables }.render();
        let read = toml::de::DeTable::parse(&result);
        assert!(read.is_ok(), "{read:?}\n{result}");
        // A result that the daemon refuses is told to whoever imports; it never panics.
        let _ = halb_config::parse(&result, "halb.toml");
    }
}
