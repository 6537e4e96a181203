//! What must hold for `halb import` on any text as a configuration of HAProxy's.

use halb_import::document::Document;
use halb_import::haproxy::import;
use halb_import::source::{Nothing, SourceFile};

/// Panics if a promise of the import is broken for `input`.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let files = [SourceFile::new("h.cfg", text.as_ref())];
    let imported = import(&files, &Nothing).imported;
    let lines = text.lines().count().max(1);
    for fault in &imported.faults {
        assert!((1..=lines).contains(&fault.place.line), "{fault:?} points nowhere");
    }
    let mut last = (0, 0, 0);
    for finding in &imported.findings {
        let place = &finding.place;
        assert!(files[0].line(place.line).get(place.columns.clone()).is_some(), "{finding:?}");
        assert!(place.start() > last, "{finding:?} is told twice");
        last = (place.file, place.line, place.columns.end.saturating_sub(1));
    }
    if imported.faults.is_empty() {
        let document = Document { head: imported.remarks, tables: imported.tables };
        let result = document.render();
        let read = toml::de::DeTable::parse(&result);
        assert!(read.is_ok(), "{read:?}\n{result}");
        // A result that the daemon refuses is told to whoever imports; it never panics.
        let _ = halb_config::parse(&result, "halb.toml");
    }
}
