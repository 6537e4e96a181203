//! Whatever a file holds, it is read without a panic, and every diagnostic can be shown.

use proptest::prelude::*;

use super::KUBERNETES;
use crate::render::{self, Style};
use crate::{Report, parse};

const GOOD: [&str; 8] = [
    KUBERNETES,
    include_str!("../../../examples/loadbalancer01.toml"),
    include_str!("../../../examples/fast-failover01.toml"),
    include_str!("../../tests/corpus/linted/vrrp.toml"),
    include_str!("../../../examples/database.toml"),
    include_str!("../../../examples/etcd.toml"),
    include_str!("../../../examples/kubernetes-ha.toml"),
    include_str!("../../../examples/sni.toml"),
];

/// Pieces that a file could be made of.
const PIECES: [&str; 34] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "=",
    ",",
    ".",
    "\n",
    "\r\n",
    " ",
    "\t",
    "#",
    "[[",
    "]]",
    "\"\"\"",
    "\\",
    "frontend",
    "backend",
    "server",
    "check",
    "vrrp",
    "track",
    "\"10.0.0.100/24\"",
    "\"fd00::1\"",
    "bind",
    "\"*:6443\"",
    "\"2s\"",
    "5",
    "true",
    "1979-05-27",
    "ü",
    "\u{feff}",
];

fn assert_showable(text: &str) {
    let (diagnostics, source) = match parse(text, "t.toml") {
        Ok(loaded) => (loaded.lints, loaded.source),
        Err(Report { diagnostics, source }) => {
            assert!(!diagnostics.is_empty(), "refused without a reason: {text:?}");
            (diagnostics, source)
        }
    };
    for diagnostic in &diagnostics {
        let spans = diagnostic.span.iter().chain(diagnostic.related.iter().map(|r| &r.span));
        for span in spans {
            let whole = text.get(span.clone());
            assert!(whole.is_some(), "{span:?} is not in {text:?}: {diagnostic:?}");
        }
        assert!(diagnostic.remedy.is_some(), "no remedy: {diagnostic:?}");
        assert!(render::text(diagnostic, &source, Style::Plain).ends_with('\n'));
        assert!(render::text(diagnostic, &source, Style::Colour).ends_with('\n'));
        assert!(serde_json::to_string(&render::json(diagnostic, &source)).is_ok());
    }
    let starts: Vec<_> = diagnostics.iter().map(|d| d.span.as_ref().map(|s| s.start)).collect();
    assert!(starts.is_sorted(), "in the order of the file");
}

/// A place in a text, between two characters.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at % (text.len() + 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn of_any_text(text in any::<String>()) {
        assert_showable(&text);
    }

    #[test]
    fn of_any_pieces_of_a_file(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        assert_showable(&pieces.concat());
    }

    #[test]
    fn of_a_good_file_with_pieces_put_in_and_parts_cut_out(
        file in prop::sample::select(&GOOD[..]),
        edits in prop::collection::vec((any::<usize>(), 0..20_usize, prop::sample::select(&PIECES[..])), 1..6),
    ) {
        let mut text = file.to_owned();
        for (at, cut, piece) in edits {
            let start = boundary(&text, at);
            let end = boundary(&text, start + cut).max(start);
            text.replace_range(start..end, piece);
        }
        assert_showable(&text);
    }

    #[test]
    fn of_a_good_file_with_its_lines_in_disorder(
        file in prop::sample::select(&GOOD[..]),
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
    ) {
        let mut lines: Vec<_> = file.lines().collect();
        for (from, to) in moves {
            let line = lines.remove(from.index(lines.len()));
            lines.insert(to.index(lines.len() + 1), line);
        }
        assert_showable(&lines.join("\n"));
    }
}

#[test]
fn of_tables_within_tables_without_end() {
    assert_showable(&format!("a = {}", "[".repeat(100_000)));
    assert_showable(&format!("a = {}", "{ a = ".repeat(50_000)));
    assert_showable(&format!("[{}a]", "a.".repeat(50_000)));
}
