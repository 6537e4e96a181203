//! `docs/configuration.md` holds every key as the code knows it.
//!
//! After a change of the keys: `HALB_UPDATE_DOCS=1 cargo test -p halb-config --test reference`.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use halb_config::keys::{Absent, Key, SECTIONS, Section};
use halb_config::parse;

/// The line after which everything is generated.
const MARK: &str = "<!-- What follows is written by config/tests/reference.rs out of \
                    config/src/keys.rs. -->\n";

fn reference() -> String {
    SECTIONS.iter().map(|section| chapter(section)).collect()
}

fn chapter(section: &Section) -> String {
    let code = if section.path.starts_with('(') { "" } else { "`" };
    let mut out = format!("\n## {code}{}{code}\n", section.path);
    if !section.doc.is_empty() {
        write!(out, "\n{}\n", section.doc).unwrap();
    }
    out.push_str("\n| Key | Takes | Left out | Meaning |\n|---|---|---|---|\n");
    out.extend(section.keys.iter().map(row));
    out
}

fn row(key: &Key) -> String {
    let absent = match key.absent {
        Absent::Required => "**required**".to_owned(),
        Absent::Default(value) => format!("`{value}`"),
        Absent::Means(words) => words.to_owned(),
    };
    let header = format!("[{}", key.name);
    let example = match key.absent {
        Absent::Default(_) => String::new(),
        Absent::Required | Absent::Means(_) if key.example.starts_with(&header) => {
            format!(" Example: `{}`.", key.example)
        }
        Absent::Required | Absent::Means(_) => {
            format!(" Example: `{} = {}`.", key.name, key.example)
        }
    };
    format!("| `{}` | {} | {absent} | {}{example} |\n", key.name, key.takes, key.doc)
}

#[test]
fn the_reference_tells_every_key_as_the_code_knows_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, told) = text.split_once(MARK).expect("the mark stands in the file");
    let expected = reference();
    if env::var_os("HALB_UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{MARK}{expected}")).unwrap();
        return;
    }
    assert!(told == expected, "docs/configuration.md is out of date; see {}", file!());
}

#[test]
fn the_file_that_the_reference_begins_with_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let example = text.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
    let loaded = parse(example, "configuration.md").unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.lints.is_empty());
}
