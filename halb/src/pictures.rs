//! Screens in the documentation: drawn by the code that people meet, and held against it.

use std::fs;
use std::path::Path;

/// A page of `docs/` holds each of these, by name; `HALB_WRITE_DOCS=1` draws them anew. Look at them
/// then.
pub(crate) fn hold(page: &str, pictures: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let mut text = fs::read_to_string(&path).unwrap();
    let is_write = std::env::var_os("HALB_WRITE_DOCS").is_some();
    for (name, drawn) in pictures {
        let mark = format!("<!-- picture: {name} -->\n```text\n");
        let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("no {mark}"));
        let (shown, after) = rest.split_once("```\n").unwrap();
        if is_write {
            text = format!("{before}{mark}{drawn}```\n{after}");
        } else {
            assert_eq!(shown, drawn, "{name}; HALB_WRITE_DOCS=1 draws it anew");
        }
    }
    if is_write {
        fs::write(path, text).unwrap();
    }
}
