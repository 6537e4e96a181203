//! What the documents say of the tree is held against the tree.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_configuration_in_the_readme_is_the_example() {
    let readme = read("README.md");
    let shown = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let example = read("examples/kubernetes.toml");
    let without_head: Vec<_> = example.lines().skip_while(|line| !line.starts_with('[')).collect();
    assert_eq!(shown.trim(), without_head.join("\n").trim());
}

/// Every page of the documentation, relative to the top.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "docs/guide"] {
        let entries = fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap());
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let texts = names.filter(|name| name.ends_with(".md"));
        pages.extend(texts.map(|name| format!("{folder}/{name}")));
    }
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// What a heading is called in a link: as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|char| char.is_alphanumeric() || matches!(char, '-' | '_')).collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    for page in pages() {
        let folder = top().join(&page).parent().unwrap().to_owned();
        let text = read(&page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { top().join(&page) } else { folder.join(file) };
            assert!(target.exists(), "{page} links to {link}, which isn't there");
            if !heading.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let headings = target.lines().filter(|line| line.starts_with('#')).map(anchor);
                let there: Vec<_> = headings.collect();
                assert!(there.iter().any(|one| one == heading), "{page}: {link}; {there:?}");
            }
        }
    }
}

#[test]
fn the_book_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<_> = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(format!("docs/{}", rest.split(')').next()?)))
        .collect();
    listed.sort();
    let there: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/") && page != "docs/SUMMARY.md")
        .collect();
    assert_eq!(listed, there, "left: in docs/SUMMARY.md; right: in docs");
    // Whoever reads the pages where they lie begins with the other list.
    let begins = read("docs/README.md");
    for page in there.iter().filter_map(|page| page.strip_prefix("docs/")) {
        assert!(page == "README.md" || begins.contains(&format!("]({page})")), "{page}");
    }
}

#[test]
fn the_configuration_of_the_first_five_minutes_is_good() {
    let start = read("docs/start.md");
    let shown = start.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    // The package's own file, with its comments taken away, is the same.
    let packaged = read("packaging/etc/halb.toml");
    let uncommented: String = packaged
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    for text in [shown, &uncommented] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("halb.toml");
        fs::write(&file, text).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_halb")).arg("check").arg(&file).output();
        let check = check.unwrap();
        assert!(check.status.success(), "{text}\n{}", String::from_utf8_lossy(&check.stdout));
    }
}

#[test]
fn the_map_names_every_folder_and_only_those() {
    let map = read("ARCHITECTURE.md");
    let mut named: Vec<_> = map
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"))
        .map(|(folder, _)| folder.to_owned())
        // A crate within another's folder may be named, if it is there.
        .filter(|folder| !folder.contains('/') || !top().join(folder).is_dir())
        .collect();
    let mut there: Vec<_> = fs::read_dir(top())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !["target", ".git", ".config"].contains(&name.as_str()))
        .collect();
    named.sort();
    there.sort();
    assert_eq!(named, there, "left: in ARCHITECTURE.md; right: in the tree");
}

/// Cells of a table's rows, without its head.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| # "));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The part of the command line's page that a command and its words belong to, if there is one: the
/// command itself, or one that takes the last word.
fn has_command(reference: &str, command: &str) -> bool {
    let of = |command: &str| {
        let mut sections = reference.split("\n## ").map(|text| text.split_once('\n'));
        let mut named = sections.find_map(|part| part.filter(|(name, _)| *name == command));
        named.take().map(|(_, text)| text)
    };
    let takes = |(command, word): (&str, &str)| {
        of(command).is_some_and(|text| text.contains(&format!("- {word}:")))
    };
    of(command).is_some() || command.rsplit_once(' ').is_some_and(takes)
}

#[test]
fn every_step_of_both_guides_says_what_became_of_it_and_by_which_command() {
    let page = read("docs/guide/cluster.md");
    let reference = read("docs/cli.md");
    let tables = page.split_once("### First guide").unwrap().1.split_once("\n## ").unwrap().0;
    let (first, second) = tables.split_once("### Second guide").unwrap();
    for (table, count) in [(first, 40), (second, 22)] {
        let rows = rows(table);
        assert_eq!(rows.len(), count, "no row is missing, and none is there twice");
        for (number, row) in (1..).zip(rows) {
            let [place, step, _, became, by] = row[..] else { panic!("{row:?}") };
            assert_eq!(place, number.to_string(), "{step}");
            let marks = ["done", "replaced", "refused"];
            assert!(marks.iter().any(|mark| became.starts_with(mark)), "{place}: {became}");
            let commands: Vec<_> = by.split('`').filter(|text| text.starts_with("halb ")).collect();
            assert!(!commands.is_empty() || by.contains("]("), "{place}: {by}");
            for command in commands {
                assert!(has_command(&reference, command), "{place}: there is no {command}");
            }
        }
    }
    assert!(!has_command(&reference, "halb k8s addon nothing"));
    assert!(!has_command(&reference, "halb k8s drill nothing"));
}
